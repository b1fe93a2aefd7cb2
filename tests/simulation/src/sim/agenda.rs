//! What happens in a world besides its invocations: the schedule, requests, faults of the service,
//! people; and the moment when everything is repaired.

use pmp_sync_domain::experience::Status;
use pmp_sync_domain::ids::{ChangeSetId, ExperienceId, LaneId, ProductId, RunId};
use pmp_sync_domain::lane::{MemberRules, Suspension};
use pmp_sync_domain::wire::{CATALOG_SOURCE, REPLAY_REQUESTED, SCHEDULE_SOURCE, SOURCE};
use serde_json::{Value, json};

use super::scene::{HOUR, MINUTE, at};
use super::watch::Violation;
use super::{Sim, judge};
use pmp_sync_fakes::{ChangeSetRecord, Experiences};

/// Something that happens.
#[derive(Debug, Clone)]
pub(crate) enum Happening {
    /// The hourly run.
    Schedule,
    /// Somebody asks for a run, of everything or of a part.
    SyncRequested,
    /// Somebody asks for the dead letters.
    Replay,
    /// The management lists change.
    ManagementEdit,
    /// A management list is emptied by mistake, and comes back.
    ManagementEmptied(ExperienceId),
    /// A management experience loses its policy, or has it again.
    NoPolicy(ExperienceId, bool),
    /// The next look at a management list is told of a part of it only.
    ShortRead(ExperienceId),
    /// A management list loses a good part at once, or one product every hour.
    Shrinks(ExperienceId),
    Erodes(ExperienceId),
    /// Somebody changes a member's list by hand.
    MemberEdit,
    /// Somebody's change set holds the lock of a member experience.
    ForeignLock,
    /// Another version of the configuration.
    Configuration,
    /// The operator's suspension goes on, or off.
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
    /// A message that nobody can read.
    Garbage,
    /// Somebody looks at what is held on a lane, and asks for something.
    Considered(LaneId),
    /// A request that was written a while ago arrives.
    Asked(String),
    /// Somebody approves everything that is held, now and every hour.
    Approvals,
    /// Everything is repaired.
    Repair,
}

/// An event as it stands in a queue.
pub(crate) fn envelope(source: &str, detail_type: &str, detail: &Value) -> String {
    json!({ "source": source, "detail-type": detail_type, "detail": detail }).to_string()
}

impl Sim {
    /// Puts something on the agenda.
    pub(crate) fn plan_for(&mut self, when: i64, happening: Happening) {
        self.planned += 1;
        self.agenda.insert((when, self.planned), happening);
    }

    /// Something that begins within the world's time and ends a while later.
    fn plan_both(&mut self, on: Happening, off: Happening, least: i64, most: i64) {
        let begin = self.chance.between(0, self.nature.until);
        let length = self.chance.between(least, most);
        self.plan_for(begin, on);
        self.plan_for(begin + length, off);
    }

    /// Fills the agenda.
    pub(crate) fn prepare(&mut self) {
        let first = self.chance.between(0, 10 * MINUTE);
        self.plan_for(first, Happening::Schedule);
        self.plan_for(self.nature.until, Happening::Repair);
        if self.nature.calm {
            for number in 0..self.nature.happenings {
                let hour = i64::try_from(number).unwrap_or_default() * HOUR;
                self.plan_for(first + hour + 35 * MINUTE, Happening::ManagementEdit);
            }
            return;
        }
        if self.nature.unattributed {
            self.tally.add("worlds without reasons for failures");
            self.world.experiences(Experiences::tell_no_reasons);
        }
        if self.nature.erosion
            && let Some(id) = self.chance.pick(&self.scene.management).cloned()
        {
            let first = self.chance.between(0, HOUR);
            self.plan_for(first, Happening::Erodes(id));
            // What was planned comes about much later.
            self.plan_both(Happening::SuspendOn, Happening::SuspendOff, HOUR, 20 * HOUR);
        }
        for _ in 0..self.nature.bad {
            if let Some(product) = self.chance.pick(&self.scene.products).cloned() {
                let on = Happening::Bad(product.clone(), true);
                if self.chance.once_in(3) {
                    self.plan_both(on, Happening::Bad(product, false), MINUTE, HOUR);
                } else {
                    let begin = self.chance.between(0, self.nature.until / 2);
                    self.plan_for(begin, on);
                }
            }
        }
        self.prepare_rules();
        for _ in 0..self.nature.happenings {
            self.plan_one();
        }
    }

    fn plan_one(&mut self) {
        let lanes = self.scene.lanes();
        let Some((lane, member)) = self.chance.pick(&lanes).cloned() else {
            return;
        };
        let experience = if self.chance.once_in(4) {
            let some = self.chance.pick(&self.scene.management).cloned();
            some.unwrap_or_else(|| lane.experience.clone())
        } else {
            lane.experience.clone()
        };
        let happening = match self.chance.below(32) {
            0..=3 => Happening::SyncRequested,
            4..=7 => Happening::ManagementEdit,
            8..=10 => Happening::MemberEdit,
            11 => Happening::ForeignLock,
            12 | 13 => Happening::Configuration,
            14 => Happening::ServerFault,
            15 => Happening::ClockAhead,
            16 => Happening::Garbage,
            17 => Happening::Replay,
            18 => {
                return self.plan_both(Happening::SuspendOn, Happening::SuspendOff, MINUTE, HOUR);
            }
            19 => {
                let off = Happening::Unreachable(member, true);
                let on = Happening::Unreachable(member, false);
                return self.plan_both(on, off, MINUTE, 2 * HOUR);
            }
            20 => {
                let off = Happening::Archived(experience.clone(), false);
                let on = Happening::Archived(experience, true);
                return self.plan_both(on, off, 1_000, HOUR);
            }
            21 => {
                let off = Happening::Disabled(experience.clone(), false);
                let on = Happening::Disabled(experience, true);
                return self.plan_both(on, off, MINUTE, HOUR);
            }
            22 => {
                let denied = self.chance.pick(&judge::OPERATIONS).copied();
                let off = Happening::Denied(None);
                return self.plan_both(Happening::Denied(denied), off, 1_000, 30 * MINUTE);
            }
            23..=26 => Happening::Considered(lane),
            _ => {
                let Some(id) = self.chance.pick(&self.scene.management).cloned() else {
                    return;
                };
                match self.chance.below(4) {
                    0 => Happening::ManagementEmptied(id),
                    1 => {
                        let off = Happening::NoPolicy(id.clone(), false);
                        return self.plan_both(Happening::NoPolicy(id, true), off, 1_000, HOUR);
                    }
                    2 => Happening::ShortRead(id),
                    _ => Happening::Shrinks(id),
                }
            }
        };
        let when = self.chance.between(0, self.nature.until);
        self.plan_for(when, happening);
    }

    /// What may happen to a change set that was just started.
    pub(crate) fn plan_mischief(&mut self, set: &ChangeSetRecord) {
        let length = (self.nature.duration * 1_000).max(1);
        if self.chance.percent(self.nature.cancel) {
            let when = self.now + self.chance.between(0, length);
            self.plan_for(when, Happening::Cancel(set.id.clone()));
        }
        if self.chance.percent(self.nature.forget) {
            let when = self.now + self.chance.between(0, length);
            self.plan_for(when, Happening::Forget(set.id.clone()));
        }
    }

    /// The next thing of the agenda happens.
    pub(crate) fn happen(&mut self) -> Result<(), Violation> {
        let Some((_, happening)) = self.agenda.pop_first() else {
            return Ok(());
        };
        self.trace.line(self.now, || format!("{happening:?}"));
        match happening {
            Happening::Schedule => {
                self.tally.add("requests: schedule");
                self.since_repair += u64::from(self.repaired);
                self.ask(envelope(SCHEDULE_SOURCE, "Scheduled Sync", &json!({})));
                self.plan_for(self.now + HOUR, Happening::Schedule);
            }
            Happening::SyncRequested => self.request_sync(),
            Happening::Replay => {
                self.tally.add("requests: replay");
                self.ask(envelope(SOURCE, REPLAY_REQUESTED, &json!({})));
            }
            Happening::ManagementEdit => self.edit_management(),
            Happening::ManagementEmptied(experience) => self.empty_management(&experience),
            Happening::NoPolicy(id, gone) => self.lose_policy(&id, gone),
            Happening::ShortRead(id) => self.read_short(&id),
            Happening::Shrinks(id) => self.shrink_management(&id),
            Happening::Erodes(id) => self.erode_management(id),
            Happening::Considered(lane) => self.consider(&lane),
            Happening::Asked(body) => self.ask(body),
            Happening::MemberEdit => self.edit_member(),
            Happening::ForeignLock => self.lock_member(),
            Happening::Configuration => {
                self.tally.add("configurations changed");
                self.scene.change_links(&mut self.chance);
                let text = self.scene.config();
                self.trace.line(self.now, || text.clone());
                self.world.ledger(|ledger| ledger.configs.push(text));
            }
            Happening::SuspendOn => self.suspend(),
            Happening::SuspendOff => self.resume(),
            Happening::Mark(lane, suspension) => self.mark(&lane, suspension.as_ref()),
            Happening::Rules(member, rules) => self.set_rules(member, rules),
            Happening::Unreachable(member, reachable) => {
                if let Some(member) = self.scene.members.get(member) {
                    self.world.set_reachable(&member.account, reachable);
                    self.tally
                        .more("members unreachable for a while", u64::from(!reachable));
                }
            }
            Happening::Archived(experience, on) => {
                self.tally
                    .more("experiences archived for a while", u64::from(on));
                self.world.experiences(|all| {
                    all.edit(&experience, |experience, _| experience.archived = on);
                });
            }
            Happening::Disabled(experience, on) => {
                self.tally
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
            Happening::Bad(product, true) => {
                self.tally.add("products made bad");
                self.watch.bad.insert(product.clone());
                self.world.experiences(|all| all.make_bad(product));
            }
            Happening::Bad(product, false) => {
                self.world.experiences(|all| all.make_good(&product));
                self.ask(envelope(SOURCE, REPLAY_REQUESTED, &json!({})));
            }
            Happening::ServerFault => self.world.experiences(|all| all.fail_next_sets(1)),
            Happening::Denied(operation) => {
                judge::with(&self.judge, |judge| judge.denied = operation);
            }
            Happening::ClockAhead => self.name_a_run_ahead(),
            Happening::Cancel(set) => self.cancel(&set),
            Happening::Forget(set) => self.forget(&set),
            Happening::Garbage => self.send_garbage(),
            Happening::Approvals => {
                self.approve_all();
                self.plan_for(self.now + HOUR, Happening::Approvals);
            }
            Happening::Repair => self.repair(),
        }
        self.observe(None, 0)
    }

    /// Puts a request into the producer's inbox.
    pub(crate) fn ask(&mut self, body: String) {
        self.world.request(body);
        self.requests += 1;
    }

    fn name_a_run_ahead(&mut self) {
        let ahead = at(self.now + self.chance.between(1_000, 2 * HOUR)).as_millisecond();
        let chance = u128::from(self.chance.draw());
        self.tally.add("clocks ahead");
        self.world.ledger(|ledger| {
            ledger.last_run = Some(RunId::next(ledger.last_run, ahead, chance));
        });
    }

    fn cancel(&mut self, set: &ChangeSetId) {
        let found = self.world.experiences(|all| {
            let mut sets = all.change_sets().iter();
            let set = sets.find(|other| other.id == *set && other.status.is_none());
            set.map(|set| set.experience.clone())
        });
        let Some(experience) = found else { return };
        let mut lanes = self.watch.lanes.iter_mut();
        let lane = lanes.find(|(id, _)| id.experience == experience);
        // A third one in a row blocks the lane, as it should, and only a person ends that.
        if let Some((_, lane)) = lane.filter(|(_, lane)| lane.cancelled < 2) {
            lane.cancelled += 1;
            self.world.experiences(|all| all.cancel(&experience));
            self.collect_ended();
        }
    }

    fn forget(&mut self, set: &ChangeSetId) {
        self.tally.add("change sets vanished");
        let name = self.world.experiences(|all| {
            all.forget(set);
            let mut sets = all.change_sets().iter();
            sets.find(|other| other.id == *set)
                .map(|set| set.name.clone())
        });
        self.watch.forgotten.extend(name);
    }

    fn send_garbage(&mut self) {
        self.tally.add("unreadable messages");
        self.garbage += 1;
        let body = self
            .chance
            .pick(&["", "{", "{\"schema\":7,\"kind\":\"change\"}", "[1]"])
            .copied()
            .unwrap_or_default()
            .to_owned();
        if self.chance.once_in(3) {
            return self.ask(body);
        }
        let now = at(self.now);
        if let Some(member) = self.chance.pick(&self.scene.members) {
            self.world
                .changes(&member.account, |queue| queue.push(body, now));
        }
    }

    /// Nothing goes wrong from now on. What is on the agenda and ends something has nothing to end.
    fn repair(&mut self) {
        self.repaired = true;
        self.agenda
            .retain(|_, happening| matches!(happening, Happening::Schedule));
        judge::with(&self.judge, judge::Judge::rest);
        for member in &self.scene.members {
            self.world.set_reachable(&member.account, true);
        }
        let members = self.scene.members.iter().flat_map(|m| &m.experiences);
        let management = self.scene.management.iter().filter(|_| self.nature.mended);
        let all: Vec<_> = members.chain(management).cloned().collect();
        let bad: Vec<_> = self.watch.bad.iter().cloned().collect();
        let healed = self.nature.healed;
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
        if self.nature.mended {
            for management in self.scene.management.clone() {
                self.lose_policy(&management, false);
                self.fill_management(&management);
            }
        }
        self.resume();
        self.repair_rules();
        // What is held then waits for somebody: within the hour, somebody comes, if anybody does.
        if self.nature.approved {
            self.plan_for(self.now + HOUR / 2, Happening::Approvals);
        }
        if healed || self.chance.once_in(2) {
            self.plan_for(self.now + 5 * MINUTE, Happening::Replay);
            self.plan_for(self.now + 65 * MINUTE, Happening::Replay);
        }
    }

    /// A change set of the management organization ended, and the producer is told, most times.
    pub(crate) fn tell_of_management(&mut self) {
        if self.chance.percent(self.nature.lose_events / 2) {
            self.tally.add("management events lost");
            return;
        }
        self.tally.add("requests: management change set");
        let detail = json!({ "ChangeSetId": "foreign1", "ChangeSetName": "by hand" });
        self.ask(envelope(CATALOG_SOURCE, "Change Set Succeeded", &detail));
    }
}
