//! What the producer remembers of a link from run to run: the guards' memory, holds, approvals.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::notices::Notices;
use crate::approval::{Grant, Hold};
use crate::guard::limits::GuardName;
use crate::ids::ProductId;

/// Products that were taken away at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// When their plan was committed; when they were first seen to be gone, once they were.
    pub at: Timestamp,
    /// The products.
    pub products: BTreeSet<ProductId>,
}

/// How long the member's list of allowed products was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// From when on.
    pub at: Timestamp,
    /// How many products.
    pub allowed: usize,
}

/// The ledger's item of what the producer remembers of a link: the guards' memory and what is held.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkState {
    /// The schema of the release that wrote it.
    pub schema: u32,
    /// Counts the writes: the next one is made only on the link state as it was read.
    pub rev: u64,
    /// What was taken away in the last 24 hours without approval.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removals: Vec<Removal>,
    /// Products of these that were still being taken away when the link was last looked at.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub taking: BTreeSet<ProductId>,
    /// How long the member's list was since the window began, as far as it changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sizes: Vec<Size>,
    /// How many products the management experience allowed when the link was last planned for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub management_allowed: Option<usize>,
    /// What is held, if something is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// A rollback that somebody has asked for, and that nobody has approved yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<Hold>,
    /// What was approved and is not done yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Grant>,
    /// The states of the management experience that somebody has accepted, while they last.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub accepted: BTreeSet<GuardName>,
    /// The rollback that was gone: plans against it need approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored: Option<Grant>,
    /// Products that differ from what pmp-sync did to them last, and since when this has been seen.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub edited: BTreeMap<ProductId, Timestamp>,
    /// How many more of them there are than are remembered.
    #[serde(default, skip_serializing_if = "is_none_of_them")]
    pub edited_beyond: usize,
    /// Since when the link is frozen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen_since: Option<Timestamp>,
    /// What stands announced of the link.
    #[serde(default, skip_serializing_if = "Notices::is_blank")]
    pub notices: Notices,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_none_of_them(count: &usize) -> bool {
    *count == 0
}
