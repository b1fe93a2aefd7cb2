//! What the producer remembers of a link from run to run: the guards' memory, holds, approvals.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{GuardName, WINDOW};
use crate::hold::{Grant, Hold};
use crate::ids::ProductId;
use crate::lane::later;
use crate::notify::Notices;

/// Sizes of a list that are kept of one window at most; then those go that tell of the least time.
pub(super) const MOST_SIZES: usize = 100;

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
pub struct LinkState {
    /// The schema of the release that wrote it.
    pub schema: u32,
    /// Counts the writes: the next one is made only on the link state as it was read.
    pub rev: u64,
    /// What was taken away in the last 24 hours without approval.
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
    /// A rollback that somebody has asked for, and that nobody has approved yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<Hold>,
    /// What was approved and is not done yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Grant>,
    /// The states of the management experience that somebody has accepted, while they last.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub accepted: BTreeSet<GuardName>,
    /// The rollback that was gone: plans against it need approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored: Option<Grant>,
    /// Products that differ from what pmp-sync did to them last, and since when this has been seen.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub edited: BTreeMap<ProductId, Timestamp>,
    /// How many more of them there are than are remembered.
    #[serde(default, skip_serializing_if = "is_none_of_them")]
    pub edited_beyond: usize,
    /// Since when the link is frozen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen_since: Option<Timestamp>,
    /// What stands announced of the link.
    #[serde(default, skip_serializing_if = "Notices::is_blank")]
    pub notices: Notices,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_none_of_them(count: &usize) -> bool {
    *count == 0
}

impl LinkState {
    /// The list's size when the window began that ends now; `allowed` if nothing is known of then.
    pub(super) fn size_at_window(&self, allowed: usize, now: Timestamp) -> usize {
        let begin = later(now, -WINDOW);
        let before = self.sizes.iter().rev().find(|size| size.at <= begin);
        let known = before.or(self.sizes.first());
        known.map_or(allowed, |size| size.allowed)
    }

    /// The products that were taken away since the window began.
    pub(super) fn removed(&self, now: Timestamp) -> BTreeSet<&ProductId> {
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
        while self.sizes.len() > MOST_SIZES {
            // The one without which the least time is told wrongly; never the first, which says how long
            // the list was when the window began, nor the last.
            let told_wrongly = |place: &usize| {
                let at = |place: usize| self.sizes.get(place).map(|size| size.at);
                let (before, after) = (at(place - 1), at(place + 1));
                before
                    .zip(after)
                    .map(|(before, after)| after.duration_since(before))
            };
            let least = (1..self.sizes.len() - 1).min_by_key(told_wrongly);
            self.sizes.remove(least.unwrap_or(1));
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
