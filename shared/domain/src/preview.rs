//! The plan that a run would make now, as the producer answers it and the command prints it.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::FaultRecord;
use crate::guard::HoldReason;
use crate::ids::{AccountId, ExperienceId, MemberName, ProductId};
use crate::link::Mode;
use crate::plan::{LeftAlone, PlanHash};

/// What a run would do with the plan of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PreviewDecision {
    /// Nothing is to be done.
    InSync,
    /// The lane is at work on this very plan.
    Underway,
    /// It would be committed and sent.
    Commit,
    /// It would wait for approval.
    Held,
    /// It is suspended: nothing of it would be sent.
    Suspended,
    /// Nothing can be planned.
    Failed,
}

impl fmt::Display for PreviewDecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::InSync => "in_sync",
            Self::Underway => "underway",
            Self::Commit => "commit",
            Self::Held => "held",
            Self::Suspended => "suspended",
            Self::Failed => "failed",
        })
    }
}

/// What a run would do now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Preview {
    /// The schema of the release that made it.
    pub schema: u32,
    /// The version of the configuration that it went by.
    pub config_version: u64,
    /// Every member experience, or link that failed.
    pub links: Vec<PreviewLink>,
}

/// What a run would do to one member experience now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PreviewLink {
    /// The member.
    pub member: MemberName,
    /// Its account.
    pub account: AccountId,
    /// Its experience; none of a `*` link that failed as a whole.
    pub experience: Option<ExperienceId>,
    /// The experience that it follows.
    pub management_experience: ExperienceId,
    /// How far the link may go.
    pub mode: Mode,
    /// What a run would do.
    pub decision: PreviewDecision,
    /// The products that would be allowed.
    pub allow: Vec<ProductId>,
    /// The products that would be denied.
    pub deny: Vec<ProductId>,
    /// Of these, those that are allowed now.
    pub removals: usize,
    /// The fewest change sets that this takes.
    pub fewest_change_sets: usize,
    /// The plan's hash.
    pub plan_hash: Option<PlanHash>,
    /// Products that differ and would be left alone.
    pub left_alone: Vec<LeftAlone>,
    /// Products that the management policy both allows and denies.
    pub contradictory: Vec<ProductId>,
    /// Of the allows, those of products of which it is not known whether they are live. A run asks first.
    #[serde(default)]
    pub unchecked: usize,
    /// Products that differ because somebody has edited them outside of pmp-sync.
    #[serde(default)]
    pub edited: Vec<ProductId>,
    /// Since when the first of these edits has been seen.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Time>"))]
    pub edited_since: Option<Timestamp>,
    /// Why a run would hold the plan.
    #[serde(default)]
    pub held_for: Vec<HoldReason>,
    /// Why nothing can be planned.
    pub fault: Option<FaultRecord>,
}
