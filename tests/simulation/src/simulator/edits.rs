//! What is known of the outside edits of a lane: which of them a run has told.

use std::collections::{BTreeMap, BTreeSet};

use pmp_sync_domain::ids::ProductId;
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::policy::{Action, PolicySnapshot};
use pmp_sync_domain::records::LinkState;

use super::scene::HOUR;

/// For this long after a change of pmp-sync, the edit of its product may be taken for it: no run may have seen the list in
/// between.
const OWN: i64 = 2 * HOUR;
/// A plan that is committed so soon after a link state was written follows from the same observation, in milliseconds.
pub(crate) const SAME_LOOK: i64 = 5_000;

/// What is known of the edits of one lane.
#[derive(Debug, Default)]
pub(crate) struct LaneEdits {
    /// Products whose standing somebody has changed since a run last saw the list.
    hand: BTreeSet<ProductId>,
    /// When pmp-sync last changed a product.
    own: BTreeMap<ProductId, i64>,
    /// The list as a run last saw it.
    seen: Option<String>,
    /// Edits that the last run that saw the list did not tell, and when it saw it.
    pub(crate) untold: (i64, BTreeSet<ProductId>),
}

impl LaneEdits {
    pub(crate) fn edited(&mut self, old: &PolicySnapshot, new: &PolicySnapshot, now: i64) {
        // Before the first look nobody knows what was there.
        if self.seen.is_none() {
            return;
        }
        for product in old.allowed().symmetric_difference(new.allowed()) {
            let is_ours = self.own.get(product).is_some_and(|own| now - own < OWN);
            // Changed twice, it is as it was.
            if !self.hand.remove(product) && !is_ours {
                self.hand.insert(product.clone());
            }
        }
    }

    pub(crate) fn succeeded(&mut self, changes: &[(ProductId, Action)], now: i64) {
        for (product, _) in changes {
            self.hand.remove(product);
            self.own.insert(product.clone(), now);
        }
    }

    /// True if a run sees edits with this link state.
    pub(crate) fn are_seen_with(&self, link_state: &LinkState) -> bool {
        link_state.seen != self.seen && !self.hand.is_empty()
    }

    /// A run has seen the list, of which these products differ by what it knows of the management experiences. Whoever did what is
    /// wanted has changed nothing that is to be told.
    pub(crate) fn looked(&mut self, link_state: &LinkState, differ: &Plan, now: i64) {
        if link_state.seen == self.seen {
            return;
        }
        self.seen.clone_from(&link_state.seen);
        let mut untold = std::mem::take(&mut self.hand);
        untold.retain(|product| {
            let differs = differ.allow().contains(product) || differ.deny().contains(product);
            differs && !link_state.edited.contains_key(product)
        });
        self.untold = (now, untold);
    }
}
