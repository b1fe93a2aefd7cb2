//! What must hold at rest of lanes on which something is held, and of those that were brought back.

use std::collections::BTreeSet;

use pmp_sync_domain::guard::{GuardName, HoldReason};
use pmp_sync_domain::ids::{ExperienceId, LaneId, ProductId};
use pmp_sync_domain::link::Link;
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::records::SetOutcome;
use pmp_sync_domain::wire::HELD;

use crate::reference::{minus, oddities_of, wanted};
use crate::simulator::guards::lane::{DAY, LaneGuard};
use crate::simulator::invariants::{Violation, broken};
use crate::simulator::scene::HOUR;
use crate::simulator::state::Simulator;
use pmp_sync_fakes::Observed;

impl Simulator {
    /// What of a lane is held, and rightly so: all of it is left to do, and each reason is a true one. `left` is what the link may make,
    /// `thawed` what it might if it were not frozen.
    pub(crate) fn held_part(
        &self,
        link: &Link,
        id: &LaneId,
        left: &Plan,
        thawed: &Plan,
    ) -> Result<Plan, Violation> {
        let lane = self.guards.lanes.get(id);
        let Some((lane, standing)) = lane.and_then(|lane| Some((lane, lane.hold.as_ref()?))) else {
            return Ok(Plan::default());
        };
        let quarantined: BTreeSet<_> = self.world.ledger(|ledger| {
            let items = ledger.items.iter().filter(|((lane, _), _)| lane == id);
            let quarantined = items.filter(|(_, item)| item.quarantined.is_some());
            quarantined
                .map(|((_, product), _)| product.clone())
                .collect()
        });
        let (hold, shown) = (&standing.hold, &standing.shown);
        let left = if hold.overrides { thawed } else { left };
        let left = left.clone().without(&quarantined);
        let stale = minus(shown, &left);
        if !stale.is_empty() {
            let name = if hold.overrides {
                "overridden"
            } else {
                "converged"
            };
            return broken(name, || {
                format!("{id} is held with {stale:?}, and what is left to do is {left:?}: {hold:?}")
            });
        }
        if self.profile.approved && !shown.is_empty() {
            return broken("converged", || {
                format!("{id} is held although everything was approved: {hold:?}")
            });
        }
        if hold.reasons.is_empty() {
            return broken("converged", || format!("{id} is held for no reason"));
        }
        // What is held because of an override has the reasons of its run, and stays whatever becomes of them.
        let untrue =
            |reason: &&HoldReason| !hold.overrides && !self.is_true(reason, link, id, lane, &left);
        match hold.reasons.iter().find(untrue) {
            Some(reason) => broken("converged", || {
                format!("{id} is held because of {reason:?}, which is not so: {hold:?}")
            }),
            None => Ok(shown.clone()),
        }
    }

    /// The current management experiences.
    fn management(&self, link: &Link) -> Option<Vec<(ExperienceId, Observed)>> {
        let current = |id: &ExperienceId| {
            self.world.experiences(|all| {
                let experience = all.experience(id).cloned()?;
                let mut policy = all.policy(id);
                if experience.policy.is_none() {
                    policy = PolicySnapshot::default();
                }
                Some((id.clone(), Observed { experience, policy }))
            })
        };
        link.sources.iter().map(current).collect()
    }

    fn is_true(
        &self,
        reason: &HoldReason,
        link: &Link,
        id: &LaneId,
        lane: &LaneGuard,
        left: &Plan,
    ) -> bool {
        if reason
            .guard()
            .is_some_and(|name| link.guard.exempt.contains(&name))
        {
            return false;
        }
        let Some(management) = self.management(link) else {
            return false;
        };
        let odd = oddities_of(&management, link.conflict);
        let odd = |name, of: &Option<ExperienceId>| odd.contains(&(name, of.clone()));
        // Removals that were planned and never came about count, too.
        let gone = || {
            let allowed = self.world.experiences(|all| all.policy(&id.experience));
            let mut gone = lane.counted_since(self.now - DAY - 2 * HOUR);
            gone.extend(left.deny().intersection(allowed.allowed()));
            gone.len()
        };
        let limits = &link.guard.limits;
        match reason {
            HoldReason::ManagementEmpty { experience } => {
                odd(GuardName::ManagementEmpty, experience)
            }
            HoldReason::ManagementNoPolicy { experience } => {
                odd(GuardName::ManagementNoPolicy, experience)
            }
            HoldReason::ManagementDisabled { experience, .. } => {
                odd(GuardName::ManagementDisabled, experience)
            }
            HoldReason::ManagementArchived { experience } => {
                odd(GuardName::ManagementArchived, experience)
            }
            // A hold that says the same stays as it is, so that the way forward stays good; what its
            // reasons count may have moved since.
            HoldReason::Removals { .. } => {
                let of = lane.least_since(self.now - DAY - 2 * HOUR);
                let pairs = [
                    (limits.removals, limits.removals_percent),
                    (limits.short_list_removals, limits.short_list_percent),
                ];
                let (gone, mut pairs) = (gone(), pairs.into_iter());
                pairs.any(|(limit, percent)| gone > limit && gone * 100 >= of * percent)
            }
            HoldReason::MostRemovals { .. } => gone() > limits.most_removals,
            HoldReason::Shrink { from, .. } => {
                let lists: Vec<_> = management.iter().map(|(_, of)| of.policy.clone()).collect();
                let now = wanted(&lists, link.conflict).allowed().len();
                let lost = from.saturating_sub(now);
                lost > 0 && lost * 100 >= from * limits.shrink_percent
            }
            HoldReason::FirstMirror { .. } => {
                let allowed = self.world.experiences(|all| all.policy(&id.experience));
                lane.observed.is_none() && !left.deny().is_disjoint(allowed.allowed())
            }
            HoldReason::Rejected { count } => *count > 0 && *count <= left.deny().len(),
            HoldReason::Restored { run, count } => *count > 0 && lane.backs.contains(run),
            // No member here is without a policy.
            HoldReason::FirstPolicy { .. }
            | HoldReason::Restore { .. }
            | HoldReason::Revert { .. } => false,
        }
    }

    /// What was restored is as it was, except what fails and what may have changed rightly since
    /// then.
    pub(crate) fn is_as_restored(&self) -> Result<(), Violation> {
        let lanes = self.guards.lanes.iter();
        for (id, lane) in lanes.filter(|(id, _)| !self.was_ruled(id)) {
            let unsure = self.vanished(id);
            let fails = |product: &ProductId| {
                self.invariants.bad.contains(product)
                    || self.invariants.suspects.contains(product)
                    || unsure.contains(product)
                    || lane.unseen.contains(product)
            };
            let differ = lane.not_restored(fails);
            if !differ.is_empty() {
                return broken("restored", || {
                    format!(
                        "{id} was to be as before a run, and is not for {differ:?}; {:?}",
                        lane.back
                    )
                });
            }
        }
        Ok(())
    }

    /// Products of change sets that the service did not know any more: nobody knows who changed them last.
    fn vanished(&self, id: &LaneId) -> BTreeSet<ProductId> {
        self.world.ledger(|ledger| {
            let of_lane = ledger.sets.iter().filter(|((lane, _), _)| lane == id);
            let gone = of_lane.filter(|(_, set)| set.outcome == SetOutcome::Vanished);
            let products = gone.flat_map(|(_, set)| set.allow.iter().chain(&set.deny));
            products.cloned().collect()
        })
    }

    /// The number of announced holds.
    pub(crate) fn announcements(&self) -> usize {
        let events = self.world.events();
        events.iter().filter(|(_, what, _)| *what == HELD).count()
    }

    /// The hold of each lane.
    pub(crate) fn what_stands(&self) -> Vec<String> {
        let lanes = self.guards.lanes.iter();
        lanes
            .map(|(id, lane)| {
                let held = lane.hold.iter().chain(&lane.restore);
                let held: Vec<_> = held
                    .map(|standing| format!("{} {}", standing.hold.run, standing.hold.plan_hash))
                    .collect();
                format!("{id} {held:?}")
            })
            .collect()
    }

    /// True if the window of a day leaves something behind about now: what is held because of it may be let
    /// through, or held for other reasons. So may be what a blocked lane has left to do.
    pub(crate) fn window_moves(&self, blocked: &BTreeSet<LaneId>) -> bool {
        let mut lanes = self.guards.lanes.iter();
        lanes.any(|(id, lane)| {
            (lane.hold.is_some() || blocked.contains(id))
                && lane.forgets_between(self.now - 3 * HOUR, self.now + HOUR)
        })
    }
}
