//! Holds: plans that wait for approval, and what becomes of them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::guard::HoldReason;
use crate::ids::{ExperienceId, LaneId, RunId};
use crate::plan::PlanHash;

/// Somebody who asked for something, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Ask {
    /// Who, as the request says: the principal's ARN when the operator's command sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The account whose credentials sent the request, as the bus says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// When.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub at: Timestamp,
}

/// A plan that waits for approval. Its products are in the run's record of the link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Hold {
    /// The run that made the plan: what is approved is what its record shows.
    pub run: RunId,
    /// The plan's hash.
    pub plan_hash: PlanHash,
    /// Why it is held.
    pub reasons: Vec<HoldReason>,
    /// Planned allows.
    pub allow: usize,
    /// Planned denies.
    pub deny: usize,
    /// Of these, those of products that the member allows.
    pub removals: usize,
    /// Since when.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub since: Timestamp,
    /// True once it has been announced.
    #[serde(default)]
    pub announced: bool,
    /// Who has rejected it: it stays held, and nobody is asked again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<Ask>,
}

impl Hold {
    /// True if the other one says the same: the way forward that people were told stays good. What the
    /// reasons count may move meanwhile.
    pub fn is_same(&self, other: &Self) -> bool {
        let guards =
            |hold: &Self| -> Vec<_> { hold.reasons.iter().map(HoldReason::code).collect() };
        self.plan_hash == other.plan_hash && guards(self) == guards(other)
    }

    /// The run before which the lists are wanted back, if it is a rollback.
    pub fn rollback_to(&self) -> Option<RunId> {
        self.reasons.iter().find_map(|reason| match reason {
            HoldReason::Restore { run } => Some(*run),
            _ => None,
        })
    }

    /// The command that releases it.
    pub fn command(&self, experience: &ExperienceId) -> String {
        format!(
            "pmp-sync approve {} --link {experience} --plan {}",
            self.run, self.plan_hash
        )
    }
}

/// A plan that was approved: what its run's record shows may be done, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The run whose record shows the plan.
    pub run: RunId,
    /// Who approved it.
    pub ask: Ask,
    /// The run that has executed it, or was the first to try.
    pub executed: RunId,
}

/// What somebody wants done with a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ApprovalAction {
    /// Execute what was shown.
    Approve,
    /// Leave it, and ask no more.
    Reject,
    /// Plan the rollback to the lists as they were before the run, and hold it.
    Restore,
}

impl ApprovalAction {
    /// As it stands in a run's request.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Approve => "approval-requested",
            Self::Reject => "rejection-requested",
            Self::Restore => "restore-requested",
        }
    }
}

/// A request about a hold, or for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalRequest {
    /// What is wanted.
    pub action: ApprovalAction,
    /// The lane.
    pub lane: LaneId,
    /// The run whose plan was shown; the run before which the lists are wanted back.
    pub run: RunId,
    /// The hash of the plan that was shown; none for a rollback, which is not planned yet.
    pub plan_hash: Option<PlanHash>,
    /// The request's own id, by which its run is found.
    pub request_id: Option<String>,
    /// Who asks, as the request says.
    pub requester: Option<String>,
    /// The account whose credentials sent it, as the bus says.
    pub account: Option<String>,
}

/// What became of a request about a hold, in the record of the link of the run that served it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Approval {
    /// What was wanted.
    pub action: ApprovalAction,
    /// The run whose plan was shown, or before which the lists are wanted back.
    pub of: RunId,
    /// The hash of the plan that was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_hash: Option<PlanHash>,
    /// Who, and when.
    pub ask: Ask,
    /// Why it was refused; nothing was done then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}
