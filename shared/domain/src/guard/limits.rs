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
    /// More removals than a count that are at least a percentage of the list.
    Removals,
    /// More removals than a count that does not depend on the list.
    MostRemovals,
    /// The management list is much shorter than before.
    Shrink,
    /// The plan reverses what somebody has restored.
    Restored,
    /// A live member experience would get its first policy.
    FirstPolicy,
    /// The first plan of a link that was never observed would remove something.
    FirstMirror,
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
    FirstMirror => "first-mirror",
});

/// How much a plan may remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// More removals than this hold a plan if they are at least `removals_percent` of the list.
    pub removals: usize,
    /// The percentage of the member's list for `removals`.
    pub removals_percent: usize,
    /// More removals than this hold a plan if they are at least `short_list_percent` of the list.
    pub short_list_removals: usize,
    /// The percentage of the member's list for `short_list_removals`.
    pub short_list_percent: usize,
    /// More removals than this hold a plan, however long the list.
    pub most_removals: usize,
    /// A plan is held if the management list lost at least this percentage.
    pub shrink_percent: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            removals: 10,
            removals_percent: 5,
            short_list_removals: 3,
            short_list_percent: 25,
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
