//! Outside edits: products that are not in the state in which pmp-sync left them. Pure.
//!
//! Two memories tell an edit from a difference. The lane keeps the last change of each product that it ever changed, and how it
//! ended: if a change was applied, or was found to hold already, and the product is now in another state, then somebody else changed
//! it. The ledger keeps the member's list as a run last saw it: a product that has come or gone since, and not by a change of the
//! lane, was changed by somebody else, also if pmp-sync never changed it. The service does not say who. The time of an edit is that
//! of the first run that saw it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::ids::ProductId;
use crate::lane::LaneState;
use crate::plan::{Plan, Report};
use crate::policy::PolicySnapshot;
use crate::records::{ChangeState, LastChange, SeenList};
use crate::time::elapsed;

/// For this long after the end of a change, a difference does not count as an outside edit, in
/// seconds. The lists may have been read before the change set took effect, the catalog may still
/// show the old lists, and the clocks of two accounts differ.
pub const SETTLING: f64 = 60.0;

/// How far the clocks of worker and producer may be apart, in seconds: a change of the lane that ended so much before the list was
/// seen may still have come after it.
const SKEW: f64 = 300.0;

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
    /// The member's list as a run last saw it, if it is another one now and the old one is known.
    pub list: Option<&'a SeenList>,
    /// The edits that are remembered.
    pub before: &'a BTreeMap<ProductId, Timestamp>,
    /// When the observation began.
    pub at: Timestamp,
}

impl Look<'_> {
    /// The products that somebody else has changed. One that is in sync does not count. Neither does one that a change set of ours
    /// may be changing, unless it is remembered: it stays an edit until it is changed back.
    pub fn edits(&self) -> BTreeSet<ProductId> {
        let left_alone = self.report.left_alone.iter().map(|left| &left.product);
        let planned = self.plan.allow().iter().chain(self.plan.deny());
        let differs: BTreeSet<_> = planned.chain(left_alone).collect();
        let in_flight = self.state.intent.iter().flat_map(|intent| &intent.changes);
        let in_flight: BTreeSet<_> = in_flight.map(|change| &change.product).collect();
        let last = self.changes.iter().map(|change| (&change.product, change));
        let last: BTreeMap<_, _> = last.collect();
        let is_edited = |product: &&&ProductId| {
            let last = last.get(**product).copied();
            let is_new =
                || last.is_some_and(|last| self.is_undone(last)) || self.is_moved(product, last);
            self.stands(product, last) || (!in_flight.contains(**product) && is_new())
        };
        differs
            .iter()
            .filter(is_edited)
            .map(|product| (*product).clone())
            .collect()
    }

    /// The edits that undo what pmp-sync has done: their products were in the wanted state once.
    pub fn undone(&self, edits: &BTreeSet<ProductId>) -> BTreeSet<ProductId> {
        let undone = self
            .changes
            .iter()
            .filter(|last| edits.contains(&last.product) && last.is_done() && !self.agrees(last));
        undone.map(|last| last.product.clone()).collect()
    }

    /// The change was done a while ago, and its product is in another state now.
    fn is_undone(&self, last: &LastChange) -> bool {
        last.is_done() && !self.agrees(last) && elapsed(last.ended_at(), self.at) >= SETTLING
    }

    /// The product has come to the member's list, or left it, since a run saw the list, and no change of the lane did that.
    fn is_moved(&self, product: &ProductId, last: Option<&LastChange>) -> bool {
        let Some(list) = self.list else {
            return false;
        };
        let is_own = |last: &LastChange| {
            may_be_applied(last.state)
                && self.agrees(last)
                && elapsed(last.ended_at(), list.at) <= SKEW
        };
        list.allows(product) != self.actual.allowed().contains(product) && !last.is_some_and(is_own)
    }

    /// The edit is remembered, and nothing of ours has been done to the product since.
    fn stands(&self, product: &ProductId, last: Option<&LastChange>) -> bool {
        let Some(since) = self.before.get(product) else {
            return false;
        };
        let is_redone =
            |last: &LastChange| last.is_done() && last.ended_at() > *since && self.agrees(last);
        !last.is_some_and(is_redone)
    }

    /// True if the product is in the state that the change wants.
    fn agrees(&self, change: &LastChange) -> bool {
        self.actual.standing(&change.product) == change.action.outcome()
    }
}

/// False for a change that was rejected, or that came to nothing because a newer run wanted something else.
fn may_be_applied(state: ChangeState) -> bool {
    match state {
        ChangeState::Open | ChangeState::Applied | ChangeState::Holding => true,
        ChangeState::Superseded | ChangeState::Quarantined => false,
    }
}

/// Outside edits, and when each was first seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edited {
    /// The products, each with the time of the first run that saw the edit.
    pub since: BTreeMap<ProductId, Timestamp>,
    /// Products whose edit no run has seen yet. A run has none.
    pub unseen: BTreeSet<ProductId>,
    /// Those that undo a change of pmp-sync. What changes such a one back was counted when it was changed first.
    pub undone: BTreeSet<ProductId>,
}

impl Edited {
    /// Merges the edits of an observation with those seen `before`. `now` is the time of the run that observed; a query sees
    /// nothing for anybody, and has none. A product that is no longer edited is forgotten, so that a later edit begins anew.
    pub fn new(
        edits: BTreeSet<ProductId>,
        before: &BTreeMap<ProductId, Timestamp>,
        now: Option<Timestamp>,
    ) -> Self {
        let mut edited = Self::default();
        for product in edits {
            match before.get(&product).copied().or(now) {
                Some(since) => {
                    edited.since.insert(product, since);
                }
                None => {
                    edited.unseen.insert(product);
                }
            }
        }
        edited
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
        self.since.keys().chain(&self.unseen).cloned().collect()
    }
}

#[cfg(test)]
mod tests;
