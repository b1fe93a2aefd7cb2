//! How far a run has come, what it amounts to, and what becomes of its links.

use serde::{Deserialize, Serialize};

/// How far a run has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Links are still being looked at.
    #[default]
    Planning,
    /// Everything is sent; lanes are at work.
    Applying,
    /// Every link is in sync.
    Completed,
    /// Every link that could be is in sync; others failed, are suspended, or have changes in quarantine.
    Partial,
    /// Every link that could be is in sync; the plans of others wait for approval.
    Held,
    /// No link could be looked at.
    Failed,
    /// Newer plans have taken the place of what was still to be done.
    Superseded,
}

impl RunStatus {
    /// True when nothing more will come of the run.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Planning | Self::Applying)
    }

    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planning => "planning",
            Self::Applying => "applying",
            Self::Completed => "completed",
            Self::Partial => "partial",
            Self::Held => "held",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
        }
    }
}

/// What a run amounts to so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Totals {
    /// Member experiences that were looked at.
    pub links: usize,
    /// Of these, those with nothing to do.
    pub in_sync: usize,
    /// Of these, those to which a plan was committed.
    pub committed: usize,
    /// Of these, those that were at work on the very plan.
    pub underway: usize,
    /// Links that failed.
    pub failed: usize,
    /// Links that are suspended and differ.
    #[serde(default)]
    pub suspended: usize,
    /// Links whose plans wait for approval.
    #[serde(default)]
    pub held: usize,
    /// Products whose changes are quarantined.
    #[serde(default)]
    pub quarantined: usize,
    /// Lanes of links that have left the configuration, whose open changes were closed.
    #[serde(default)]
    pub removed: usize,
    /// Planned allows.
    pub allow: usize,
    /// Planned denies.
    pub deny: usize,
    /// Messages that were sent.
    pub messages: usize,
}

/// How a lane is done with a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LaneEnd {
    /// It rests; so many of its changes are quarantined.
    Rests {
        /// How many.
        quarantined: usize,
    },
    /// A newer plan took over.
    Superseded,
    /// It rests, and whether it is equal could not be seen: a side of its link cannot be looked at.
    NotSeen,
}

/// What became of a link in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LinkStatus {
    /// The plan is empty and the lane at rest.
    InSync,
    /// The plan was committed and sent.
    Committed,
    /// The lane is at work on this very plan.
    Underway,
    /// Nothing was planned or sent; `fault` says why.
    Failed,
    /// The link is suspended: what would be changed is on record, and nothing of it was sent.
    Suspended,
    /// The link has left the configuration: what was still open on its lane was closed.
    Removed,
    /// The plan waits for approval, or the management experience cannot be trusted: nothing
    /// of it was sent.
    Held,
    /// A hold was rejected.
    Rejected,
    /// A request about a hold was refused: nothing was done.
    Refused,
}
