//! Hands each trigger of a batch to its handler. A message that cannot be understood goes to the
//! dead-letter queue.

use std::collections::BTreeSet;

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::approval::ApprovalRequest;
use pmp_sync_domain::delivery::{Disposition, Record, Undeliverable, dead_letter_record};
use pmp_sync_domain::error::RunError;
use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::ports::Members;
use pmp_sync_domain::wire::{Continuation, DeadLetterRequest, Trigger};

use crate::context::{Context, Ledger, Marketplace, Outbox, System};
use crate::handlers::sync::SyncRequests;
use crate::handlers::{approval, continuation, dead_letters, settled, sync};

/// The triggers of a batch, by handler.
#[derive(Debug, Default)]
struct Batch {
    sync: SyncRequests,
    settled: BTreeSet<LaneId>,
    rests: Vec<Continuation>,
    dead_letters: Vec<DeadLetterRequest>,
    approvals: Vec<ApprovalRequest>,
}

impl Batch {
    fn add(&mut self, trigger: Trigger) {
        match trigger {
            Trigger::Schedule => self.sync.add_schedule(),
            Trigger::SyncRequested(asked) => self.sync.add_request(asked),
            Trigger::ManagementChangeSet(event) => self.sync.add_change_set(&event),
            Trigger::LaneSettled { lane, .. } => {
                self.settled.insert(lane);
            }
            Trigger::Continuation(rest) => self.rests.push(rest),
            Trigger::DeadLetters(request) => self.dead_letters.push(request),
            Trigger::Approval(request) => self.approvals.push(request),
        }
    }
}

/// Serves a batch. The inbox is FIFO with one group, so the batch succeeds or fails as a whole, and
/// all dispositions are the same. The invocation ends at `deadline`.
pub async fn dispatch<L: Ledger, A: Marketplace, M: Members, O: Outbox, S: System>(
    context: &Context<L, A, M, O, S>,
    records: &[Record],
    deadline: Timestamp,
) -> Vec<Disposition> {
    // Boxed, because the future of a run is large.
    let disposition = match Box::pin(serve(context, records, deadline)).await {
        Ok(()) => Disposition::Acknowledge,
        Err(error) => {
            tracing::error!(code = error.code(), %error, "the batch could not be served and will come again");
            Disposition::Retry
        }
    };
    vec![disposition; records.len()]
}

async fn serve<L: Ledger, A: Marketplace, M: Members, O: Outbox, S: System>(
    context: &Context<L, A, M, O, S>,
    records: &[Record],
    deadline: Timestamp,
) -> Result<(), RunError> {
    let mut batch = Batch::default();
    for record in records {
        match Trigger::parse(&record.body) {
            Ok(trigger) => batch.add(trigger),
            Err(error) => {
                let (code, detail) = ("PMS-5001", error.to_string());
                tracing::warn!(
                    message_id = record.id,
                    code,
                    detail,
                    "a message goes to the dead-letter queue"
                );
                let why = Undeliverable {
                    reason: "unreadable",
                    code,
                    detail: &detail,
                };
                dead_letter_record(&context.outbox, record, why).await?;
            }
        }
    }
    for rest in batch.rests {
        continuation::handle(context, rest, deadline).await?;
    }
    for request in &batch.approvals {
        approval::handle(context, request).await?;
    }
    for request in &batch.dead_letters {
        dead_letters::handle(context, request, deadline).await?;
    }
    sync::handle(context, batch.sync, deadline).await?;
    settled::handle(context, &batch.settled, deadline).await
}
