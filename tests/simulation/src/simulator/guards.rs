//! What the simulator knows of guards and holds: what operators were shown and have approved, what
//! was removed without approval, and what was restored. None of it comes from the producer's own
//! memory. That is used only for what it shows to operators: what is held, and which approval it
//! says it has accepted.

mod approvals;
mod configs;
mod held;
pub(super) mod lane;
mod link_states;
mod memory;
mod rejections;

use std::collections::{BTreeMap, BTreeSet};

use pmp_sync_domain::ids::{ExperienceId, LaneId, ProductId, RunId};
use pmp_sync_domain::lane::{LaneState, Phase, Planned};
use pmp_sync_domain::link::{Link, LinkPolicy};
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::policy::{Action, PolicySnapshot, ProductChange};
use pmp_sync_domain::records::LinkRecord;
use pmp_sync_domain::run::LinkStatus;
use pmp_sync_domain::wire::Scope;

use self::approvals::{Asked, Given};
pub(crate) use self::configs::link_of;
use self::configs::{Configs, config, is_overridden, version_of, wanted_of};
use self::held::is_doubted;
use self::lane::{Committed, DAY, LaneGuard};
use super::invariants::{Violation, broken};
use crate::reference::{common, either, may, minus, wanted};
use pmp_sync_fakes::{Observed, World};

/// Everything that is known of guards and holds.
#[derive(Debug, Default)]
pub(crate) struct Guards {
    pub(crate) lanes: BTreeMap<LaneId, LaneGuard>,
    configs: Configs,
    /// Answers of operators to holds that have arrived.
    asked: BTreeSet<Asked>,
    /// Overrides of freezes, by the ids of their requests.
    pub(crate) overrides: BTreeMap<String, Scope>,
    /// What happened, for the statistics.
    pub(crate) counted: BTreeMap<&'static str, u64>,
}

impl Guards {
    /// Numbers of rejections that were taken, and of holds of which all had been rejected before.
    pub(crate) fn rejections(&self) -> (u64, u64) {
        let lanes = self.lanes.values().map(|lane| lane.rejections.counts());
        lanes.fold((0, 0), |all, of| (all.0 + of.0, all.1 + of.1))
    }

    /// Number of accepted approvals, of those that were rollbacks, and of lanes that are held now.
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        let lanes = self.lanes.values();
        lanes.fold((0, 0, 0), |(taken, back, held), lane| {
            let (all, ways_back) = lane.approved();
            let is_held = u64::from(lane.hold.is_some());
            (taken + all, back + ways_back, held + is_held)
        })
    }

    /// A request has arrived.
    pub(crate) fn hear(&mut self, body: &str) {
        self.asked.extend(Asked::of(body));
    }

    /// A member's list after a change that is not ours.
    pub(crate) fn edited(&mut self, lane: &LaneId, policy: &PolicySnapshot, now: i64) {
        let lane = self.lanes.entry(lane.clone()).or_default();
        let on_its_way = lane.is_on_its_way();
        if let Some(back) = &mut lane.back {
            let old = &lane.allowed;
            let changed = old.symmetric_difference(policy.allowed());
            back.excused.extend(changed.cloned());
            // While it is on its way, it has changes by then that were not shown, and goes no further.
            back.gone &= !on_its_way;
        }
        let again = policy.allowed().difference(&lane.allowed);
        let again = again.filter(|product| lane.denied.contains(*product));
        lane.outside.extend(again.cloned());
        lane.is_now(policy, now);
    }

    /// The producer stored the lists for a rollback.
    pub(crate) fn kept_lists(&mut self, world: &World, run: RunId, lane: &LaneId) {
        let observed = world.experiences(|all| all.observed(&lane.experience).cloned());
        if let Some(observed) = observed {
            let lane = self.lanes.entry(lane.clone()).or_default();
            lane.lists.entry(run).or_insert(observed.policy);
        }
    }

    /// A plan was committed.
    pub(crate) fn committed(
        &mut self,
        world: &World,
        id: &LaneId,
        planned: &Planned,
        record: Option<&LinkRecord>,
        now: i64,
    ) -> Result<(), Violation> {
        let run = planned.run;
        let wants = wanted_of(&mut self.configs, world, id, Some(run));
        let lane = self.lanes.entry(id.clone()).or_default();
        if planned.totals.total() == 0 {
            // Nothing is on record yet of a lane that no link serves any more: what was approved ends there.
            let on_its_way = lane.is_on_its_way();
            if let Some(back) = lane.back.as_mut().filter(|_| record.is_none()) {
                back.gone &= !on_its_way;
            }
            lane.supersede();
            return Ok(());
        }
        let Some(record) = record else {
            return broken("no-unasked-deny", || {
                format!("the plan of {run} for {id} is committed, and is not on record")
            });
        };
        if record.status != LinkStatus::Committed {
            return broken("held-is-not-sent", || {
                format!(
                    "the plan of {run} is committed to {id}, and its record says {:?}",
                    record.status
                )
            });
        }
        let plan = shown_by(record);
        lane.denied.extend(plan.deny().iter().cloned());
        let version = version_of(world, run).unwrap_or_default();
        let Some(link) =
            config(&mut self.configs, world, version).and_then(|config| link_of(config, id))
        else {
            return broken("no-unasked-deny", || {
                format!("{run} is committed to {id}, which no link serves")
            });
        };
        let rules = LinkPolicy {
            frozen: false,
            ..link.policy.clone()
        };
        let mut changes = plan.changes();
        if let Some(change) = changes.find(|of| !may(&rules, &of.product, of.action)) {
            return broken("link-rules", || {
                format!(
                    "{run} is committed to {id} with {} {}, which the link may not do",
                    change.action, change.product
                )
            });
        }
        let observed = world.experiences(|all| {
            let sources = link.sources.iter();
            let management = sources.map(|of| Some((of.clone(), all.observed(of)?.clone())));
            let management: Option<Vec<_>> = management.collect();
            (management, all.observed(&id.experience).cloned())
        });
        let (management, Some(member)) = observed else {
            return broken("no-unasked-deny", || {
                format!("{run} is committed to {id}, of which nothing was read")
            });
        };
        lane.is_looked_at(id, &member.policy)?;
        let granted = world.ledger(|ledger| {
            let state = ledger.link_states.get(id);
            state.is_some_and(|state| state.grant.is_some())
        });
        let approved = lane.use_approvals(&plan, granted);
        let own = minus(&plan, &approved.part);
        let overrides = is_overridden(&self.overrides, world, run, link, &id.experience);
        let may_go_on = either(&lane.begun, &approved.overrides);
        lane.begun = match (link.policy.frozen, overrides) {
            (true, true) => plan.clone(),
            (true, false) => common(&plan, &lane.begun),
            (false, _) => Plan::default(),
        };
        if link.policy.frozen && !overrides && !minus(&plan, &may_go_on).is_empty() {
            let is_more = !approved.overrides.is_empty();
            return broken(if is_more { "overridden" } else { "frozen" }, || {
                format!(
                    "{run} is committed to {id}, which is frozen: {plan:?}, approved was {approved:?}"
                )
            });
        }
        let mut removals = own.deny().clone();
        removals.retain(|product| member.policy.allowed().contains(product));
        let most = lane.most(&link.guard, now);
        if approved.rollback {
            lane.reverts_only(id, &plan, |by| in_flight(world, id, by))?;
            if let Some(back) = &mut lane.back {
                back.gone = true;
                back.runs.insert(run);
                back.leave_alone(link, &member.policy, &plan);
            }
        } else {
            if let Some(standing) = &lane.hold
                && (!common(&plan, &standing.shown).is_empty()
                    || (is_doubted(&standing.hold) && !own.is_empty()))
            {
                return broken("held-is-not-sent", || {
                    format!(
                        "{run} is committed to {id} with {plan:?}, on which {standing:?} stands held"
                    )
                });
            }
            let Some(management) = management else {
                return broken("no-unasked-deny", || {
                    format!("{run} is committed to {id}, and nothing was read for it")
                });
            };
            let mut count =
                |name, is_one| *self.counted.entry(name).or_default() += u64::from(is_one);
            count("plans beside a hold", lane.hold.is_some());
            let is_approved = !approved.part.is_empty();
            count(
                "approved changes beside others",
                is_approved && !own.is_empty(),
            );
            count(
                "approvals in spite of a freeze",
                !approved.overrides.is_empty(),
            );
            is_of_every_source(id, run, &plan, (link, &management))?;
            lane.goes_on(id, &plan, Some(run), &wants)?;
            if !own.is_empty() {
                lane.rejections.are_kept(id, run, &removals)?;
                lane.must_not_be_held(id, run, &own, &removals, most, (link, &management), now)?;
                lane.leave_restored(id, run, &own)?;
            }
        }
        lane.plans.insert(run, Committed { removals, most });
        Ok(())
    }

    /// A change set that was started under a run has succeeded.
    pub(crate) fn succeeded(
        &mut self,
        world: &World,
        id: &LaneId,
        run: RunId,
        changes: &[(ProductId, Action)],
        now: i64,
    ) -> Result<(), Violation> {
        let lane = self.lanes.entry(id.clone()).or_default();
        let policy = world.experiences(|all| all.policy(&id.experience));
        if let Some(plan) = lane.plans.get(&run) {
            // What reverses a change of somebody else was taken away before.
            let gone = changes.iter().filter(|(product, action)| {
                *action == Action::Deny
                    && lane.allowed.contains(product)
                    && !lane.outside.contains(product)
                    && plan.removals.contains(product)
            });
            let before = lane.removed.len();
            lane.removed
                .extend(gone.map(|(product, _)| (now, product.clone())));
            let count = lane.removed_since(now - DAY).len();
            if lane.removed.len() > before && count > plan.most {
                let most = plan.most;
                return broken("guarded", || {
                    format!(
                        "{count} products were taken away from {id} within a day, the last by {run}, and nobody has approved it: {most} may be; lengths {:?}, removed {:?}",
                        lane.looks, lane.removed
                    )
                });
            }
        }
        lane.changed_by(run, changes);
        lane.is_now(&policy, now);
        Ok(())
    }

    /// Marks approvals that are done as spent.
    pub(crate) fn look_around(&mut self, world: &World) {
        for (id, lane) in &mut self.lanes {
            let is_used = |given: &Given| *given == Given::Used;
            let mut all = lane.approvals.iter().map(|approval| &approval.given);
            let is_at_rest = is_at_rest(world, id);
            if is_at_rest {
                lane.begun = Plan::default();
            }
            if all.any(is_used) && is_at_rest {
                let all = lane.approvals.iter_mut();
                all.filter(|approval| is_used(&approval.given))
                    .for_each(|approval| approval.given = Given::Spent);
            }
        }
    }

    /// Lists or links have changed: where the management experience wants what was brought back, or no
    /// link does anything, there is nothing to guard any more.
    pub(crate) fn look_at_restored(&mut self, world: &World) {
        let version = world.ledger(|ledger| ledger.configs.len() as u64);
        for (id, lane) in &mut self.lanes {
            let on_its_way = lane.is_on_its_way();
            let Some(back) = &mut lane.back else {
                continue;
            };
            let link =
                config(&mut self.configs, world, version).and_then(|config| link_of(config, id));
            let Some(link) = link else {
                lane.back = None;
                lane.before.clear();
                continue;
            };
            // It goes no further on a link that is frozen meanwhile, or may do less than before.
            back.gone &= !on_its_way || !back.is_forbidden(link);
            // What the producer read counts as well: it may have read a part of the list only.
            let agreed = world.experiences(|all| {
                let current = link
                    .sources
                    .iter()
                    .map(|of| all.policy(of))
                    .collect::<Vec<_>>();
                let read = link.sources.iter();
                let read = read.map(|of| Some(all.observed(of)?.policy.clone()));
                let read = read.collect::<Option<Vec<_>>>();
                back.is_agreed(&wanted(&current, link.conflict))
                    || read.is_some_and(|read| back.is_agreed(&wanted(&read, link.conflict)))
            });
            if agreed {
                lane.back = None;
                lane.before.clear();
            }
        }
    }
}

/// A plan without approval is what all management experiences of the link want together, each as it was
/// read last.
fn is_of_every_source(
    id: &LaneId,
    run: RunId,
    plan: &Plan,
    (link, read): (&Link, &[(ExperienceId, Observed)]),
) -> Result<(), Violation> {
    let lists: Vec<_> = read.iter().map(|(_, of)| of.policy.clone()).collect();
    let wanted = wanted(&lists, link.conflict);
    let is_wanted = |change: &ProductChange| {
        wanted.allowed().contains(&change.product) == (change.action == Action::Allow)
    };
    match plan.changes().find(|change| !is_wanted(change)) {
        None => Ok(()),
        Some(change) => broken("every-source", || {
            format!(
                "{run} is committed to {id} with {} {}, which is not what {} want together ({} wins)",
                change.action, change.product, link.sources, link.conflict
            )
        }),
    }
}

/// The plan that a record shows.
fn shown_by(record: &LinkRecord) -> Plan {
    Plan::new(
        record.allow.iter().cloned().collect(),
        record.deny.iter().cloned().collect(),
    )
}

/// The products that a run has in flight on a lane.
fn in_flight(world: &World, id: &LaneId, by: RunId) -> BTreeSet<ProductId> {
    world.ledger(|ledger| {
        let intent = ledger.lanes.get(id).and_then(|state| state.intent.as_ref());
        let changes = intent.into_iter().flat_map(|intent| &intent.changes);
        let own = changes.filter(|change| change.run == by);
        own.map(|change| change.product.clone()).collect()
    })
}

/// True if a lane is blocked.
fn is_blocked(world: &World, id: &LaneId) -> bool {
    world.ledger(|ledger| {
        let state = ledger.lanes.get(id);
        state.is_some_and(|state| state.phase == Phase::Blocked)
    })
}

/// True if nothing is claimed, under way, or announced and on its way.
fn is_at_rest(world: &World, id: &LaneId) -> bool {
    world.ledger(|ledger| {
        let done = |state: &LaneState| {
            let announced = state.planned.as_ref().is_some_and(|planned| {
                (planned.taken.allow, planned.taken.deny)
                    != (planned.totals.allow, planned.totals.deny)
            });
            state.phase == Phase::Idle && state.intent.is_none() && !announced
        };
        let mut items = ledger.items.iter();
        ledger.lanes.get(id).is_some_and(done)
            && !items.any(|((lane, _), item)| lane == id && item.is_open())
    })
}

#[cfg(test)]
mod tests;
