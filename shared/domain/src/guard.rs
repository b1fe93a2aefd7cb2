//! The guards: what a plan must not do without somebody's consent. A wrong Deny stops a company from
//! buying, so they are on unless a link is exempt from one by its name. Pure.
//!
//! A guard stops the whole plan of a link, never a part of it. Removals (denies of products that the
//! member allows) are counted as planned, open, and taken away in the last 24 hours, so that no limit
//! can be passed in slices; percentages are of the list as it stood when that window began.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::batch::BATCH;
use crate::hold::{Allowance, Hold};
use crate::ids::{ProductId, RunId};
use crate::lane::later;
use crate::plan::Plan;
use crate::policy::PolicySnapshot;

/// The highest limit that a configuration may set.
pub const MOST_LIMIT: usize = 5_000;
/// How far back removals count, in seconds.
pub const WINDOW: i64 = 24 * 3600;
/// Sizes of a list that are kept of one window at most; then the older of the closest ones go.
const MOST_SIZES: usize = 100;

/// A guard, by which a link is exempt from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
                "{count} of {of} allowed products would be gone within 24 hours, which is more than {limit} and more than {percent} %"
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
                "{count} changes would take back what was restored from run {run}"
            ),
            Self::FirstPolicy { allow } => write!(
                f,
                "the member experience is live and has no procurement policy, so that everything is allowed there: its first one would block all but {allow} products, and all but the first {BATCH} of them at once"
            ),
            Self::Restore { run } => {
                write!(f, "the lists are to be what they were before run {run}")
            }
        }
    }
}

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
pub struct Book {
    /// The schema of the release that wrote it.
    pub schema: u32,
    /// Counts the writes: the next one is made only on the book as it was read.
    pub rev: u64,
    /// What was taken away in the last 24 hours without anybody's consent.
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
    /// A way back that somebody has asked for, and that nobody has approved yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<Hold>,
    /// What was approved and is not done yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowance: Option<Allowance>,
    /// The states of the management experience that somebody has accepted, while they last.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub accepted: BTreeSet<GuardName>,
    /// The way back that was gone: plans against it need consent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored: Option<Allowance>,
    /// Products that differ from what pmp-sync did to them last, and since when this has been seen.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub edited: BTreeMap<ProductId, Timestamp>,
    /// How many more of them there are than are remembered.
    #[serde(default, skip_serializing_if = "is_none_of_them")]
    pub edited_beyond: usize,
    /// Since when the link is frozen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen_since: Option<Timestamp>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_none_of_them(count: &usize) -> bool {
    *count == 0
}

impl Book {
    /// The list's size when the window began that ends now; `allowed` if nothing is known of then.
    fn size_at_window(&self, allowed: usize, now: Timestamp) -> usize {
        let begin = later(now, -WINDOW);
        let before = self.sizes.iter().rev().find(|size| size.at <= begin);
        let known = before.or(self.sizes.first());
        known.map_or(allowed, |size| size.allowed)
    }

    /// The products that were taken away since the window began.
    fn removed(&self, now: Timestamp) -> BTreeSet<&ProductId> {
        let begin = later(now, -WINDOW);
        let recent = self.removals.iter().filter(|removal| removal.at > begin);
        let recent = recent.flat_map(|removal| &removal.products);
        recent.chain(&self.taking).collect()
    }

    /// Writes down how long the list is now, and forgets what is over.
    pub fn sized(&mut self, allowed: usize, now: Timestamp) {
        let begin = later(now, -WINDOW);
        self.removals.retain(|removal| removal.at > begin);
        // The newest one at or before the beginning tells how long the list was then.
        let old = self.sizes.iter().filter(|size| size.at <= begin).count();
        self.sizes.drain(..old.saturating_sub(1));
        if self.sizes.last().is_none_or(|size| size.allowed != allowed) {
            self.sizes.push(Size { at: now, allowed });
        }
        // The first one says how long the list was when the window began.
        while self.sizes.len() > MOST_SIZES {
            self.sizes.remove(1);
        }
    }

    /// Writes down what a plan takes away, before it is committed.
    pub fn taking_away(&mut self, products: BTreeSet<ProductId>, now: Timestamp) {
        if !products.is_empty() {
            self.taking.extend(products.iter().cloned());
            self.removals.push(Removal { at: now, products });
        }
    }

    /// What was still being taken away when the link was last looked at may have gone at any moment since:
    /// it counts from now on. Were it counted from its commit, a change set that came about hours later
    /// would be forgotten hours too early.
    pub fn looked(&mut self, still_taken: impl Fn(&ProductId) -> bool, now: Timestamp) {
        let taken = std::mem::take(&mut self.taking);
        if taken.is_empty() {
            return;
        }
        for removal in &mut self.removals {
            removal.products.retain(|product| !taken.contains(product));
        }
        self.removals.retain(|removal| !removal.products.is_empty());
        let still = taken.iter().filter(|product| still_taken(product));
        self.taking = still.cloned().collect();
        self.removals.push(Removal {
            at: now,
            products: taken,
        });
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
    pub book: &'a Book,
    /// What was approved and is not done yet, as it was shown.
    pub approved: Option<&'a Plan>,
    /// The way back that was gone, as it was shown.
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

    /// True if every change of the plan was approved: it needs no further consent.
    pub fn is_approved(&self) -> bool {
        !self.plan.is_empty()
            && self
                .approved
                .is_some_and(|approved| self.plan.is_part_of(approved))
    }

    /// Why the plan needs somebody's consent; none if it does not.
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
                |name: GuardName| self.plan.is_empty() && self.book.accepted.contains(&name);
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
        let mut all = self.book.removed(self.now);
        all.extend(planned.iter().chain(open));
        let count = all.len();
        let of = self.book.size_at_window(allowed.len(), self.now);
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
        let from = self.book.management_allowed?;
        let (to, percent) = (self.management_allowed, self.guard.limits.shrink_percent);
        let lost = from.saturating_sub(to);
        (lost > 0 && exceeds(lost, from, percent)).then_some(HoldReason::Shrink {
            from,
            to,
            percent,
        })
    }

    fn against_restored(&self) -> Option<HoldReason> {
        let run = self.book.restored.as_ref()?.run;
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
