//! The reasons for a hold, each with its code and remedy.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::limits::GuardName;
use crate::ids::RunId;
use crate::lane::BATCH;

/// Why a plan is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "guard", rename_all = "kebab-case")]
pub enum HoldReason {
    /// The management policy allows nothing, so everything would be denied.
    ManagementEmpty,
    /// The management experience has no procurement policy. It allows everything, and lists
    /// nothing.
    ManagementNoPolicy,
    /// The management experience is not enabled.
    ManagementDisabled {
        /// Its status in the words of the service.
        status: String,
    },
    /// The management experience is archived.
    ManagementArchived,
    /// Too many removals for the length of the list.
    Removals {
        /// Removals that are planned, open, or were made in the last 24 hours.
        count: usize,
        /// Number of products that were allowed when the 24 hours began.
        of: usize,
        /// This many removals hold no plan.
        limit: usize,
        /// More removals hold a plan above this percentage.
        percent: usize,
    },
    /// Too many removals, however long the list.
    MostRemovals {
        /// Removals that are planned, open, or were made in the last 24 hours.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// The management list is much shorter than when the link was last planned for.
    Shrink {
        /// Number of products that it allowed then.
        from: usize,
        /// Number of products that it allows now.
        to: usize,
        /// The percentage that it may lose.
        percent: usize,
    },
    /// The plan reverses what somebody has restored.
    Restored {
        /// The run whose changes the restore reversed.
        run: RunId,
        /// Number of changes that reverse the restore.
        count: usize,
    },
    /// A live member experience without a policy allows everything. Its first policy would block
    /// everything that is not in it, and one change set can contain only 50 products.
    FirstPolicy {
        /// Number of products that the plan allows.
        allow: usize,
    },
    /// An operator requested a rollback to the lists before a run.
    Restore {
        /// Its id, a ULID.
        run: RunId,
    },
}

impl HoldReason {
    /// The guard that stopped the plan. None for a rollback, which is always held.
    pub fn guard(&self) -> Option<GuardName> {
        Some(match self {
            Self::ManagementEmpty => GuardName::ManagementEmpty,
            Self::ManagementNoPolicy => GuardName::ManagementNoPolicy,
            Self::ManagementDisabled { .. } => GuardName::ManagementDisabled,
            Self::ManagementArchived => GuardName::ManagementArchived,
            Self::Removals { .. } => GuardName::Removals,
            Self::MostRemovals { .. } => GuardName::MostRemovals,
            Self::Shrink { .. } => GuardName::Shrink,
            Self::Restored { .. } => GuardName::Restored,
            Self::FirstPolicy { .. } => GuardName::FirstPolicy,
            Self::Restore { .. } => return None,
        })
    }

    /// What to do if the plan is a mistake.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::ManagementEmpty | Self::ManagementNoPolicy => {
                "allow at least one product in the management experience; nothing is denied until then"
            }
            Self::ManagementDisabled { .. } => {
                "make the management experience live, or name another one in the configuration"
            }
            Self::ManagementArchived => {
                "reactivate the management experience, or name another one in the configuration"
            }
            Self::Removals { .. } | Self::MostRemovals { .. } | Self::Shrink { .. } => {
                "re-allow products that were removed from the management experience by mistake"
            }
            Self::Restored { .. } => {
                "allow in the management experience what was restored in the member's"
            }
            Self::FirstPolicy { .. } => {
                "fill the list while the member experience is Disabled, and enable it then"
            }
            Self::Restore { .. } => "look at the plan",
        }
    }

    /// The stable code. docs/errors has a page for it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ManagementArchived => "PMS-2002",
            Self::ManagementDisabled { .. } => "PMS-2003",
            Self::ManagementNoPolicy => "PMS-2004",
            Self::ManagementEmpty => "PMS-2005",
            Self::Removals { .. } => "PMS-7001",
            Self::MostRemovals { .. } => "PMS-7002",
            Self::Shrink { .. } => "PMS-7003",
            Self::Restored { .. } => "PMS-7004",
            Self::Restore { .. } => "PMS-7005",
            Self::FirstPolicy { .. } => "PMS-3004",
        }
    }
}

impl fmt::Display for HoldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ManagementEmpty => f.write_str("the management policy allows nothing"),
            Self::ManagementNoPolicy => {
                f.write_str("the management experience has no procurement policy")
            }
            Self::ManagementDisabled { status } => write!(
                f,
                "the management experience is not enabled (its status is {status})"
            ),
            Self::ManagementArchived => f.write_str("the management experience is archived"),
            Self::Removals {
                count,
                of,
                limit,
                percent,
            } => write!(
                f,
                "would remove {count} of {of} allowed products within 24 hours: more than {limit} and more than {percent} %"
            ),
            Self::MostRemovals { count, limit } => write!(
                f,
                "would remove {count} allowed products within 24 hours, more than {limit}"
            ),
            Self::Shrink { from, to, percent } => write!(
                f,
                "the management experience allows {to} products, {from} when the link was last planned for: it lost more than {percent} %"
            ),
            Self::Restored { run, count } => write!(
                f,
                "{count} changes would take back what was restored (the rollback that run {run} shows)"
            ),
            Self::FirstPolicy { allow } => write!(
                f,
                "the member experience is live and has no procurement policy, so everything is allowed there; its first policy would block all but {} products at once, and then all but {allow}",
                (*allow).min(BATCH)
            ),
            Self::Restore { run } => {
                write!(f, "the lists return to what they were before run {run}")
            }
        }
    }
}
