//! Approvals: a grant for exactly what was shown, as far as it is still wanted.

use pmp_sync_domain::approval::{
    Ask, Grant, Hold, NO_PRINCIPAL, People, PeopleSoFar, Principal, Undo, has_approved,
};
use pmp_sync_domain::error::LinkError;
use pmp_sync_domain::guard::HoldReason;
use pmp_sync_domain::hint::{Hint, Place};
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::ports::{
    Bus, Clock, Lanes, Members, Products, ReadCatalog, ReadRuns, SendChanges, WriteRuns,
};
use pmp_sync_domain::reconcile::{DesiredState, Goal};
use pmp_sync_domain::records::{HeldPart, LinkState};
use pmp_sync_domain::run::LinkStatus;

use super::case::{Case, Rejected, asked_for, bare, refused, refused_with, shown, stale, write};
use super::undo;
use crate::context::{Context, Ledger, Marketplace, Outbox, System};
use crate::reach::{connect, desired_for, read_management};
use crate::reconcile::listings::CachedListings;
use crate::reconcile::observe::observe;
use crate::reconcile::outcome::{LinkOutcome, ReconcileRequest};
use crate::reconcile::reconcile_or_fail;
use crate::reconcile::remember::remember;

/// The result of an approval.
pub(super) struct Approved {
    pub(super) outcome: LinkOutcome,
    /// How many people have approved, if that is not enough yet. Nothing is executed then.
    pub(super) people: Option<PeopleSoFar>,
}

impl From<LinkOutcome> for Approved {
    fn from(outcome: LinkOutcome) -> Self {
        let people = None;
        Self { outcome, people }
    }
}

/// Approves what is held, and executes it if nobody else has to approve it.
pub(super) async fn approve<L: Ledger, A: Marketplace, M: Members, O: Outbox, S: System>(
    context: &Context<L, A, M, O, S>,
    case: &Case<'_>,
) -> Result<Approved, Rejected> {
    let (ledger, lane) = (&context.ledger, &case.request.lane);
    let known = ledger.link_state(lane).await.map_err(LinkError::Ledger)?;
    let hold = asked_for(&known, case.request);
    let Some((hold, is_rollback)) = hold else {
        if !is_granted(ledger, case, &known).await? {
            return Err(Rejected::Refused(stale(&known, case.request)));
        }
        let rollback = granted_rollback(ledger, case, &known).await?;
        let desired = desired(context, case, rollback).await?;
        let connection = connect(&context.members, &case.link.member).await?;
        let goal = case.goal(&desired, rollback.is_some());
        return Ok(execute(context, case, goal, &connection).await.into());
    };
    let what = shown(ledger, case, hold).await?;
    let Some(what) = what else {
        return Err(refused(
            "what was shown is not on record any more; the next run holds the plan anew",
        ));
    };
    refuse_halted(case, hold, is_rollback)?;
    if let Some(so_far) = so_far(case, hold)? {
        return one_of_several(context, case, &known, (hold, is_rollback), so_far, &what).await;
    }
    let desired = desired(context, case, hold.undo()).await?;
    let connection = connect(&context.members, &case.link.member).await?;
    let goal = case.goal(&desired, is_rollback);
    grant(context, case, goal, hold, &what, &connection).await?;
    Ok(execute(context, case, goal, &connection).await.into())
}

async fn execute<L, A, M, O, S, C>(
    context: &Context<L, A, M, O, S>,
    case: &Case<'_>,
    goal: Goal<'_>,
    connection: &C,
) -> LinkOutcome
where
    L: Lanes + Products + WriteRuns,
    O: Bus,
    S: Clock,
    C: ReadCatalog + SendChanges,
{
    let request = ReconcileRequest {
        run: case.run,
        goal,
    };
    let listings = CachedListings(&context.ledger);
    reconcile_or_fail(context, &request, &listings, connection).await
}

/// Refuses what a freeze or a suspension keeps from being executed.
#[expect(clippy::result_large_err, reason = "the end of an approval")]
fn refuse_halted(case: &Case<'_>, hold: &Hold, is_rollback: bool) -> Result<(), Rejected> {
    if case.policy.frozen && !hold.overrides {
        return Err(refused("the link is frozen; lift `freeze` first"));
    }
    // A rollback waits for the end of the suspension, and goes before anything else then.
    let experience = &case.request.lane.experience;
    if case.setup.suspension(case.link, experience).is_some() && !is_rollback {
        return Err(refused_with(
            "the link is suspended",
            Hint::Status { run: None },
        ));
    }
    Ok(())
}

/// The approvals with this one, if somebody else has to approve as well. None if it is enough.
#[expect(clippy::result_large_err, reason = "the end of an approval")]
fn so_far(case: &Case<'_>, hold: &Hold) -> Result<Option<Vec<Ask>>, Rejected> {
    let needed = case.setup.config.people;
    if needed == People::One {
        return Ok(None);
    }
    let Some(principal) = Principal::of(&case.ask) else {
        return Err(refused(NO_PRINCIPAL));
    };
    let mut approvals = hold.approvals.clone();
    if !has_approved(&approvals, &principal) {
        approvals.push(case.ask.clone());
    }
    Ok((approvals.len() < needed.count()).then_some(approvals))
}

/// Records an approval that executes nothing, because somebody else has to approve as well.
async fn one_of_several<L: WriteRuns, A, M, O: Bus, S: Clock>(
    context: &Context<L, A, M, O, S>,
    case: &Case<'_>,
    known: &LinkState,
    (hold, is_rollback): (&Hold, bool),
    approvals: Vec<Ask>,
    what: &Plan,
) -> Result<Approved, Rejected> {
    let people = PeopleSoFar {
        approved: approvals.len(),
        needed: case.setup.config.people.count(),
    };
    let hold = Hold {
        approvals,
        ..hold.clone()
    };
    let mut next = known.clone();
    let place = if is_rollback {
        &mut next.restore
    } else {
        &mut next.hold
    };
    *place = Some(hold.clone());
    write(context, case, known, &next).await?;
    let mut outcome = bare(context, case, LinkStatus::Held);
    outcome.record.held = HeldPart::from(what);
    outcome.record.hold = Some(hold);
    let people = Some(people);
    Ok(Approved { outcome, people })
}

/// True if exactly this was approved before, and is not done.
async fn is_granted<L: ReadRuns>(
    ledger: &L,
    case: &Case<'_>,
    known: &LinkState,
) -> Result<bool, LinkError> {
    let request = case.request;
    match &known.grant {
        Some(grant) if grant.covers(request.run) => {
            let shown = ledger.link(request.run, &request.lane).await;
            let shown = shown.map_err(LinkError::Ledger)?;
            Ok(shown.map(|record| record.shown().hash()) == request.plan_hash)
        }
        _ => Ok(false),
    }
}

/// What is to be taken back, if a rollback was approved before.
async fn granted_rollback<L: ReadRuns>(
    ledger: &L,
    case: &Case<'_>,
    known: &LinkState,
) -> Result<Option<Undo>, LinkError> {
    let (request, restored) = (case.request, known.restored.as_ref());
    if restored.is_none_or(|restored| restored.run != request.run) {
        return Ok(None);
    }
    let record = ledger.link(request.run, &request.lane).await;
    let hold = record
        .map_err(LinkError::Ledger)?
        .and_then(|record| record.hold);
    Ok(hold.as_ref().and_then(Hold::undo))
}

/// Writes the grant, if anything of what was shown is still wanted. A rollback must have nothing else.
async fn grant<L, A, M, O, S, C>(
    context: &Context<L, A, M, O, S>,
    case: &Case<'_>,
    goal: Goal<'_>,
    hold: &Hold,
    what: &Plan,
    connection: &C,
) -> Result<(), Rejected>
where
    L: Lanes + Products + WriteRuns,
    O: Bus,
    S: Clock,
    C: ReadCatalog + SendChanges,
{
    let ledger = &context.ledger;
    let listings = CachedListings(ledger);
    let seen = observe(ledger, connection, &listings, goal, context.now()).await?;
    let wanted = seen.wanted();
    let mut next = seen.link_state.clone();
    if goal.rollback {
        next.restore = None;
        if !wanted.is_part_of(what) {
            // Nobody can approve it any more.
            let news = &context.unannounced;
            remember(ledger, news, &seen.lane, &seen.link_state, &next).await?;
            return Err(refused(
                "the rollback has changes that were not shown; ask for it again",
            ));
        }
        let grant = grant_of(case, hold);
        next.rolled_back(&grant);
        next.grant = Some(grant);
        return write(context, case, &seen.link_state, &next).await;
    }
    if !what.is_empty() && !wanted.is_empty() && wanted.common(what).is_empty() {
        return Err(refused_with(
            "nothing of what was shown is wanted any more, and what is wanted now was not shown",
            Hint::Sync(Place::default()),
        ));
    }
    let next = granted(case, goal, hold, next);
    write(context, case, &seen.link_state, &next).await
}

fn grant_of(case: &Case<'_>, hold: &Hold) -> Grant {
    Grant {
        run: hold.run,
        ask: case.ask.clone(),
        earlier: hold.approvals.clone(),
        executed: case.run,
        overrides: hold.overrides,
        before: Vec::new(),
    }
}

/// The link state after a hold is approved. Only what was shown is accepted: other reasons hold whatever is not
/// approved.
fn granted(case: &Case<'_>, goal: Goal<'_>, hold: &Hold, mut next: LinkState) -> LinkState {
    // What was approved before goes on, unless it is a rollback: that is over now.
    let before = next.grant.take();
    let before = before.filter(|grant| next.rollbacks().all(|of| of.run != grant.run));
    next.hold = None;
    next.rejected = None;
    next.follow_again();
    let is_shown = |condition: &&HoldReason| {
        let mut reasons = hold.reasons.iter();
        reasons.any(|reason| reason.identity() == condition.identity())
    };
    next.accept(goal.desired.conditions.iter().filter(is_shown));
    // What the list has lost since it was shown still counts.
    let shrunk = hold.reasons.iter().find_map(|reason| match reason {
        HoldReason::Shrink { to, .. } => Some(*to),
        HoldReason::ManagementEmpty { .. }
        | HoldReason::ManagementNoPolicy { .. }
        | HoldReason::ManagementDisabled { .. }
        | HoldReason::ManagementArchived { .. }
        | HoldReason::Removals { .. }
        | HoldReason::MostRemovals { .. }
        | HoldReason::Restored { .. }
        | HoldReason::FirstPolicy { .. }
        | HoldReason::FirstMirror { .. }
        | HoldReason::Rejected { .. }
        | HoldReason::Restore { .. }
        | HoldReason::Revert { .. } => None,
    });
    if let Some(to) = shrunk {
        next.management_allowed = Some(to.max(goal.desired.policy.allowed_count()));
    }
    let grant = grant_of(case, hold);
    next.grant = Some(match before {
        Some(before) => grant.after(&before),
        None => grant,
    });
    next
}

/// The desired state: the management experience, or what a rollback returns to.
async fn desired<L: Lanes + ReadRuns, A: ReadCatalog, M, O, S>(
    context: &Context<L, A, M, O, S>,
    case: &Case<'_>,
    undo: Option<Undo>,
) -> Result<DesiredState, Rejected> {
    let Some(undo) = undo else {
        let read = read_management(&context.marketplace, [case.link]).await;
        return Ok(desired_for(case.link, &read)?.clone());
    };
    undo::desired(&context.ledger, case, undo).await
}
