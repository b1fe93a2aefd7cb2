//! Rollbacks: what is to be taken back is planned and held, so that it is shown before it is executed.

use pmp_sync_domain::approval::Undo;
use pmp_sync_domain::error::LinkError;
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::ports::{Clock, Lanes, Members, ReadRuns};
use pmp_sync_domain::reconcile::{Course, DesiredState, Observation, hold_of_rollback, is_busy};
use pmp_sync_domain::records::{HeldPart, LinkRecord};
use pmp_sync_domain::revert::{Reversal, still_to_come};
use pmp_sync_domain::run::LinkStatus;

use super::case::{Case, Rejected, refused, write};
use crate::context::{Context, Ledger, Marketplace, Outbox, System};
use crate::reach::connect;
use crate::reconcile::listings::CachedListings;
use crate::reconcile::marks::keep;
use crate::reconcile::observe::observe;
use crate::reconcile::outcome::{LinkOutcome, observed};
use crate::reconcile::undo::{NoWayBack, desired_of};

impl From<NoWayBack> for Rejected {
    fn from(why: NoWayBack) -> Self {
        Self::Refused(why.to_string().into())
    }
}

/// The lists to which a rollback returns.
pub(super) async fn desired<L: Lanes + ReadRuns>(
    ledger: &L,
    case: &Case<'_>,
    undo: Undo,
) -> Result<DesiredState, Rejected> {
    let found = desired_of(ledger, undo, &case.request.lane).await?;
    Ok(found?)
}

/// Plans a rollback, and holds it. Returns what the run did to products that a later run has changed since, too: they keep their
/// state.
pub(super) async fn plan_undo<L: Ledger, A: Marketplace, M: Members, O: Outbox, S: System>(
    context: &Context<L, A, M, O, S>,
    case: &Case<'_>,
    undo: Undo,
) -> Result<(LinkOutcome, Plan), Rejected> {
    let ledger = &context.ledger;
    let desired = desired(ledger, case, undo).await?;
    let connection = connect(&context.members, &case.link.member).await?;
    let goal = case.goal(&desired, true);
    if goal.policy.frozen {
        return Err(refused(
            "the link is frozen: nothing would go back; lift `freeze` first",
        ));
    }
    if !goal.policy.mode.acts() {
        return Err(refused(
            "the link only observes: nothing would go back; change its `mode` first",
        ));
    }
    let listings = CachedListings(ledger);
    let now = context.now();
    let mut seen = observe(ledger, &connection, &listings, goal, now).await?;
    add_what_is_to_come(context, case, undo, &mut seen).await?;
    let later = seen.reversal.as_ref().map(|found| &found.later);
    let later = later.map(|later| still_so(later, &seen.actual));
    let later = later.unwrap_or_default();
    let nothing_to_do = seen.plan.is_empty() && seen.course == Course::InSync;
    if nothing_to_do && seen.reversal.as_ref().is_some_and(Reversal::is_empty) {
        refuse_what_another_run_did(ledger, case, undo).await?;
    }
    let status = if nothing_to_do {
        LinkStatus::InSync
    } else {
        LinkStatus::Held
    };
    let mut outcome = LinkOutcome {
        quarantined: seen.quarantine.staying(),
        unreadable: seen.unreadable.clone(),
        ..LinkOutcome::new(LinkRecord {
            plan_hash: None,
            allow: Vec::new(),
            deny: Vec::new(),
            removals: 0,
            held: HeldPart::from(&seen.plan),
            ..observed(case.run, case.link, &seen, status, now)
        })
    };
    if nothing_to_do {
        return Ok((outcome, later));
    }
    let hold = hold_of_rollback(&seen, case.run, undo, context.now());
    outcome.record.hold = Some(hold.clone());
    // The record comes first, so that an approval always has one.
    let kept = keep(ledger, &seen.lane, &outcome.record).await;
    kept.map_err(LinkError::Ledger)?;
    let mut next = seen.link_state.clone();
    next.restore = Some(hold);
    write(context, case, &seen.link_state, &next).await?;
    Ok((outcome, later))
}

/// A run that found its plan under way did nothing itself, and "nothing is left of it" would say that it is taken back.
async fn refuse_what_another_run_did<L: ReadRuns>(
    ledger: &L,
    case: &Case<'_>,
    undo: Undo,
) -> Result<(), Rejected> {
    let Undo::Revert(run) = undo else {
        return Ok(());
    };
    let record = ledger.link(run, &case.request.lane).await;
    let record = record.map_err(LinkError::Ledger)?;
    if record.is_some_and(|record| record.status == LinkStatus::Underway) {
        return Err(refused(
            "the run changed nothing itself: an earlier run had committed the same plan; revert that run",
        ));
    }
    Ok(())
}

/// A run that is still at work may change more before its reversal is approved. What would take that back is shown as well.
async fn add_what_is_to_come<L: Ledger, A, M, O, S: Clock>(
    context: &Context<L, A, M, O, S>,
    case: &Case<'_>,
    undo: Undo,
    seen: &mut Observation,
) -> Result<(), LinkError> {
    let Undo::Revert(run) = undo else {
        return Ok(());
    };
    let is_at_work = seen.state().planned_run() == Some(run);
    if !is_at_work || !is_busy(seen.state(), &seen.before.open) {
        return Ok(());
    }
    let record = context.ledger.link(run, &case.request.lane).await;
    let record = record.map_err(LinkError::Ledger)?;
    let plan = record.map(|record| record.plan()).unwrap_or_default();
    let to_come = still_to_come(&plan, &seen.actual);
    for change in to_come.changes() {
        if case
            .policy
            .forbids(&change.product, change.action)
            .is_none()
        {
            seen.plan.add(&change.product, change.action);
        }
    }
    Ok(())
}

/// The changes of a run whose products are still as it left them, although a later run has changed them in between.
fn still_so(later: &Plan, actual: &PolicySnapshot) -> Plan {
    let mut so = Plan::default();
    for change in later.changes() {
        if actual.standing(&change.product) == change.action.outcome() {
            so.add(&change.product, change.action);
        }
    }
    so
}
