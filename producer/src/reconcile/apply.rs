//! Applies one decision with conditional writes. If another writer was faster, the decision is
//! stale, and the lane is observed again.

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::drift::Edited;
use pmp_sync_domain::error::LinkError;
use pmp_sync_domain::ids::RunId;
use pmp_sync_domain::lane::LaneState;
use pmp_sync_domain::ports::{Bus, Clock, Lanes, Products, SendChanges, WriteRuns};
use pmp_sync_domain::reconcile::{
    Decision, Observation, after_commit, after_observing, after_suspension,
};
use pmp_sync_domain::records::{LinkRecord, LinkState};
use pmp_sync_domain::run::LinkStatus;
use pmp_sync_domain::time::elapsed;

use super::hold::hold;
use super::marks::{join, keep, mark_rest, mark_suspension, register_news, release};
use super::observe::outside_edits;
use super::outcome::{Attempt, LinkOutcome, ReconcileRequest};
use super::remember::remember_seen;
use super::send::{Committed, ask_for_rules, commit, send, wake};
use crate::context::Context;

/// How long a live Tick may be overdue before the producer sends it again, in seconds.
const OVERDUE: f64 = 120.0;

/// The outcome of a decision. None if the decision is stale, and the lane must be observed again.
type Applied = Result<Option<LinkOutcome>, LinkError>;

/// Applies a decision. `reconcile` itself resumes rollbacks.
pub(crate) async fn apply<L, A, M, O, S, C>(
    context: &Context<L, A, M, O, S>,
    request: &ReconcileRequest<'_>,
    seen: &Observation,
    decision: Decision,
    connection: &C,
) -> Applied
where
    L: Lanes + Products + WriteRuns,
    O: Bus,
    S: Clock,
    C: SendChanges,
{
    let (run, goal) = (request.run, request.goal);
    let (ledger, clock) = (&context.ledger, &context.system);
    if matches!(decision, Decision::MarkSuspension) {
        let marked = mark_suspension(ledger, clock, seen, goal.suspension).await;
        return marked.map(|()| None);
    }
    release(ledger, clock, &seen.lane, &seen.quarantine.released).await?;
    let edited = if goal.rollback {
        Edited::default()
    } else {
        outside_edits(ledger, seen, Some(context.now())).await
    };
    let attempt = &Attempt {
        run,
        goal,
        seen,
        edited,
    };
    match decision {
        Decision::MarkSuspension | Decision::ResumeRollback(_) => Ok(None),
        Decision::Suspended => tell_suspended(context, attempt).await,
        Decision::Hold { meanwhile } => hold(context, attempt, &meanwhile, connection).await,
        Decision::RefuseRollback => refuse_rollback(context, attempt).await,
        Decision::AnothersPlan => {
            let contended = LinkError::Contended(seen.lane.to_string());
            if !seen.guards.reasons.is_empty() {
                return Err(contended);
            }
            let mut outcome = attempt.outcome(LinkStatus::Failed, context.now());
            outcome.fail(attempt.goal.link, &contended);
            Ok(Some(outcome))
        }
        Decision::InSync => stamp_in_sync(context, attempt, connection).await,
        Decision::Underway(planned) => wait_for(context, attempt, planned, connection).await,
        Decision::Commit => commit_and_send(context, attempt, connection).await,
    }
}

/// Writes the link state. A lane of which something is to be announced is listed before.
async fn write<L: WriteRuns, A, M, O: Bus, S>(
    context: &Context<L, A, M, O, S>,
    seen: &Observation,
    next: &LinkState,
    record: &LinkRecord,
) -> Result<bool, LinkError> {
    register_news(&context.ledger, &seen.lane, next, record).await?;
    remember_seen(&context.ledger, &context.unannounced, seen, next).await
}

async fn tell_suspended<L: WriteRuns, A, M, O: Bus, S: Clock>(
    context: &Context<L, A, M, O, S>,
    attempt: &Attempt<'_>,
) -> Applied {
    let (seen, now) = (attempt.seen, context.now());
    let outcome = attempt.outcome(LinkStatus::Suspended, now);
    let next = after_suspension(&attempt.goal, seen, &attempt.edited, now);
    if !write(context, seen, &next, &outcome.record).await? {
        return Ok(None);
    }
    let kept = keep(&context.ledger, &seen.lane, &outcome.record).await;
    kept.map_err(LinkError::Ledger)?;
    Ok(Some(outcome))
}

/// Refuses a rollback that is no longer the one that was shown.
async fn refuse_rollback<L: WriteRuns, A, M, O: Bus, S: Clock>(
    context: &Context<L, A, M, O, S>,
    attempt: &Attempt<'_>,
) -> Applied {
    let seen = attempt.seen;
    let mut next = seen.link_state.clone();
    next.grant = None;
    let outcome = attempt.outcome(LinkStatus::Refused, context.now());
    let written = write(context, seen, &next, &outcome.record).await?;
    Ok(written.then_some(outcome))
}

async fn stamp_in_sync<L, A, M, O, S, C>(
    context: &Context<L, A, M, O, S>,
    attempt: &Attempt<'_>,
    connection: &C,
) -> Applied
where
    L: Lanes + WriteRuns,
    O: Bus,
    S: Clock,
    C: SendChanges,
{
    let (ledger, seen, now) = (&context.ledger, attempt.seen, context.now());
    let mut outcome = attempt.outcome(LinkStatus::InSync, now);
    let next = after_observing(&attempt.goal, seen, &attempt.edited, now);
    if !write(context, seen, &next, &outcome.record).await? {
        return Ok(None);
    }
    ask_for_rules(connection, seen).await;
    let is_all = seen.report.left_alone.is_empty() && seen.report.invalid.is_empty();
    // Before the mark, which is what tells a lane that was never observed.
    if seen.state().rev == 0 || !is_all {
        let kept = keep(ledger, &seen.lane, &outcome.record).await;
        kept.map_err(LinkError::Ledger)?;
    }
    outcome.done = mark_rest(ledger, &context.system, seen, seen.is_whole()).await?;
    Ok(Some(outcome))
}

async fn wait_for<L, A, M, O, S, C>(
    context: &Context<L, A, M, O, S>,
    attempt: &Attempt<'_>,
    planned: RunId,
    connection: &C,
) -> Applied
where
    L: Lanes + WriteRuns,
    O: Bus,
    S: Clock,
    C: SendChanges,
{
    let (ledger, seen, run, now) = (&context.ledger, attempt.seen, attempt.run, context.now());
    let outcome = attempt.outcome(LinkStatus::Underway, now);
    let next = after_observing(&attempt.goal, seen, &attempt.edited, now);
    if !write(context, seen, &next, &outcome.record).await?
        || !join(ledger, &context.system, seen, run, planned).await?
    {
        return Ok(None);
    }
    let state = seen.state();
    if is_overdue(state, context.now()) {
        tracing::info!(%run, lane = %seen.lane, tick = state.tick, "the lane's tick is overdue and is sent once more");
        wake(connection, &seen.lane, state).await?;
    }
    // If a run serves the same link twice, the record keeps the whole plan.
    if planned != run {
        let kept = keep(ledger, &seen.lane, &outcome.record).await;
        kept.map_err(LinkError::Ledger)?;
    }
    Ok(Some(outcome))
}

/// Counts the removals, stores the lists for a rollback, records the plan; then commits it to the
/// lane, and sends it.
async fn commit_and_send<L, A, M, O, S, C>(
    context: &Context<L, A, M, O, S>,
    attempt: &Attempt<'_>,
    connection: &C,
) -> Applied
where
    L: Lanes + WriteRuns,
    O: Bus,
    S: Clock,
    C: SendChanges,
{
    let (ledger, clock) = (&context.ledger, &context.system);
    let (run, seen, now) = (attempt.run, attempt.seen, context.now());
    let mut outcome = attempt.outcome(LinkStatus::Committed, now);
    let next = after_commit(&attempt.goal, seen, &attempt.edited, now);
    // An experience without a policy has no lists to return to: it allowed everything.
    if !seen.plan.deny().is_empty() && seen.first_policy.is_none() {
        let lists = ledger.put_lists(run, &seen.lane, &seen.actual, now).await;
        lists.map_err(LinkError::Ledger)?;
    }
    if !write(context, seen, &next, &outcome.record).await? {
        return Ok(None);
    }
    let kept = keep(ledger, &seen.lane, &outcome.record).await;
    kept.map_err(LinkError::Ledger)?;
    let sent = match commit(ledger, clock, run, seen, &seen.plan).await {
        Ok(Committed::Stale) => {
            tracing::info!(%run, lane = %seen.lane, "the lane has changed meanwhile and is planned again");
            return Ok(None);
        }
        Ok(Committed::Yes(older)) => {
            outcome.done = older;
            outcome.superseded = true;
            send_out(context, attempt, connection).await
        }
        Err(error) => Err(error),
    };
    match sent {
        Ok(messages) => outcome.messages = messages,
        // The plan may be committed and is not sent: the next run finds no `sent` mark and plans
        // again, within minutes. The record keeps the plan, because changes are checked against it.
        Err(error) => {
            tracing::error!(%run, lane = %seen.lane, code = error.code(), %error, "the plan may be committed and is not sent whole");
            outcome.fail(attempt.goal.link, &error);
            if let Err(error) = keep(ledger, &seen.lane, &outcome.record).await {
                tracing::error!(%run, lane = %seen.lane, %error, "the failure of a link could not be recorded");
            }
            return Ok(Some(outcome));
        }
    }
    tracing::info!(%run, lane = %seen.lane, allow = seen.plan.allow().len(), deny = seen.plan.deny().len(), messages = outcome.messages, "the plan is committed and sent");
    Ok(Some(outcome))
}

/// Sends a committed plan. A replayed change leaves the quarantine before its message is sent.
/// Otherwise a newer plan, made before the message is claimed, would leave the change alone, and
/// its dead letter would be gone.
async fn send_out<L: Lanes + WriteRuns, A, M, O, S: Clock, C: SendChanges>(
    context: &Context<L, A, M, O, S>,
    attempt: &Attempt<'_>,
    connection: &C,
) -> Result<usize, LinkError> {
    let (ledger, clock, seen) = (&context.ledger, &context.system, attempt.seen);
    release(ledger, clock, &seen.lane, &seen.quarantine.lifted).await?;
    send(ledger, clock, connection, attempt.run, seen, &seen.plan).await
}

fn is_overdue(state: &LaneState, now: Timestamp) -> bool {
    let due = state.tick_at.or(state.updated_at);
    due.is_none_or(|due| elapsed(due, now) > OVERDUE)
}
