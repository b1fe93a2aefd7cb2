//! Requests about holds: each is a run of its own, on one lane.
//!
//! An approval permits exactly what was shown. The link state keeps it as a grant until it is done,
//! so that an interrupted approval continues. The guards let a plan through only if each of its
//! changes was approved. What has become unnecessary is left out, and anything new is refused.

mod case;
mod undo;

use std::collections::BTreeSet;
use std::slice;

use pmp_sync_domain::approval::{
    Approval, ApprovalAction, ApprovalRequest, Ask, Grant, Hold, KeptProducts, Refused,
    RejectedPart, Undo,
};
use pmp_sync_domain::error::{LinkError, MayPass, RunError};
use pmp_sync_domain::guard::HoldReason;
use pmp_sync_domain::hint::{Hint, Place};
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::ports::{
    Bus, Clock, Lanes, Members, Products, ReadCatalog, ReadRuns, SendChanges, WriteRuns,
};
use pmp_sync_domain::reconcile::{DesiredState, Goal, Observation};
use pmp_sync_domain::records::{LinkRecord, LinkState, Request, RunRecord};
use pmp_sync_domain::retry::Missed;
use pmp_sync_domain::run::LinkStatus;
use pmp_sync_domain::wire::Scope;

use self::case::{Case, Rejected, bare, refused, refused_with, write};
use self::undo::plan_undo;
use crate::claims::Claims;
use crate::context::{Context, Ledger, Marketplace, Outbox, System};
use crate::reach::{connect, desired_for, read_management};
use crate::receipts::Asked;
use crate::reconcile::fail::fail_link;
use crate::reconcile::listings::CachedListings;
use crate::reconcile::marks::keep;
use crate::reconcile::observe::observe;
use crate::reconcile::outcome::{LinkOutcome, ReconcileRequest};
use crate::reconcile::reconcile_or_fail;
use crate::reconcile::remember::remember;
use crate::run::begin::{close_interrupted, open_run};
use crate::run::finish::{add_outcomes, fail_run, finish_run, warn_of_items};

/// Serves a request about a hold with a run of its own.
pub(crate) async fn handle<L: Ledger, A: Marketplace, M: Members, O: Outbox, S: System>(
    context: &Context<L, A, M, O, S>,
    from: &Asked,
    request: &ApprovalRequest,
) -> Result<(), RunError> {
    if let Some(record) = &from.interrupted
        && finish_answered(context, record, request).await?
    {
        return Ok(());
    }
    let kind = request.action.kind();
    let scope = Scope {
        experiences: vec![request.lane.experience.clone()],
        ..Scope::default()
    };
    let asked = Request {
        kind: kind.to_owned(),
        id: request.request_id.clone(),
        requester: request.requester.clone(),
        account: request.account.clone(),
        ..Request::default()
    };
    let Some((mut record, setup)) =
        open_run(context, slice::from_ref(from), vec![scope], vec![asked]).await?
    else {
        return Ok(());
    };
    let run = record.run;
    let Some(link) = setup.link_of(&request.lane) else {
        let unknown = RunError::NoLink(request.lane.to_string());
        return fail_run(context, record, &unknown).await;
    };
    tracing::info!(%run, kind, lane = %request.lane, of = %request.run, "the run begins");
    context.ledger.put_run(&record).await?;
    // An interrupted request is delivered again and becomes another run. There may be many before
    // the next hour.
    let older = close_interrupted(context, run).await?;
    warn_of_items(&mut record, &older.unreadable);
    let case = Case {
        run,
        request,
        setup: &setup,
        link,
        policy: setup.policy(link, &request.lane.experience),
        lifted: BTreeSet::new(),
        ask: Ask {
            by: request.requester.clone(),
            account: request.account.clone(),
            at: record.started_at,
            reason: request.reason.clone(),
        },
    };
    let outcome = answer(context, &case).await?;
    add_outcomes(context, &mut record, vec![outcome]).await?;
    finish_run(context, record).await
}

/// Ends the run of an earlier delivery that had answered the request and was interrupted then.
/// Returns false if it had not answered it.
async fn finish_answered<L: Ledger, A, M, O: Outbox, S: Clock>(
    context: &Context<L, A, M, O, S>,
    record: &RunRecord,
    request: &ApprovalRequest,
) -> Result<bool, RunError> {
    let link = context.ledger.link(record.run, &request.lane).await?;
    let Some(link) = link.filter(|link| link.approval.is_some()) else {
        return Ok(false);
    };
    let mut record = record.clone();
    let sent = link.status == LinkStatus::Committed;
    // The record does not say whether its fault may pass. To try once more does no harm.
    let failed = link.status == LinkStatus::Failed;
    let missed = failed.then(|| Missed {
        member: link.member.clone(),
        experience: Some(request.lane.experience.clone()),
        why: MayPass::Passing,
    });
    let outcome = LinkOutcome {
        missed,
        messages: if sent { link.plan().len() } else { 0 },
        ..LinkOutcome::new(link)
    };
    add_outcomes(context, &mut record, vec![outcome]).await?;
    finish_run(context, record).await?;
    Ok(true)
}

/// Serves the request, and records the result.
async fn answer<L: Ledger, A: Marketplace, M: Members, O: Outbox, S: System>(
    context: &Context<L, A, M, O, S>,
    case: &Case<'_>,
) -> Result<LinkOutcome, RunError> {
    let experience = &case.request.lane.experience;
    let claims = Claims::default();
    let of_member = claims.check(&context.ledger, case.setup, case.link, experience);
    let of_member = of_member.await;
    let is_anothers = matches!(&of_member, Err(LinkError::Shared(..)));
    let mut later = Plan::default();
    let served = match (case.request.action, of_member) {
        (ApprovalAction::Reject, _) => reject(context, case).await,
        (
            ApprovalAction::Approve | ApprovalAction::Restore | ApprovalAction::Revert,
            Err(error),
        ) => Err(error.into()),
        (ApprovalAction::Approve, Ok(())) => approve(context, case).await,
        (ApprovalAction::Restore, Ok(())) => {
            let undo = Undo::Restore(case.request.run);
            let planned = plan_undo(context, case, undo).await;
            planned.map(|(outcome, _)| outcome)
        }
        (ApprovalAction::Revert, Ok(())) => {
            let undo = Undo::Revert(case.request.run);
            let planned = plan_undo(context, case, undo).await;
            planned.map(|(outcome, changed_since)| {
                later = changed_since;
                outcome
            })
        }
    };
    let lane = &case.request.lane;
    let mut refused = None;
    let mut outcome = match served {
        Ok(outcome) => outcome,
        // The message is delivered again.
        Err(Rejected::Failed(LinkError::Ledger(error))) if !error.is_unreadable() => {
            return Err(RunError::Ledger(error));
        }
        Err(Rejected::Failed(error)) => {
            fail_link(context, case.run, case.link, Some(lane.clone()), &error).await
        }
        Err(Rejected::Refused(why)) => {
            tracing::warn!(run = %case.run, %lane, why = why.why, "the request about a hold is refused");
            refused = Some(why);
            bare(context, case, LinkStatus::Refused)
        }
    };
    if outcome.record.status == LinkStatus::Held
        && case.request.action == ApprovalAction::Approve
        && outcome.record.fault.is_none()
    {
        let why = "the plan has changes, or reasons to be held, that were not shown; what it is now waits for approval";
        refused = Some(why.into());
    }
    let (refused, hints) = refused.map(|refused| (refused.why, refused.hints)).unzip();
    let answered = Some(Approval {
        action: case.request.action,
        of: case.request.run,
        plan_hash: case.request.plan_hash.clone(),
        ask: case.ask.clone(),
        refused,
        hints: hints.unwrap_or_default(),
        kept: KeptProducts::new(later.changes().map(|change| change.product)),
        people: None,
    });
    // An existing record stays: if the run was interrupted or failed halfway, it shows what is held
    // or committed.
    let known = context.ledger.link(case.run, lane).await;
    let known = match known {
        Err(error) if error.is_unreadable() => None,
        known => known?,
    };
    let record = LinkRecord {
        approval: answered.clone(),
        ..known.unwrap_or_else(|| outcome.record.clone())
    };
    outcome.record.approval = answered;
    // The lane of a member that does not have the experience is not made the one that was planned for
    // last.
    let kept = if is_anothers {
        context.ledger.put_link(&record).await
    } else {
        keep(&context.ledger, lane, &record).await
    };
    match kept {
        Err(error) if error.is_unreadable() => outcome.unreadable.push(error.into()),
        kept => kept?,
    }
    Ok(outcome)
}

async fn approve<L: Ledger, A: Marketplace, M: Members, O: Outbox, S: System>(
    context: &Context<L, A, M, O, S>,
    case: &Case<'_>,
) -> Result<LinkOutcome, Rejected> {
    let (ledger, lane) = (&context.ledger, &case.request.lane);
    let known = ledger.link_state(lane).await.map_err(LinkError::Ledger)?;
    let hold = asked_for(&known, case.request).map(|(hold, _)| hold);
    if hold.is_none() && !is_granted(ledger, case.request, &known).await? {
        return Err(Rejected::Refused(stale(&known, case.request)));
    }
    let rollback = match hold {
        Some(hold) => hold.undo(),
        None => granted_rollback(ledger, case.request, &known).await?,
    };
    let desired = desired(context, case, rollback).await?;
    let connection = connect(&context.members, &case.link.member).await?;
    let goal = case.goal(&desired, rollback.is_some());
    if let Some(hold) = hold {
        grant(context, case, goal, hold, &connection).await?;
    }
    let request = ReconcileRequest {
        run: case.run,
        goal,
    };
    let listings = CachedListings(ledger);
    Ok(reconcile_or_fail(context, &request, &listings, &connection).await)
}

/// True if exactly this plan was approved before, and is not done.
async fn is_granted<L: ReadRuns>(
    ledger: &L,
    request: &ApprovalRequest,
    known: &LinkState,
) -> Result<bool, LinkError> {
    match &known.grant {
        Some(grant) if grant.run == request.run => {
            let shown = ledger.link(grant.run, &request.lane).await;
            let shown = shown.map_err(LinkError::Ledger)?;
            Ok(shown.map(|record| record.shown().hash()) == request.plan_hash)
        }
        _ => Ok(false),
    }
}

/// What is to be taken back, if a rollback was approved before.
async fn granted_rollback<L: ReadRuns>(
    ledger: &L,
    request: &ApprovalRequest,
    known: &LinkState,
) -> Result<Option<Undo>, LinkError> {
    let restored = known.restored.as_ref();
    if restored.is_none_or(|restored| restored.run != request.run) {
        return Ok(None);
    }
    let record = ledger.link(request.run, &request.lane).await;
    let hold = record
        .map_err(LinkError::Ledger)?
        .and_then(|record| record.hold);
    Ok(hold.as_ref().and_then(Hold::undo))
}

/// Writes the grant, if the current plan has nothing that was not shown.
async fn grant<L, A, M, O, S, C>(
    context: &Context<L, A, M, O, S>,
    case: &Case<'_>,
    goal: Goal<'_>,
    hold: &Hold,
    connection: &C,
) -> Result<(), Rejected>
where
    L: Lanes + Products + WriteRuns,
    O: Bus,
    S: Clock,
    C: ReadCatalog + SendChanges,
{
    let ledger = &context.ledger;
    let shown = ledger.link(hold.run, &case.request.lane).await;
    let shown = shown
        .map_err(LinkError::Ledger)?
        .map(|record| record.shown())
        .filter(|shown| shown.hash() == hold.plan_hash);
    let Some(shown) = shown else {
        return Err(refused(
            "what was shown is not on record any more; the next run holds the plan anew",
        ));
    };
    let listings = CachedListings(ledger);
    let seen = observe(ledger, connection, &listings, goal, context.now()).await?;
    if goal.policy.frozen {
        return Err(refused("the link is frozen; lift `freeze` first"));
    }
    // A rollback waits for the end of the suspension, and goes before anything else then.
    if goal.suspension.is_some() && !goal.rollback {
        return Err(refused_with(
            "the link is suspended",
            Hint::Status { run: None },
        ));
    }
    if !seen.plan.is_part_of(&shown) {
        if goal.rollback {
            // Nobody can approve it any more.
            let mut next = seen.link_state.clone();
            next.restore = None;
            let news = &context.unannounced;
            remember(ledger, news, &seen.lane, &seen.link_state, &next).await?;
            return Err(refused(
                "the rollback has changes that were not shown; ask for it again",
            ));
        }
        if seen.guards.reasons.is_empty() {
            return Err(refused_with(
                "the plan has changes that were not shown, and needs no approval any more; the next run makes them",
                Hint::Sync(Place::default()),
            ));
        }
        // Served as it is: the current plan is held, and replaces the hold.
        return Ok(());
    }
    let is_shown = |condition: &HoldReason| {
        let mut reasons = hold.reasons.iter();
        let exempt = |name| case.link.guard.exempt.contains(&name);
        reasons.any(|reason| reason.guard() == condition.guard())
            || condition.guard().is_some_and(exempt)
    };
    if !goal.rollback && !goal.desired.conditions.iter().all(is_shown) {
        // An operator can only accept a reason that was shown, so the plan is held anew with all
        // its reasons.
        return Ok(());
    }
    let next = granted(case, goal, hold, &seen);
    write(context, case, &seen.link_state, &next).await
}

/// The link state after a hold is approved.
fn granted(case: &Case<'_>, goal: Goal<'_>, hold: &Hold, seen: &Observation) -> LinkState {
    let mut next = seen.link_state.clone();
    let grant = Grant {
        run: hold.run,
        ask: case.ask.clone(),
        earlier: hold.approvals.clone(),
        executed: case.run,
        overrides: hold.overrides,
    };
    if goal.rollback {
        next.rolled_back(&grant);
        next.restore = None;
    } else {
        next.hold = None;
        next.follow_again();
        next.accept(&goal.desired.conditions);
        next.management_allowed = Some(goal.desired.policy.allowed_count());
    }
    next.grant = Some(grant);
    next
}

async fn reject<L: WriteRuns, A, M, O: Bus, S: Clock>(
    context: &Context<L, A, M, O, S>,
    case: &Case<'_>,
) -> Result<LinkOutcome, Rejected> {
    let known = context.ledger.link_state(&case.request.lane).await;
    let known = known.map_err(LinkError::Ledger)?;
    let mut next = known.clone();
    match asked_for(&known, case.request) {
        Some((_, true)) => next.restore = None,
        Some((hold, false)) => {
            next.hold = Some(Hold {
                rejected: Some(RejectedPart {
                    changes: hold.changes(),
                    ask: case.ask.clone(),
                }),
                approvals: Vec::new(),
                ..hold.clone()
            });
        }
        None => return Err(Rejected::Refused(stale(&known, case.request))),
    }
    write(context, case, &known, &next).await?;
    let mut outcome = bare(context, case, LinkStatus::Rejected);
    outcome.record.hold = next.hold;
    Ok(outcome)
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

/// The hold that the request names, and whether it is a rollback.
fn asked_for<'a>(known: &'a LinkState, request: &ApprovalRequest) -> Option<(&'a Hold, bool)> {
    let of_plan = known.hold.as_ref().map(|hold| (hold, false));
    let of_rollback = known.restore.as_ref().map(|hold| (hold, true));
    let is_asked_for = |(hold, _): &(&Hold, bool)| {
        hold.run == request.run && Some(&hold.plan_hash) == request.plan_hash.as_ref()
    };
    of_plan.into_iter().chain(of_rollback).find(is_asked_for)
}

fn stale(known: &LinkState, request: &ApprovalRequest) -> Refused {
    Refused::stale(&request.lane, known.hold.iter().chain(&known.restore))
}
