//! The seeded simulator: the real producer and workers in a world where calls fail, invocations die,
//! messages come late, twice or in another order, operators edit lists by hand, and everything is
//! repaired in the end. One seed is one world; the same seed is the same world, to the letter.
//!
//! `docs/simulator.md` says what is checked, and what the fault model leaves out.

mod fault_plan;
mod guards;
mod invariants;
mod member_rules;
mod observe;
mod operators;
mod quiescence;
mod rng;
mod scene;
mod schedule;
mod stats;
mod tasks;
mod trace;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use pmp_sync_domain::lane::MemberRules;
use pmp_sync_worker::Membership;

use self::fault_plan::{FaultPlan, SharedFaultPlan};
use self::guards::Guards;
pub use self::invariants::Violation;
use self::invariants::{Invariants, broken};
use self::rng::Rng;
use self::scene::{HOUR, Profile, Scene, at, since_begin};
use self::schedule::ScheduledEvent;
pub use self::stats::Stats;
use self::tasks::{Task, WORKER_TIMEOUT};
use self::trace::Trace;
use crate::{Producer, Worker, producer, worker};
use pmp_sync_fakes::World;

/// The result of one world.
#[derive(Debug)]
pub struct Outcome {
    /// The violated invariant, if there is one.
    pub violation: Option<Violation>,
    /// What happened.
    pub stats: Stats,
    /// The trace, line by line, if it was wanted.
    pub trace: Vec<String>,
}

/// After this many steps a world counts as never coming to rest.
const MOST_STEPS: u64 = 200_000;
/// Everything must be in its place within this many hours after the repair.
const MOST_HOURS: i64 = 12;
/// The waiting Ticks are counted every so many steps.
const TICKS_EVERY: u64 = 64;

/// Simulates the world of a seed.
pub fn simulate(seed: u64, traced: bool) -> Outcome {
    let simulated = catch_unwind(AssertUnwindSafe(|| {
        let mut simulator = Simulator::new(seed, traced)?;
        let violation = simulator.run().err();
        if let Some(violation) = &violation {
            simulator
                .trace
                .line(simulator.now, || format!("VIOLATION {violation}"));
        }
        Some(Outcome {
            violation,
            stats: simulator.stats,
            trace: simulator.trace.into_lines(),
        })
    }));
    let died = |what: &str| Outcome {
        violation: Some(Violation {
            invariant: "no-panic",
            what: what.to_owned(),
        }),
        stats: Stats::default(),
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
    Scheduled,
}

/// One simulated world.
struct Simulator {
    world: World,
    scene: Scene,
    profile: Profile,
    rng: Rng,
    /// Milliseconds since the beginning.
    now: i64,
    producer: Arc<Producer>,
    workers: Vec<Arc<Worker>>,
    /// The rules that each member has set in its stack.
    rules: Vec<MemberRules>,
    /// Members that have had rules: what they kept back of a rollback is not restored later.
    ruled: BTreeSet<usize>,
    tasks: Vec<Task>,
    /// Invocations that were begun.
    begun: u64,
    /// Requests that are delivered again, and when.
    held: Option<(i64, Vec<String>)>,
    /// When each member's queue is polled again.
    polls: Vec<i64>,
    schedule: BTreeMap<(i64, u64), ScheduledEvent>,
    scheduled: u64,
    /// Indexes of the change sets under way.
    under_way: Vec<usize>,
    /// Change sets that were seen.
    sets: usize,
    /// Requests in the inbox when it was last looked at.
    requests: usize,
    fault_plan: SharedFaultPlan,
    invariants: Invariants,
    guards: Guards,
    /// A violation that was found where nothing can be returned.
    found: Option<Violation>,
    stats: Stats,
    trace: Trace,
    repaired: bool,
    /// Full runs requested since the repair.
    since_repair: u64,
    /// Messages that cannot be parsed.
    garbage: u64,
}

impl Simulator {
    fn new(seed: u64, traced: bool) -> Option<Self> {
        let mut rng = Rng::new(seed);
        let profile = Profile::new(rng.next("profile"));
        let world = World::new(at(0), seed, profile.duration);
        let scene = Scene::new(&world, &profile, rng.next("scene"))?;
        let fault_plan = FaultPlan::new(rng.next("faults"), profile.refuse, profile.lose, traced);
        world.ledger(|ledger| {
            ledger.configs.push(scene.config());
            ledger.watched = Some(Vec::new());
            ledger.watched_link_states = Some(Vec::new());
        });
        let mut invariants = Invariants::default();
        let mut guards = Guards::default();
        for (lane, member) in scene.lanes() {
            guards.edited(
                &lane,
                &world.experiences(|all| all.policy(&lane.experience)),
                0,
            );
            invariants.lanes.entry(lane).or_default().member = member;
        }
        world.failing(|failing| {
            failing.interleave(true);
            let fault_plan = Arc::clone(&fault_plan);
            failing.decide_by(move |call| {
                fault_plan::with(&fault_plan, |fault_plan| fault_plan.fate(call))
            });
        });
        let workers = scene.members.iter().map(|member| {
            let member = Membership::new(member.account.clone(), WORKER_TIMEOUT);
            Arc::new(worker(&world, member))
        });
        let mut simulator = Self {
            producer: Arc::new(producer(&world, &scene.account)),
            workers: workers.collect(),
            rules: vec![MemberRules::default(); scene.members.len()],
            ruled: BTreeSet::new(),
            polls: vec![0; scene.members.len()],
            world,
            scene,
            profile,
            rng,
            now: 0,
            tasks: Vec::new(),
            begun: 0,
            held: None,
            schedule: BTreeMap::new(),
            scheduled: 0,
            under_way: Vec::new(),
            sets: 0,
            requests: 0,
            fault_plan,
            invariants,
            guards,
            found: None,
            stats: Stats::default(),
            trace: Trace::new(traced),
            repaired: false,
            since_repair: 0,
            garbage: 0,
        };
        let profile = format!("{:?}", simulator.profile);
        let config = simulator.scene.config();
        simulator
            .trace
            .line(0, || format!("seed {seed}: {profile}\n{config}"));
        for link in &simulator.scene.links {
            simulator.stats.add(scene::counted(link.mode));
        }
        simulator.fill_schedule();
        Some(simulator)
    }

    fn run(&mut self) -> Result<(), Violation> {
        let mut outcome = Ok(());
        let end = self.profile.until + MOST_HOURS * HOUR;
        for step in 0..MOST_STEPS {
            let Some((when, turn)) = self.next_turn() else {
                return broken("quiesces", || "nothing is left to happen".to_owned());
            };
            if self.is_quiet(turn) {
                // Only the schedule is left: everything should be in its place.
                outcome = self.check_quiescence();
                if outcome.is_ok() {
                    return self.check_one_more_run();
                }
            }
            if when > end {
                break;
            }
            self.take(when, turn)?;
            if step % TICKS_EVERY == 0 {
                self.invariants.check_ticks(&self.world)?;
            }
        }
        outcome?;
        broken("quiesces", || {
            let waiting: Vec<_> = self.schedule.values().collect();
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
                let pause = self.rng.of("poll").between(1, 20);
                if let Some(poll) = self.polls.get_mut(member) {
                    *poll = self.now + pause;
                }
                self.deliver(member)?;
            }
            Turn::Requests => self.serve_requests(),
            Turn::SetEnds => {}
            Turn::Scheduled => self.happen()?,
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
        if let Some(((when, _), _)) = self.schedule.first_key_value() {
            offer(*when, Turn::Scheduled);
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
        matches!(turn, Turn::Scheduled)
            && self.repaired
            && self.since_repair > 0
            && self.tasks.is_empty()
            && self.held.is_none()
            && self.under_way.is_empty()
            && self
                .schedule
                .values()
                .all(|h| matches!(h, ScheduledEvent::HourlyRun | ScheduledEvent::Approvals))
            && self
                .scene
                .members
                .iter()
                .all(|m| self.world.changes(&m.account, |queue| queue.is_empty()))
    }
}
