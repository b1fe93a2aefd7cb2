//! The guards' memory: removals of the last 24 hours, and the length of the list.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::ids::ProductId;
use crate::records::{LinkState, Removal, Size};
use crate::time::later;

/// How far back removals count, in seconds.
pub const WINDOW: i64 = 24 * 3600;

/// The most sizes of a list that are kept. If there are more, those that cover the least time are
/// dropped.
pub(super) const MOST_SIZES: usize = 100;

impl LinkState {
    /// The size of the list when the window that ends now began, and when it began: at the first
    /// known size, if that is later. `allowed` if no size is known.
    pub(super) fn size_at_window(&self, allowed: usize, now: Timestamp) -> (usize, Timestamp) {
        let begin = later(now, -WINDOW);
        let before = self.sizes.iter().rev().find(|size| size.at <= begin);
        let known = before.or(self.sizes.first());
        known.map_or((allowed, now), |size| (size.allowed, size.at.max(begin)))
    }

    /// The products that were removed since the window began.
    pub(super) fn removed(&self, now: Timestamp) -> BTreeSet<&ProductId> {
        let begin = later(now, -WINDOW);
        let recent = self.removals.iter().filter(|removal| removal.at > begin);
        let recent = recent.flat_map(|removal| &removal.products);
        recent.chain(&self.taking).collect()
    }

    /// Records the current size of the list, and drops what is older than the window.
    pub fn sized(&mut self, allowed: usize, now: Timestamp) {
        let begin = later(now, -WINDOW);
        self.removals.retain(|removal| removal.at > begin);
        // The newest size at or before the beginning is the size at the beginning.
        let old = self.sizes.iter().filter(|size| size.at <= begin).count();
        self.sizes.drain(..old.saturating_sub(1));
        if self.sizes.last().is_none_or(|size| size.allowed != allowed) {
            self.sizes.push(Size { at: now, allowed });
        }
        while self.sizes.len() > MOST_SIZES {
            // Drops the size that covers the least time. Never the first, which is the size when
            // the window began, nor the last.
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

    /// Records that the link is in sync, with a list of this length. The first time, the window
    /// begins anew: what the first alignment removed does not count against later plans. It happens
    /// once in the life of a link, so that nobody can pass a limit with it twice.
    pub fn aligned(&mut self, allowed: usize, now: Timestamp) {
        if self.aligned_since.is_some() {
            return;
        }
        self.aligned_since = Some(now);
        self.removals.clear();
        self.taking.clear();
        self.sizes = vec![Size { at: now, allowed }];
    }

    /// Records the removals of a plan, before it is committed.
    pub fn taking_away(&mut self, products: BTreeSet<ProductId>, now: Timestamp) {
        if !products.is_empty() {
            self.taking.extend(products.iter().cloned());
            self.removals.push(Removal { at: now, products });
        }
    }

    /// Updates the time of removals that were still under way when the link was last observed. They
    /// may have taken effect at any moment since, so they count from now. Counted from their
    /// commit, the removals of a change set that ran hours later would be forgotten hours too
    /// early.
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
