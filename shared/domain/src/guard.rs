//! The guards: what a plan must not do without approval. A wrong Deny stops a company from buying,
//! so guards are on unless a link is exempt from one by name. Pure.
//!
//! A guard judges what nobody has approved, and keeps back the part of a plan that it objects to ([`parting`]).
//! Removals are denies of products that the member allows. Planned removals, open removals and those of the last 24 hours count, so that
//! no limit can be passed in slices. Percentages are of the list as it was when the 24 hours began, and
//! hold a plan from their value on. Removals of the first alignment do not count once the link was in
//! sync, and those that reverse an outside edit only count in their own plan.

pub(crate) mod limits;
pub mod memory;
pub mod parting;
pub(crate) mod reason;

pub use self::limits::{Guard, GuardName, Limits, MOST_LIMIT};
pub use self::memory::WINDOW;
pub use self::parting::Parted;
pub use self::reason::{HoldReason, RemovalParts};

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::ids::ProductId;
use crate::plan::Plan;
use crate::policy::PolicySnapshot;
use crate::records::LinkState;

/// The inputs of the guards.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The lists of the member experience.
    pub actual: &'a PolicySnapshot,
    /// The products of open denies.
    pub open: &'a BTreeSet<ProductId>,
    /// True if the member experience is live and has no policy yet.
    pub first_policy: bool,
    /// Conditions of the management experience that are reasons to hold.
    pub oddities: &'a [HoldReason],
    /// Number of products that the management experience allows.
    pub management_allowed: usize,
    /// The link state.
    pub link_state: &'a LinkState,
    /// The plan of the current grant, as it was shown.
    pub approved: Option<&'a Plan>,
    /// The rollback that was executed, as it was shown.
    pub restored: Option<&'a Plan>,
    /// Limits and exemptions of the link.
    pub guard: &'a Guard,
    /// The current time.
    pub now: Timestamp,
}

impl Case<'_> {
    /// The removals of the plan.
    pub fn removals(&self) -> BTreeSet<ProductId> {
        let allowed = self.actual.allowed();
        self.plan.deny().intersection(allowed).cloned().collect()
    }

    /// The reasons why the plan, or a part of it, needs approval. Empty if it needs none. What was approved is not
    /// left out here: [`Case::part`] does that.
    ///
    /// A condition of the management experience is a reason even if nothing would change, until it
    /// is approved. From then on it is a reason only for a plan that would change something.
    fn reasons(&self) -> Vec<HoldReason> {
        let exempt = |name: GuardName| self.guard.exempt.contains(&name);
        let is_odd =
            |reason: &&HoldReason| !(self.plan.is_empty() && self.link_state.has_accepted(reason));
        let mut reasons: Vec<_> = self.oddities.iter().filter(is_odd).cloned().collect();
        if !self.plan.is_empty() {
            reasons.extend(self.too_many());
            reasons.extend(self.shrunk());
            reasons.extend(self.against_restored());
            if self.first_policy {
                let allow = self.plan.allow().len();
                reasons.push(HoldReason::FirstPolicy { allow });
            }
            reasons.extend(self.first_mirror());
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
        let mut all: BTreeSet<_> = planned.iter().collect();
        all.extend(self.open.intersection(allowed));
        let with_open = all.len();
        all.extend(self.link_state.removed(self.now));
        let count = all.len() + self.link_state.removed_beyond(self.now);
        let present = self.actual.allowed_count();
        let (of, since) = self.link_state.size_at_window(present, self.now);
        let parts = Some(RemovalParts {
            planned: planned.len(),
            open: with_open - planned.len(),
            earlier: count - with_open,
            since,
            allowed: present,
        });
        let limits = &self.guard.limits;
        let pairs = [
            (limits.removals, limits.removals_percent),
            (limits.short_list_removals, limits.short_list_percent),
        ];
        let mut pairs = pairs.into_iter();
        let passed = pairs.find(|(limit, percent)| count > *limit && reaches(count, of, *percent));
        let mut reasons = Vec::new();
        if let Some((limit, percent)) = passed {
            reasons.push(HoldReason::Removals {
                count,
                of,
                limit,
                percent,
                parts: parts.clone(),
            });
        }
        let limit = limits.most_removals;
        if count > limit {
            reasons.push(HoldReason::MostRemovals {
                count,
                limit,
                parts,
            });
        }
        reasons
    }

    /// A link that no run has observed without a hold removes nothing without approval.
    fn first_mirror(&self) -> Option<HoldReason> {
        let (removals, allowed) = (self.removals().len(), self.actual.allowed_count());
        let is_first = self.link_state.observed_since.is_none() && removals > 0;
        is_first.then_some(HoldReason::FirstMirror { removals, allowed })
    }

    fn shrunk(&self) -> Option<HoldReason> {
        let from = self.link_state.management_allowed?;
        let (to, percent) = (self.management_allowed, self.guard.limits.shrink_percent);
        let lost = from.saturating_sub(to);
        reaches(lost, from, percent).then_some(HoldReason::Shrink { from, to, percent })
    }

    fn against_restored(&self) -> Option<HoldReason> {
        let run = self.link_state.restored.as_ref()?.run;
        let restored = self.restored?;
        let count = self.plan.opposed_to(restored).len();
        (count > 0).then_some(HoldReason::Restored { run, count })
    }
}

/// True if `part` is something, and at least `percent` of `whole`.
fn reaches(part: usize, whole: usize, percent: usize) -> bool {
    part > 0 && part.saturating_mul(100) >= whole.saturating_mul(percent)
}

#[cfg(test)]
mod tests;
