//! What has been announced of a link and still applies.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{InstallationId, PlanHash, ProductId, RunId};
use crate::lane::BlockReason;
use crate::wire::events::{Condition, Notice};

/// A hold that has been announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldMark {
    /// The run whose record shows the plan.
    pub run: RunId,
    /// Hash of the plan.
    pub plan_hash: PlanHash,
    /// `PMS-nnnn` of the first reason.
    pub reason: String,
    /// When the hold began.
    pub since: Timestamp,
}

/// A state that has been announced, with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark<R> {
    /// The reason that was announced.
    pub reason: R,
    /// When the state began.
    pub since: Timestamp,
}

/// Quarantined changes that have been announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineMark {
    /// When the first of them was quarantined.
    pub since: Timestamp,
    /// The products, each with the run that claimed its change. So a change that is replayed and
    /// fails again is announced again.
    pub products: BTreeMap<ProductId, RunId>,
    /// Number of quarantined changes beyond those that are remembered.
    #[serde(default)]
    pub beyond: usize,
}

/// Outside edits that have been announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditMark {
    /// When the first of them was seen.
    pub since: Timestamp,
    /// The products, each with the time of the first run that saw the edit. A later edit of the same product is announced again.
    pub products: BTreeMap<ProductId, Timestamp>,
    /// Number of products beyond those that are remembered.
    #[serde(default)]
    pub beyond: usize,
}

/// What has been announced of a link and still applies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notices {
    /// When the link began to be watched for staleness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Number of the last notice. It grows by one with each.
    #[serde(default)]
    pub number: u64,
    /// The announced hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<HeldMark>,
    /// The fault of the management experience that is announced as a hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distrusted: Option<Mark<String>>,
    /// The announced block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<Mark<BlockReason>>,
    /// The announced quarantine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantined: Option<QuarantineMark>,
    /// The announced other installation that changes the same experience.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contested: Option<Mark<InstallationId>>,
    /// The announced outside edits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited: Option<EditMark>,
    /// The announced staleness, with the time since which the link was not in sync.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale: Option<Mark<String>>,
    /// Notices that are recorded and not known to be on the bus.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<Notice>,
}

impl Notices {
    /// True if nothing was ever announced, and the link was never watched.
    pub fn is_blank(&self) -> bool {
        *self == Self::default()
    }

    /// The announced conditions, in the order in which they are shown.
    pub fn standing(&self) -> BTreeSet<Condition> {
        let all = [
            (
                Condition::Held,
                self.held.is_some() || self.distrusted.is_some(),
            ),
            (Condition::Blocked, self.blocked.is_some()),
            (Condition::Quarantined, self.quarantined.is_some()),
            (Condition::Contested, self.contested.is_some()),
            (Condition::Edited, self.edited.is_some()),
            (Condition::Stale, self.stale.is_some()),
        ];
        let standing = all.into_iter().filter(|(_, stands)| *stands);
        standing.map(|(condition, _)| condition).collect()
    }
}
