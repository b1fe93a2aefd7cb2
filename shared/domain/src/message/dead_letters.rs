//! Requests about dead letters.

use serde::{Deserialize, Serialize};

use super::{
    DISCARD_REQUESTED, Envelope, Event, REPLAY_REQUESTED, Unreadable, check_schema, event, shape,
};
use crate::ids::{MemberName, ProductId};

/// What is to be done with dead letters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadLetterAction {
    /// Issue again what is still wanted, drop what is not.
    #[default]
    Replay,
    /// Delete them.
    Discard,
}

/// Which dead letters a request is about; everything that is not narrowed is in it.
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
    /// Only those that were dead-lettered for one of these reasons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

/// A request about dead letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterRequest {
    /// What is to be done.
    pub action: DeadLetterAction,
    /// Which ones.
    pub filter: DeadLetterFilter,
    /// The request's own id.
    pub request_id: Option<String>,
    /// Who asked, as the request says.
    pub requester: Option<String>,
}

/// `Replay Requested`, `Discard Requested`: somebody wants dead letters to be looked at again, or gone.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct DeadLetterDetail {
    /// Which; all if it is left out.
    #[serde(default)]
    filter: DeadLetterFilter,
    /// The request's own id, by which its run is found; the event's if it is left out.
    request_id: Option<String>,
    /// Who asks.
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

/// Reads the event Replay Requested or Discard Requested.
pub(super) fn parse(envelope: Envelope) -> Result<DeadLetterRequest, Unreadable> {
    // People write this one by hand, so a missing schema is taken for the present one.
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
