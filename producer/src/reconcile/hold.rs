//! Holds a plan that the guards stop.

use pmp_sync_domain::approval::Hold;
use pmp_sync_domain::error::LinkError;
use pmp_sync_domain::guard::HoldReason;
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::ports::{Bus, Clock, Lanes, SendChanges, WriteRuns};
use pmp_sync_domain::reconcile::{Course, after_hold, new_hold};
use pmp_sync_domain::run::LinkStatus;

use super::expired::or_expired;
use super::marks::{keep, mark_rest, release};
use super::outcome::{Attempt, LinkOutcome};
use super::remember::remember_seen;
use super::send::{Committed, ask_for_rules, commit, send};
use crate::context::Context;

/// Holds a plan: records it, which announces it once, and halts every change of the lane that does
/// not agree with the plan. Returns none if the lane must be observed again.
pub(crate) async fn hold<L, A, M, O, S, C>(
    context: &Context<L, A, M, O, S>,
    attempt: &Attempt<'_>,
    meanwhile: &Course,
    connection: &C,
) -> Result<Option<LinkOutcome>, LinkError>
where
    L: Lanes + WriteRuns,
    O: Bus,
    S: Clock,
    C: SendChanges,
{
    let (ledger, seen) = (&context.ledger, attempt.seen);
    // A change that is to be tried again waits with the rest of the plan. If it stayed in
    // quarantine, the next run would not plan it, and nobody could approve it. Its letter stays.
    release(ledger, &context.system, &seen.lane, &seen.quarantine.lifted).await?;
    let mut outcome = attempt.outcome(LinkStatus::Held, context.now());
    let hold = present_hold(context, attempt).await?;
    outcome.record.hold = Some(hold.clone());
    let kept = keep(ledger, &seen.lane, &outcome.record).await;
    kept.map_err(LinkError::Ledger)?;
    let old = seen.link_state.hold.as_ref();
    let is_new = old.is_none_or(|old| !old.is_same(&hold));
    let next = after_hold(&attempt.goal, seen, &attempt.edited, hold, context.now());
    if !remember_seen(ledger, &context.unannounced, seen, &next).await? {
        return Ok(None);
    }
    let reasons = &seen.guards.reasons;
    if is_new {
        let words: Vec<_> = reasons.iter().map(ToString::to_string).collect();
        tracing::warn!(run = %attempt.run, lane = %seen.lane, code = reasons.first().map(HoldReason::code), reasons = ?words, "the plan is held");
    }
    serve_meanwhile(context, attempt, meanwhile, outcome, connection).await
}

/// The current hold, if it means the same and can still be approved, or a new one.
async fn present_hold<L: WriteRuns, A, M, O, S: Clock>(
    context: &Context<L, A, M, O, S>,
    attempt: &Attempt<'_>,
) -> Result<Hold, LinkError> {
    let seen = attempt.seen;
    let reasons = seen.guards.reasons.clone();
    let new = new_hold(seen, attempt.run, reasons, context.now());
    let Some(old) = seen
        .link_state
        .hold
        .as_ref()
        .filter(|old| old.is_same(&new))
    else {
        return Ok(new);
    };
    if old.run == attempt.run {
        return Ok(old.clone());
    }
    // Runs expire, and an approval covers what the run's record shows.
    let record = context.ledger.link(old.run, &seen.lane).await;
    let record = or_expired(record, &mut Vec::new())?;
    let is_shown = record.is_some_and(|record| record.shown().hash() == old.plan_hash);
    Ok(if is_shown { old.clone() } else { new })
}

/// While a plan is held, serves the lane as if its plan were empty: what is open continues only as
/// far as it agrees with the current lists.
async fn serve_meanwhile<L: Lanes, A, M, O, S: Clock, C: SendChanges>(
    context: &Context<L, A, M, O, S>,
    attempt: &Attempt<'_>,
    meanwhile: &Course,
    mut outcome: LinkOutcome,
    connection: &C,
) -> Result<Option<LinkOutcome>, LinkError> {
    let (ledger, clock, seen) = (&context.ledger, &context.system, attempt.seen);
    match meanwhile {
        Course::InSync => {
            // What the member keeps back would be part of the held plan.
            ask_for_rules(connection, seen).await;
            outcome.done = mark_rest(ledger, clock, seen, false).await?;
        }
        Course::Underway(_) => {}
        Course::Commit => {
            let nothing = Plan::default();
            match commit(ledger, clock, attempt.run, seen, &nothing).await? {
                Committed::Stale => return Ok(None),
                Committed::Yes(older) => {
                    outcome.done = older;
                    outcome.superseded = true;
                    send(ledger, clock, connection, attempt.run, seen, &nothing).await?;
                }
            }
        }
    }
    Ok(Some(outcome))
}
