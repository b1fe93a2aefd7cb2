//! Requests for a run, and what goes on with one.

use serde::{Deserialize, Serialize};

use super::envelope::{Event, event};
use super::names::{LANE_SETTLED, RUN_CONTINUED, SYNC_REQUESTED};
use crate::ids::{AccountId, ExperienceId, LaneId, MemberName, RunId};

/// What a request is about; everything that is not narrowed is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// Only these members.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<MemberName>,
    /// Only these member experiences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub experiences: Vec<ExperienceId>,
}

impl Scope {
    /// True when nothing is narrowed.
    pub fn is_everything(&self) -> bool {
        self.members.is_empty() && self.experiences.is_empty()
    }

    /// True when a member experience is in the scope.
    pub fn covers(&self, member: &MemberName, experience: &ExperienceId) -> bool {
        (self.members.is_empty() || self.members.contains(member))
            && (self.experiences.is_empty() || self.experiences.contains(experience))
    }
}

/// A request for a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncRequest {
    /// What about.
    pub scope: Scope,
    /// The request's own id, by which its run is found.
    pub request_id: Option<String>,
    /// Who asked, as the request says.
    pub requester: Option<String>,
    /// The account whose credentials sent it, as the bus says.
    pub account: Option<String>,
    /// Why frozen links are planned for as if they were not.
    pub override_reason: Option<String>,
}

/// The rest of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Continuation {
    /// The run.
    pub run: RunId,
    /// The version of the configuration that it began with.
    pub config_version: u64,
    /// The links, by their place in the configuration, that are still to be looked at.
    pub links: Vec<usize>,
    /// What the run is about: whatever any of these covers.
    pub scopes: Vec<Scope>,
}

/// `Sync Requested`: somebody wants a run.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct SyncDetail {
    /// What about; everything if it is left out.
    #[serde(default)]
    pub(super) scope: Scope,
    /// The request's own id, by which its run is found; the event's if it is left out.
    pub(super) request_id: Option<String>,
    /// Who asks.
    pub(super) requester: Option<String>,
    /// Why frozen links are to be planned for as if they were not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) override_reason: Option<String>,
}

/// `Lane Settled`: a worker believes that its lane is done, or that other rules of the member forbid
/// something else. A hint, which the producer never believes.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct SettledDetail {
    /// The member account.
    pub(super) account: AccountId,
    /// The member experience.
    pub(super) experience: ExperienceId,
    /// The run whose plan the lane worked on.
    pub(super) run: Option<RunId>,
}

/// The event Lane Settled.
pub fn lane_settled(lane: &LaneId, run: Option<RunId>) -> Event {
    let detail = SettledDetail {
        account: lane.account.clone(),
        experience: lane.experience.clone(),
        run,
    };
    event(LANE_SETTLED, &detail)
}

/// The event Sync Requested.
pub fn sync_requested(request: SyncRequest) -> Event {
    event(
        SYNC_REQUESTED,
        &SyncDetail {
            scope: request.scope,
            request_id: request.request_id,
            requester: request.requester,
            override_reason: request.override_reason,
        },
    )
}

impl Continuation {
    /// The message as it stands in the producer's inbox.
    pub fn to_body(&self) -> String {
        let (source, detail_type, detail) = event(RUN_CONTINUED, self);
        serde_json::json!({ "source": source, "detail-type": detail_type, "detail": detail })
            .to_string()
    }
}
