//! Requests about dead letters.

use serde::{Deserialize, Serialize};

use super::envelope::{Envelope, Event, Unreadable, check_schema, event, shape};
use super::names::{DISCARD_REQUESTED, REPLAY_REQUESTED};
use crate::ids::{MemberName, ProductId};

/// What to do with dead letters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadLetterAction {
    /// Send again what is still wanted, and drop the rest.
    #[default]
    Replay,
    /// Delete them.
    Discard,
}

/// Selects dead letters. An empty list selects everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DeadLetterFilter {
    /// Only of these members.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<MemberName>,
    /// Only changes of these products.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub products: Vec<ProductId>,
    /// Only those that are in the queue for one of these reasons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

/// A request about dead letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterRequest {
    /// Replay or discard.
    pub action: DeadLetterAction,
    /// The selected dead letters.
    pub filter: DeadLetterFilter,
    /// Id of the request, by which its run is found.
    pub request_id: Option<String>,
    /// The requester, as the request says: an ARN if the operator's command sent it.
    pub requester: Option<String>,
}

/// `Replay Requested`, `Discard Requested`: an operator wants dead letters replayed or discarded.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct DeadLetterDetail {
    /// Selects dead letters. All if it is left out.
    #[serde(default)]
    filter: DeadLetterFilter,
    /// Id of the request, by which its run is found. The event's id if it is left out.
    request_id: Option<String>,
    /// The requester: an ARN if the operator's command sent it.
    requester: Option<String>,
}

/// The event Replay Requested or Discard Requested.
pub fn dead_letters_requested(request: DeadLetterRequest) -> Event {
    let detail_type = match request.action {
        DeadLetterAction::Replay => REPLAY_REQUESTED,
        DeadLetterAction::Discard => DISCARD_REQUESTED,
    };
    event(
        detail_type,
        &DeadLetterDetail {
            filter: request.filter,
            request_id: request.request_id,
            requester: request.requester,
        },
    )
}

/// Parses the event Replay Requested or Discard Requested.
pub(super) fn parse(envelope: Envelope) -> Result<DeadLetterRequest, Unreadable> {
    // Operators write this event by hand, so a missing schema means the current one.
    if envelope.detail.get("schema").is_some() {
        check_schema(&envelope.detail)?;
    }
    let detail = DeadLetterDetail::deserialize(&envelope.detail).map_err(shape)?;
    let action = if envelope.detail_type == REPLAY_REQUESTED {
        DeadLetterAction::Replay
    } else {
        DeadLetterAction::Discard
    };
    Ok(DeadLetterRequest {
        action,
        filter: detail.filter,
        request_id: detail.request_id.or(envelope.id),
        requester: detail.requester,
    })
}
