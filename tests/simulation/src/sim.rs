//! The seeded simulator: the real producer and workers in a world where calls fail, invocations die,
//! messages come late, twice or in another order, people edit lists by hand, and everything is
//! repaired in the end. One seed is one world; the same seed is the same world, to the letter.
//!
//! `docs/simulator.md` says what is checked, and what the fault model leaves out.

mod agenda;
mod approvals;
mod chance;
mod describe;
mod guards;
mod held;
mod judge;
mod lane_guard;
mod notices;
mod people;
mod rest;
mod rules;
mod scene;
mod tally;
mod tasks;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use pmp_sync_domain::ids::ChangeSetName;
use pmp_sync_domain::lane::MemberRules;
use pmp_sync_domain::ports::ChangeSetStatus;
use pmp_sync_domain::wire::LANE_SETTLED;
use pmp_sync_worker::Worker;

use self::agenda::Happening;
use self::chance::Chance;
use self::describe::{describe, describe_link_state};
use self::guards::Guards;
use self::judge::Bench;
use self::scene::{HOUR, Nature, Scene, at, since_begin};
pub use self::tally::Tally;
use self::tally::Trace;
use self::tasks::{Task, WORKER_TIMEOUT};
pub use self::watch::Violation;
use self::watch::{Watch, broken};
use crate::{Producer, WorkerPorts, producer};
use pmp_sync_fakes::World;
use pmp_sync_fakes::{Kept, Written};

/// What one world came to.
#[derive(Debug)]
pub struct Outcome {
    /// What should never be, if it was.
    pub violation: Option<Violation>,
    /// What happened.
    pub tally: Tally,
    /// What happened, line by line, if it was wanted.
    pub trace: Vec<String>,
}

/// Steps after which a world does not come to rest any more.
const MOST_STEPS: u64 = 200_000;
/// Hours after the repair within which everything has to be in its place.
const MOST_HOURS: i64 = 12;
/// The Ticks that wait are counted every so many steps.
const TICKS_EVERY: u64 = 64;

/// Simulates the world of a seed.
pub fn simulate(seed: u64, traced: bool) -> Outcome {
    let simulated = catch_unwind(AssertUnwindSafe(|| {
        let mut sim = Sim::new(seed, traced)?;
        let violation = sim.run().err();
        if let Some(violation) = &violation {
            sim.trace.line(sim.now, || format!("VIOLATION {violation}"));
        }
        Some(Outcome {
            violation,
            tally: sim.tally,
            trace: sim.trace.into_lines(),
        })
    }));
    let died = |what: &str| Outcome {
        violation: Some(Violation {
            invariant: "no-panic",
            what: what.to_owned(),
        }),
        tally: Tally::default(),
        trace: Vec::new(),
    };
    match simulated {
        Ok(Some(outcome)) => outcome,
        Ok(None) => died("the world could not be made"),
        Err(panic) => {
            let words = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied());
            died(words.unwrap_or("the code under test panicked"))
        }
    }
}

/// What comes next.
#[derive(Debug, Clone, Copy)]
enum Turn {
    Task(usize),
    Deliver(usize),
    Requests,
    SetEnds,
    Happening,
}

/// One simulated world.
struct Sim {
    world: World,
    scene: Scene,
    nature: Nature,
    chance: Chance,
    /// Milliseconds since the beginning.
    now: i64,
    producer: Arc<Producer>,
    workers: Vec<Arc<Worker<WorkerPorts>>>,
    /// The rules that each member has set in its stack.
    rules: Vec<MemberRules>,
    /// Members that have had any: what they kept back of a rollback, nobody brings back later.
    ruled: BTreeSet<usize>,
    tasks: Vec<Task>,
    /// Invocations that were begun.
    begun: u64,
    /// Requests that come again, and when.
    held: Option<(i64, Vec<String>)>,
    /// When each member's queue is looked at again.
    polls: Vec<i64>,
    agenda: BTreeMap<(i64, u64), Happening>,
    planned: u64,
    /// The places of change sets under way.
    under_way: Vec<usize>,
    /// Change sets that were seen.
    sets: usize,
    /// Requests in the inbox when it was last looked at.
    requests: usize,
    judge: Bench,
    watch: Watch,
    guards: Guards,
    /// What was found where nothing can be returned.
    found: Option<Violation>,
    tally: Tally,
    trace: Trace,
    repaired: bool,
    /// Full runs asked for since the repair.
    since_repair: u64,
    /// Messages that nobody can read, by their bodies.
    garbage: u64,
}

impl Sim {
    fn new(seed: u64, traced: bool) -> Option<Self> {
        let mut chance = Chance::new(seed, 1);
        let nature = Nature::new(&mut chance);
        let world = World::new(at(0), seed, nature.duration);
        let mut scene = Scene::new(&world, &nature, &mut chance)?;
        scene.stale_after_hours = Chance::new(seed, 4).between(1, 8);
        let judge = judge::Judge::new(seed, nature.refuse, nature.lose, traced);
        world.ledger(|ledger| {
            ledger.configs.push(scene.config());
            ledger.watched = Some(Vec::new());
            ledger.watched_link_states = Some(Vec::new());
        });
        let mut watch = Watch::default();
        let mut guards = Guards::default();
        for (lane, member) in scene.lanes() {
            guards.edited(
                &lane,
                &world.experiences(|all| all.policy(&lane.experience)),
                0,
            );
            watch.lanes.entry(lane).or_default().member = member;
        }
        world.failing(|failing| {
            failing.interleave(true);
            let judge = Arc::clone(&judge);
            failing.judge(move |call| judge::with(&judge, |judge| judge.fate(call)));
        });
        let workers = scene.members.iter().map(|member| {
            let ports = WorkerPorts::new(&world, &member.account);
            Arc::new(Worker::new(ports, member.account.clone(), WORKER_TIMEOUT))
        });
        let mut sim = Self {
            producer: Arc::new(producer(&world, &scene.account)),
            workers: workers.collect(),
            rules: vec![MemberRules::default(); scene.members.len()],
            ruled: BTreeSet::new(),
            polls: vec![0; scene.members.len()],
            world,
            scene,
            nature,
            chance,
            now: 0,
            tasks: Vec::new(),
            begun: 0,
            held: None,
            agenda: BTreeMap::new(),
            planned: 0,
            under_way: Vec::new(),
            sets: 0,
            requests: 0,
            judge,
            watch,
            guards,
            found: None,
            tally: Tally::default(),
            trace: Trace::new(traced),
            repaired: false,
            since_repair: 0,
            garbage: 0,
        };
        let nature = format!("{:?}", sim.nature);
        let config = sim.scene.config();
        sim.trace
            .line(0, || format!("seed {seed}: {nature}\n{config}"));
        sim.prepare();
        Some(sim)
    }

    fn run(&mut self) -> Result<(), Violation> {
        let mut outcome = Ok(());
        let end = self.nature.until + MOST_HOURS * HOUR;
        for step in 0..MOST_STEPS {
            let Some((when, turn)) = self.next_turn() else {
                return broken("comes-to-rest", || "nothing is left to happen".to_owned());
            };
            if self.is_quiet(turn) {
                // Only the schedule is left: everything should be in its place.
                outcome = self.look_at_rest();
                if outcome.is_ok() {
                    return self.look_once_more();
                }
            }
            if when > end {
                break;
            }
            self.take(when, turn)?;
            if step % TICKS_EVERY == 0 {
                self.watch.check_ticks(&self.world)?;
            }
        }
        outcome?;
        broken("comes-to-rest", || {
            let waiting: Vec<_> = self.agenda.values().collect();
            format!(
                "{} invocations, {waiting:?} and {} change sets after all that time",
                self.tasks.len(),
                self.under_way.len()
            )
        })
    }

    /// Lets the next thing happen.
    fn take(&mut self, when: i64, turn: Turn) -> Result<(), Violation> {
        self.advance(when.max(self.now));
        match turn {
            Turn::Task(place) => self.go_on(place)?,
            Turn::Deliver(member) => {
                let pause = self.chance.between(1, 20);
                if let Some(poll) = self.polls.get_mut(member) {
                    *poll = self.now + pause;
                }
                self.deliver(member)?;
            }
            Turn::Requests => self.serve_requests(),
            Turn::SetEnds => {}
            Turn::Happening => self.happen()?,
        }
        self.found.take().map_or(Ok(()), Err)
    }

    /// The next thing to happen, and when.
    fn next_turn(&self) -> Option<(i64, Turn)> {
        let mut next: Option<(i64, Turn)> = None;
        let mut offer = |when: i64, turn: Turn| {
            if next.is_none_or(|(earliest, _)| when < earliest) {
                next = Some((when, turn));
            }
        };
        let mut producing = false;
        for (place, task) in self.tasks.iter().enumerate() {
            producing |= task.member().is_none();
            offer(task.ready.min(task.deadline), Turn::Task(place));
        }
        for member in 0..self.scene.members.len() {
            if let Some(when) = self.next_delivery(member) {
                offer(when, Turn::Deliver(member));
            }
        }
        if !producing {
            match &self.held {
                Some((when, _)) => offer(*when, Turn::Requests),
                None if self.requests > 0 => offer(self.now, Turn::Requests),
                None => {}
            }
        }
        if let Some(when) = self.next_end() {
            offer(when, Turn::SetEnds);
        }
        if let Some(((when, _), _)) = self.agenda.first_key_value() {
            offer(*when, Turn::Happening);
        }
        next
    }

    fn next_end(&self) -> Option<i64> {
        if self.under_way.is_empty() {
            return None;
        }
        self.world.experiences(|experiences| {
            let sets = experiences.change_sets();
            let ends = self.under_way.iter().filter_map(|place| sets.get(*place));
            ends.map(|set| since_begin(set.ends)).min()
        })
    }

    /// True when nothing is under way and only the schedule is to come.
    fn is_quiet(&self, turn: Turn) -> bool {
        matches!(turn, Turn::Happening)
            && self.repaired
            && self.since_repair > 0
            && self.tasks.is_empty()
            && self.held.is_none()
            && self.under_way.is_empty()
            && self
                .agenda
                .values()
                .all(|h| matches!(h, Happening::Schedule | Happening::Approvals))
            && self
                .scene
                .members
                .iter()
                .all(|m| self.world.changes(&m.account, |queue| queue.is_empty()))
    }

    /// Moves the clock on; change sets that have ended are told of.
    fn advance(&mut self, to: i64) {
        self.now = to;
        self.world.advance_to(at(to));
        self.collect_ended();
    }

    /// Looks for change sets that have ended, and tells of them, unless the event is lost.
    fn collect_ended(&mut self) {
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
            self.tally.add(match name {
                "succeeded" => "change sets that succeeded",
                "cancelled" => "change sets cancelled",
                "failed: service" => "change sets failed by the service",
                _ => "change sets failed by their content",
            });
            self.watch.ended(&set, &self.world);
            if let (Some(ChangeSetStatus::Succeeded(_)), Some((lane, run))) =
                (&set.status, self.watch.origin(&set))
            {
                let guards = &mut self.guards;
                let seen = guards.succeeded(&self.world, &lane, run, &set.changes, self.now);
                self.found = self.found.take().or(seen.err());
            }
            let mut lanes = self.watch.lanes.iter();
            let Some((lane, _)) = lanes.find(|(lane, _)| lane.experience == set.experience) else {
                continue;
            };
            if self.chance.percent(self.nature.lose_events) {
                self.tally.add("change set events lost");
                continue;
            }
            let body = agenda::envelope(
                "aws.marketplacecatalog",
                detail_type,
                &serde_json::json!({ "ChangeSetId": set.id, "ChangeSetName": set.name }),
            );
            let due = at(self.now + self.chance.between(0, 3_000));
            let account = lane.account.clone();
            self.world.changes(&account, |queue| queue.push(body, due));
        }
    }

    /// Sees what a step has done.
    fn observe(&mut self, member: Option<usize>, number: u64) -> Result<(), Violation> {
        let (failed, calls) = judge::with(&self.judge, |judge| {
            let calls = judge.calls.as_mut().map(std::mem::take);
            (std::mem::take(&mut judge.failed), calls)
        });
        for call in calls.into_iter().flatten() {
            self.trace.line(self.now, || format!("#{number} {call}"));
        }
        let mut tasks = self.tasks.iter();
        let only_ticks =
            !failed.is_empty() && tasks.any(|task| task.number == number && task.has_only_ticks());
        for name in failed {
            self.tally.add(name);
            if only_ticks && name == judge::DENIED {
                self.watch.hamper(member);
            } else {
                self.watch.disturb(member, self.now);
            }
        }
        self.see_link_states()?;
        let written = self
            .world
            .ledger(|ledger| ledger.watched.as_mut().map(std::mem::take));
        for written in written.into_iter().flatten() {
            self.trace
                .line(self.now, || describe(&written.lane, &written.state));
            self.see_commit(&written)?;
            self.watch.wrote(&self.world, written)?;
        }
        self.guards.look_around(&self.world);
        self.guards.look_at_restored(&self.world);
        self.see_new_sets(number)?;
        self.lose_hints();
        Ok(())
    }

    /// A plan became the lane's: nothing that needs approval may, without it.
    fn see_commit(&mut self, written: &Written) -> Result<(), Violation> {
        let known = self.watch.lanes.get(&written.lane);
        let known = known.and_then(|lane| lane.state.planned_run());
        match &written.state.planned {
            Some(planned) if known != Some(planned.run) => self.guards.committed(
                &self.world,
                &written.lane,
                planned,
                written.record.as_ref(),
                self.now,
            ),
            _ => Ok(()),
        }
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
                    let guards = &mut self.guards;
                    if guards.wrote_link_state(&self.world, &lane, &link_state)? {
                        self.tell_of_hold(&lane);
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
            if set.name.parse::<ChangeSetName>().is_err() {
                continue;
            }
            self.tally.add("change sets");
            self.trace.line(self.now, || {
                format!("{} is started: {:?}", set.name, set.changes)
            });
            self.watch.started(&self.world, &set)?;
            let task = self.tasks.iter().find(|task| task.number == number);
            if let Some(task) = task {
                let now = at(self.now);
                self.watch.obeyed(&self.world, &set, &task.rules, now)?;
            }
            if !self.repaired {
                self.plan_mischief(&set);
            }
        }
        Ok(())
    }

    /// Some Lane Settled never arrive.
    fn lose_hints(&mut self) {
        let requests = self.world.inbox(|inbox| inbox.len());
        if requests > self.requests && self.chance.percent(self.nature.lose_events) {
            let lost = self.world.inbox(|inbox| {
                let hint = |body: &String| body.contains(LANE_SETTLED);
                inbox.back().is_some_and(hint) && inbox.pop_back().is_some()
            });
            if lost {
                self.tally.add("lane settled events lost");
            }
        }
        self.requests = self.world.inbox(|inbox| inbox.len());
    }
}
