//! Outside edits: products that stand otherwise than pmp-sync left them. Pure.
//!
//! The lane keeps the last change of each product that it ever changed, and how it ended. A product on
//! which a change was applied (or was found to hold already) and which stands otherwise now was changed
//! by somebody else. Who has edited what is not known to the service; since when is the first run that
//! saw it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::ids::ProductId;
use crate::lane::LaneState;
use crate::plan::{Plan, Report};
use crate::policy::PolicySnapshot;
use crate::records::LastChange;
use crate::time::elapsed;

/// How long after a change has ended a difference is not told as an outside edit, in seconds: the lists
/// may have been read before the change set took effect, or the catalog may still show them as they
/// were, and the clocks of two accounts are not quite the same.
pub const SETTLING: f64 = 60.0;

/// Outside edits of one link whose beginning is remembered; of more of them only how many.
pub const MOST_EDITED: usize = 1_000;

/// What is compared.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// The last changes of the lane's products.
    pub changes: &'a [LastChange],
    /// The member's lists.
    pub actual: &'a PolicySnapshot,
    /// The lane, as it was read before the lists.
    pub state: &'a LaneState,
    /// The plan that follows from the lists.
    pub plan: &'a Plan,
    /// What the plan leaves alone.
    pub report: &'a Report,
    /// When the look began.
    pub at: Timestamp,
}

impl Look<'_> {
    /// The products that somebody else has changed: the last change of each was done, and it stands
    /// otherwise now. One that is in sync all the same concerns nobody, and one that a change set of
    /// ours may just be changing is not told.
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

/// Outside edits, and since when each has been seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edited {
    /// The products, each with the first run that saw it as it is.
    pub since: BTreeMap<ProductId, Timestamp>,
}

impl Edited {
    /// These edits, seen at `now`; `before` tells which were seen earlier. What is not an edit any more
    /// is forgotten, so that it begins anew should it become one again.
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

    /// What is remembered of them, the oldest first, and how many there are beyond.
    pub fn kept(&self) -> (BTreeMap<ProductId, Timestamp>, usize) {
        let beyond = self.since.len().saturating_sub(MOST_EDITED);
        let mut oldest: Vec<_> = self.since.iter().collect();
        oldest.sort_by_key(|(_, since)| **since);
        let kept = oldest.into_iter().take(MOST_EDITED);
        let kept = kept.map(|(product, since)| (product.clone(), *since));
        (kept.collect(), beyond)
    }

    /// Since when the first of them has been seen.
    pub fn first(&self) -> Option<Timestamp> {
        self.since.values().min().copied()
    }

    /// The products.
    pub fn products(&self) -> Vec<ProductId> {
        self.since.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests;
