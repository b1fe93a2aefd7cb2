//! What is checked of each link state that is written: the guards' memory, grants and holds.

use std::collections::BTreeSet;

use pmp_sync_domain::approval::{Grant, Hold};
use pmp_sync_domain::guard::GuardName;
use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::records::LinkState;
use pmp_sync_fakes::World;

use super::configs::{
    config, is_exempt, is_overridden, is_served, link_of, people_of, version_of, wanted_of,
};
use super::held::{Standing, stand};
use super::lane::LaneGuard;
use super::{Guards, is_blocked};
use crate::simulator::invariants::{Violation, broken};
use crate::simulator::scene::since_begin;

impl Guards {
    /// A link state was written. Returns true if there is a new hold.
    pub(crate) fn wrote_link_state(
        &mut self,
        world: &World,
        id: &LaneId,
        link_state: &LinkState,
    ) -> Result<bool, Violation> {
        let is_exempt = is_exempt(&mut self.configs, world, id, GuardName::FirstMirror);
        let lane = self.lanes.entry(id.clone()).or_default();
        let unapproved = !is_exempt && !link_state.taking.is_empty();
        lane.is_known(id, link_state, unapproved)?;
        lane.looked(id, &link_state.sizes)?;
        let counted = link_state.removals.iter();
        let counted = counted.map(|removal| (since_begin(removal.at), removal.products.clone()));
        lane.counted = counted.collect();
        self.wrote_grants(world, id, link_state.grant.as_ref())?;
        self.wrote_holds(world, id, link_state)
    }

    /// The grants of a lane that are in force.
    fn wrote_grants(
        &mut self,
        world: &World,
        id: &LaneId,
        grant: Option<&Grant>,
    ) -> Result<(), Violation> {
        let is_served = is_served(&mut self.configs, world, id);
        let wanted = wanted_of(&mut self.configs, world, id, None);
        let lane = self.lanes.entry(id.clone()).or_default();
        let before = grant.into_iter().flat_map(|grant| &grant.before);
        let mut taken: BTreeSet<_> = before.map(|earlier| earlier.run).collect();
        if let Some(run) = taken.iter().find(|run| !lane.taken.contains(run)) {
            return broken("approved-once", || {
                format!("an approval of {run} goes on on {id}, and was never taken: {grant:?}")
            });
        }
        if let Some(grant) = grant {
            taken.insert(grant.run);
            if !lane.taken.contains(&grant.run) {
                let people = people_of(&mut self.configs, world, grant.executed);
                lane.take_approval(&self.asked, id, grant, people)?;
            }
        }
        let ended: Vec<_> = lane.taken.difference(&taken).copied().collect();
        // What an approved rollback does goes before everything else. What fails is done.
        let goes_back = taken.iter().any(|run| lane.backs.contains(run));
        let is_stuck = goes_back || is_blocked(world, id);
        for run in ended {
            // It is done, or was given up: what is committed from now on was not approved. It ends before it is
            // done if no link serves the lane now.
            let on_its_way = lane.is_on_its_way();
            if taken.is_empty()
                && let Some(back) = lane.back.as_mut().filter(|_| !is_served)
            {
                back.gone &= !on_its_way;
            }
            lane.end_grant(id, run, &wanted, is_stuck)?;
        }
        lane.taken = taken;
        Ok(())
    }

    /// The holds of a lane. Returns true if there is a new one.
    fn wrote_holds(
        &mut self,
        world: &World,
        id: &LaneId,
        link_state: &LinkState,
    ) -> Result<bool, Violation> {
        let wanted = wanted_of(&mut self.configs, world, id, None);
        let lane = self.lanes.entry(id.clone()).or_default();
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
        let rollback = match &link_state.restore {
            None => None,
            Some(hold) => Some(stand(world, id, hold, lane.restore.as_ref())?),
        };
        lane.restore = rollback;
        let new = match &link_state.hold {
            None => None,
            Some(hold) => Some(stand(world, id, hold, lane.hold.as_ref())?),
        };
        for standing in new.iter().chain(&lane.restore) {
            LaneGuard::are_given(&self.asked, id, &standing.hold)?;
        }
        let old = std::mem::replace(&mut lane.hold, new.clone());
        let was_approved = |old: &Standing| lane.taken.contains(&old.hold.run);
        let stood = old.as_ref().filter(|old| !was_approved(old));
        // A run that is not over has written it.
        let hold = link_state.hold.as_ref().map(|hold| hold.run);
        let runs: Vec<_> = world.ledger(|ledger| {
            let at_work = ledger.runs.values().filter(|run| !run.status.is_final());
            at_work.map(|run| run.run).chain(hold).collect()
        });
        let by_override = runs.into_iter().any(|run| {
            let version = version_of(world, run).unwrap_or_default();
            let link = config(&mut self.configs, world, version);
            let link = link.and_then(|config| link_of(config, id));
            link.is_some_and(|link| {
                is_overridden(&self.overrides, world, run, link, &id.experience)
            })
        });
        let overrides = stood.is_some_and(|old| old.hold.overrides);
        if let Some(hold) = link_state.hold.as_ref().filter(|hold| hold.overrides)
            && !overrides
            && !by_override
        {
            return broken("overridden", || {
                format!("{hold:?} on {id} overrides a freeze, and its run does not")
            });
        }
        if let Some(old) = stood {
            lane.is_still_held(id, old, new.as_ref(), &wanted, by_override)?;
            LaneGuard::is_still_short(id, old, new.as_ref(), &wanted)?;
        }
        let is_thawed = new.as_ref().is_some_and(|new| new.hold.overrides);
        lane.rejections.looked(if overrides || is_thawed {
            &wanted.thawed
        } else {
            &wanted.certain
        });
        if let Some(new) = new.as_ref().filter(|_| is_held) {
            lane.is_rightly_held(id, new, stood, &wanted)?;
        }
        lane.rejections
            .held(&self.asked, id, stood, new.as_ref(), &wanted)?;
        Ok(news)
    }

    /// At rest nothing that was approved and is wanted waits, except on lanes that only bad products block.
    pub(crate) fn everything_approved_is_done(&mut self, world: &World) -> Result<(), Violation> {
        let ids: Vec<_> = self.lanes.keys().cloned().collect();
        for id in ids.into_iter().filter(|id| !is_blocked(world, id)) {
            let wanted = wanted_of(&mut self.configs, world, &id, None);
            if let Some(lane) = self.lanes.get_mut(&id) {
                lane.goes_on(&id, &Plan::default(), None, &wanted)?;
            }
        }
        Ok(())
    }
}
