//! Claims the changes of a batch, only under the committed plan of their lane.

use futures::{StreamExt as _, stream};
use pmp_sync_domain::delivery::{Record, Undeliverable, dead_letter_record};
use pmp_sync_domain::error::ServiceError;
use pmp_sync_domain::ids::{LaneId, RunId};
use pmp_sync_domain::lane::LaneState;
use pmp_sync_domain::ports::{Claims, Clock, DeadLetters};
use pmp_sync_domain::wire::ChangeMessage;

use crate::context::Context;

/// Claims changes. Returns the indexes of those that must be delivered again.
pub(crate) async fn claim_all<L: Claims, C, O: DeadLetters, S: Clock>(
    context: &Context<L, C, O, S>,
    lane: &LaneId,
    state: &LaneState,
    changes: &[(usize, ChangeMessage)],
    records: &[Record],
) -> Vec<usize> {
    let planned = state.planned_run();
    let outcomes: Vec<_> = stream::iter(changes)
        .map(|(place, change)| async move {
            let outcome = match records.get(*place) {
                Some(record) => claim(context, record, change, planned).await,
                None => Ok(()),
            };
            outcome.err().map(|error| {
                tracing::error!(%lane, product = %change.product, run = %change.run, %error, "a change could not be claimed and will come again");
                *place
            })
        })
        .buffer_unordered(changes.len().max(1))
        .collect()
        .await;
    outcomes.into_iter().flatten().collect()
}

/// Claims a change only under the lane's current plan. A change of an older run is void. A
/// change of a newer run cannot be genuine, because plans are committed before they are sent.
async fn claim<L: Claims, C, O: DeadLetters, S: Clock>(
    context: &Context<L, C, O, S>,
    record: &Record,
    change: &ChangeMessage,
    planned: Option<RunId>,
) -> Result<(), ServiceError> {
    match planned {
        Some(planned) if change.run == planned => {
            let claimed = context.ledger.claim(change, context.now()).await?;
            tracing::debug!(lane = %change.lane(), run = %change.run, product = %change.product, action = %change.action, claimed, "change");
            Ok(())
        }
        Some(planned) if change.run < planned => {
            tracing::info!(lane = %change.lane(), run = %change.run, product = %change.product, newer = %planned, "a change of an older run is void");
            Ok(())
        }
        _ => {
            let detail = format!(
                "no plan of run {} is committed to {}",
                change.run,
                change.lane()
            );
            {
                let why = Undeliverable {
                    reason: "unknown-run",
                    code: "PMS-5003",
                    detail: &detail,
                };
                dead_letter(&context.outbox, record, why).await
            }
        }
    }
}

/// Sends a message to the dead-letter queue.
pub(crate) async fn dead_letter<D: DeadLetters>(
    queue: &D,
    record: &Record,
    why: Undeliverable<'_>,
) -> Result<(), ServiceError> {
    tracing::warn!(
        message_id = record.id,
        reason = why.reason,
        code = why.code,
        detail = why.detail,
        "a message goes to the dead-letter queue"
    );
    dead_letter_record(queue, record, why).await
}
