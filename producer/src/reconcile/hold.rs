//! Holds the part of a plan that the guards object to, and serves the lane with the rest.

use pmp_sync_domain::approval::Hold;
use pmp_sync_domain::error::LinkError;
use pmp_sync_domain::guard::HoldReason;
use pmp_sync_domain::ids::RunId;
use pmp_sync_domain::lane::Quarantined;
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::ports::{Bus, Clock, Lanes, SendChanges, WriteRuns};
use pmp_sync_domain::reconcile::{Course, Observation, after_hold, before_commit, new_hold};
use pmp_sync_domain::records::LinkRecord;
use pmp_sync_domain::run::LinkStatus;

use super::apply::{commit_with, wake_overdue};
use super::expired::or_expired;
use super::marks::{join, keep, mark_rest, release};
use super::outcome::{Attempt, LinkOutcome};
use super::remember::remember_seen;
use super::send::{Committed, ask_for_rules, commit, send};
use crate::context::Context;

/// Holds a part of a plan: records it, which announces it once, and does with the rest what the course of the rest
/// says. Returns none if the lane must be observed again.
pub(crate) async fn hold<L, A, M, O, S, C>(
    context: &Context<L, A, M, O, S>,
    attempt: &Attempt<'_>,
    rest: &Course,
    status: LinkStatus,
    connection: &C,
) -> Result<Option<LinkOutcome>, LinkError>
where
    L: Lanes + WriteRuns,
    O: Bus,
    S: Clock,
    C: SendChanges,
{
    let (ledger, seen, now) = (&context.ledger, attempt.seen, context.now());
    // A change that is to be tried again waits with the rest of what is held. If it stayed in
    // quarantine, the next run would not plan it, and nobody could approve it. Its letter stays.
    release(ledger, &context.system, &seen.lane, &held_again(seen)).await?;
    let mut outcome = attempt.outcome(status, now);
    let hold = present_hold(context, attempt).await?;
    outcome.record.hold = Some(hold.clone());
    tell(attempt, &hold);
    let is_new = hold.run == attempt.run;
    let next = after_hold(&attempt.goal, seen, &attempt.edited, hold, now);
    if *rest == Course::Commit && !seen.plan.is_empty() {
        if is_new {
            // Nobody can approve it before it is on record. The rest is not committed yet.
            let held = without_the_rest(outcome.record.clone());
            let kept = keep(ledger, &seen.lane, &held).await;
            kept.map_err(LinkError::Ledger)?;
        }
        let next = before_commit(next, seen, &attempt.edited, now);
        return commit_with(context, attempt, outcome, &next, connection).await;
    }
    outcome.record = with_own_plan(context, attempt, outcome.record).await?;
    let kept = keep(ledger, &seen.lane, &outcome.record).await;
    kept.map_err(LinkError::Ledger)?;
    if !remember_seen(ledger, &context.unannounced, seen, &next).await? {
        return Ok(None);
    }
    serve_rest(context, attempt, rest, outcome, connection).await
}

/// The changes that leave the quarantine and are held.
fn held_again(seen: &Observation) -> Vec<Quarantined> {
    let lifted = seen.quarantine.lifted.iter();
    let held = lifted.filter(|change| seen.held.contains(&change.change()));
    held.cloned().collect()
}

fn tell(attempt: &Attempt<'_>, hold: &Hold) {
    let old = attempt.seen.link_state.hold.as_ref();
    if old.is_some_and(|old| old.is_same(hold)) || hold.is_rejected() {
        return;
    }
    let reasons = &hold.reasons;
    let words: Vec<_> = reasons.iter().map(ToString::to_string).collect();
    tracing::warn!(run = %attempt.run, lane = %attempt.seen.lane, code = reasons.first().map(HoldReason::code), reasons = ?words, allow = hold.allow, deny = hold.deny, "changes are held");
}

fn without_the_rest(record: LinkRecord) -> LinkRecord {
    LinkRecord {
        status: LinkStatus::Held,
        plan_hash: None,
        allow: Vec::new(),
        deny: Vec::new(),
        removals: 0,
        ..record
    }
}

/// The record with the plan that the run itself has committed before, in an interrupted invocation: what is left of it
/// is not all that it did.
async fn with_own_plan<L: WriteRuns, A, M, O, S>(
    context: &Context<L, A, M, O, S>,
    attempt: &Attempt<'_>,
    record: LinkRecord,
) -> Result<LinkRecord, LinkError> {
    let (run, seen) = (attempt.run, attempt.seen);
    let planned = seen.state().planned.as_ref();
    let is_own = planned.is_some_and(|planned| planned.run == run && planned.totals.total() > 0);
    if !is_own {
        return Ok(record);
    }
    let known = context.ledger.link(run, &seen.lane).await;
    let Some(known) = or_expired(known, &mut Vec::new())? else {
        return Ok(record);
    };
    Ok(LinkRecord {
        status: known.status,
        plan_hash: known.plan_hash,
        allow: known.allow,
        deny: known.deny,
        removals: known.removals,
        ..record
    })
}

/// The current hold, if it means the same and can still be approved, or a new one.
async fn present_hold<L: WriteRuns, A, M, O, S: Clock>(
    context: &Context<L, A, M, O, S>,
    attempt: &Attempt<'_>,
) -> Result<Hold, LinkError> {
    let seen = attempt.seen;
    let new = new_hold(&attempt.goal, seen, attempt.run, context.now());
    let old = seen.link_state.hold.as_ref();
    let Some(old) = old.filter(|old| old.is_same(&new)) else {
        return Ok(new);
    };
    let same = Hold {
        overrides: new.overrides,
        ..old.clone()
    };
    if old.run == attempt.run {
        return Ok(same);
    }
    // Runs expire, and an approval covers what the run's record shows.
    let record = context.ledger.link(old.run, &seen.lane).await;
    let record = or_expired(record, &mut Vec::new())?;
    let is_shown = record.is_some_and(|record| record.shown().hash() == old.plan_hash);
    Ok(if is_shown { same } else { new })
}

/// Serves the lane with what is not held, unless that must be committed: what is open continues as far as it is part
/// of it, or agrees with the current lists.
async fn serve_rest<L, A, M, O, S, C>(
    context: &Context<L, A, M, O, S>,
    attempt: &Attempt<'_>,
    rest: &Course,
    mut outcome: LinkOutcome,
    connection: &C,
) -> Result<Option<LinkOutcome>, LinkError>
where
    L: Lanes,
    S: Clock,
    C: SendChanges,
{
    let (ledger, clock, seen) = (&context.ledger, &context.system, attempt.seen);
    match rest {
        Course::InSync => {
            // What the member keeps back would be part of the plan.
            ask_for_rules(connection, seen).await;
            outcome.done = mark_rest(ledger, clock, seen, false).await?;
        }
        Course::Underway(planned) => {
            if !wait_for(context, attempt, *planned, &outcome, connection).await? {
                return Ok(None);
            }
        }
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

/// Waits for the lane, if the run counts it as under way. Returns false if another plan was committed meanwhile.
async fn wait_for<L: Lanes, A, M, O, S: Clock, C: SendChanges>(
    context: &Context<L, A, M, O, S>,
    attempt: &Attempt<'_>,
    planned: RunId,
    outcome: &LinkOutcome,
    connection: &C,
) -> Result<bool, LinkError> {
    let (ledger, clock, seen) = (&context.ledger, &context.system, attempt.seen);
    if outcome.record.status == LinkStatus::Underway
        && !join(ledger, clock, seen, attempt.run, planned).await?
    {
        return Ok(false);
    }
    wake_overdue(context, attempt, connection).await?;
    Ok(true)
}
