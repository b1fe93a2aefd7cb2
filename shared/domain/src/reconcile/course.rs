//! What a plan requires of its lane: producer rule 4 (docs/lane-protocol.md).

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

/// What a plan requires of its lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Course {
    /// Nothing: there is nothing to do and nothing open.
    InSync,
    /// Nothing: the lane already works on this plan, which that run committed.
    Underway(RunId),
    /// Commit and send the plan.
    Commit,
}

/// A plan with its lane.
#[derive(Debug, Clone, Copy)]
pub struct PlanOnLane<'a> {
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

impl PlanOnLane<'_> {
    /// True if the course depends on the committed plan.
    pub fn needs_committed(&self, now: Timestamp) -> bool {
        let in_question = if self.plan.is_empty() {
            is_announced(self.state)
        } else {
            !self.is_same()
        };
        self.is_trusted(now) && self.is_busy() && in_question
    }

    /// Decides the course.
    pub fn course(&self, now: Timestamp) -> Course {
        let Some(planned) = &self.state.planned else {
            return if self.plan.is_empty() {
                Course::InSync
            } else {
                Course::Commit
            };
        };
        let is_blocked = self.state.phase == Phase::Blocked;
        if !self.is_busy() && self.plan.is_empty() && !is_blocked {
            return Course::InSync;
        }
        if !self.is_trusted(now) || !self.is_busy() || self.renewed {
            return Course::Commit;
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
            let on_its_way = !is_announced(self.state)
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
            Course::Underway(planned.run)
        } else {
            Course::Commit
        }
    }

    fn is_busy(&self) -> bool {
        is_busy(self.state, self.open)
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

/// True while something is claimed, under way, or announced and not taken yet.
pub fn is_busy(state: &LaneState, open: &[OpenChange]) -> bool {
    !open.is_empty() || state.intent.is_some() || is_announced(state)
}

/// True while not everything that the committed plan announced has been taken.
pub fn is_announced(state: &LaneState) -> bool {
    let planned = state.planned.as_ref();
    planned.is_some_and(|planned| planned.totals.less(planned.taken) != Counts::default())
}

#[cfg(test)]
mod tests;
