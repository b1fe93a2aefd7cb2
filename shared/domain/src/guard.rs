//! The guards: what a plan must not do without approval. A wrong Deny stops a company from
//! buying, so they are on unless a link is exempt from one by its name. Pure.
//!
//! A guard holds the whole plan of a link, never a part of it. Removals (denies of products that the
//! member allows) are counted as planned, open, and taken away in the last 24 hours, so that no limit
//! can be passed in slices; percentages are of the list as it stood when that window began.

mod link_state;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::link_state::{LinkState, Removal, Size};
use crate::batch::BATCH;
use crate::ids::{ProductId, RunId};
use crate::plan::Plan;
use crate::policy::PolicySnapshot;

/// The highest limit that a configuration may set.
pub const MOST_LIMIT: usize = 5_000;
/// How far back removals count, in seconds.
pub const WINDOW: i64 = 24 * 3600;

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

impl GuardName {
    const ALL: [Self; 9] = [
        Self::ManagementEmpty,
        Self::ManagementNoPolicy,
        Self::ManagementDisabled,
        Self::ManagementArchived,
        Self::Removals,
        Self::MostRemovals,
        Self::Shrink,
        Self::Restored,
        Self::FirstPolicy,
    ];

    /// As it stands in the configuration and in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ManagementEmpty => "management-empty",
            Self::ManagementNoPolicy => "management-no-policy",
            Self::ManagementDisabled => "management-disabled",
            Self::ManagementArchived => "management-archived",
            Self::Removals => "removals",
            Self::MostRemovals => "most-removals",
            Self::Shrink => "shrink",
            Self::Restored => "restored",
            Self::FirstPolicy => "first-policy",
        }
    }
}

impl fmt::Display for GuardName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for GuardName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|name| name.as_str() == text);
        found.ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|name| name.as_str()).collect();
            format!("there is no guard {text:?}; there are {}", names.join(", "))
        })
    }
}

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

/// Why a plan is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "guard", rename_all = "kebab-case")]
pub enum HoldReason {
    /// The management policy allows nothing: everything would be denied.
    ManagementEmpty,
    /// The management experience has no procurement policy: it allows everything, and lists nothing.
    ManagementNoPolicy,
    /// The management experience is not enabled.
    ManagementDisabled {
        /// What its status is instead.
        status: String,
    },
    /// The management experience is archived.
    ManagementArchived,
    /// Too many removals for the length of the list.
    Removals {
        /// Removals that are planned, open, or were made in the last 24 hours.
        count: usize,
        /// Of so many products that were allowed when that window began.
        of: usize,
        /// So many are let through,
        limit: usize,
        /// and more of them up to this percentage.
        percent: usize,
    },
    /// Too many removals, however long the list.
    MostRemovals {
        /// Removals that are planned, open, or were made in the last 24 hours.
        count: usize,
        /// So many are let through.
        limit: usize,
    },
    /// The management list is much shorter than when the link was last planned for.
    Shrink {
        /// Products that it allowed then.
        from: usize,
        /// Products that it allows now.
        to: usize,
        /// The percentage that it may lose.
        percent: usize,
    },
    /// The plan takes back what somebody has restored.
    Restored {
        /// The run whose changes were taken back.
        run: RunId,
        /// How many changes take it back.
        count: usize,
    },
    /// A live member experience without a policy allows everything. Its first policy would block all but
    /// what is in it, which is no more than one change set carries, until the others have followed.
    FirstPolicy {
        /// Products that the plan allows.
        allow: usize,
    },
    /// Somebody wants the lists back as they were before this run.
    Restore {
        /// The run.
        run: RunId,
    },
}

impl HoldReason {
    /// The guard; none for what somebody has asked for.
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

    /// What to do, unless the plan is right as it is.
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
                "put back what should not have gone from the management experience"
            }
            Self::Restored { .. } => {
                "put back into the management experience what was restored in the member's"
            }
            Self::FirstPolicy { .. } => {
                "fill the list while the member experience is Disabled, and enable it then"
            }
            Self::Restore { .. } => "look at the plan",
        }
    }

    /// The stable code; docs/errors has its page.
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
                "{count} allowed products would be gone within 24 hours, of {of} that were allowed when these began: more than {limit}, and more than {percent} %"
            ),
            Self::MostRemovals { count, limit } => write!(
                f,
                "{count} allowed products would be gone within 24 hours, which is more than {limit}"
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
                "the member experience is live and has no procurement policy, so that everything is allowed there: its first one would block all but {} products at once, and then all but {allow}",
                (*allow).min(BATCH)
            ),
            Self::Restore { run } => {
                write!(f, "the lists are to be what they were before run {run}")
            }
        }
    }
}

/// What a guard looks at.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The member's lists.
    pub actual: &'a PolicySnapshot,
    /// The products of open denies.
    pub open: &'a BTreeSet<ProductId>,
    /// True if the member experience is live and has no policy yet.
    pub first_policy: bool,
    /// What is odd about the management experience.
    pub oddities: &'a [HoldReason],
    /// How many products it allows.
    pub management_allowed: usize,
    /// What is remembered of the link.
    pub link_state: &'a LinkState,
    /// What was approved and is not done yet, as it was shown.
    pub approved: Option<&'a Plan>,
    /// The rollback that was gone, as it was shown.
    pub restored: Option<&'a Plan>,
    /// The link's guard.
    pub guard: &'a Guard,
    /// Now.
    pub now: Timestamp,
}

impl Case<'_> {
    /// The removals of the plan: what people would lose.
    pub fn removals(&self) -> BTreeSet<ProductId> {
        let allowed = self.actual.allowed();
        self.plan.deny().intersection(allowed).cloned().collect()
    }

    /// True if every change of the plan was approved: it needs no further approval.
    pub fn is_approved(&self) -> bool {
        !self.plan.is_empty()
            && self
                .approved
                .is_some_and(|approved| self.plan.is_part_of(approved))
    }

    /// Why the plan needs approval; none if it does not.
    ///
    /// What is odd about the management experience is told even if nothing would change because of it,
    /// until somebody has accepted it: from then on it is told only of a plan that would change something.
    pub fn reasons(&self) -> Vec<HoldReason> {
        if self.is_approved() {
            return Vec::new();
        }
        let exempt = |name: GuardName| self.guard.exempt.contains(&name);
        let is_odd = |reason: &&HoldReason| {
            let accepted =
                |name: GuardName| self.plan.is_empty() && self.link_state.accepted.contains(&name);
            !reason.guard().is_some_and(accepted)
        };
        let mut reasons: Vec<_> = self.oddities.iter().filter(is_odd).cloned().collect();
        if !self.plan.is_empty() {
            reasons.extend(self.too_many());
            reasons.extend(self.shrunk());
            reasons.extend(self.against_restored());
            if self.first_policy {
                let allow = self.plan.allow().len();
                reasons.push(HoldReason::FirstPolicy { allow });
            }
        }
        reasons.retain(|reason| !reason.guard().is_some_and(exempt));
        reasons
    }

    fn too_many(&self) -> Vec<HoldReason> {
        let planned = self.removals();
        if planned.is_empty() {
            return Vec::new();
        }
        let allowed = self.actual.allowed();
        let open = self.open.intersection(allowed);
        let mut all = self.link_state.removed(self.now);
        all.extend(planned.iter().chain(open));
        let count = all.len();
        let of = self.link_state.size_at_window(allowed.len(), self.now);
        let Limits {
            removals: limit,
            removals_percent: percent,
            most_removals: most,
            ..
        } = self.guard.limits;
        let mut reasons = Vec::new();
        if count > limit && exceeds(count, of, percent) {
            reasons.push(HoldReason::Removals {
                count,
                of,
                limit,
                percent,
            });
        }
        if count > most {
            reasons.push(HoldReason::MostRemovals { count, limit: most });
        }
        reasons
    }

    fn shrunk(&self) -> Option<HoldReason> {
        let from = self.link_state.management_allowed?;
        let (to, percent) = (self.management_allowed, self.guard.limits.shrink_percent);
        let lost = from.saturating_sub(to);
        (lost > 0 && exceeds(lost, from, percent)).then_some(HoldReason::Shrink {
            from,
            to,
            percent,
        })
    }

    fn against_restored(&self) -> Option<HoldReason> {
        let run = self.link_state.restored.as_ref()?.run;
        let restored = self.restored?;
        let count = self.plan.opposites(restored);
        (count > 0).then_some(HoldReason::Restored { run, count })
    }
}

/// True if `part` is more than `percent` of `whole`.
fn exceeds(part: usize, whole: usize, percent: usize) -> bool {
    part.saturating_mul(100) > whole.saturating_mul(percent)
}

#[cfg(test)]
mod tests;
