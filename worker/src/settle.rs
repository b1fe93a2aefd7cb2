//! Settles a change set: reads its status, closes its changes if it has succeeded, records it, and
//! frees the lane. Quarantines changes that were rejected individually.

use pmp_sync_domain::delivery::quarantine_letter;
use pmp_sync_domain::error::Kind;
use pmp_sync_domain::ids::{ChangeSetId, LaneId};
use pmp_sync_domain::lane::{Ending, FailedAlone, Intent, LaneState};
use pmp_sync_domain::policy::ProductChange;
use pmp_sync_domain::ports::{ChangeSetStatus, Closing, DeadLetters, Quarantining};
use pmp_sync_domain::records::{SetOutcome, SetRecord};
use pmp_sync_domain::time::{elapsed, later};

use crate::context::{Catalog, Context, Ledger, Outbox, System};
use crate::find::find_started;
use crate::policy::{Reading, read_policy};
use crate::steps::{Step, back_off_until, send_tick, transition};

/// How long a change set may be unknown to the service after its start, in seconds: the service is
/// eventually consistent.
const UNSEEN: f64 = 120.0;

/// Reads the status of the change set. If it has ended, closes its changes and frees the lane.
/// Returns what was applied, or none while it is under way.
pub(crate) async fn settle<L: Ledger, C: Catalog, O: Outbox, S: System>(
    context: &Context<L, C, O, S>,
    lane: &LaneId,
    state: &LaneState,
) -> Step<Option<Vec<ProductChange>>> {
    let (Some(id), Some(intent)) = (&state.change_set, &state.intent) else {
        return Ok(None);
    };
    let mut applied = Vec::new();
    let (ending, outcome, detail) = match context.catalog.status(id).await {
        Ok(ChangeSetStatus::Underway) => return Ok(None),
        Ok(ChangeSetStatus::Succeeded(duration_seconds)) => {
            applied = close_applied(context, lane, state, id, intent).await?;
            let ending = Ending::Succeeded { duration_seconds };
            (ending, SetOutcome::Succeeded, None)
        }
        Ok(ChangeSetStatus::Failed(failed)) => {
            let detail = failed.to_string();
            let ending = match read_policy(context, lane, state).await {
                // A failure of the whole lane starts no bisect.
                Reading::NoPolicy(block) | Reading::Blocked(block) if !intent.creates_policy => {
                    Ending::Blocked(block)
                }
                Reading::Blocked(block) => Ending::Blocked(block),
                Reading::Later => return Ok(None),
                // Somebody else created the policy, or it could not be created: no product is
                // at fault.
                Reading::Policy(_) | Reading::NoPolicy(_)
                    if intent.creates_policy && failed.errors.is_empty() =>
                {
                    Ending::BackOff(back_off_until(context, state))
                }
                Reading::Policy(_) | Reading::NoPolicy(_) => Ending::Failed {
                    change_set: id.clone(),
                    failed,
                },
            };
            (ending, SetOutcome::Failed, Some(detail))
        }
        Ok(ChangeSetStatus::Cancelled) => {
            let ending = Ending::Cancelled {
                change_set: id.clone(),
                until: back_off_until(context, state),
            };
            (ending, SetOutcome::Cancelled, None)
        }
        Ok(ChangeSetStatus::ServerFault(words)) => {
            let ending = Ending::BackOff(back_off_until(context, state));
            (ending, SetOutcome::ServerFault, Some(words))
        }
        Err(error) if error.kind == Kind::NotFound => {
            let age = elapsed(intent.at, context.now());
            if age < UNSEEN {
                return Ok(None);
            }
            if find_started(context, lane, state, intent).await?.is_some() {
                return Ok(None);
            }
            tracing::error!(%lane, seq = state.seq, change_set = %id, "the service does not know the change set any more");
            let ending = Ending::Vanished(back_off_until(context, state));
            (ending, SetOutcome::Vanished, Some(error.to_string()))
        }
        Err(error) => {
            tracing::warn!(%lane, change_set = %id, %error, "the change set cannot be looked at; the next tick tries again");
            return Ok(None);
        }
    };
    if !matches!(ending, Ending::Succeeded { .. }) {
        tracing::warn!(%lane, seq = state.seq, change_set = %id, ?ending, "the change set has not succeeded");
    }
    let (seq, now) = (state.seq, context.now());
    // Before the lane is freed: an invocation that is interrupted here repeats this step and
    // writes the record again.
    if let Some(record) = SetRecord::of(state, outcome, detail.as_deref(), now) {
        context.ledger.keep_set(lane, &record).await?;
    }
    transition(context, lane, state.clone(), |state| {
        state.ended(seq, ending.clone(), now)
    })
    .await?;
    Ok(Some(applied))
}

async fn close_applied<L: Ledger, C: Catalog, O: Outbox, S: System>(
    context: &Context<L, C, O, S>,
    lane: &LaneId,
    state: &LaneState,
    id: &ChangeSetId,
    intent: &Intent,
) -> Step<Vec<ProductChange>> {
    let changes: Vec<_> = intent
        .changes
        .iter()
        .map(|change| (change.product.clone(), change.run))
        .collect();
    context
        .ledger
        .close(lane, &changes, Closing::Applied, Some(id), context.now())
        .await?;
    tracing::info!(%lane, seq = state.seq, change_set = %id, changes = changes.len(), "the change set has succeeded");
    let applied = intent.changes.iter().map(|change| ProductChange {
        product: change.product.clone(),
        action: change.action,
    });
    Ok(applied.collect())
}

/// Quarantines changes that were rejected individually, one after the other: first the item, which
/// is what plans, replays and the operator go by; then the dead letter, which is a copy of it; then
/// the lane forgets the change. Returns false if another invocation is at it.
///
/// The write of the item decides who sends the letter, so that two invocations do not send two. If
/// that invocation is interrupted before the lane forgets the change, a later one sends the letter,
/// perhaps once more: SQS cannot send and record in one step.
pub(crate) async fn quarantine<L: Ledger, C: Catalog, O: Outbox, S: System>(
    context: &Context<L, C, O, S>,
    lane: &LaneId,
    mut state: LaneState,
    failed: &[FailedAlone],
) -> Step<bool> {
    for failed in failed {
        let now = context.now();
        let timeout = context.member.timeout_seconds;
        match context.ledger.quarantine(lane, failed, now).await? {
            Quarantining::Before(at) if later(at, timeout) > now => {
                // If the other invocation was interrupted, nothing else may wake the lane.
                let due = later(at, timeout + 1);
                send_tick(context, lane, state.tick, due).await?;
                return Ok(false);
            }
            Quarantining::Now | Quarantining::Before(_) => {
                send_letter(context, lane, failed).await?;
            }
            Quarantining::Gone => {
                let change = &failed.change;
                tracing::info!(%lane, run = %change.run, product = %change.product, action = %change.action, "the change was rejected individually, and is closed or claimed anew");
            }
        }
        let done = [(failed.change.product.clone(), failed.change.run)];
        match transition(context, lane, state, |state| state.quarantined(&done)).await? {
            Some(next) => state = next,
            None => return Ok(true),
        }
    }
    Ok(true)
}

/// Sends the dead letter of a quarantined change.
async fn send_letter<L, C, O: DeadLetters, S: System>(
    context: &Context<L, C, O, S>,
    lane: &LaneId,
    failed: &FailedAlone,
) -> Step<()> {
    let change = &failed.change;
    let (body, attributes) =
        quarantine_letter(lane, &failed.quarantined(context.now()), change.ordinal);
    tracing::error!(%lane, run = %change.run, product = %change.product, action = %change.action, change_set = %failed.change_set, code = "PMS-6001", error_code = failed.code, detail = failed.message, "the change was rejected individually and is quarantined");
    context.outbox.dead_letter(&body, &attributes).await
}
