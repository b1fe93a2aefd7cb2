//! What a run planned for a link, and the lanes that were ever planned for.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::approval::{Approval, Hold};
use crate::error::FaultRecord;
use crate::ids::{AccountId, ExperienceId, LaneId, MemberName, PlanHash, ProductId, RunId};
use crate::link::Mode;
use crate::plan::{LeftAlone, Plan};
use crate::run::LinkStatus;

/// A lane that was ever planned for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneEntry {
    /// The schema of the release that wrote it.
    pub schema: u32,
    /// The lane.
    pub lane: LaneId,
    /// The member's name at that time.
    pub member: MemberName,
    /// The experience that it follows.
    pub management_experience: ExperienceId,
    /// How far the link may go.
    pub mode: Mode,
    /// The last run that committed a plan to it or failed on it.
    pub run: RunId,
}

/// The ledger's item of a link in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LinkRecord {
    /// The schema of the release that wrote it.
    pub schema: u32,
    /// The run.
    pub run: RunId,
    /// The member.
    pub member: MemberName,
    /// Its account.
    pub account: AccountId,
    /// Its lane; none of a `*` link that failed as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<LaneId>,
    /// The experience that it follows.
    pub management_experience: ExperienceId,
    /// How far the link may go.
    pub mode: Mode,
    /// What became of it.
    pub status: LinkStatus,
    /// The plan's hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_hash: Option<PlanHash>,
    /// The products to be allowed.
    #[serde(default)]
    pub allow: Vec<ProductId>,
    /// The products to be denied.
    #[serde(default)]
    pub deny: Vec<ProductId>,
    /// Of the denies, those of products that are allowed at the time.
    #[serde(default)]
    pub removals: usize,
    /// Products that differ and are left alone.
    #[serde(default)]
    pub left_alone: Vec<LeftAlone>,
    /// Products that the management policy both allows and denies.
    #[serde(default)]
    pub contradictory: Vec<ProductId>,
    /// Products that differ because somebody has edited them outside of pmp-sync.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edited: Vec<ProductId>,
    /// Since when the first of these edits has been seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Time>"))]
    pub edited_since: Option<Timestamp>,
    /// Why nothing was planned or sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultRecord>,
    /// The hold that the plan waits in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// The request about a hold that this run served on the link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// Allowed although nobody could be asked whether they are live.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unchecked: usize,
    /// When.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub at: Timestamp,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl LinkRecord {
    /// The plan that was committed to the lane, if one was: of a held one nothing is.
    pub fn plan(&self) -> Plan {
        match self.status {
            LinkStatus::Held | LinkStatus::Rejected | LinkStatus::Refused => Plan::default(),
            _ => self.shown(),
        }
    }

    /// The plan that it shows.
    pub fn shown(&self) -> Plan {
        Plan::new(
            self.allow.iter().cloned().collect(),
            self.deny.iter().cloned().collect(),
        )
    }
}
