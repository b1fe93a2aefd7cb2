//! What the producer's inbox carries.

use serde::Deserialize;
use serde_json::Value;

use super::dead_letters::DeadLetterRequest;
use super::envelope::{ChangeSetEvent, Envelope, Unreadable, check_schema, object, shape};
use super::names::{
    APPROVAL_REQUESTED, CATALOG_SOURCE, DISCARD_REQUESTED, LANE_SETTLED, REJECTION_REQUESTED,
    REPLAY_REQUESTED, RESTORE_REQUESTED, RUN_CONTINUED, SCHEDULE_SOURCE, SCHEDULED_SYNC, SOURCE,
    SYNC_REQUESTED,
};
use super::request::{Continuation, SettledDetail, SyncDetail, SyncRequest};
use super::{approval, dead_letters};
use crate::approval::ApprovalRequest;
use crate::ids::{LaneId, RunId};

/// What starts a run, or goes on with one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// The schedule.
    Schedule,
    /// Somebody asked for it.
    SyncRequested(SyncRequest),
    /// A change set of the management organization has ended.
    ManagementChangeSet(ChangeSetEvent),
    /// A worker believes that its lane is done. A hint: the producer looks for itself.
    LaneSettled {
        /// The lane.
        lane: LaneId,
        /// The run whose plan the lane worked on.
        run: Option<RunId>,
    },
    /// The producer's own: a run that did not fit into one invocation.
    Continuation(Continuation),
    /// Somebody wants dead letters to be looked at again.
    DeadLetters(DeadLetterRequest),
    /// Somebody wants something done about a hold.
    Approval(ApprovalRequest),
}

impl Trigger {
    /// Reads a message of the producer's inbox.
    pub fn parse(body: &str) -> Result<Self, Unreadable> {
        let mut envelope: Envelope = serde_json::from_value(object(body)?).map_err(shape)?;
        // People write requests by hand, and may leave out a detail that says nothing.
        if envelope.detail.is_null() {
            envelope.detail = Value::Object(serde_json::Map::new());
        }
        match (envelope.source.as_str(), envelope.detail_type.as_str()) {
            (SCHEDULE_SOURCE, SCHEDULED_SYNC) => Ok(Self::Schedule),
            (CATALOG_SOURCE, _) => envelope.change_set().map(Self::ManagementChangeSet),
            (SOURCE, SYNC_REQUESTED) => {
                // People write this one by hand, so a missing schema is taken for the present one.
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
            (SOURCE, APPROVAL_REQUESTED | REJECTION_REQUESTED | RESTORE_REQUESTED) => {
                approval::parse(envelope).map(Self::Approval)
            }
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
            (SOURCE, RUN_CONTINUED) => {
                check_schema(&envelope.detail)?;
                Continuation::deserialize(&envelope.detail)
                    .map(Self::Continuation)
                    .map_err(shape)
            }
            _ => Err(envelope.unknown()),
        }
    }
}
