//! Whether a plan is committed to its lane: producer rule 4 (docs/lane-protocol.md).

use jiff::Timestamp;

use crate::ids::RunId;
use crate::lane::{Counts, LaneState, OpenChange, Phase};
use crate::link::LinkPolicy;
use crate::plan::Plan;
use crate::policy::{PolicySnapshot, ProductChange};
use crate::time::elapsed;

/// How long a plan that was sent completely counts as under way, in seconds. After that it is
/// committed anew, which repairs messages that ended in the dead-letter queue.
pub const TRUST: f64 = 3.0 * 3600.0;

/// What the producer does with a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing to do and nothing open: the lane is left alone.
    InSync,
    /// The lane works on this very plan, committed under that run.
    Underway(RunId),
    /// Commit and send it.
    Commit,
}

/// The inputs of the decision.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The new plan.
    pub plan: &'a Plan,
    /// The lane, as it was read before the member's policy.
    pub state: &'a LaneState,
    /// Claimed changes of the lane.
    pub open: &'a [OpenChange],
    /// The committed plan, if it was found.
    pub committed: Option<&'a Plan>,
    /// The management policy.
    pub desired: &'a PolicySnapshot,
    /// What the link may do.
    pub link: &'a LinkPolicy,
    /// True if the plan contains quarantined changes that are to be tried again. The committed plan
    /// may have contained them, and is done with them.
    pub renewed: bool,
}

impl Question<'_> {
    /// True if the decision needs the committed plan.
    pub fn needs_committed(&self, now: Timestamp) -> bool {
        let in_question = if self.plan.is_empty() {
            self.is_announced()
        } else {
            !self.is_same()
        };
        self.is_trusted(now) && self.is_busy() && in_question
    }

    /// The answer.
    pub fn decide(&self, now: Timestamp) -> Decision {
        let Some(planned) = &self.state.planned else {
            return if self.plan.is_empty() {
                Decision::InSync
            } else {
                Decision::Commit
            };
        };
        if !self.is_busy() && self.plan.is_empty() {
            return Decision::InSync;
        }
        if !self.is_trusted(now) || !self.is_busy() || self.renewed {
            return Decision::Commit;
        }
        let going_on = if self.plan.is_empty() {
            // What is still open or on its way either holds already or is void. If any of it does
            // neither, an empty plan must halt the lane.
            let agrees = |change: &ProductChange| self.agrees(change);
            let open = self.open.iter().all(|open| {
                let change = ProductChange {
                    product: open.product.clone(),
                    action: open.action,
                };
                open.run < planned.run || agrees(&change)
            });
            let on_its_way = !self.is_announced()
                || self
                    .committed
                    .is_some_and(|committed| committed.changes().all(|change| agrees(&change)));
            open && on_its_way
        } else {
            self.is_same()
                || self
                    .committed
                    .is_some_and(|committed| self.is_rest_of(committed))
        };
        if going_on {
            Decision::Underway(planned.run)
        } else {
            Decision::Commit
        }
    }

    /// True if something is claimed, under way, or announced and not taken yet.
    pub fn is_busy(&self) -> bool {
        !self.open.is_empty() || self.state.intent.is_some() || self.is_announced()
    }

    /// True if not everything that the committed plan announced has been taken.
    fn is_announced(&self) -> bool {
        self.state
            .planned
            .as_ref()
            .is_some_and(|planned| planned.totals.less(planned.taken) != Counts::default())
    }

    fn is_trusted(&self, now: Timestamp) -> bool {
        // Every run tries a blocked lane again.
        self.state.phase != Phase::Blocked
            && self
                .state
                .planned
                .as_ref()
                .is_some_and(|planned| planned.sent && elapsed(planned.at, now) < TRUST)
    }

    fn is_same(&self) -> bool {
        self.state
            .planned
            .as_ref()
            .is_some_and(|planned| planned.hash == self.plan.hash())
    }

    /// True if the new plan is the rest of the committed one: it has nothing new, and what it no
    /// longer has is still wanted, so it must be in place.
    fn is_rest_of(&self, committed: &Plan) -> bool {
        self.plan
            .changes()
            .all(|change| committed.contains(&change))
            && committed
                .changes()
                .filter(|change| !self.plan.contains(change))
                .all(|change| self.agrees(&change))
    }

    /// True if the change is still wanted, and the lane may still make it. A lane would wait for a
    /// change that the member's own rules keep back for as long as they do.
    fn agrees(&self, change: &ProductChange) -> bool {
        self.link.agrees(self.desired, change) && !self.state.is_forbidden(change.action)
    }
}

#[cfg(test)]
mod tests;
