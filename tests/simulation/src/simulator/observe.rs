//! What each step has done: change sets that have begun and ended, lanes and link states that were written.

use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::ports::ChangeSetStatus;
use pmp_sync_domain::time::elapsed;
use pmp_sync_domain::wire::LANE_SETTLED;
use pmp_sync_fakes::{Kept, Written};

use super::event;
use super::fault_plan;
use super::invariants::{Violation, our_name};
use super::quiescence::has_letter;
use super::scene::at;
use super::state::Simulator;
use super::task::WORKER_TIMEOUT;
use super::trace::{describe, describe_link_state};

impl Simulator {
    /// Moves the clock on and handles change sets that have ended.
    pub(super) fn advance(&mut self, to: i64) {
        self.now = to;
        self.world.advance_to(at(to));
        self.collect_ended();
    }

    /// Delivers the events of change sets that have ended, unless they are lost.
    pub(super) fn collect_ended(&mut self) {
        if self.under_way.is_empty() {
            return;
        }
        let ended: Vec<_> = self.world.experiences(|experiences| {
            let sets = experiences.change_sets();
            self.under_way
                .iter()
                .filter_map(|place| sets.get(*place).filter(|set| set.status.is_some()))
                .cloned()
                .collect()
        });
        if ended.is_empty() {
            return;
        }
        let gone: Vec<_> = ended.iter().map(|set| set.id.clone()).collect();
        self.world.experiences(|experiences| {
            let sets = experiences.change_sets();
            let is_gone = |place: &usize| sets.get(*place).is_some_and(|s| gone.contains(&s.id));
            self.under_way.retain(|place| !is_gone(place));
        });
        for set in ended {
            let (detail_type, name) = match &set.status {
                Some(ChangeSetStatus::Succeeded(_)) => ("Change Set Succeeded", "succeeded"),
                Some(ChangeSetStatus::Cancelled) => ("Change Set Cancelled", "cancelled"),
                Some(ChangeSetStatus::ServerFault(_)) => ("Change Set Failed", "failed: service"),
                _ => ("Change Set Failed", "failed: content"),
            };
            self.trace
                .line(self.now, || format!("{} has {name}", set.name));
            self.stats.add(match name {
                "succeeded" => "change sets that succeeded",
                "cancelled" => "change sets cancelled",
                "failed: service" => "change sets failed by the service",
                _ => "change sets failed by their content",
            });
            self.invariants.ended(&set, &self.world);
            if let (Some(ChangeSetStatus::Succeeded(_)), Some((lane, run))) =
                (&set.status, self.invariants.origin(&set))
            {
                self.changed_it_ourselves(&lane, &set.changes);
                let guards = &mut self.guards;
                if self.invariants.forgotten.contains(&set.name) {
                    let products = set.changes.iter().map(|(product, _)| product.clone());
                    let guard = guards.lanes.entry(lane.clone()).or_default();
                    guard.unseen.extend(products);
                }
                let seen = guards.succeeded(&self.world, &lane, run, &set.changes, self.now);
                self.found = self.found.take().or(seen.err());
            }
            let mut lanes = self.invariants.lanes.iter();
            let Some((lane, _)) = lanes.find(|(lane, _)| lane.experience == set.experience) else {
                continue;
            };
            if self.rng.of("lost-event").percent(self.profile.lose_events) {
                self.stats.add("change set events lost");
                continue;
            }
            let body = event::envelope(
                "aws.marketplacecatalog",
                detail_type,
                &serde_json::json!({ "ChangeSetId": set.id, "ChangeSetName": set.name }),
            );
            let due = at(self.now + self.rng.of("event-delay").between(0, 3_000));
            let lane = lane.clone();
            self.saw_another(&lane, &set);
            let account = lane.account;
            self.world.changes(&account, |queue| queue.push(body, due));
        }
    }

    /// Checks what a step has done.
    pub(super) fn observe(&mut self, member: Option<usize>, number: u64) -> Result<(), Violation> {
        let (failed, calls) = fault_plan::with(&self.fault_plan, |fault_plan| {
            let calls = fault_plan.calls.as_mut().map(std::mem::take);
            (std::mem::take(&mut fault_plan.failed), calls)
        });
        for call in calls.into_iter().flatten() {
            self.trace.line(self.now, || format!("#{number} {call}"));
        }
        let mut tasks = self.tasks.iter();
        let only_ticks =
            !failed.is_empty() && tasks.any(|task| task.number == number && task.has_only_ticks());
        for name in failed {
            self.stats.add(name);
            if only_ticks && name == fault_plan::DENIED {
                self.invariants.hamper(member);
            } else {
                self.invariants.disturb(member, self.now);
            }
        }
        self.see_link_states()?;
        self.see_listings()?;
        let written = self
            .world
            .ledger(|ledger| ledger.watched.as_mut().map(std::mem::take));
        for written in written.into_iter().flatten() {
            self.trace
                .line(self.now, || describe(&written.lane, &written.state));
            self.copy_name(&written);
            self.see_commit(&written)?;
            self.invariants.wrote(&self.world, written)?;
        }
        self.guards.look_around(&self.world);
        self.guards.look_at_restored(&self.world);
        self.see_new_sets(number)?;
        self.lose_hints();
        Ok(())
    }

    /// A plan was committed: one that needs approval must have it.
    fn see_commit(&mut self, written: &Written) -> Result<(), Violation> {
        let known = self.invariants.lanes.get(&written.lane);
        let was_suspended = known.is_some_and(|lane| lane.state.suspension.is_some());
        let known = known.and_then(|lane| lane.state.planned_run());
        if written.state.suspension.is_some() && !was_suspended {
            self.see_unlettered(&written.lane);
        }
        match &written.state.planned {
            Some(planned) if known != Some(planned.run) => {
                self.see_unlettered(&written.lane);
                if let Some(record) = &written.record {
                    self.tells_edits(&written.lane, record)?;
                }
                self.guards.committed(
                    &self.world,
                    &written.lane,
                    planned,
                    written.record.as_ref(),
                    self.now,
                )
            }
            _ => Ok(()),
        }
    }

    /// An invocation that was interrupted between a quarantine and its letter leaves the letter to a
    /// later one, which waits for the worker's timeout. A plan that is committed before that ends it, and so does
    /// a suspension, if a plan is committed after it.
    fn see_unlettered(&mut self, lane: &LaneId) {
        let letters = self.world.dead_of(&lane.account);
        let (now, patience) = (at(self.now), f64::from(2 * WORKER_TIMEOUT));
        let unlettered: Vec<_> = self.world.ledger(|ledger| {
            let items = ledger.items.iter().filter(|((of, _), _)| of == lane);
            let fresh = items.filter(|(_, item)| {
                let quarantined = item.quarantined.as_ref();
                quarantined.is_some_and(|of| elapsed(of.quarantined_at, now) < patience)
            });
            let keys = fresh.map(|(key, _)| key);
            keys.filter(|key| !has_letter(&letters, key))
                .cloned()
                .collect()
        });
        self.unlettered.extend(unlettered);
    }

    fn see_link_states(&mut self) -> Result<(), Violation> {
        let kept = self
            .world
            .ledger(|ledger| ledger.watched_link_states.as_mut().map(std::mem::take));
        for kept in kept.into_iter().flatten() {
            match kept {
                Kept::Lists(run, lane) => self.guards.kept_lists(&self.world, run, &lane),
                Kept::LinkState(lane, link_state) => {
                    self.trace
                        .line(self.now, || describe_link_state(&lane, &link_state));
                    self.saw_edits(&lane, &link_state);
                    let guards = &mut self.guards;
                    if guards.wrote_link_state(&self.world, &lane, &link_state)? {
                        self.see_hold(&lane);
                    }
                    if let Some(guard) = self.guards.lanes.get_mut(&lane) {
                        guard.remembers(&lane, &link_state, self.now)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn see_new_sets(&mut self, number: u64) -> Result<(), Violation> {
        let sets = self.world.experiences(|e| e.change_sets().len());
        while self.sets < sets {
            let place = self.sets;
            self.sets += 1;
            self.under_way.push(place);
            let set = self
                .world
                .experiences(|e| e.change_sets().get(place).cloned());
            let Some(set) = set else { continue };
            if our_name(&set).is_none() {
                continue;
            }
            self.stats.add("change sets");
            self.trace.line(self.now, || {
                format!("{} is started: {:?}", set.name, set.changes)
            });
            self.invariants.started(&self.world, &set)?;
            let task = self.tasks.iter().find(|task| task.number == number);
            if let Some(task) = task {
                let now = at(self.now);
                self.invariants
                    .obeyed(&self.world, &set, &task.rules, now)?;
            }
            if !self.repaired {
                self.schedule_change_set_faults(&set);
            }
        }
        Ok(())
    }

    /// Drops some Lane Settled events.
    fn lose_hints(&mut self) {
        let requests = self.world.inbox(|inbox| inbox.len());
        if requests > self.requests && self.rng.of("lost-hint").percent(self.profile.lose_events) {
            let lost = self.world.inbox(|inbox| {
                let hint = inbox.bodies().next_back();
                let lost = hint.is_some_and(|body| body.contains(LANE_SETTLED));
                if lost {
                    inbox.lose_last();
                }
                lost
            });
            if lost {
                self.stats.add("lane settled events lost");
            }
        }
        self.requests = self.world.inbox(|inbox| inbox.len());
    }
}
