//! Changes the lists of a management experience: shows the difference and what it means, asks, records
//! who and why, and starts the fewest change sets. Safe to repeat after any interruption.

use std::collections::BTreeMap;

use clap::Args;
use pmp_sync_aws::ledger::Ledger;
use pmp_sync_aws::system::{SystemClock, SystemEntropy};
use pmp_sync_domain::ids::{ChangeSetId, EditId, ExperienceId, ProductId, ProductRequestId};
use pmp_sync_domain::policy::{Action, Standing};
use pmp_sync_domain::ports::{Clock as _, Entropy as _};
use pmp_sync_domain::product_list::{Difference, Refusal, Repeated, Wanted, difference};
use pmp_sync_domain::records::{EditStatus, ListEdit};
use schemars::JsonSchema;
use serde::Serialize;

use super::effect::{self, MemberEffect, effects};
use super::managed::Managed;
use super::names::names_of;
use super::unlisted::not_listed;
use crate::client::confirm::confirm;
use crate::client::context::Context;
use crate::client::experience::administrator::Administrator;
use crate::client::experience::administrator::lists::{Kept, ListGoal};
use crate::client::signals::before_the_end;
use crate::failure::Failure;
use crate::options::Common;
use crate::output;
use crate::progress::Progress;

/// Default timeout, in seconds: 900 change sets of 4 s.
const WAIT: u64 = 3_600;
/// The most products that are shown of each kind.
const MOST_SHOWN: usize = 20;

/// How a change is made.
#[derive(Debug, Clone, Args)]
pub(crate) struct Making {
    /// Why. It is recorded with the principal whose credentials are used, and its beginning is the
    /// note of the products in AWS Marketplace.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(crate) reason: Option<String>,
    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Do not ask the producer what it means in each member.
    #[arg(long)]
    pub(crate) no_preview: bool,
    /// The longest time to wait for change sets, in seconds.
    #[arg(long, default_value_t = WAIT)]
    pub(crate) timeout: u64,
}

impl Making {
    /// How a change is made to which the operator has agreed already.
    pub(crate) fn agreed(reason: Option<&str>) -> Self {
        Self {
            reason: reason.map(str::to_owned),
            yes: true,
            no_preview: true,
            timeout: WAIT,
        }
    }
}

/// The reason of a change, in the requester's words.
pub(crate) fn reason(text: &str) -> Result<String, String> {
    const MOST: usize = pmp_sync_domain::wire::limits::MOST_REASON;
    if (1..=MOST).contains(&text.trim().len()) {
        Ok(text.trim().to_owned())
    } else {
        Err(format!("1 to {MOST} bytes are expected"))
    }
}

/// What is to be done.
pub(crate) struct Asked<'a> {
    /// The command, as it is recorded.
    pub(crate) command: &'static str,
    /// The management experience.
    pub(crate) managed: &'a Managed,
    /// The wanted products.
    pub(crate) wanted: &'a Wanted,
    /// True if nothing else is to be allowed.
    pub(crate) exact: bool,
    /// The file, if there is one.
    pub(crate) file: Option<&'a str>,
    /// The procurement requests that it answers.
    pub(crate) requests: &'a [ProductRequestId],
    /// How it is made.
    pub(crate) making: &'a Making,
}

/// The difference to the lists of a management experience, and what was done about it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ListChange {
    /// The management experience.
    pub(crate) management_experience: ExperienceId,
    /// True if the list was changed.
    pub(crate) changed: bool,
    /// The products to allow.
    pub(crate) allow: Vec<ProductId>,
    /// The products to deny.
    pub(crate) deny: Vec<ProductId>,
    /// Number of products that are on the wanted list already.
    pub(crate) in_place: usize,
    /// Allowed products that were not named. With `--exact` they are denied.
    pub(crate) only_there: Vec<ProductId>,
    /// Number of denied products that were not named. They stay denied, because there is no un-list.
    pub(crate) stay_denied: usize,
    /// Products that are on no list yet and that AWS Marketplace does not list: misspelt ids, or products of private
    /// offers. Of those that pmp-sync has not seen yet, the first few are looked up.
    pub(crate) not_listed: Vec<ProductId>,
    /// Products that the file names several times.
    pub(crate) repeated: Vec<Repeated>,
    /// The fewest change sets that this takes.
    pub(crate) fewest_change_sets: usize,
    /// What a run would then do in each member. Absent if the producer was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) members: Option<Vec<MemberEffect>>,
    /// The id of the edit, by which `pmp-sync history` shows it. Absent if nothing was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) edit: Option<EditId>,
    /// The change sets that were started.
    pub(crate) change_sets: Vec<ChangeSetId>,
    /// Products that AWS Marketplace rejected individually.
    pub(crate) refused: Vec<RefusedProduct>,
}

/// A product that AWS Marketplace rejected.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RefusedProduct {
    /// The product.
    pub(crate) product: ProductId,
    /// Whether it was to be allowed or denied.
    pub(crate) action: Action,
    /// The service's words.
    pub(crate) reason: String,
    /// The change set.
    pub(crate) change_set: ChangeSetId,
}

impl RefusedProduct {
    fn new(refusal: &Refusal) -> Self {
        Self {
            product: refusal.change.product.clone(),
            action: refusal.change.action,
            reason: refusal.reason.clone(),
            change_set: refusal.change_set.clone(),
        }
    }
}

impl ListChange {
    /// A difference about which nothing was done.
    pub(crate) fn of(managed: &Managed, wanted: &Wanted, found: &Difference) -> Self {
        Self {
            management_experience: managed.experience.id.clone(),
            changed: false,
            allow: found.plan.allow().iter().cloned().collect(),
            deny: found.plan.deny().iter().cloned().collect(),
            in_place: found.in_place,
            only_there: found.only_there.iter().cloned().collect(),
            stay_denied: found.stay_denied.len(),
            not_listed: Vec::new(),
            repeated: wanted.repeated.clone(),
            fewest_change_sets: found.plan.fewest_change_sets(),
            members: None,
            edit: None,
            change_sets: Vec::new(),
            refused: Vec::new(),
        }
    }
}

/// What the named products are of the wanted list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Some products, named on the command line. Nothing is said of others.
    Some,
    /// The products of a file. Others stay as they are.
    Part,
    /// The products of a file, and no others.
    Whole,
}

impl Extent {
    /// That of a file.
    pub(crate) fn of_file(exact: bool) -> Self {
        if exact { Self::Whole } else { Self::Part }
    }
}

/// Shows a difference, on stderr.
pub(crate) async fn show_difference(
    context: &Context,
    managed: &Managed,
    change: &ListChange,
    extent: Extent,
) -> Result<(), Failure> {
    for repeated in change.repeated.iter().take(MOST_SHOWN) {
        output::note(&format!(
            "{} is named in line {} and again in line {}",
            repeated.product, repeated.line, repeated.again
        ));
    }
    if let Some(more) = change.repeated.len().checked_sub(MOST_SHOWN + 1) {
        output::note(&format!(
            "and {} named again",
            output::count(more + 1, "more product")
        ));
    }
    let shown = change.allow.iter().take(MOST_SHOWN);
    let shown = shown.chain(change.deny.iter().take(MOST_SHOWN));
    let names = names_of(context, &shown.cloned().collect()).await;
    output::note(&format!(
        "{} ({}): {} to allow, {} to deny, {} as wanted already; {}",
        change.management_experience,
        managed.experience.name,
        change.allow.len(),
        change.deny.len(),
        change.in_place,
        output::count(change.fewest_change_sets, "change set")
    ));
    for (action, products) in [(Action::Allow, &change.allow), (Action::Deny, &change.deny)] {
        show_products(action, products, &names);
    }
    let only_there = change.only_there.len();
    if only_there > 0 && extent == Extent::Part {
        output::note(&format!(
            "{} allowed and not named: left alone (--exact denies what is not named)",
            output::count(only_there, "product")
        ));
    }
    if change.stay_denied > 0 && extent == Extent::Whole {
        output::note(&format!(
            "{} denied and not named: left alone, because AWS Marketplace has no way to un-list a product",
            output::count(change.stay_denied, "product")
        ));
    }
    Ok(())
}

fn show_products(action: Action, products: &[ProductId], names: &BTreeMap<ProductId, String>) {
    for product in products.iter().take(MOST_SHOWN) {
        let name = names.get(product);
        let name = name.map_or_else(String::new, |name| format!(" ({name})"));
        output::note(&format!("  {action} {product}{name}"));
    }
    if let Some(more) = products.len().checked_sub(MOST_SHOWN + 1) {
        output::note(&format!(
            "  {action} {}",
            output::count(more + 1, "more product")
        ));
    }
}

/// Makes a change: shows it, asks, and does it.
pub(crate) async fn change(context: &Context, asked: &Asked<'_>) -> Result<ListChange, Failure> {
    let managed = asked.managed;
    let found = difference(&managed.lists, asked.wanted, asked.exact);
    let mut change = ListChange::of(managed, asked.wanted, &found);
    let extent = match asked.file {
        None => Extent::Some,
        Some(_) => Extent::of_file(asked.exact),
    };
    show_difference(context, managed, &change, extent).await?;
    if found.plan.is_empty() {
        return Ok(change);
    }
    managed.check_editable()?;
    // A product that is on a list is taken off it, whatever AWS Marketplace has.
    let is_new = |product: &&ProductId| managed.lists.standing(product) == Standing::Unlisted;
    let new = change.allow.iter().chain(&change.deny).filter(is_new);
    change.not_listed = not_listed(context, new).await?;
    if !asked.making.no_preview {
        let members = effects(context, &change.management_experience, &found.plan).await?;
        effect::show(context, &members);
        change.members = Some(members);
    }
    confirm(
        asked.making.yes,
        "Change the lists of the management experience?",
    )?;
    let now = SystemClock.now();
    let edit = EditId::generate(now.as_millisecond(), SystemEntropy.bits());
    let requester = context.requester().await;
    let mut record = ListEdit::new(
        edit.clone(),
        change.management_experience.clone(),
        asked.command,
        &found.plan,
        now,
    )
    .asked(
        requester.as_deref(),
        asked.making.reason.as_deref(),
        asked.file,
    )
    .answering(asked.requests);
    // Before the first change set, so that none is without a record.
    context.ledger.put_edit(&record).await?;
    let _interrupted = before_the_end(interrupted(context.ledger.clone(), edit.clone()));
    change.edit = Some(edit);
    let progress = Progress::new();
    let administrator = Administrator::new(&context.config, &progress, asked.making.timeout);
    let goal = ListGoal {
        experience: &change.management_experience,
        policy: &managed.policy,
        wanted: asked.wanted,
        exact: asked.exact,
        note: asked.making.reason.as_deref(),
    };
    let mut kept = Kept {
        ledger: &context.ledger,
        record: &mut record,
    };
    let edited = administrator.edit_lists(&goal, &mut kept).await;
    progress.finish();
    let status = match &edited {
        Ok(edited) if edited.given_up > 0 => EditStatus::Failed,
        Ok(edited) if edited.refused.is_empty() => EditStatus::Done,
        Ok(_) => EditStatus::Partial,
        Err(_) => EditStatus::Failed,
    };
    record.ended(status, SystemClock.now());
    if let Ok(edited) = &edited {
        let refused = edited.refused.iter();
        record.refused = refused
            .map(|refusal| refusal.change.product.clone())
            .collect();
    }
    let recorded = context.ledger.put_edit(&record).await;
    let edited = edited?;
    recorded?;
    change.changed = !record.change_sets.is_empty();
    change.change_sets = record.change_sets;
    change.refused = edited.refused.iter().map(RefusedProduct::new).collect();
    Ok(change)
}

/// Records that a signal has ended the command.
async fn interrupted(ledger: Ledger, edit: EditId) {
    // Nothing can be told any more: without this record it is known five minutes later.
    if let Ok(Some(mut record)) = ledger.edit(&edit).await
        && record.status == EditStatus::Begun
    {
        record.ended(EditStatus::Interrupted, SystemClock.now());
        let _ = ledger.put_edit(&record).await;
    }
}

/// Prints what was done. The exit code is 4 if AWS Marketplace rejected products.
pub(crate) fn finish(
    common: &Common,
    context: &Context,
    change: &ListChange,
) -> Result<(), Failure> {
    for refused in &change.refused {
        output::note(&format!(
            "{} {} was rejected by AWS Marketplace (change set {}): {}",
            refused.action, refused.product, refused.change_set, refused.reason
        ));
    }
    if common.json {
        output::json(change)?;
    } else if change.changed {
        output::line(&format!(
            "{} is changed by {}",
            change.management_experience,
            output::count(change.change_sets.len(), "change set")
        ))?;
        if let Some(edit) = &change.edit {
            context.note(&format!("it is on record: `pmp-sync history {edit}`"));
        }
        if change
            .members
            .as_ref()
            .is_some_and(|members| !members.is_empty())
        {
            context.note(
                "the members follow within the minute: `pmp-sync status` shows how far they are",
            );
        }
    } else {
        output::line(&format!(
            "{} is as wanted already",
            change.management_experience
        ))?;
    }
    match change.refused.len() {
        0 => Ok(()),
        count => Err(Failure::Partial(format!(
            "{} rejected by AWS Marketplace",
            output::count(count, "product")
        ))),
    }
}
