//! What the producer must remember of a lane: what was taken away within a day, from when it was gone;
//! and each rollback that still counts.

use pmp_sync_domain::ids::{LaneId, ProductId};
use pmp_sync_domain::records::LinkState;

use super::lane::{DAY, LaneGuard};
use crate::simulator::invariants::{Violation, broken};
use crate::simulator::scene::since_begin;

impl LaneGuard {
    /// Checks what a link state remembers at `now`, when it is written.
    pub(crate) fn remembers(
        &mut self,
        id: &LaneId,
        link_state: &LinkState,
        now: i64,
    ) -> Result<(), Violation> {
        self.remembers_removals(id, link_state, now)?;
        self.remembers_rollbacks(id, link_state)
    }

    /// A removal without approval counts for a day from when it took effect. One that may be under way
    /// has no time yet.
    fn remembers_removals(
        &self,
        id: &LaneId,
        link_state: &LinkState,
        now: i64,
    ) -> Result<(), Violation> {
        let since = self.aligned.unwrap_or_default().max(now - DAY);
        let known =
            |(at, product): &&(i64, ProductId)| *at > since && !self.unseen.contains(product);
        for (at, product) in self.removed.iter().filter(known) {
            let removals = link_state.removals.iter();
            let mut counted = removals.filter(|removal| removal.products.contains(product));
            let is_counted = link_state.taking.contains(product)
                || counted.any(|removal| since_begin(removal.at) >= *at);
            if !is_counted {
                return broken("guarded", || {
                    format!(
                        "{product} is gone from {id} since {at}, and counts from another time: {:?}",
                        link_state.removals
                    )
                });
            }
        }
        Ok(())
    }

    /// Rollbacks count until the link follows its management experience again, which ends all of them.
    fn remembers_rollbacks(
        &mut self,
        id: &LaneId,
        link_state: &LinkState,
    ) -> Result<(), Violation> {
        let now: Vec<_> = link_state.rollbacks().map(|grant| grant.run).collect();
        let old = std::mem::replace(&mut self.rollbacks, now.clone());
        let forgotten = old.into_iter().find(|run| !now.contains(run));
        match forgotten.filter(|_| !now.is_empty()) {
            None => Ok(()),
            Some(run) => broken("restored", || {
                format!("the rollback {run} of {id} is forgotten, and others are not: {now:?}")
            }),
        }
    }
}
