//! What a link lets its plans take away, and the guards that it is exempt from.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::closed_list::closed_list;

/// The highest limit that a configuration may set.
pub const MOST_LIMIT: usize = 5_000;

/// A guard, by which a link is exempt from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum GuardName {
    /// The management policy allows nothing.
    ManagementEmpty,
    /// The management experience has no procurement policy.
    ManagementNoPolicy,
    /// The management experience is not enabled.
    ManagementDisabled,
    /// The management experience is archived.
    ManagementArchived,
    /// More removals than both a count and a percentage.
    Removals,
    /// More removals than a count that does not depend on the list.
    MostRemovals,
    /// The management list is much shorter than it was.
    Shrink,
    /// The plan takes back what somebody has restored.
    Restored,
    /// A live member experience would get its first policy.
    FirstPolicy,
}

closed_list!(GuardName, "guard", {
    ManagementEmpty => "management-empty",
    ManagementNoPolicy => "management-no-policy",
    ManagementDisabled => "management-disabled",
    ManagementArchived => "management-archived",
    Removals => "removals",
    MostRemovals => "most-removals",
    Shrink => "shrink",
    Restored => "restored",
    FirstPolicy => "first-policy",
});

/// How much a plan may take away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Removals that are always let through, unless `most_removals` is lower.
    pub removals: usize,
    /// The percentage of the member's list that more of them must not exceed.
    pub removals_percent: usize,
    /// Removals that are never exceeded, however long the list.
    pub most_removals: usize,
    /// The percentage by which the management list may be shorter than it was.
    pub shrink_percent: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            removals: 10,
            removals_percent: 5,
            most_removals: 50,
            shrink_percent: 50,
        }
    }
}

/// The guard of one link.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guard {
    /// How much its plans may take away.
    pub limits: Limits,
    /// The guards that it is exempt from.
    pub exempt: BTreeSet<GuardName>,
}
