//! What the simulator knows of guards and holds: what operators were shown and have approved, what
//! was removed without approval, and what was restored. None of it comes from the producer's own
//! memory. That is used only for what it shows to operators: what is held, and which approval it
//! says it has accepted.

pub(super) mod lane;
mod memory;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use pmp_sync_domain::approval::Hold;
use pmp_sync_domain::config::Config;
use pmp_sync_domain::experience::Experience;
use pmp_sync_domain::guard::GuardName;
use pmp_sync_domain::ids::{ExperienceId, LaneId, PlanHash, ProductId, RunId};
use pmp_sync_domain::lane::{LaneState, Phase, Planned};
use pmp_sync_domain::link::{Link, LinkPolicy, Target};
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::policy::{Action, PolicySnapshot, ProductChange};
use pmp_sync_domain::records::{LinkRecord, LinkState};
use pmp_sync_domain::run::LinkStatus;
use pmp_sync_domain::wire::Scope;

use self::lane::{Committed, DAY, Given, LaneGuard, Standing};
use super::invariants::{Violation, broken};
use super::scene::since_begin;
use crate::reference::{may, wanted};
use pmp_sync_fakes::{Observed, World};

/// Everything that is known of guards and holds.
#[derive(Debug, Default)]
pub(crate) struct Guards {
    pub(crate) lanes: BTreeMap<LaneId, LaneGuard>,
    configs: BTreeMap<u64, Config>,
    /// What operators have approved, as it was shown.
    pub(crate) asked: BTreeSet<(LaneId, RunId, String)>,
    /// Overrides of freezes, by the ids of their requests.
    pub(crate) overrides: BTreeMap<String, Scope>,
}

/// The link that serves a lane: one that names it goes before `*`.
pub(crate) fn link_of<'a>(config: &'a Config, lane: &LaneId) -> Option<&'a Link> {
    let of_member = || {
        let links = config.links.iter();
        links.filter(|link| link.member.account == lane.account)
    };
    of_member()
        .find(|link| link.target == Target::One(lane.experience.clone()))
        .or_else(|| of_member().find(|link| link.target == Target::EveryLive))
}

impl Guards {
    /// Number of accepted approvals, of those that were rollbacks, and of lanes that are held now.
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        let lanes = self.lanes.values();
        lanes.fold((0, 0, 0), |(taken, back, held), lane| {
            let (all, ways_back) = lane.approved();
            let is_held = u64::from(lane.hold.is_some());
            (taken + all, back + ways_back, held + is_held)
        })
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

    /// A link state was written. Returns true if there is a new hold.
    pub(crate) fn wrote_link_state(
        &mut self,
        world: &World,
        id: &LaneId,
        link_state: &LinkState,
    ) -> Result<bool, Violation> {
        let is_exempt = is_exempt(&mut self.configs, world, id, GuardName::FirstMirror);
        let is_served = is_served(&mut self.configs, world, id);
        let lane = self.lanes.entry(id.clone()).or_default();
        let unapproved = !is_exempt && !link_state.taking.is_empty();
        lane.is_known(id, link_state, unapproved)?;
        lane.looked(id, &link_state.sizes)?;
        let counted = link_state.removals.iter();
        let counted = counted.map(|removal| (since_begin(removal.at), removal.products.clone()));
        lane.counted = counted.collect();
        let taken = link_state.grant.as_ref().map(|grant| grant.run);
        if let Some(run) = taken.filter(|run| lane.taken != Some(*run)) {
            lane.take_approval(&self.asked, id, run)?;
        } else if taken.is_none() && lane.taken.is_some() {
            // It is done, or was given up: what is committed from now on was not approved. It ends before it is
            // done if no link serves the lane now.
            let on_its_way = lane.is_on_its_way();
            if let Some(back) = lane.back.as_mut().filter(|_| !is_served) {
                back.gone &= !on_its_way;
            }
            lane.supersede();
        }
        lane.taken = taken;
        let is_new = |old: &Option<Standing>, new: &Option<Hold>| {
            let run = |hold: &Hold| hold.run;
            new.is_some() && old.as_ref().map(|old| run(&old.hold)) != new.as_ref().map(run)
        };
        let is_held = is_new(&lane.hold, &link_state.hold);
        if let Some(observed) = world.experiences(|all| all.observed(&id.experience).cloned())
            && is_held
        {
            lane.is_looked_at(id, &observed.policy)?;
        }
        let news = is_held || is_new(&lane.restore, &link_state.restore);
        for (standing, hold) in [
            (&mut lane.hold, &link_state.hold),
            (&mut lane.restore, &link_state.restore),
        ] {
            *standing = match hold {
                None => None,
                Some(hold) => Some(stand(world, id, hold, standing.take())?),
            };
        }
        Ok(news)
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
        let version = world.ledger(|ledger| ledger.runs.get(&run).map(|run| run.config_version));
        let Some(link) = config(&mut self.configs, world, version.unwrap_or_default())
            .and_then(|config| link_of(config, id))
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
        if link.policy.frozen && !is_overridden(&self.overrides, world, run, link, &id.experience) {
            return broken("frozen", || {
                format!("{run} is committed to {id}, which is frozen")
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
        let mut removals = plan.deny().clone();
        removals.retain(|product| member.policy.allowed().contains(product));
        let most = lane.most(&link.guard, now);
        let granted = world.ledger(|ledger| {
            let state = ledger.link_states.get(id);
            state.is_some_and(|state| state.grant.is_some())
        });
        let approved = lane.use_approval(&plan, granted);
        if let Some(standing) = &lane.hold
            && approved != Some(true)
        {
            return broken("held-is-not-sent", || {
                format!(
                    "{run} is committed to {id}, on which {:?} stands held",
                    standing.hold
                )
            });
        }
        if approved.is_none() {
            let Some(management) = management else {
                return broken("no-unasked-deny", || {
                    format!("{run} is committed to {id}, and nothing was read for it")
                });
            };
            is_of_every_source(id, run, &plan, (link, &management))?;
            lane.must_not_be_held(id, run, &plan, &removals, most, (link, &management), now)?;
            lane.supersede();
            lane.leave_restored(id, run, &plan)?;
        } else if approved == Some(true) {
            lane.reverts_only(id, &plan, |by| in_flight(world, id, by))?;
            if let Some(back) = &mut lane.back {
                back.gone = true;
                back.runs.insert(run);
                back.leave_alone(link, &member.policy, &plan);
            }
        }
        let committed = Committed {
            approved: approved.is_some(),
            removals,
            most,
        };
        lane.plans.insert(run, committed);
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
        let plan = lane.plans.get(&run);
        let unapproved = plan.filter(|plan| !plan.approved);
        if let Some(plan) = unapproved {
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
            let used = lane.approvals.last();
            if used.is_some_and(|approval| approval.given == Given::Used) && is_at_rest(world, id) {
                lane.supersede();
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

/// The configuration of a version.
fn config<'a>(
    configs: &'a mut BTreeMap<u64, Config>,
    world: &World,
    version: u64,
) -> Option<&'a Config> {
    if let Entry::Vacant(missing) = configs.entry(version) {
        let place = usize::try_from(version).ok()?.checked_sub(1)?;
        let text = world.ledger(|ledger| ledger.configs.get(place).cloned())?;
        missing.insert(Config::parse(&text).ok()?);
    }
    configs.get(&version)
}

/// True if a link serves the lane. `*` serves live experiences.
fn is_served(configs: &mut BTreeMap<u64, Config>, world: &World, id: &LaneId) -> bool {
    let version = world.ledger(|ledger| ledger.configs.len() as u64);
    let link = config(configs, world, version).and_then(|config| link_of(config, id));
    // The experience may have become live again since the producer read it.
    let is_live = || {
        world.experiences(|all| {
            let read = all.observed(&id.experience);
            let is_live = |of: Option<&Experience>| of.is_some_and(Experience::is_live);
            is_live(all.experience(&id.experience)) && is_live(read.map(|read| &read.experience))
        })
    };
    link.is_some_and(|link| link.target != Target::EveryLive || is_live())
}

/// True if a configuration at any time exempts the lane from the guard: a run keeps the configuration with
/// which it began.
fn is_exempt(
    configs: &mut BTreeMap<u64, Config>,
    world: &World,
    id: &LaneId,
    name: GuardName,
) -> bool {
    let versions = world.ledger(|ledger| ledger.configs.len() as u64);
    (1..=versions).any(|version| {
        let link = config(configs, world, version).and_then(|config| link_of(config, id));
        link.is_some_and(|link| link.guard.exempt.contains(&name))
    })
}

fn is_overridden(
    overrides: &BTreeMap<String, Scope>,
    world: &World,
    run: RunId,
    link: &Link,
    experience: &ExperienceId,
) -> bool {
    world.ledger(|ledger| {
        let requests = ledger.runs.get(&run).into_iter().flat_map(|r| &r.requests);
        let mut ids = requests.filter_map(|request| request.id.as_ref());
        ids.any(|id| {
            let scope = overrides.get(id);
            scope.is_some_and(|scope| scope.covers(&link.member.name, experience))
        })
    })
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

/// The holds, with the plans that are shown.
fn stand(
    world: &World,
    id: &LaneId,
    hold: &Hold,
    old: Option<Standing>,
) -> Result<Standing, Violation> {
    if let Some(old) = old.filter(|old| is_same(&old.hold, hold.run, &hold.plan_hash)) {
        let hold = hold.clone();
        return Ok(Standing { hold, ..old });
    }
    let record = world.ledger(|ledger| ledger.links.get(&(hold.run, id.to_string())).cloned());
    let shown = record.map(|record| shown_by(&record));
    let Some(shown) = shown.filter(|shown| shown.hash() == hold.plan_hash) else {
        return broken("held-is-not-sent", || {
            format!("{hold:?} stands held on {id}, and its plan is not on record")
        });
    };
    Ok(Standing {
        hold: hold.clone(),
        shown,
        rollback: hold.undo(),
    })
}

fn is_same(hold: &Hold, run: RunId, hash: &PlanHash) -> bool {
    hold.run == run && hold.plan_hash == *hash
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
