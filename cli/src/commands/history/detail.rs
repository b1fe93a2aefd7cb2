//! One run with everything that is known of it, as text.

use std::collections::BTreeMap;

use pmp_sync_domain::approval::ApprovalAction;
use pmp_sync_domain::error::FaultRecord;
use pmp_sync_domain::policy::Action;
use pmp_sync_domain::product::Names;
use pmp_sync_domain::records::{DeadLetterRecord, LinkRecord, Request, SetRecord};
use pmp_sync_domain::wire::Scope;

use super::origin::{MANAGEMENT, OUTSIDE};
use super::whole::{Whole, verdict};
use crate::client::context::Context;
use crate::client::holds::{counts, who, words};
use crate::failure::Failure;
use crate::hint::Flags;
use crate::output::{self, column, line, time};

pub(super) fn show(
    context: &Context,
    whole: &Whole,
    authors: &BTreeMap<String, String>,
) -> Result<(), Failure> {
    let run = &whole.run;
    line(&format!("run {}: {}", run.run, run.status.as_str()))?;
    line(&format!("  began       {}", time(Some(run.started_at))))?;
    line(&format!("  planned     {}", time(run.planned_at)))?;
    line(&format!("  ended       {}", time(run.completed_at)))?;
    line(&format!(
        "  used        configuration version {}",
        run.config_version
    ))?;
    for request in &run.requests {
        show_request(request, authors)?;
    }
    show_fault(run.fault.as_ref(), &context.flags)?;
    for link in &whole.links {
        line("")?;
        show_link(link, &whole.names, &context.flags)?;
        for set in whole.changes_on(link) {
            show_set(set)?;
        }
    }
    if !whole.letters.is_empty() {
        line("")?;
        show_letters(&whole.letters, &whole.names)?;
    }
    Ok(())
}

fn show_set(set: &SetRecord) -> Result<(), Failure> {
    line(&format!(
        "  change set  {}: {} {}, {}",
        set.change_set,
        set.outcome,
        time(Some(set.ended_at)),
        counts(set.allow.len(), set.deny.len())
    ))?;
    match &set.detail {
        Some(detail) => line(&format!("  because     {detail}")),
        None => Ok(()),
    }
}

fn show_fault(fault: Option<&FaultRecord>, flags: &Flags) -> Result<(), Failure> {
    let Some(fault) = fault else {
        return Ok(());
    };
    line(&format!("  fault       {}: {}", fault.code, fault.message))?;
    line(&format!("  what to do  {}", flags.advice(&fault.advice())))
}

fn show_request(request: &Request, authors: &BTreeMap<String, String>) -> Result<(), Failure> {
    let mut text = format!("  triggered   by {}", request.kind);
    let is_of_set = [MANAGEMENT, OUTSIDE].contains(&request.kind.as_str());
    if let Some(id) = request.id.as_ref().filter(|_| is_of_set) {
        text = format!("{text} {id}");
        if let Some(by) = authors.get(id) {
            text = format!("{text}, by {by}");
        }
    }
    if let Some(by) = &request.requester {
        text = format!("{text}, by {by}");
    }
    if let Some(account) = &request.account {
        text = format!("{text}, account {account}");
    }
    line(&text)?;
    if let Some(reason) = &request.override_reason {
        let about = about(request.scope.as_ref());
        line(&format!(
            "  override    of what is frozen, {about}: {reason}"
        ))?;
    }
    Ok(())
}

fn about(scope: Option<&Scope>) -> String {
    let scope = scope.cloned().unwrap_or_default();
    if scope.is_everything() {
        return "everywhere".to_owned();
    }
    let members = scope.members.iter().map(ToString::to_string);
    let experiences = scope.experiences.iter().map(ToString::to_string);
    let names: Vec<_> = members.chain(experiences).collect();
    format!("for {}", names.join(", "))
}

fn show_link(link: &LinkRecord, names: &Names, flags: &Flags) -> Result<(), Failure> {
    line(&format!("{}: {}", output::link_name(link), link.result()))?;
    line(&format!("  follows     {}", link.sources))?;
    if let Some(approval) = &link.approval {
        let verdict = verdict(link).as_ref().map(output::word).unwrap_or_default();
        let what = match approval.action {
            ApprovalAction::Approve => "approval of the plan of",
            ApprovalAction::Reject => "rejection of the plan of",
            ApprovalAction::Restore => "the rollback before",
            ApprovalAction::Revert => "the reversal of",
        };
        line(&format!("  wanted      {what} run {}", approval.of))?;
        // If it was not refused, it is shown below.
        let hash = approval.plan_hash.as_ref();
        if let Some(hash) = hash.filter(|hash| link.plan_hash.as_ref() != Some(hash)) {
            line(&format!("  plan        {hash}"))?;
        }
        line(&format!("  {verdict:<11} {}", who(&approval.ask)))?;
        if let Some(why) = approval.refusal() {
            line(&format!("  because     {}", flags.advice(&why)))?;
        }
    }
    show_fault(link.fault.as_ref(), flags)?;
    let planned = !(link.allow.is_empty() && link.deny.is_empty());
    if let (Some(hash), true) = (&link.plan_hash, planned) {
        line(&format!(
            "  planned     {} ({})",
            counts(link.allow.len(), link.deny.len()),
            output::count(link.removals, "removal")
        ))?;
        line(&format!("  plan        {hash}"))?;
    }
    if let (Some(hold), Some(lane)) = (&link.hold, &link.lane) {
        if let Some(undo) = hold.undo() {
            line(&format!("  takes back  {undo}"))?;
        }
        // `pmp-sync holds` shows whether it is still held.
        let since = time(Some(hold.since));
        line(&format!("  held        since {since} by run {}", hold.run))?;
        line(&words(hold, &flags.approve(hold, &lane.experience, None)))?;
    }
    if !link.edited.is_empty() {
        let edited = output::edited(link.edited.len(), link.edited_since);
        line(&format!("  edited      by somebody else: {edited}"))?;
        for product in &link.edited {
            line(&format!("  edited {}", names.label(product)))?;
        }
    }
    for (products, action) in [(&link.deny, Action::Deny), (&link.allow, Action::Allow)] {
        for product in products {
            line(&format!("  {action} {}", names.label(product)))?;
        }
    }
    for change in link.shown().changes() {
        let product = names.label(&change.product);
        line(&format!("  {} {product}: held", change.action))?;
    }
    for left in &link.left_alone {
        line(&format!(
            "  leave {} ({} is wanted, it is {}: {})",
            names.label(&left.product),
            left.wanted,
            left.standing,
            left.reason
        ))?;
    }
    Ok(())
}

fn show_letters(letters: &[DeadLetterRecord], names: &Names) -> Result<(), Failure> {
    let columns = [
        column("DEAD LETTER"),
        column("MEMBER"),
        column("EXPERIENCE").leaves(1),
        column("ACTION").state(),
        column("PRODUCT").leaves(3),
        column("NAME").folds(),
        column("REASON").state().leaves(2),
        column("OUTCOME").folds(),
    ];
    let rows = letters.iter().map(|letter| {
        let lane = letter.lane.as_ref();
        vec![
            letter.id.chars().take(8).collect(),
            letter.member.to_string(),
            output::or_dash(lane.map(|lane| &lane.experience)),
            output::or_dash(letter.action),
            output::or_dash(letter.product.as_ref()),
            output::or_dash(letter.product.as_ref().and_then(|of| names.of(of))),
            letter.reason.clone(),
            format!("{}: {}", output::word(&letter.outcome), letter.why),
        ]
    });
    output::table(columns, rows)
}
