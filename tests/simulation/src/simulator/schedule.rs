//! The schedule of a world: requests, faults of the service, what operators do, and the repair.

use pmp_sync_domain::experience::Status;
use pmp_sync_domain::ids::{ChangeSetId, RunId};
use pmp_sync_domain::wire::{CATALOG_SOURCE, REPLAY_REQUESTED, SCHEDULE_SOURCE, SOURCE};
use serde_json::json;

use super::event::{ScheduledEvent, envelope};
use super::fault_plan;
use super::invariants::Violation;
use super::rng::Rng;
use super::scene::{HOUR, MINUTE, at};
use super::state::Simulator;
use pmp_sync_fakes::{ChangeSetRecord, Experiences};

/// The kinds of events that come at random.
#[derive(Debug, Clone, Copy)]
enum Random {
    SyncRequested,
    ManagementEdit,
    MemberEdit,
    ForeignLock,
    Configuration,
    ServerFault,
    ClockAhead,
    Garbage,
    Replay,
    Suspension,
    Unreachable,
    Archived,
    Disabled,
    Denied,
    Considered,
    ManagementEmptied,
    NoPolicy,
    ShortRead,
    Shrinks,
    AnotherInstallation,
    LettersLost,
    ProductRequest,
    Delisted,
    FreezeOverridden,
}

/// Each with how likely it is. A new one goes to the end, so that most events of a seed stay what they are.
const EVENTS: [(Random, u64); 24] = [
    (Random::SyncRequested, 16),
    (Random::ManagementEdit, 16),
    (Random::MemberEdit, 12),
    (Random::ForeignLock, 4),
    (Random::Configuration, 8),
    (Random::ServerFault, 4),
    (Random::ClockAhead, 4),
    (Random::Garbage, 4),
    (Random::Replay, 4),
    (Random::Suspension, 4),
    (Random::Unreachable, 4),
    (Random::Archived, 4),
    (Random::Disabled, 4),
    (Random::Denied, 4),
    (Random::Considered, 16),
    (Random::ManagementEmptied, 5),
    (Random::NoPolicy, 5),
    (Random::ShortRead, 5),
    (Random::Shrinks, 5),
    (Random::AnotherInstallation, 4),
    (Random::LettersLost, 3),
    (Random::ProductRequest, 10),
    (Random::Delisted, 6),
    (Random::FreezeOverridden, 6),
];

impl Simulator {
    /// Schedules an event.
    pub(crate) fn schedule_at(&mut self, when: i64, event: ScheduledEvent) {
        self.scheduled += 1;
        self.schedule.insert((when, self.scheduled), event);
    }

    /// Schedules a condition and its end.
    fn schedule_span(
        &mut self,
        rng: &mut Rng,
        (on, off): (ScheduledEvent, ScheduledEvent),
        (least, most): (i64, i64),
    ) {
        let begin = rng.of("begin").between(0, self.profile.until);
        let length = rng.of("length").between(least, most);
        self.schedule_at(begin, on);
        self.schedule_at(begin + length, off);
    }

    /// Fills the schedule.
    pub(crate) fn fill_schedule(&mut self) {
        let first = self.rng.of("first-run").between(0, 10 * MINUTE);
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
        if self.profile.erosion {
            self.schedule_erosion();
        }
        for _ in 0..self.profile.bad {
            let mut rng = self.rng.next("bad");
            if let Some(product) = rng.of("product").pick(&self.scene.products).cloned() {
                let (on, off) = (
                    ScheduledEvent::Bad(product.clone(), true),
                    ScheduledEvent::Bad(product, false),
                );
                if rng.of("ends").once_in(3) {
                    self.schedule_span(&mut rng, (on, off), (MINUTE, HOUR));
                } else {
                    let begin = rng.of("begin").between(0, self.profile.until / 2);
                    self.schedule_at(begin, on);
                }
            }
        }
        self.schedule_member_rules();
        for _ in 0..self.profile.events {
            let mut rng = self.rng.next("event");
            self.schedule_random(&mut rng);
        }
    }

    fn schedule_erosion(&mut self) {
        let mut rng = self.rng.next("erosion");
        if let Some(id) = rng.of("experience").pick(&self.scene.management).cloned() {
            let first = rng.of("first").between(0, HOUR);
            self.schedule_at(first, ScheduledEvent::Erodes(id));
            // What was planned comes about much later.
            let span = (ScheduledEvent::SuspendOn, ScheduledEvent::SuspendOff);
            self.schedule_span(&mut rng, span, (HOUR, 20 * HOUR));
        }
    }

    fn schedule_random(&mut self, rng: &mut Rng) {
        use ScheduledEvent as Event;
        let lanes = self.scene.lanes();
        let (lane, management) = (
            rng.of("lane").pick(&lanes).cloned(),
            rng.of("management").pick(&self.scene.management).cloned(),
        );
        let (Some((lane, member)), Some(management)) = (lane, management) else {
            return;
        };
        let experience = if rng.of("of-management").once_in(4) {
            management.clone()
        } else {
            lane.experience.clone()
        };
        let kind = rng.of("kind").pick_by(&EVENTS, |(_, weight)| *weight);
        let event = match kind.map_or(Random::SyncRequested, |(kind, _)| *kind) {
            Random::SyncRequested => Event::SyncRequested,
            Random::ManagementEdit => Event::ManagementEdit,
            Random::MemberEdit => Event::MemberEdit,
            Random::ForeignLock => Event::ForeignLock,
            Random::AnotherInstallation => Event::AnotherInstallation,
            Random::LettersLost => Event::LettersLost,
            Random::ProductRequest => Event::ProductRequest(member),
            Random::Delisted => Event::Delisted,
            Random::FreezeOverridden => Event::FreezeOverridden,
            Random::Configuration => Event::Configuration,
            Random::ServerFault => Event::ServerFault,
            Random::ClockAhead => Event::ClockAhead,
            Random::Garbage => Event::Garbage,
            Random::Replay => Event::Replay,
            Random::Considered => Event::Considered(lane),
            Random::ManagementEmptied => Event::ManagementEmptied(management),
            Random::ShortRead => Event::ShortRead(management),
            Random::Shrinks => Event::Shrinks(management),
            Random::Suspension => {
                let span = (Event::SuspendOn, Event::SuspendOff);
                return self.schedule_span(rng, span, (MINUTE, HOUR));
            }
            Random::Unreachable => {
                let span = |reachable| Event::Unreachable(member, reachable);
                return self.schedule_span(rng, (span(false), span(true)), (MINUTE, 2 * HOUR));
            }
            Random::Archived => {
                let span = |on| Event::Archived(experience.clone(), on);
                return self.schedule_span(rng, (span(true), span(false)), (1_000, HOUR));
            }
            Random::Disabled => {
                let span = |on| Event::Disabled(experience.clone(), on);
                return self.schedule_span(rng, (span(true), span(false)), (MINUTE, HOUR));
            }
            Random::NoPolicy => {
                let span = |gone| Event::NoPolicy(management.clone(), gone);
                return self.schedule_span(rng, (span(true), span(false)), (1_000, HOUR));
            }
            Random::Denied => {
                let denied = rng.of("operation").pick(&fault_plan::OPERATIONS).copied();
                let span = (Event::Denied(denied), Event::Denied(None));
                return self.schedule_span(rng, span, (1_000, 30 * MINUTE));
            }
        };
        let when = rng.of("when").between(0, self.profile.until);
        self.schedule_at(when, event);
    }

    /// Schedules the faults of a change set that has just started.
    pub(crate) fn schedule_change_set_faults(&mut self, set: &ChangeSetRecord) {
        let length = (self.profile.duration * 1_000).max(1);
        if self.rng.of("cancel").percent(self.profile.cancel) {
            let when = self.now + self.rng.of("cancel-after").between(0, length);
            self.schedule_at(when, ScheduledEvent::Cancel(set.id.clone()));
        }
        if self.rng.of("forget").percent(self.profile.forget) {
            let when = self.now + self.rng.of("forget-after").between(0, length);
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
            ScheduledEvent::Wavers(lane) => self.waver(&lane),
            ScheduledEvent::Relapses(id, changes) => self.relapse(&id, &changes),
            ScheduledEvent::FreezeOverridden => self.override_a_freeze(),
            ScheduledEvent::MemberEdit => self.edit_member(),
            ScheduledEvent::ForeignLock => self.lock_member(),
            ScheduledEvent::LettersLost => self.lose_letters(),
            ScheduledEvent::ProductRequest(member) => self.request_products(member),
            ScheduledEvent::Delisted => self.delist(),
            ScheduledEvent::AnotherInstallation => self.start_another_installations(),
            ScheduledEvent::Configuration => {
                self.scene.change_links(self.rng.next("configuration"));
                self.put_config();
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

    /// The configuration of the scene becomes the newest version.
    pub(crate) fn put_config(&mut self) {
        self.stats.add("configurations changed");
        let text = self.scene.config();
        self.trace.line(self.now, || text.clone());
        self.world.ledger(|ledger| ledger.configs.push(text));
    }

    /// Puts a request into the producer's inbox.
    pub(crate) fn ask(&mut self, body: String) {
        self.guards.hear(&body);
        let event = self.world.request(body);
        self.requests += 1;
        if !self.repaired && self.rng.of("event-twice").percent(self.profile.duplicate) {
            self.stats.add("events delivered twice");
            let again = self.now + self.rng.of("event-again-after").between(0, HOUR);
            self.schedule_at(again, ScheduledEvent::Asked(event));
        }
    }

    fn name_a_run_ahead(&mut self) {
        let ahead =
            at(self.now + self.rng.of("clock-ahead").between(1_000, 2 * HOUR)).as_millisecond();
        let bits = u128::from(self.rng.of("run-ahead").draw());
        self.stats.add("clocks ahead");
        self.world.ledger(|ledger| {
            ledger.last_run = Some(RunId::next(ledger.last_run, ahead, bits));
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
            .of("garbage")
            .pick(&["", "{", "{\"schema\":7,\"kind\":\"change\"}", "[1]"])
            .copied()
            .unwrap_or_default()
            .to_owned();
        if self.rng.of("garbage-to-producer").once_in(3) {
            return self.ask(body);
        }
        let now = at(self.now);
        if let Some(member) = self.rng.of("garbage-member").pick(&self.scene.members) {
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
        if healed || self.rng.of("replay-after-repair").once_in(2) {
            self.schedule_at(self.now + 5 * MINUTE, ScheduledEvent::Replay);
            self.schedule_at(self.now + 65 * MINUTE, ScheduledEvent::Replay);
        }
    }

    /// A change set of the management organization has ended; most times its event arrives.
    pub(crate) fn send_management_event(&mut self) {
        if self
            .rng
            .of("lost-management-event")
            .percent(self.profile.lose_events / 2)
        {
            self.stats.add("management events lost");
            return;
        }
        self.stats.add("requests: management change set");
        let detail = json!({ "ChangeSetId": "foreign1", "ChangeSetName": "by hand" });
        self.ask(envelope(CATALOG_SOURCE, "Change Set Succeeded", &detail));
    }
}
