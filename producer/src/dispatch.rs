//! The inbox: a batch of requests becomes one run. What cannot be understood is dead-lettered.

use std::collections::{BTreeMap, BTreeSet};

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::approval::ApprovalRequest;
use pmp_sync_domain::error::{RunError, ServiceError};
use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::ports::DeadLetters as _;
use pmp_sync_domain::records::Request;
use pmp_sync_domain::wire::{Continuation, DeadLetterRequest, Scope, Trigger};

use crate::{Ports, Producer};

/// One message of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The queue's id of it.
    pub id: String,
    /// Its body.
    pub body: String,
}

/// What is to become of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// It is done with.
    Acknowledge,
    /// It is to come again.
    Retry,
}

/// What a batch asks for.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// What the requests are about: whatever any of these covers. Empty if there is none.
    pub(crate) scopes: Vec<Scope>,
    /// The requests.
    pub(crate) requests: Vec<Request>,
    /// Lanes that are said to be done.
    pub(crate) settled: BTreeSet<LaneId>,
    /// Rests of earlier runs.
    pub(crate) rests: Vec<Continuation>,
    /// Requests about dead letters.
    pub(crate) dead_letters: Vec<DeadLetterRequest>,
    /// Requests about holds.
    pub(crate) approvals: Vec<ApprovalRequest>,
}

fn request(kind: &str, id: Option<String>) -> Request {
    Request {
        kind: kind.to_owned(),
        id,
        ..Request::default()
    }
}

impl Work {
    fn add(&mut self, trigger: Trigger) {
        match trigger {
            Trigger::Schedule => {
                self.scopes.push(Scope::default());
                self.requests.push(request("schedule", None));
            }
            Trigger::SyncRequested(asked) => {
                self.requests.push(Request {
                    requester: asked.requester,
                    account: asked.account,
                    scope: asked.override_reason.as_ref().map(|_| asked.scope.clone()),
                    override_reason: asked.override_reason,
                    ..request("sync-requested", asked.request_id)
                });
                self.scopes.push(asked.scope);
            }
            Trigger::ManagementChangeSet(event) if event.is_ours() => {
                tracing::debug!(change_set = %event.id, "a change set of our own triggers nothing");
            }
            Trigger::ManagementChangeSet(event) => {
                self.scopes.push(Scope::default());
                self.requests
                    .push(request("management-change-set", Some(event.id.to_string())));
            }
            Trigger::LaneSettled { lane, .. } => {
                self.settled.insert(lane);
            }
            Trigger::Continuation(rest) => self.rests.push(rest),
            Trigger::DeadLetters(request) => self.dead_letters.push(request),
            Trigger::Approval(request) => self.approvals.push(request),
        }
    }
}

impl<P: Ports> Producer<P> {
    /// Handles a batch. The inbox is FIFO with one group, so the batch stands or falls as a whole:
    /// all dispositions are the same. `deadline` is when the invocation ends.
    pub async fn handle(&self, records: &[Record], deadline: Timestamp) -> Vec<Disposition> {
        // Boxed: the future of a run is large.
        let disposition = match Box::pin(self.serve(records, deadline)).await {
            Ok(()) => Disposition::Acknowledge,
            Err(error) => {
                tracing::error!(code = error.code(), %error, "the batch could not be served and will come again");
                Disposition::Retry
            }
        };
        vec![disposition; records.len()]
    }

    async fn serve(&self, records: &[Record], deadline: Timestamp) -> Result<(), RunError> {
        let mut work = Work::default();
        for record in records {
            match Trigger::parse(&record.body) {
                Ok(trigger) => work.add(trigger),
                Err(error) => self.dead_letter(record, &error.to_string()).await?,
            }
        }
        for rest in std::mem::take(&mut work.rests) {
            self.go_on(rest, deadline).await?;
        }
        for request in std::mem::take(&mut work.approvals) {
            self.serve_approval(&request).await?;
        }
        for request in std::mem::take(&mut work.dead_letters) {
            self.serve_dead_letters(request, deadline).await?;
        }
        if !work.requests.is_empty() {
            self.begin(&work, deadline).await?;
        }
        if !work.settled.is_empty() {
            self.look_at_settled(&work, deadline).await?;
        }
        Ok(())
    }

    async fn dead_letter(&self, record: &Record, detail: &str) -> Result<(), ServiceError> {
        tracing::warn!(
            message_id = record.id,
            code = "PMS-5001",
            detail,
            "a message goes to the dead-letter queue"
        );
        let attributes = BTreeMap::from([
            ("reason", "unreadable".to_owned()),
            ("code", "PMS-5001".to_owned()),
            ("detail", detail.chars().take(500).collect()),
            ("message_id", record.id.clone()),
        ]);
        self.ports
            .dead_letters()
            .dead_letter(&record.body, &attributes)
            .await
    }
}
