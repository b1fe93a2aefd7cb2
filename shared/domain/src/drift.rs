//! Outside edits: products that are not in the state in which pmp-sync left them. Pure.
//!
//! The lane keeps the last change of each product that it ever changed, and how it ended. If a
//! change was applied, or was found to hold already, and the product is now in another state, then
//! somebody else changed it. The service does not say who. The time of an edit is that of the first
//! run that saw it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::ids::ProductId;
use crate::lane::LaneState;
use crate::plan::{Plan, Report};
use crate::policy::PolicySnapshot;
use crate::records::LastChange;
use crate::time::elapsed;

/// For this long after the end of a change, a difference does not count as an outside edit, in
/// seconds. The lists may have been read before the change set took effect, the catalog may still
/// show the old lists, and the clocks of two accounts differ.
pub const SETTLING: f64 = 60.0;

/// The most outside edits of one link whose time is remembered. Others are only counted.
pub const MOST_EDITED: usize = 1_000;

/// The inputs of the comparison.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// The last changes of the lane's products.
    pub changes: &'a [LastChange],
    /// The lists of the member experience.
    pub actual: &'a PolicySnapshot,
    /// The lane, as it was read before the lists.
    pub state: &'a LaneState,
    /// The plan that follows from the lists.
    pub plan: &'a Plan,
    /// What the plan leaves alone.
    pub report: &'a Report,
    /// When the observation began.
    pub at: Timestamp,
}

impl Look<'_> {
    /// The products that somebody else has changed: the last change of each was done, and the
    /// product is in another state now. A product that is in sync does not count. Neither does one
    /// that a change set of ours may be changing.
    pub fn edits(&self) -> BTreeSet<ProductId> {
        let left_alone = self.report.left_alone.iter();
        let left_alone: BTreeSet<_> = left_alone.map(|left| &left.product).collect();
        let differs = |product: &ProductId| {
            self.plan.allow().contains(product)
                || self.plan.deny().contains(product)
                || left_alone.contains(product)
        };
        let in_flight = self.state.intent.iter().flat_map(|intent| &intent.changes);
        let in_flight: BTreeSet<_> = in_flight.map(|change| &change.product).collect();
        let is_edited = |change: &&LastChange| {
            change.is_done()
                && self.actual.standing(&change.product) != change.action.outcome()
                && differs(&change.product)
                && !in_flight.contains(&change.product)
                && elapsed(change.ended_at(), self.at) >= SETTLING
        };
        let edited = self.changes.iter().filter(is_edited);
        edited.map(|change| change.product.clone()).collect()
    }
}

/// Outside edits, and when each was first seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edited {
    /// The products, each with the time of the first run that saw the edit.
    pub since: BTreeMap<ProductId, Timestamp>,
}

impl Edited {
    /// Merges the edits seen at `now` with those seen `before`. A product that is no longer edited
    /// is forgotten, so that a later edit begins anew.
    pub fn new(
        edits: BTreeSet<ProductId>,
        before: &BTreeMap<ProductId, Timestamp>,
        now: Timestamp,
    ) -> Self {
        let since = edits.into_iter().map(|product| {
            let since = before.get(&product).copied().unwrap_or(now);
            (product, since)
        });
        Self {
            since: since.collect(),
        }
    }

    /// The edits that are remembered, the oldest first, and the number of the others.
    pub fn kept(&self) -> (BTreeMap<ProductId, Timestamp>, usize) {
        let beyond = self.since.len().saturating_sub(MOST_EDITED);
        let mut oldest: Vec<_> = self.since.iter().collect();
        oldest.sort_by_key(|(_, since)| **since);
        let kept = oldest.into_iter().take(MOST_EDITED);
        let kept = kept.map(|(product, since)| (product.clone(), *since));
        (kept.collect(), beyond)
    }

    /// When the first of them was first seen.
    pub fn first(&self) -> Option<Timestamp> {
        self.since.values().min().copied()
    }

    /// Their ids in AWS Marketplace.
    pub fn products(&self) -> Vec<ProductId> {
        self.since.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests;
