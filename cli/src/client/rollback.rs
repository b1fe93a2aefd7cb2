//! Rollbacks: what `restore` and `revert` plan is held, shown with its denies first, and released by `approve`.

use std::collections::BTreeMap;

use pmp_sync_domain::approval::{ApprovalAction, Hold, Undo};
use pmp_sync_domain::ids::{LaneId, MemberName, RunId};
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::policy::Action;
use pmp_sync_domain::product::Names;
use pmp_sync_domain::records::{LinkRecord, RunRecord};
use pmp_sync_domain::run::LinkStatus;
use schemars::JsonSchema;
use serde::Serialize;

use super::approval::{ApprovalAnswer, Outcome, Served, ask, outcome, request};
use super::context::Context;
use super::holds::words;
use super::products::names;
use super::run::{ended_well, newest};
use crate::failure::Failure;
use crate::options::Common;
use crate::output;

/// Requests that are sent before their runs are waited for: the run of each must be among the newest.
const AT_ONCE: usize = 8;

/// The runs among which the last one that changed something is looked for.
const LOOKED_AT: u16 = 200;

/// True if the run has committed something on the link. What a hold shows is done by the run that approves it, and is no part of
/// the committed plan.
pub(crate) fn has_changed(link: &LinkRecord) -> bool {
    let is_committed = matches!(
        link.status,
        LinkStatus::Committed | LinkStatus::Failed | LinkStatus::Held
    );
    is_committed && !link.plan().is_empty()
}

/// The newest run that has changed something on one of these links. Runs that held their plans, and those that found nothing
/// to do, changed nothing.
pub(crate) async fn changing(
    context: &Context,
    is_meant: impl Fn(&LinkRecord) -> bool,
) -> Result<RunId, Failure> {
    let (runs, _) = newest(context, LOOKED_AT).await?;
    let has_committed = |run: &RunRecord| run.totals.committed > 0 || run.totals.failed > 0;
    for run in context.readable(runs).into_iter().filter(has_committed) {
        let links = context.readable(context.ledger.links(run.run).await?);
        if links.iter().any(|link| is_meant(link) && has_changed(link)) {
            output::note(&format!(
                "the last run that changed something there is {}",
                run.run
            ));
            return Ok(run.run);
        }
    }
    Err(Failure::Unknown {
        message: "none of the newest runs changed something there".to_owned(),
        remedy: "`pmp-sync history` lists the runs".to_owned(),
    })
}

/// Why there is nothing to take back of a run, by its records of the links that are meant.
pub(crate) fn nothing_changed<'a>(
    run: RunId,
    links: impl Iterator<Item = &'a LinkRecord>,
) -> Failure {
    let statuses: Vec<_> = links.map(|link| link.status).collect();
    let why = if statuses.contains(&LinkStatus::Held) {
        ": its plan was held; an approval is a run of its own"
    } else if statuses.contains(&LinkStatus::Underway) {
        " itself: an earlier run had committed the same plan; name that run"
    } else {
        " there"
    };
    Failure::Unknown {
        message: format!("run {run} changed nothing{why}"),
        remedy: "`pmp-sync history` shows which run has changed something; `last` is the newest of these".to_owned(),
    }
}

/// The result of a rollback of several links.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RollbackAnswer<'a> {
    /// The result for each link.
    links: Vec<ApprovalAnswer<'a>>,
}

/// A link to roll back.
pub(crate) struct Lane {
    pub(crate) lane: LaneId,
    /// Its member, if the experience alone does not say which link it is.
    pub(crate) member: Option<MemberName>,
}

/// A rollback of one link, as it is held.
struct Held {
    served: Served,
    hold: Hold,
    member: Option<MemberName>,
}

/// Requests the rollback of each link, and shows what is held. What is asked of the last link that could not be served is the
/// error.
pub(crate) async fn plan(
    common: &Common,
    context: &Context,
    (action, run, reason): (ApprovalAction, RunId, Option<&str>),
    lanes: &[Lane],
    timeout: u64,
) -> Result<(), Failure> {
    let mut outcomes = Vec::new();
    for some in lanes.chunks(AT_ONCE) {
        let mut asked = Vec::new();
        for one in some {
            let request = request(action, &one.lane, run, None, reason);
            asked.push((one, ask(context, request).await?));
        }
        for (one, id) in asked {
            let outcome = outcome(context, &id, &one.lane, timeout).await?;
            outcomes.push((one, outcome));
        }
    }
    if common.json {
        let mut links = Vec::new();
        for (_, outcome) in &outcomes {
            links.push(ApprovalAnswer::of(context, outcome).await);
        }
        match (action, links.pop()) {
            // The only one, as `approve` prints it.
            (ApprovalAction::Restore, Some(only)) if links.is_empty() => output::json(&only)?,
            (_, last) => {
                links.extend(last);
                output::json(&RollbackAnswer { links })?;
            }
        }
    }
    let mut failed = None;
    let mut served = Vec::new();
    for (one, outcome) in outcomes {
        match Outcome::served(outcome, context).await {
            Ok(link) => served.push((one, link)),
            Err(failure) => {
                if let Some(before) = failed.replace(failure) {
                    output::note(&before.to_string());
                }
            }
        }
    }
    let held = shown(common, context, action.undo(run), served).await;
    match (failed, held) {
        (Some(failure), _) => Err(failure),
        (None, held) => held,
    }
}

/// Shows what was planned for each link.
async fn shown(
    common: &Common,
    context: &Context,
    undo: Option<Undo>,
    served: Vec<(&Lane, Served)>,
) -> Result<(), Failure> {
    let mut equal: BTreeMap<String, Vec<Held>> = BTreeMap::new();
    for (one, served) in served {
        // Its plan may be held as well.
        let hold = served.link.hold.clone();
        match hold.filter(|hold| hold.undo().is_some()) {
            Some(hold) => {
                let plans = equal.entry(hold.plan_hash.to_string()).or_default();
                let member = one.member.clone();
                plans.push(Held {
                    served,
                    hold,
                    member,
                });
            }
            None if served.link.status == LinkStatus::InSync => {
                if !common.json {
                    output::line(&format!("{}: {}", served.name(), nothing(undo)))?;
                    show_kept(&served, &Names::default())?;
                }
            }
            None => ended_well(&served.run)?,
        }
    }
    let count = equal.values().map(Vec::len).sum::<usize>();
    if count == 0 {
        return Ok(());
    }
    if !common.json {
        for held in equal.values() {
            show_equal(context, held).await?;
        }
        context.note(
            "once it is approved, a plan that would do it again is held (PMS-7004) until the management experience agrees; to follow the management experience again, approve that plan",
        );
    }
    Err(Failure::Held(if count == 1 {
        "the rollback waits for approval".to_owned()
    } else {
        format!("{count} rollbacks wait for approval")
    }))
}

fn nothing(undo: Option<Undo>) -> String {
    match undo {
        Some(Undo::Revert(run)) => {
            format!("nothing to revert, nothing of what run {run} changed is left")
        }
        Some(Undo::Restore(run)) => {
            format!("nothing to restore, its lists are what they were before run {run}")
        }
        None => "nothing to do".to_owned(),
    }
}

/// Shows one plan that several links share, with the command that approves it on each.
async fn show_equal(context: &Context, held: &[Held]) -> Result<(), Failure> {
    let Some(first) = held.first() else {
        return Ok(());
    };
    let kept = held.iter().flat_map(|one| {
        let approval = one.served.link.approval.iter();
        approval.flat_map(|approval| approval.kept.products.iter())
    });
    let products = first.served.link.products().chain(kept).cloned();
    let names = names(context, &products.collect()).await;
    let what = first.hold.undo().map(|undo| undo.to_string());
    let what = what.unwrap_or_else(|| "the rollback".to_owned());
    for one in held {
        output::line(&format!(
            "{}: {what} is planned and held",
            one.served.name()
        ))?;
    }
    show_changes(&first.served.link.shown(), &names)?;
    show_kept(&first.served, &names)?;
    let approve = |one: &Held| {
        let lane = one.served.link.lane.as_ref();
        lane.map(|lane| {
            let member = one.member.as_ref();
            context.flags.approve(&one.hold, &lane.experience, member)
        })
    };
    output::line(&words(&first.hold, &approve(first).unwrap_or_default()))?;
    for one in held.iter().skip(1) {
        if let Some(approve) = approve(one) {
            output::line(&format!("  to release  {approve}"))?;
        }
    }
    Ok(())
}

/// The changes of a rollback, the denies first: they take something away.
pub(crate) fn show_changes(plan: &Plan, names: &Names) -> Result<(), Failure> {
    for (products, action) in [(plan.deny(), Action::Deny), (plan.allow(), Action::Allow)] {
        if products.is_empty() {
            continue;
        }
        let count = output::count(products.len(), "product");
        output::line(&match action {
            Action::Deny => format!("  DENIES {count}: the member cannot procure them any more"),
            Action::Allow => format!("  allows {count}"),
        })?;
        for product in products {
            output::line(&format!("  {action} {}", names.label(product)))?;
        }
    }
    Ok(())
}

/// Products that keep the state that a later run gave them.
fn show_kept(served: &Served, names: &Names) -> Result<(), Failure> {
    let Some(approval) = &served.link.approval else {
        return Ok(());
    };
    let kept = &approval.kept;
    if kept.is_empty() {
        return Ok(());
    }
    output::line(&format!(
        "  leaves {} as a later run has left them",
        output::count(kept.count, "product")
    ))?;
    for product in &kept.products {
        output::line(&format!("  leave {}", names.label(product)))?;
    }
    Ok(())
}
