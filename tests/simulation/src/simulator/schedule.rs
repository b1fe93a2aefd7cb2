//! The schedule of a world: requests, faults of the service, what operators do, and the repair.

use pmp_sync_domain::experience::Status;
use pmp_sync_domain::ids::{ChangeSetId, ExperienceId, LaneId, ProductId, RunId};
use pmp_sync_domain::lane::{MemberRules, Suspension};
use pmp_sync_domain::wire::{CATALOG_SOURCE, REPLAY_REQUESTED, SCHEDULE_SOURCE, SOURCE};
use serde_json::{Value, json};

use super::invariants::Violation;
use super::scene::{HOUR, MINUTE, at};
use super::{Simulator, fault_plan};
use pmp_sync_fakes::{ChangeSetRecord, Experiences};

/// An event of the schedule.
#[derive(Debug, Clone)]
pub(crate) enum ScheduledEvent {
    /// The hourly run.
    HourlyRun,
    /// An operator starts a sync of everything or of a part.
    SyncRequested,
    /// An operator replays the dead letters.
    Replay,
    /// The management lists change.
    ManagementEdit,
    /// A management list is emptied by mistake, and comes back.
    ManagementEmptied(ExperienceId),
    /// A management experience loses its policy, or has it again.
    NoPolicy(ExperienceId, bool),
    /// The next read of a management list returns a part of it only.
    ShortRead(ExperienceId),
    /// A management list loses a good part at once, or one product every hour.
    Shrinks(ExperienceId),
    Erodes(ExperienceId),
    /// A member's administrator edits its list by hand.
    MemberEdit,
    /// Another program's change set locks a member experience.
    ForeignLock,
    /// Another version of the configuration.
    Configuration,
    /// An operator suspends something, or resumes everything.
    SuspendOn,
    SuspendOff,
    /// The operator's command marks a lane, or takes the mark away.
    Mark(LaneId, Option<Suspension>),
    /// A member changes the rules in its stack.
    Rules(usize, MemberRules),
    /// A member account cannot be reached, or can be again.
    Unreachable(usize, bool),
    /// An experience is archived or disabled, or comes back.
    Archived(ExperienceId, bool),
    Disabled(ExperienceId, bool),
    /// A product cannot be changed, or can be again.
    Bad(ProductId, bool),
    /// The next change set that ends fails because of the service.
    ServerFault,
    /// An operation is denied, or allowed again.
    Denied(Option<&'static str>),
    /// A run was named by a clock that was ahead: every later one seems to step back.
    ClockAhead,
    /// An administrator cancels a change set.
    Cancel(ChangeSetId),
    /// The service no longer knows a change set.
    Forget(ChangeSetId),
    /// A message that cannot be parsed.
    Garbage,
    /// An operator looks at what is held on a lane, and sends a request about it.
    Considered(LaneId),
    /// A request that was written a while ago arrives.
    Asked(String),
    /// An operator approves everything that is held, now and every hour.
    Approvals,
    /// Everything is repaired.
    Repair,
}

/// The body of an event in a queue.
pub(crate) fn envelope(source: &str, detail_type: &str, detail: &Value) -> String {
    json!({ "source": source, "detail-type": detail_type, "detail": detail }).to_string()
}

impl Simulator {
    /// Schedules an event.
    pub(crate) fn schedule_at(&mut self, when: i64, event: ScheduledEvent) {
        self.scheduled += 1;
        self.schedule.insert((when, self.scheduled), event);
    }

    /// Schedules a condition and its end.
    fn schedule_span(&mut self, on: ScheduledEvent, off: ScheduledEvent, least: i64, most: i64) {
        let begin = self.rng.between(0, self.profile.until);
        let length = self.rng.between(least, most);
        self.schedule_at(begin, on);
        self.schedule_at(begin + length, off);
    }

    /// Fills the schedule.
    pub(crate) fn fill_schedule(&mut self) {
        let first = self.rng.between(0, 10 * MINUTE);
        self.schedule_at(first, ScheduledEvent::HourlyRun);
        self.schedule_at(self.profile.until, ScheduledEvent::Repair);
        if self.profile.calm {
            for number in 0..self.profile.events {
                let hour = i64::try_from(number).unwrap_or_default() * HOUR;
                self.schedule_at(first + hour + 35 * MINUTE, ScheduledEvent::ManagementEdit);
            }
            return;
        }
        if self.profile.unattributed {
            self.stats.add("worlds without reasons for failures");
            self.world.experiences(Experiences::withhold_reasons);
        }
        if self.profile.erosion
            && let Some(id) = self.rng.pick(&self.scene.management).cloned()
        {
            let first = self.rng.between(0, HOUR);
            self.schedule_at(first, ScheduledEvent::Erodes(id));
            // What was planned comes about much later.
            self.schedule_span(
                ScheduledEvent::SuspendOn,
                ScheduledEvent::SuspendOff,
                HOUR,
                20 * HOUR,
            );
        }
        for _ in 0..self.profile.bad {
            if let Some(product) = self.rng.pick(&self.scene.products).cloned() {
                let on = ScheduledEvent::Bad(product.clone(), true);
                if self.rng.once_in(3) {
                    self.schedule_span(on, ScheduledEvent::Bad(product, false), MINUTE, HOUR);
                } else {
                    let begin = self.rng.between(0, self.profile.until / 2);
                    self.schedule_at(begin, on);
                }
            }
        }
        self.schedule_member_rules();
        for _ in 0..self.profile.events {
            self.schedule_random();
        }
    }

    fn schedule_random(&mut self) {
        let lanes = self.scene.lanes();
        let Some((lane, member)) = self.rng.pick(&lanes).cloned() else {
            return;
        };
        let experience = if self.rng.once_in(4) {
            let some = self.rng.pick(&self.scene.management).cloned();
            some.unwrap_or_else(|| lane.experience.clone())
        } else {
            lane.experience.clone()
        };
        let event = match self.rng.below(32) {
            0..=3 => ScheduledEvent::SyncRequested,
            4..=7 => ScheduledEvent::ManagementEdit,
            8..=10 => ScheduledEvent::MemberEdit,
            11 => ScheduledEvent::ForeignLock,
            12 | 13 => ScheduledEvent::Configuration,
            14 => ScheduledEvent::ServerFault,
            15 => ScheduledEvent::ClockAhead,
            16 => ScheduledEvent::Garbage,
            17 => ScheduledEvent::Replay,
            18 => {
                return self.schedule_span(
                    ScheduledEvent::SuspendOn,
                    ScheduledEvent::SuspendOff,
                    MINUTE,
                    HOUR,
                );
            }
            19 => {
                let off = ScheduledEvent::Unreachable(member, true);
                let on = ScheduledEvent::Unreachable(member, false);
                return self.schedule_span(on, off, MINUTE, 2 * HOUR);
            }
            20 => {
                let off = ScheduledEvent::Archived(experience.clone(), false);
                let on = ScheduledEvent::Archived(experience, true);
                return self.schedule_span(on, off, 1_000, HOUR);
            }
            21 => {
                let off = ScheduledEvent::Disabled(experience.clone(), false);
                let on = ScheduledEvent::Disabled(experience, true);
                return self.schedule_span(on, off, MINUTE, HOUR);
            }
            22 => {
                let denied = self.rng.pick(&fault_plan::OPERATIONS).copied();
                let off = ScheduledEvent::Denied(None);
                return self.schedule_span(ScheduledEvent::Denied(denied), off, 1_000, 30 * MINUTE);
            }
            23..=26 => ScheduledEvent::Considered(lane),
            _ => {
                let Some(id) = self.rng.pick(&self.scene.management).cloned() else {
                    return;
                };
                match self.rng.below(4) {
                    0 => ScheduledEvent::ManagementEmptied(id),
                    1 => {
                        let off = ScheduledEvent::NoPolicy(id.clone(), false);
                        return self.schedule_span(
                            ScheduledEvent::NoPolicy(id, true),
                            off,
                            1_000,
                            HOUR,
                        );
                    }
                    2 => ScheduledEvent::ShortRead(id),
                    _ => ScheduledEvent::Shrinks(id),
                }
            }
        };
        let when = self.rng.between(0, self.profile.until);
        self.schedule_at(when, event);
    }

    /// Schedules the faults of a change set that has just started.
    pub(crate) fn schedule_change_set_faults(&mut self, set: &ChangeSetRecord) {
        let length = (self.profile.duration * 1_000).max(1);
        if self.rng.percent(self.profile.cancel) {
            let when = self.now + self.rng.between(0, length);
            self.schedule_at(when, ScheduledEvent::Cancel(set.id.clone()));
        }
        if self.rng.percent(self.profile.forget) {
            let when = self.now + self.rng.between(0, length);
            self.schedule_at(when, ScheduledEvent::Forget(set.id.clone()));
        }
    }

    /// Runs the next event of the schedule.
    pub(crate) fn happen(&mut self) -> Result<(), Violation> {
        let Some((_, event)) = self.schedule.pop_first() else {
            return Ok(());
        };
        self.trace.line(self.now, || format!("{event:?}"));
        match event {
            ScheduledEvent::HourlyRun => {
                self.stats.add("requests: schedule");
                self.since_repair += u64::from(self.repaired);
                self.ask(envelope(SCHEDULE_SOURCE, "Scheduled Sync", &json!({})));
                self.schedule_at(self.now + HOUR, ScheduledEvent::HourlyRun);
            }
            ScheduledEvent::SyncRequested => self.request_sync(),
            ScheduledEvent::Replay => {
                self.stats.add("requests: replay");
                self.ask(envelope(SOURCE, REPLAY_REQUESTED, &json!({})));
            }
            ScheduledEvent::ManagementEdit => self.edit_management(),
            ScheduledEvent::ManagementEmptied(experience) => self.empty_management(&experience),
            ScheduledEvent::NoPolicy(id, gone) => self.lose_policy(&id, gone),
            ScheduledEvent::ShortRead(id) => self.read_short(&id),
            ScheduledEvent::Shrinks(id) => self.shrink_management(&id),
            ScheduledEvent::Erodes(id) => self.erode_management(id),
            ScheduledEvent::Considered(lane) => self.consider(&lane),
            ScheduledEvent::Asked(body) => self.ask(body),
            ScheduledEvent::MemberEdit => self.edit_member(),
            ScheduledEvent::ForeignLock => self.lock_member(),
            ScheduledEvent::Configuration => {
                self.stats.add("configurations changed");
                self.scene.change_links(&mut self.rng);
                let text = self.scene.config();
                self.trace.line(self.now, || text.clone());
                self.world.ledger(|ledger| ledger.configs.push(text));
            }
            ScheduledEvent::SuspendOn => self.suspend(),
            ScheduledEvent::SuspendOff => self.resume(),
            ScheduledEvent::Mark(lane, suspension) => self.mark(&lane, suspension.as_ref()),
            ScheduledEvent::Rules(member, rules) => self.set_rules(member, rules),
            ScheduledEvent::Unreachable(member, reachable) => {
                if let Some(member) = self.scene.members.get(member) {
                    self.world.set_reachable(&member.account, reachable);
                    self.stats
                        .more("members unreachable for a while", u64::from(!reachable));
                }
            }
            ScheduledEvent::Archived(experience, on) => {
                self.stats
                    .more("experiences archived for a while", u64::from(on));
                self.world.experiences(|all| {
                    all.edit(&experience, |experience, _| experience.archived = on);
                });
            }
            ScheduledEvent::Disabled(experience, on) => {
                self.stats
                    .more("experiences disabled for a while", u64::from(on));
                let status = if on {
                    Status::Disabled
                } else {
                    Status::Enabled
                };
                self.world.experiences(|all| {
                    all.edit(&experience, |experience, _| experience.status = status);
                });
            }
            ScheduledEvent::Bad(product, true) => {
                self.stats.add("products made bad");
                self.invariants.bad.insert(product.clone());
                self.world.experiences(|all| all.make_bad(product));
            }
            ScheduledEvent::Bad(product, false) => {
                self.world.experiences(|all| all.make_good(&product));
                self.ask(envelope(SOURCE, REPLAY_REQUESTED, &json!({})));
            }
            ScheduledEvent::ServerFault => self.world.experiences(|all| all.fail_next_sets(1)),
            ScheduledEvent::Denied(operation) => {
                fault_plan::with(&self.fault_plan, |fault_plan| fault_plan.denied = operation);
            }
            ScheduledEvent::ClockAhead => self.name_a_run_ahead(),
            ScheduledEvent::Cancel(set) => self.cancel(&set),
            ScheduledEvent::Forget(set) => self.forget(&set),
            ScheduledEvent::Garbage => self.send_garbage(),
            ScheduledEvent::Approvals => {
                self.approve_all();
                self.schedule_at(self.now + HOUR, ScheduledEvent::Approvals);
            }
            ScheduledEvent::Repair => self.repair(),
        }
        self.observe(None, 0)
    }

    /// Puts a request into the producer's inbox.
    pub(crate) fn ask(&mut self, body: String) {
        self.world.request(body);
        self.requests += 1;
    }

    fn name_a_run_ahead(&mut self) {
        let ahead = at(self.now + self.rng.between(1_000, 2 * HOUR)).as_millisecond();
        let rng = u128::from(self.rng.draw());
        self.stats.add("clocks ahead");
        self.world.ledger(|ledger| {
            ledger.last_run = Some(RunId::next(ledger.last_run, ahead, rng));
        });
    }

    fn cancel(&mut self, set: &ChangeSetId) {
        let found = self.world.experiences(|all| {
            let mut sets = all.change_sets().iter();
            let set = sets.find(|other| other.id == *set && other.status.is_none());
            set.map(|set| set.experience.clone())
        });
        let Some(experience) = found else { return };
        let mut lanes = self.invariants.lanes.iter_mut();
        let lane = lanes.find(|(id, _)| id.experience == experience);
        // A third one in a row blocks the lane, as it should, and only a person ends that.
        if let Some((_, lane)) = lane.filter(|(_, lane)| lane.cancelled < 2) {
            lane.cancelled += 1;
            self.world.experiences(|all| all.cancel(&experience));
            self.collect_ended();
        }
    }

    fn forget(&mut self, set: &ChangeSetId) {
        self.stats.add("change sets vanished");
        let name = self.world.experiences(|all| {
            all.forget(set);
            let mut sets = all.change_sets().iter();
            sets.find(|other| other.id == *set)
                .map(|set| set.name.clone())
        });
        self.invariants.forgotten.extend(name);
    }

    fn send_garbage(&mut self) {
        self.stats.add("unreadable messages");
        self.garbage += 1;
        let body = self
            .rng
            .pick(&["", "{", "{\"schema\":7,\"kind\":\"change\"}", "[1]"])
            .copied()
            .unwrap_or_default()
            .to_owned();
        if self.rng.once_in(3) {
            return self.ask(body);
        }
        let now = at(self.now);
        if let Some(member) = self.rng.pick(&self.scene.members) {
            self.world
                .changes(&member.account, |queue| queue.push(body, now));
        }
    }

    /// Ends all faults. Scheduled ends have nothing left to end.
    fn repair(&mut self) {
        self.repaired = true;
        self.schedule
            .retain(|_, event| matches!(event, ScheduledEvent::HourlyRun));
        fault_plan::with(&self.fault_plan, fault_plan::FaultPlan::stop);
        for member in &self.scene.members {
            self.world.set_reachable(&member.account, true);
        }
        let members = self.scene.members.iter().flat_map(|m| &m.experiences);
        let management = self
            .scene
            .management
            .iter()
            .filter(|_| self.profile.management_fixed);
        let all: Vec<_> = members.chain(management).cloned().collect();
        let bad: Vec<_> = self.invariants.bad.iter().cloned().collect();
        let healed = self.profile.healed;
        self.world.experiences(|experiences| {
            for id in all {
                experiences.edit(&id, |experience, _| {
                    experience.archived = false;
                    experience.status = Status::Enabled;
                });
            }
            experiences.read_whole();
            experiences.fail_next_sets(0);
            if healed {
                for product in &bad {
                    experiences.make_good(product);
                }
            }
        });
        if self.profile.management_fixed {
            for management in self.scene.management.clone() {
                self.lose_policy(&management, false);
                self.fill_management(&management);
            }
        }
        self.resume();
        self.repair_rules();
        // In some worlds an operator then approves what is held, within the hour.
        if self.profile.approved {
            self.schedule_at(self.now + HOUR / 2, ScheduledEvent::Approvals);
        }
        if healed || self.rng.once_in(2) {
            self.schedule_at(self.now + 5 * MINUTE, ScheduledEvent::Replay);
            self.schedule_at(self.now + 65 * MINUTE, ScheduledEvent::Replay);
        }
    }

    /// A change set of the management organization has ended; most times its event arrives.
    pub(crate) fn send_management_event(&mut self) {
        if self.rng.percent(self.profile.lose_events / 2) {
            self.stats.add("management events lost");
            return;
        }
        self.stats.add("requests: management change set");
        let detail = json!({ "ChangeSetId": "foreign1", "ChangeSetName": "by hand" });
        self.ask(envelope(CATALOG_SOURCE, "Change Set Succeeded", &detail));
    }
}
