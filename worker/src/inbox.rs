//! The inbox: sorts a batch of messages by lane, sends those that cannot be understood to the
//! dead-letter queue, and says which messages must be delivered again.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use futures::stream;
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::delivery::{Disposition, Record, Undeliverable};
use pmp_sync_domain::error::{ServiceError, UNREADABLE_ITEM};
use pmp_sync_domain::ids::{ChangeSetId, LaneId};
use pmp_sync_domain::wire::{ChangeMessage, ProductRequestEvent, WorkerMessage};

use crate::advance::{Wake, advance, renew};
use crate::claim::{claim_all, dead_letter};
use crate::context::{Catalog, Context, Ledger, Outbox, System};
use crate::edits::report_edit;
use crate::requests::receive;

/// Lanes of one batch that are processed concurrently. A batch has ten messages.
const LANES_AT_ONCE: usize = 4;

/// A lane's messages of one batch.
#[derive(Default)]
struct Mail {
    changes: Vec<(usize, ChangeMessage)>,
    wake: Wake,
    /// Indexes of all its messages in the batch.
    places: Vec<usize>,
    /// Indexes of its Ticks.
    ticks: Vec<usize>,
}

/// The messages of a batch.
#[derive(Default)]
struct Batch {
    lanes: BTreeMap<LaneId, Mail>,
    /// Change sets that are not ours, with the index of the message of each.
    edits: BTreeMap<ChangeSetId, usize>,
    /// The events of procurement requests, with their indexes in the batch.
    requests: Vec<(usize, ProductRequestEvent)>,
}

/// Handles a batch, and returns one disposition for each message, in their order. The invocation
/// ends at `deadline`.
pub async fn handle<L: Ledger, C: Catalog, O: Outbox, S: System>(
    context: &Context<L, C, O, S>,
    records: &[Record],
    deadline: Timestamp,
) -> Vec<Disposition> {
    let mut dispositions = vec![Disposition::Acknowledge; records.len()];
    let mut batch = Batch::default();
    for (place, record) in records.iter().enumerate() {
        if let Err(error) = sort(context, place, record, &mut batch).await {
            tracing::error!(message_id = record.id, %error, "a message could not be dead-lettered and will come again");
            again(&mut dispositions, place);
        }
    }
    let outcomes: Vec<_> = stream::iter(batch.lanes)
        .map(|(lane, mail)| async move { deliver(context, &lane, &mail, records, deadline).await })
        .buffer_unordered(LANES_AT_ONCE)
        .collect()
        .await;
    // After the lanes: a request waits for days.
    let requests = receive(context, &batch.requests).await;
    for place in outcomes.into_iter().flatten().chain(requests) {
        again(&mut dispositions, place);
    }
    for (change_set, place) in batch.edits {
        let deliveries = records.get(place).map_or(0, |record| record.deliveries);
        if !report_edit(context, &change_set, deliveries).await {
            again(&mut dispositions, place);
        }
    }
    dispositions
}

/// Adds a message to its lane's mail, or sends it to the dead-letter queue.
async fn sort<L: Ledger, C: Catalog, O: Outbox, S: System>(
    context: &Context<L, C, O, S>,
    place: usize,
    record: &Record,
    batch: &mut Batch,
) -> Result<(), ServiceError> {
    let message = match WorkerMessage::parse(&record.body) {
        Ok(message) => message,
        Err(error) => {
            return dead_letter(
                &context.outbox,
                record,
                Undeliverable {
                    reason: error.reason(),
                    code: error.code(),
                    detail: &error.to_string(),
                },
            )
            .await;
        }
    };
    let lane = match &message {
        WorkerMessage::Change(change) => change.lane(),
        WorkerMessage::Tick(tick) => tick.lane(),
        WorkerMessage::ChangeSet(event) => {
            if let Some(name) = event.lane() {
                LaneId {
                    account: context.member.account.clone(),
                    experience: name.experience,
                }
            } else {
                // Other installations are noticed by the names of their change sets: two that undo each other's
                // changes are to do so every hour, and not every minute.
                if event.succeeded && !event.is_ours() {
                    batch.edits.insert(event.id.clone(), place);
                }
                return Ok(());
            }
        }
        WorkerMessage::ProductRequest(event) => {
            batch.requests.push((place, event.as_ref().clone()));
            return Ok(());
        }
    };
    if lane.account != context.member.account {
        let detail = format!(
            "the message is for account {}, this worker serves {}",
            lane.account, context.member.account
        );
        return dead_letter(
            &context.outbox,
            record,
            Undeliverable {
                reason: "wrong-account",
                code: "PMS-5002",
                detail: &detail,
            },
        )
        .await;
    }
    let mail = batch.lanes.entry(lane).or_default();
    mail.places.push(place);
    match message {
        WorkerMessage::Change(change) => mail.changes.push((place, change)),
        WorkerMessage::Tick(tick) => {
            mail.ticks.push(place);
            mail.wake.tick = mail.wake.tick.max(Some(tick.number));
        }
        WorkerMessage::ChangeSet(event) => {
            let name = event.lane();
            mail.wake.ended.extend(name.map(|name| (name, event.id)));
        }
        // Sorted above.
        WorkerMessage::ProductRequest(_) => {}
    }
    Ok(())
}

/// Claims a lane's changes and advances the lane. Returns the indexes of messages that must be
/// delivered again. Every message ends in *advance*. If that fails, no message is acknowledged,
/// except a Tick whose successor has been sent. If such a Tick came again beside its successor,
/// each of the two would send another one, and the number of Ticks would double every minute
/// while the ledger takes no writes.
async fn deliver<L: Ledger, C: Catalog, O: Outbox, S: System>(
    context: &Context<L, C, O, S>,
    lane: &LaneId,
    mail: &Mail,
    records: &[Record],
    deadline: Timestamp,
) -> Vec<usize> {
    let mut failed = Vec::new();
    let mut succeeded = false;
    let outcome = async {
        if !mail.changes.is_empty() {
            let state = context.ledger.state(lane).await?;
            failed = claim_all(context, lane, &state, &mail.changes, records).await;
        }
        let live_tick = match mail.wake.tick {
            Some(number) => renew(context, lane, number, &mut succeeded).await?,
            None => false,
        };
        let ended = &mail.wake.ended;
        advance(context, lane, ended, live_tick, &mut succeeded, deadline).await
    }
    .await;
    match outcome {
        Ok(()) => failed,
        Err(error) => {
            let code = error.is_unreadable().then_some(UNREADABLE_ITEM);
            tracing::error!(%lane, code, %error, "the lane could not be moved on; its messages will come again");
            let places = mail.places.iter().copied();
            places
                .filter(|place| !(succeeded && mail.ticks.contains(place)))
                .collect()
        }
    }
}

fn again(dispositions: &mut [Disposition], place: usize) {
    if let Some(disposition) = dispositions.get_mut(place) {
        *disposition = Disposition::Retry;
    }
}
