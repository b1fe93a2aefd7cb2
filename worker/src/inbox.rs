//! The inbox: sorts a batch of messages by lane, sends those that cannot be understood to the
//! dead-letter queue, and says which messages must be delivered again.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use futures::stream;
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::delivery::{Disposition, Record};
use pmp_sync_domain::error::ServiceError;
use pmp_sync_domain::ids::{LaneId, RunId};
use pmp_sync_domain::lane::LaneState;
use pmp_sync_domain::ports::{Claims as _, Clock as _, DeadLetters as _, Lanes as _};
use pmp_sync_domain::wire::{ChangeMessage, WorkerMessage};

use crate::advance::Wake;
use crate::{Ports, Worker};

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

impl<P: Ports> Worker<P> {
    /// Handles a batch, and returns one disposition for each message, in their order. The invocation
    /// ends at `deadline`.
    pub async fn handle(&self, records: &[Record], deadline: Timestamp) -> Vec<Disposition> {
        let mut dispositions = vec![Disposition::Acknowledge; records.len()];
        let mut lanes: BTreeMap<LaneId, Mail> = BTreeMap::new();
        for (place, record) in records.iter().enumerate() {
            if let Err(error) = self.sort(place, record, &mut lanes).await {
                tracing::error!(message_id = record.id, %error, "a message could not be dead-lettered and will come again");
                again(&mut dispositions, place);
            }
        }
        let outcomes: Vec<_> = stream::iter(lanes)
            .map(|(lane, mail)| async move { self.deliver(&lane, &mail, records, deadline).await })
            .buffer_unordered(LANES_AT_ONCE)
            .collect()
            .await;
        for place in outcomes.into_iter().flatten() {
            again(&mut dispositions, place);
        }
        dispositions
    }

    /// Adds a message to its lane's mail, or sends it to the dead-letter queue.
    async fn sort(
        &self,
        place: usize,
        record: &Record,
        lanes: &mut BTreeMap<LaneId, Mail>,
    ) -> Result<(), ServiceError> {
        let message = match WorkerMessage::parse(&record.body) {
            Ok(message) => message,
            Err(error) => {
                return self
                    .dead_letter(record, "unreadable", "PMS-5001", &error.to_string())
                    .await;
            }
        };
        let mut seq = 0;
        let lane = match &message {
            WorkerMessage::Change(change) => change.lane(),
            WorkerMessage::Tick(tick) => tick.lane(),
            WorkerMessage::ChangeSet(event) => {
                if let Some(name) = event.lane() {
                    seq = name.seq;
                    LaneId {
                        account: self.account.clone(),
                        experience: name.experience,
                    }
                } else {
                    tracing::debug!(change_set = %event.id, "a change set that is not ours has ended");
                    return Ok(());
                }
            }
        };
        if lane.account != self.account {
            let detail = format!(
                "the message is for account {}, this worker serves {}",
                lane.account, self.account
            );
            return self
                .dead_letter(record, "wrong-account", "PMS-5002", &detail)
                .await;
        }
        let mail = lanes.entry(lane).or_default();
        mail.places.push(place);
        match message {
            WorkerMessage::Change(change) => mail.changes.push((place, change)),
            WorkerMessage::Tick(tick) => {
                mail.ticks.push(place);
                mail.wake.tick = mail.wake.tick.max(Some(tick.number));
            }
            WorkerMessage::ChangeSet(event) => mail.wake.ended.push((seq, event.id)),
        }
        Ok(())
    }

    /// Claims a lane's changes and advances the lane. Returns the indexes of messages that must be
    /// delivered again. Every message ends in *advance*. If that fails, no message is acknowledged,
    /// except a Tick whose successor has been sent. If such a Tick came again beside its successor,
    /// each of the two would send another one, and the number of Ticks would double every minute
    /// while the ledger takes no writes.
    async fn deliver(
        &self,
        lane: &LaneId,
        mail: &Mail,
        records: &[Record],
        deadline: Timestamp,
    ) -> Vec<usize> {
        let mut failed = Vec::new();
        let mut succeeded = false;
        let outcome = async {
            if !mail.changes.is_empty() {
                let state = self.ports.ledger().state(lane).await?;
                failed = self.claim_all(lane, &state, &mail.changes, records).await;
            }
            let live_tick = match mail.wake.tick {
                Some(number) => self.renew(lane, number, &mut succeeded).await?,
                None => false,
            };
            self.advance(lane, &mail.wake.ended, live_tick, deadline)
                .await
        }
        .await;
        match outcome {
            Ok(()) => failed,
            Err(error) => {
                tracing::error!(%lane, %error, "the lane could not be moved on; its messages will come again");
                let places = mail.places.iter().copied();
                places
                    .filter(|place| !(succeeded && mail.ticks.contains(place)))
                    .collect()
            }
        }
    }

    async fn claim_all(
        &self,
        lane: &LaneId,
        state: &LaneState,
        changes: &[(usize, ChangeMessage)],
        records: &[Record],
    ) -> Vec<usize> {
        let planned = state.planned_run();
        let outcomes: Vec<_> = stream::iter(changes)
            .map(|(place, change)| async move {
                let outcome = match records.get(*place) {
                    Some(record) => self.claim(record, change, planned).await,
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
    async fn claim(
        &self,
        record: &Record,
        change: &ChangeMessage,
        planned: Option<RunId>,
    ) -> Result<(), ServiceError> {
        match planned {
            Some(planned) if change.run == planned => {
                let claimed = self
                    .ports
                    .ledger()
                    .claim(change, self.ports.clock().now())
                    .await?;
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
                self.dead_letter(record, "unknown-run", "PMS-5003", &detail)
                    .await
            }
        }
    }

    async fn dead_letter(
        &self,
        record: &Record,
        reason: &str,
        code: &str,
        detail: &str,
    ) -> Result<(), ServiceError> {
        tracing::warn!(
            message_id = record.id,
            reason,
            code,
            detail,
            "a message goes to the dead-letter queue"
        );
        let attributes = BTreeMap::from([
            ("reason", reason.to_owned()),
            ("code", code.to_owned()),
            ("detail", detail.chars().take(500).collect()),
            ("message_id", record.id.clone()),
        ]);
        self.ports
            .dead_letters()
            .dead_letter(&record.body, &attributes)
            .await
    }
}

fn again(dispositions: &mut [Disposition], place: usize) {
    if let Some(disposition) = dispositions.get_mut(place) {
        *disposition = Disposition::Retry;
    }
}
