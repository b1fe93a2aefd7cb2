//! The messages of the producer's inbox.

use serde::Deserialize;
use serde_json::Value;

use super::dead_letters::DeadLetterRequest;
use super::envelope::{
    ChangeSetEvent, Envelope, Unreadable, check_schema, make_plain, object, shape,
};
use super::limits::check_event;
use super::names::{
    APPROVAL_REQUESTED, CATALOG_SOURCE, DISCARD_REQUESTED, LANE_EDITED, LANE_SETTLED,
    PRODUCT_REQUEST_RECEIVED, REJECTION_REQUESTED, REPLAY_REQUESTED, RESTORE_REQUESTED, RETRY_DUE,
    RETRY_SCHEDULED, REVERT_REQUESTED, RUN_CONTINUED, SCHEDULE_SOURCE, SCHEDULED_SYNC, SOURCE,
    SYNC_REQUESTED,
};
use super::product_request::ReceivedDetail;
use super::request::{Continuation, EditedDetail, SettledDetail, SyncDetail, SyncRequest};
use super::retry::LinkRetry;
use super::{approval, dead_letters};
use crate::approval::ApprovalRequest;
use crate::ids::{AccountId, ChangeSetId, LaneId, RunId};

/// What starts or continues a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// The schedule, every hour by default.
    Schedule,
    /// An operator requested a run.
    SyncRequested(SyncRequest),
    /// A change set of the management organization has ended.
    ManagementChangeSet(ChangeSetEvent),
    /// A worker found its lane done. It is a hint only: the producer looks for itself.
    LaneSettled {
        /// Member account and member experience.
        lane: LaneId,
        /// The run whose plan the lane worked on.
        run: Option<RunId>,
    },
    /// A worker saw the end of a change set of somebody else on a lane's experience.
    LaneEdited {
        /// Member account and member experience.
        lane: LaneId,
        /// The change set.
        change_set: ChangeSetId,
    },
    /// The rest of a run that did not fit into one invocation. The producer sends it to itself.
    Continuation(Continuation),
    /// A retry that has waited, and is to be handed to the inbox.
    RetryScheduled(LinkRetry),
    /// Links that a run could not serve are to be tried again.
    RetryDue(LinkRetry),
    /// An operator wants dead letters replayed or discarded.
    DeadLetters(DeadLetterRequest),
    /// A worker has recorded a procurement request. It is a hint only: the producer looks for itself.
    ProductRequestReceived {
        /// The member account.
        account: AccountId,
    },
    /// An operator decides about a hold, or requests a rollback.
    Approval(ApprovalRequest),
}

impl Trigger {
    /// Parses a message of the producer's inbox.
    pub fn parse(body: &str) -> Result<Self, Unreadable> {
        Self::parse_event(body).map(|(trigger, _)| trigger)
    }

    /// Parses a message of the producer's inbox. Returns the id of its event as well, if it has
    /// one.
    pub fn parse_event(body: &str) -> Result<(Self, Option<String>), Unreadable> {
        let mut envelope: Envelope = serde_json::from_value(object(body)?).map_err(shape)?;
        make_plain(&mut envelope.detail);
        check_event(envelope.id.as_deref(), envelope.account.as_deref())?;
        let id = envelope.id.clone();
        let trigger = Self::of(envelope)?;
        trigger.check()?;
        Ok((trigger, id))
    }

    fn of(mut envelope: Envelope) -> Result<Self, Unreadable> {
        // Operators write requests by hand, and may leave out an empty detail.
        if envelope.detail.is_null() {
            envelope.detail = Value::Object(serde_json::Map::new());
        }
        match (envelope.source.as_str(), envelope.detail_type.as_str()) {
            (SCHEDULE_SOURCE, SCHEDULED_SYNC) => Ok(Self::Schedule),
            (CATALOG_SOURCE, _) => envelope.change_set().map(Self::ManagementChangeSet),
            (SOURCE, SYNC_REQUESTED) => {
                // Operators write this event by hand, so a missing schema means the current one.
                if envelope.detail.get("schema").is_some() {
                    check_schema(&envelope.detail)?;
                }
                let detail = SyncDetail::deserialize(&envelope.detail).map_err(shape)?;
                Ok(Self::SyncRequested(SyncRequest {
                    scope: detail.scope,
                    request_id: detail.request_id.or(envelope.id),
                    requester: detail.requester,
                    account: envelope.account,
                    override_reason: detail.override_reason,
                }))
            }
            (SOURCE, REPLAY_REQUESTED | DISCARD_REQUESTED) => {
                dead_letters::parse(envelope).map(Self::DeadLetters)
            }
            (
                SOURCE,
                APPROVAL_REQUESTED | REJECTION_REQUESTED | RESTORE_REQUESTED | REVERT_REQUESTED,
            ) => approval::parse(envelope).map(Self::Approval),
            (SOURCE, LANE_SETTLED) => {
                check_schema(&envelope.detail)?;
                let detail = SettledDetail::deserialize(&envelope.detail).map_err(shape)?;
                let lane = LaneId {
                    account: detail.account,
                    experience: detail.experience,
                };
                Ok(Self::LaneSettled {
                    lane,
                    run: detail.run,
                })
            }
            (SOURCE, LANE_EDITED) => {
                check_schema(&envelope.detail)?;
                let detail = EditedDetail::deserialize(&envelope.detail).map_err(shape)?;
                let lane = LaneId {
                    account: detail.account,
                    experience: detail.experience,
                };
                Ok(Self::LaneEdited {
                    lane,
                    change_set: detail.change_set,
                })
            }
            (SOURCE, PRODUCT_REQUEST_RECEIVED) => {
                check_schema(&envelope.detail)?;
                let detail = ReceivedDetail::deserialize(&envelope.detail).map_err(shape)?;
                let account = detail.account;
                Ok(Self::ProductRequestReceived { account })
            }
            (SOURCE, RUN_CONTINUED) => {
                check_schema(&envelope.detail)?;
                Continuation::deserialize(&envelope.detail)
                    .map(Self::Continuation)
                    .map_err(shape)
            }
            (SOURCE, RETRY_SCHEDULED) => retry(&envelope.detail).map(Self::RetryScheduled),
            (SOURCE, RETRY_DUE) => retry(&envelope.detail).map(Self::RetryDue),
            _ => Err(envelope.unknown()),
        }
    }
}

fn retry(detail: &Value) -> Result<LinkRetry, Unreadable> {
    check_schema(detail)?;
    LinkRetry::deserialize(detail).map_err(shape)
}
