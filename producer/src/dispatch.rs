//! Hands each trigger of a batch to its handler. A message that cannot be understood goes to the
//! dead-letter queue.
//!
//! The inbox is FIFO with one group. From the first message on that is not served, all are
//! returned, as AWS requires for such a queue, and soon delivered again; [`crate::receipts`]
//! recognizes those that were served.
//!
//! Retries wait in a queue of their own, which is not FIFO. Such a batch is handed to the inbox, so
//! that runs stay serial.

use std::collections::BTreeSet;

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::approval::ApprovalRequest;
use pmp_sync_domain::delivery::{
    Disposition, Record, Undeliverable, dead_letter_record, redelivery_delay,
};
use pmp_sync_domain::error::RunError;
use pmp_sync_domain::ids::{LaneId, ProductId};
use pmp_sync_domain::ports::{Inbox, Members};
use pmp_sync_domain::records::Progress;
use pmp_sync_domain::time::elapsed;
use pmp_sync_domain::wire::{Continuation, DeadLetterRequest, LinkRetry, Trigger};

use crate::announce::announce_notices;
use crate::context::{Context, Ledger, Marketplace, Outbox, System};
use crate::handlers::sync::SyncRequests;
use crate::handlers::{approval, continuation, dead_letters, requests, settled, sync};
use crate::names::look_up_names;
use crate::publish::publish_report;
use crate::receipts::Asked;
use crate::run::retry::{hand_over, hand_over_all, scheduled};
use crate::run::work::hand_on;

/// How long after the end of its invocation a batch is delivered again that was not answered, in
/// seconds.
const AFTER_END: u32 = 15;

/// Why a message of a batch goes to the dead-letter queue.
struct Letter {
    place: usize,
    reason: &'static str,
    code: &'static str,
    detail: String,
}

/// The triggers of a batch, by handler, with the places of their messages.
#[derive(Default)]
struct Batch {
    rests: Vec<(usize, Continuation)>,
    approvals: Vec<(usize, Asked, ApprovalRequest)>,
    dead_letters: Vec<(usize, Asked, DeadLetterRequest)>,
    scheduled: Vec<(usize, LinkRetry)>,
    sync: (Vec<usize>, SyncRequests),
    settled: (Vec<usize>, BTreeSet<LaneId>),
    /// Hints that procurement requests have arrived.
    requests: Vec<usize>,
    letters: Vec<Letter>,
}

/// Which messages of a batch are served, by place.
struct Served {
    places: Vec<bool>,
    /// Places of messages with a request that is in the batch before, with its place there.
    twins: Vec<(usize, usize)>,
}

impl Served {
    fn add(&mut self, places: &[usize]) {
        let twins = self.twins.iter();
        let twins = twins.filter(|(_, of)| places.contains(of));
        for place in twins.map(|(twin, _)| twin).chain(places) {
            if let Some(served) = self.places.get_mut(*place) {
                *served = true;
            }
        }
    }

    /// The place of the first message that is not served.
    fn first_open(&self) -> Option<usize> {
        self.places.iter().position(|served| !served)
    }
}

/// Serves a batch. The invocation ends at `deadline`.
pub async fn dispatch<L: Ledger, A: Marketplace, M: Members, O: Outbox, S: System>(
    context: &Context<L, A, M, O, S>,
    records: &[Record],
    deadline: Timestamp,
) -> Vec<Disposition> {
    if let Some(retries) = scheduled(records) {
        return hand_over_all(context, &retries).await;
    }
    // If this invocation is interrupted, the next one need not wait until the queue's visibility
    // timeout is over.
    let left = elapsed(context.now(), deadline);
    if left < f64::from(u16::MAX) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is between 0 and 65,535"
        )]
        let seconds = (left.ceil() as u32).saturating_add(AFTER_END);
        return_after(context, records, seconds).await;
    }
    let mut served = Served {
        places: vec![false; records.len()],
        twins: Vec::new(),
    };
    // Boxed, because the future of a run is large.
    let listed = Box::pin(serve(context, records, deadline, &mut served)).await;
    announce_notices(context, deadline).await;
    match listed {
        // A scheduled run is done. Until the batch is answered no other is delivered, so these give way.
        Ok(Some(listed)) => {
            publish_report(context, deadline).await;
            look_up_names(context, &listed, deadline).await;
        }
        Ok(None) => {}
        Err(error) => {
            tracing::error!(code = error.code(), %error, "the batch could not be served completely and will come again");
        }
    }
    let first_open = served.first_open().unwrap_or(records.len());
    if let Some(again) = records.get(first_open..).filter(|again| !again.is_empty()) {
        let deliveries = again.iter().map(|record| record.deliveries).max();
        let seconds = redelivery_delay(deliveries.unwrap_or_default());
        return_after(context, again, seconds).await;
    }
    let places = 0..records.len();
    places
        .map(|place| {
            if place < first_open {
                Disposition::Acknowledge
            } else {
                Disposition::Retry
            }
        })
        .collect()
}

async fn return_after<L, A, M, O: Inbox, S>(
    context: &Context<L, A, M, O, S>,
    records: &[Record],
    seconds: u32,
) {
    if let Err(error) = context.outbox.return_after(records, seconds).await {
        // They come again all the same, later.
        tracing::warn!(seconds, %error, "the visibility of the batch could not be changed");
    }
}

/// Serves the messages of a batch. If a scheduled run is done by that, returns the products that it found.
async fn serve<L: Ledger, A: Marketplace, M: Members, O: Outbox, S: System>(
    context: &Context<L, A, M, O, S>,
    records: &[Record],
    deadline: Timestamp,
    served: &mut Served,
) -> Result<Option<BTreeSet<ProductId>>, RunError> {
    let batch = sort(context, records, served).await?;
    for (place, retry) in batch.scheduled {
        hand_over(context, &retry).await?;
        served.add(&[place]);
    }
    let mut listed = None;
    for (place, rest) in batch.rests {
        let found = continuation::handle(context, rest, deadline).await?;
        listed = found.or(listed);
        served.add(&[place]);
    }
    for (place, asked, request) in &batch.approvals {
        approval::handle(context, asked, request).await?;
        served.add(&[*place]);
    }
    for (place, asked, request) in &batch.dead_letters {
        dead_letters::handle(context, asked, request, deadline).await?;
        served.add(&[*place]);
    }
    let (places, asked) = batch.sync;
    let found = sync::handle(context, asked, deadline).await?;
    let listed = found.or(listed);
    served.add(&places);
    let (places, lanes) = batch.settled;
    settled::handle(context, &lanes, deadline).await?;
    served.add(&places);
    if !batch.requests.is_empty() {
        requests::handle(context).await?;
        served.add(&batch.requests);
    }
    for letter in batch.letters {
        dead_letter(context, records, &letter).await?;
        served.add(&[letter.place]);
    }
    Ok(listed)
}

/// Sorts the messages by handler, without those that are served already.
async fn sort<L: Ledger, A, M, O: Outbox, S: System>(
    context: &Context<L, A, M, O, S>,
    records: &[Record],
    served: &mut Served,
) -> Result<Batch, RunError> {
    let mut batch = Batch::default();
    let mut requests: Vec<(usize, Asked, Trigger)> = Vec::new();
    for (place, record) in records.iter().enumerate() {
        match Trigger::parse_event(&record.body) {
            Ok((Trigger::RetryScheduled(retry), _)) => batch.scheduled.push((place, retry)),
            Ok((Trigger::Continuation(rest), _)) => batch.rests.push((place, rest)),
            Ok((Trigger::LaneSettled { lane, .. }, _)) => {
                batch.settled.0.push(place);
                batch.settled.1.insert(lane);
            }
            Ok((Trigger::ProductRequestReceived { .. }, _)) => batch.requests.push(place),
            Ok((Trigger::ManagementChangeSet(event), _)) if event.is_ours() => {
                tracing::debug!(change_set = %event.id, "a change set of our own triggers nothing");
                served.add(&[place]);
            }
            Ok((trigger, event)) => {
                let asked = Asked::new(record, event.as_deref());
                let mut before = requests.iter();
                match before.find(|(_, other, _)| other.is_same(&asked)) {
                    Some((of, ..)) => served.twins.push((place, *of)),
                    None => requests.push((place, asked, trigger)),
                }
            }
            Err(error) => batch.letters.push(Letter {
                place,
                reason: error.reason(),
                code: error.code(),
                detail: error.to_string(),
            }),
        }
    }
    let asked = requests.iter_mut().map(|(_, asked, _)| asked);
    Asked::look_up(&context.ledger, asked).await?;
    for (place, asked, trigger) in requests {
        match asked.interrupted.as_ref().map(Progress::of) {
            Some(Progress::Served) => {
                tracing::info!(place, "a request that is served is not served again");
                served.add(&[place]);
                continue;
            }
            Some(Progress::HandedOn) => {
                // The continuation may not have arrived. If it has, it is the same one to the queue.
                if let Some(record) = &asked.interrupted {
                    hand_on(context, record).await?;
                }
                served.add(&[place]);
                continue;
            }
            Some(Progress::Interrupted) | None => {}
        }
        let record = records.get(place);
        if record.is_some_and(|record| asked.is_given_up(record, context.now())) {
            batch.letters.push(Letter {
                place,
                reason: "not-served",
                code: "PMS-5004",
                detail: "no run for it got to its end".to_owned(),
            });
            continue;
        }
        batch.add(place, asked, trigger);
    }
    Ok(batch)
}

impl Batch {
    fn add(&mut self, place: usize, asked: Asked, trigger: Trigger) {
        let (places, sync) = &mut self.sync;
        match trigger {
            Trigger::Schedule => sync.add_schedule(asked),
            Trigger::SyncRequested(request) => sync.add_request(asked, request),
            Trigger::ManagementChangeSet(event) => sync.add_change_set(asked, &event),
            Trigger::DeadLetters(request) => {
                return self.dead_letters.push((place, asked, request));
            }
            Trigger::Approval(request) => return self.approvals.push((place, asked, request)),
            Trigger::LaneSettled { lane, .. } => {
                self.settled.0.push(place);
                self.settled.1.insert(lane);
                return;
            }
            Trigger::LaneEdited { lane, change_set } => sync.edits.push((asked, lane, change_set)),
            Trigger::ProductRequestReceived { .. } => return self.requests.push(place),
            Trigger::RetryDue(retry) => sync.retries.push((asked, retry)),
            Trigger::RetryScheduled(retry) => return self.scheduled.push((place, retry)),
            Trigger::Continuation(rest) => return self.rests.push((place, rest)),
        }
        places.push(place);
    }
}

async fn dead_letter<L, A, M, O: Outbox, S>(
    context: &Context<L, A, M, O, S>,
    records: &[Record],
    letter: &Letter,
) -> Result<(), RunError> {
    let Some(record) = records.get(letter.place) else {
        return Ok(());
    };
    let (code, detail) = (letter.code, letter.detail.as_str());
    tracing::warn!(
        message_id = record.id,
        code,
        detail,
        "a message goes to the dead-letter queue"
    );
    let why = Undeliverable {
        reason: letter.reason,
        code,
        detail,
    };
    Ok(dead_letter_record(&context.outbox, record, why).await?)
}
