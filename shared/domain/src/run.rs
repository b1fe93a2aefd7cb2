//! Status and totals of a run, and the status of its links.

use serde::{Deserialize, Serialize};

use crate::closed_list::closed_list;

/// Progress or result of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Links are still being observed.
    #[default]
    Planning,
    /// Everything is sent, and lanes are at work.
    Applying,
    /// Every link is in sync.
    Completed,
    /// Other links are in sync; some failed, are suspended, or have quarantined changes.
    Partial,
    /// Other links are in sync; the plans of some wait for approval.
    Held,
    /// No link could be observed.
    Failed,
    /// Newer plans replaced what was left to do.
    Superseded,
}

closed_list!(RunStatus, "status of a run", {
    Planning => "planning",
    Applying => "applying",
    Completed => "completed",
    Partial => "partial",
    Held => "held",
    Failed => "failed",
    Superseded => "superseded",
});

impl RunStatus {
    /// True if the run has ended.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Planning | Self::Applying)
    }
}

/// Counts of a run so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Totals {
    /// Member experiences that were observed.
    pub links: usize,
    /// Member experiences with nothing to do.
    pub in_sync: usize,
    /// Member experiences to whose lane a plan was committed.
    pub committed: usize,
    /// Member experiences whose lane already worked on the same plan.
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
    /// Lanes of removed links, whose open changes were closed.
    #[serde(default)]
    pub removed: usize,
    /// Links that cover no live member experience.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub no_targets: usize,
    /// Number of links that count as in sync because no run changes them as things are, although products
    /// differ: the link only observes, or is frozen, or something must be fixed first.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub differing: usize,
    /// Number of planned allows.
    pub allow: usize,
    /// Number of planned denies.
    pub deny: usize,
    /// Messages that were sent.
    pub messages: usize,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// How a lane ended its part of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LaneEnd {
    /// It is at rest.
    Rests {
        /// Number of its quarantined changes.
        quarantined: usize,
    },
    /// A newer plan took over.
    Superseded,
    /// It is at rest, and its lists could not be compared, because one side of its link cannot be
    /// read.
    NotSeen,
}

/// The status of a link in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LinkStatus {
    /// The plan is empty and the lane at rest.
    InSync,
    /// The plan was committed and sent.
    Committed,
    /// The lane already works on the same plan.
    Underway,
    /// Nothing was planned or sent; `fault` says why.
    Failed,
    /// The link is suspended: what would change is recorded, and nothing was sent.
    Suspended,
    /// The link was removed from the configuration: open changes of its lane were closed.
    Removed,
    /// The plan waits for approval, or the management experience cannot be trusted: nothing was
    /// sent.
    Held,
    /// A hold was rejected.
    Rejected,
    /// A request about a hold was refused: nothing was changed.
    Refused,
    /// `*` leaves the experience out, because another link follows or names it; `fault` says which.
    LeftOut,
    /// The link is to every live experience of the member, and there is none.
    NoTargets,
}

closed_list!(LinkStatus, "status of a link", {
    InSync => "in_sync",
    Committed => "committed",
    Underway => "underway",
    Failed => "failed",
    Suspended => "suspended",
    Removed => "removed",
    Held => "held",
    Rejected => "rejected",
    Refused => "refused",
    LeftOut => "left_out",
    NoTargets => "no_targets",
});
