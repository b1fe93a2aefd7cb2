//! Requests for a run, and the continuation of a run.

use serde::{Deserialize, Serialize};

use super::envelope::{Event, body, event};
use super::names::{LANE_EDITED, LANE_SETTLED, RUN_CONTINUED, SYNC_REQUESTED};
use crate::ids::{AccountId, ChangeSetId, ExperienceId, LaneId, MemberName, RunId};

/// The scope of a request. An empty list does not narrow it.
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
    /// True if the scope covers everything.
    pub fn is_everything(&self) -> bool {
        self.members.is_empty() && self.experiences.is_empty()
    }

    /// True if the scope covers every experience of a member.
    pub fn is_all_of(&self, member: &MemberName) -> bool {
        self.experiences.is_empty() && (self.members.is_empty() || self.members.contains(member))
    }

    /// True if the scope names the member, or covers all of it.
    pub fn is_about(&self, member: &MemberName) -> bool {
        self.members.contains(member) || self.is_all_of(member)
    }

    /// True if the scope covers a member experience.
    pub fn covers(&self, member: &MemberName, experience: &ExperienceId) -> bool {
        (self.members.is_empty() || self.members.contains(member))
            && (self.experiences.is_empty() || self.experiences.contains(experience))
    }
}

/// A request for a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncRequest {
    /// The links that the run serves.
    pub scope: Scope,
    /// Id of the request, by which its run is found.
    pub request_id: Option<String>,
    /// The requester, as the request says: an ARN if the operator's command sent it.
    pub requester: Option<String>,
    /// The account whose credentials sent it, as the bus reports it.
    pub account: Option<String>,
    /// The reason for planning frozen links as if they were not frozen.
    pub override_reason: Option<String>,
}

/// The rest of a run, for the next invocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Continuation {
    /// Its id, a ULID.
    pub run: RunId,
    /// The version of the configuration that the run uses.
    pub config_version: u64,
    /// The links that are left, by their position in the configuration.
    pub links: Vec<usize>,
    /// The scopes of the run; it covers what any of them covers.
    pub scopes: Vec<Scope>,
    /// How often the run has been handed on, this time included. It differs for each continuation
    /// of a run, also if an invocation made no progress.
    #[serde(default)]
    pub number: u32,
}

/// `Sync Requested`: an operator requests a run.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct SyncDetail {
    /// The links that the run serves. All links if it is left out.
    #[serde(default)]
    pub(super) scope: Scope,
    /// Id of the request, by which its run is found. The event's id if it is left out.
    pub(super) request_id: Option<String>,
    /// The requester: an ARN if the operator's command sent it.
    pub(super) requester: Option<String>,
    /// The reason for planning frozen links as if they were not frozen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) override_reason: Option<String>,
}

/// `Lane Settled`: a worker found its lane done, or the member's rules changed. It is a hint only:
/// the producer looks for itself.
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

/// `Lane Edited`: a change set that pmp-sync did not start has changed the experience of a lane. It is a hint only: the producer plans
/// the link and sees for itself.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct EditedDetail {
    /// The member account.
    pub(super) account: AccountId,
    /// The member experience.
    pub(super) experience: ExperienceId,
    /// The change set.
    pub(super) change_set: ChangeSetId,
}

/// The event Lane Edited.
pub fn lane_edited(lane: &LaneId, change_set: &ChangeSetId) -> Event {
    let detail = EditedDetail {
        account: lane.account.clone(),
        experience: lane.experience.clone(),
        change_set: change_set.clone(),
    };
    event(LANE_EDITED, &detail)
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
    /// The deduplication id of the message. A FIFO queue drops a message whose id it has taken in
    /// the last five minutes, so no two continuations of a run may have the same.
    pub fn deduplication_id(&self) -> String {
        format!("{}-{}", self.run, self.number)
    }

    /// Serializes the message for the producer's inbox.
    pub fn to_body(&self) -> String {
        body(event(RUN_CONTINUED, self))
    }
}
