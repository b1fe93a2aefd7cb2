//! The limits of a link, and the guards from which it is exempt.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::closed_list::closed_list;

/// The highest limit that a configuration may set.
pub const MOST_LIMIT: usize = 5_000;

/// A guard. A link is exempt from it by its name.
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
    /// The management list is much shorter than before.
    Shrink,
    /// The plan reverses what somebody has restored.
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

/// How much a plan may remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// This many removals never hold a plan, unless `most_removals` is lower.
    pub removals: usize,
    /// More removals hold a plan if they exceed this percentage of the member's list.
    pub removals_percent: usize,
    /// More removals than this hold a plan, however long the list.
    pub most_removals: usize,
    /// A plan is held if the management list lost more than this percentage.
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
    /// How much its plans may remove.
    pub limits: Limits,
    /// The guards from which it is exempt.
    pub exempt: BTreeSet<GuardName>,
}
