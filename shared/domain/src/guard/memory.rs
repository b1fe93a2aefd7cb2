//! The guards' memory: removals of the last 24 hours, and the length of the list.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::reason::HoldReason;
use crate::ids::ProductId;
use crate::records::{LinkState, Removal, Size};
use crate::time::later;

/// How far back removals count, in seconds.
pub const WINDOW: i64 = 24 * 3600;

/// The most sizes of a list that are kept. If there are more, those that cover the least time are
/// dropped.
pub(super) const MOST_SIZES: usize = 100;

/// The most removed products that are remembered by their ids. Others are counted.
pub const MOST_REMOVED: usize = 2_000;

/// The most times of removals that are kept apart.
pub const MOST_REMOVALS: usize = 200;

impl LinkState {
    /// True if the condition was approved, and has lasted since then.
    pub fn has_accepted(&self, condition: &HoldReason) -> bool {
        let Some(name) = condition.guard() else {
            return false;
        };
        let accepted = match condition.source() {
            Some(source) => self.accepted_of.get(source),
            None => Some(&self.accepted),
        };
        accepted.is_some_and(|accepted| accepted.contains(&name))
    }

    /// Records that these conditions were approved.
    pub fn accept<'a>(&mut self, conditions: impl IntoIterator<Item = &'a HoldReason>) {
        for condition in conditions {
            let accepted = match condition.source() {
                Some(source) => self.accepted_of.entry(source.clone()).or_default(),
                None => &mut self.accepted,
            };
            accepted.extend(condition.guard());
        }
    }

    /// Forgets the approvals of conditions that are over: only these stand now.
    pub fn accepted_while(&mut self, standing: &[HoldReason]) {
        let mut kept = Self::default();
        kept.accept(
            standing
                .iter()
                .filter(|condition| self.has_accepted(condition)),
        );
        self.accepted = kept.accepted;
        self.accepted_of = kept.accepted_of;
    }

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

    /// How many more were removed since the window began: those that are not remembered by their
    /// ids. One that was removed twice counts twice.
    pub(super) fn removed_beyond(&self, now: Timestamp) -> usize {
        let begin = later(now, -WINDOW);
        let recent = self.removals.iter().filter(|removal| removal.at > begin);
        recent.map(|removal| removal.beyond).sum()
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
        self.taking_beyond = 0;
        self.sizes = vec![Size { at: now, allowed }];
    }

    /// Records the removals of a plan, before it is committed. Those beyond [`MOST_REMOVED`] are
    /// counted. That happens only on links whose guards are wide or exempt.
    pub fn taking_away(&mut self, products: BTreeSet<ProductId>, now: Timestamp) {
        if products.is_empty() {
            return;
        }
        // A product counts once, with the last time.
        for removal in &mut self.removals {
            removal.products.retain(|known| !products.contains(known));
        }
        self.drop_empty();
        let known: usize = self.removals.iter().map(|of| of.products.len()).sum();
        let room = MOST_REMOVED.saturating_sub(known);
        let beyond = products.len().saturating_sub(room);
        let products: BTreeSet<_> = products.into_iter().take(room).collect();
        self.taking.extend(products.iter().cloned());
        self.taking_beyond = self.taking_beyond.saturating_add(beyond);
        self.add_removal(Removal {
            at: now,
            products,
            beyond,
        });
    }

    fn drop_empty(&mut self) {
        self.removals
            .retain(|removal| !removal.products.is_empty() || removal.beyond > 0);
    }

    /// Adds removals. If there are very many, the two oldest become one, with the later time.
    fn add_removal(&mut self, removal: Removal) {
        self.removals.push(removal);
        if self.removals.len() > MOST_REMOVALS {
            let oldest = self.removals.remove(0);
            if let Some(next) = self.removals.first_mut() {
                next.products.extend(oldest.products);
                next.beyond = next.beyond.saturating_add(oldest.beyond);
            }
        }
    }

    /// Updates the time of removals that were still under way when the link was last observed. They
    /// may have taken effect at any moment since, so they count from now. Counted from their
    /// commit, the removals of a change set that ran hours later would be forgotten hours too
    /// early.
    pub fn looked(&mut self, still_taken: impl Fn(&ProductId) -> bool, now: Timestamp) {
        let taken = std::mem::take(&mut self.taking);
        let beyond = std::mem::take(&mut self.taking_beyond);
        if taken.is_empty() && beyond == 0 {
            return;
        }
        let mut counted = beyond;
        for removal in self.removals.iter_mut().rev() {
            removal.products.retain(|product| !taken.contains(product));
            // The newest of those that are only counted are the ones under way.
            let moved = removal.beyond.min(counted);
            removal.beyond -= moved;
            counted -= moved;
        }
        self.drop_empty();
        let still = taken.iter().filter(|product| still_taken(product));
        self.taking = still.cloned().collect();
        // Those that are only counted are under way as long as any of the others is.
        self.taking_beyond = if self.taking.is_empty() { 0 } else { beyond };
        self.add_removal(Removal {
            at: now,
            products: taken,
            beyond,
        });
    }
}
