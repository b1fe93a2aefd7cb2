//! What stands announced of a link.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{PlanHash, ProductId, RunId};
use crate::lane::BlockReason;
use crate::wire::events::{Condition, Notice};

/// A hold that was announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldMark {
    /// The run that made the plan.
    pub run: RunId,
    /// The plan's hash.
    pub plan_hash: PlanHash,
    /// The code of the first reason.
    pub reason: String,
    /// Since when it is held.
    pub since: Timestamp,
}

/// Something that was announced, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark<R> {
    /// Why.
    pub reason: R,
    /// Since when.
    pub since: Timestamp,
}

/// Changes in quarantine that were announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineMark {
    /// Since when the first of them is quarantined.
    pub since: Timestamp,
    /// The products, each with the run that its change was claimed under: one that is replayed and fails
    /// again is announced again.
    pub products: BTreeMap<ProductId, RunId>,
    /// How many more there are than are remembered.
    #[serde(default)]
    pub beyond: usize,
}

/// What stands announced of a link.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notices {
    /// Since when the link is watched for being stale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The number of the last notice.
    #[serde(default)]
    pub number: u64,
    /// The hold that stands announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<HeldMark>,
    /// The fault of the management experience that stands announced as a hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distrusted: Option<Mark<String>>,
    /// The block that stands announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<Mark<BlockReason>>,
    /// The quarantine that stands announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantined: Option<QuarantineMark>,
    /// Since when the link was not in sync, if it stands announced as stale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale: Option<Mark<String>>,
    /// What is recorded and not known to be on the bus.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<Notice>,
}

impl Notices {
    /// True if nothing was ever announced or watched.
    pub fn is_blank(&self) -> bool {
        *self == Self::default()
    }

    /// What stands announced, in the order in which it is told.
    pub fn standing(&self) -> BTreeSet<Condition> {
        let all = [
            (
                Condition::Held,
                self.held.is_some() || self.distrusted.is_some(),
            ),
            (Condition::Blocked, self.blocked.is_some()),
            (Condition::Quarantined, self.quarantined.is_some()),
            (Condition::Stale, self.stale.is_some()),
        ];
        let standing = all.into_iter().filter(|(_, stands)| *stands);
        standing.map(|(condition, _)| condition).collect()
    }
}
