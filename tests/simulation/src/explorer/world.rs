//! The small worlds.

use std::collections::BTreeSet;
use std::sync::Arc;

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::ids::{
    AccountId, ExperienceId, InvalidId, LaneId, MemberName, PolicyId, ProductId,
};
use pmp_sync_domain::policy::PolicySnapshot;

use super::state::{Budgets, State};
use pmp_sync_fakes::{Experiences, MemoryLedger};

/// Whether the event of a finished change set arrives; events are best effort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Events {
    /// It always arrives.
    Always,
    /// It never arrives. There are only Ticks.
    Never,
    /// Both are explored.
    Either,
}

/// A small world: its contents, what is wanted, and how much may go wrong.
#[derive(Debug, Clone)]
pub struct SmallWorld {
    /// Its name.
    pub name: &'static str,
    /// The member policy at the beginning: allowed and denied products.
    pub start: (&'static [&'static str], &'static [&'static str]),
    /// What each run wants: allowed and denied products of the management policy.
    pub runs: &'static [(&'static [&'static str], &'static [&'static str])],
    /// Invocations of the worker that may run at once.
    pub workers: usize,
    /// The most messages of one delivery: 1 or 2.
    pub pairs: bool,
    /// Tasks that may crash; their messages come again.
    pub crashes: u8,
    /// Messages that may be delivered twice.
    pub duplicates: u8,
    /// Calls that may fail, without an effect or with their answer lost.
    pub faults: u8,
    /// How often the clock may move to the next due time although something else could happen. It
    /// always moves if nothing else can happen.
    pub slow: u8,
    /// True if a run may begin at any time. False if it must begin before the clock moves, though
    /// at any step.
    pub late: bool,
    /// The longest duration of a change set, in seconds. Every shorter duration is explored too.
    pub seconds: i64,
    /// Whether events arrive.
    pub events: Events,
    /// True if a debug build explores it completely within seconds.
    pub small: bool,
}

fn products(ids: &[&str]) -> Result<BTreeSet<ProductId>, InvalidId> {
    ids.iter().map(|id| ProductId::new(*id)).collect()
}

fn policy(lists: (&[&str], &[&str])) -> Result<PolicySnapshot, InvalidId> {
    Ok(PolicySnapshot::new(products(lists.0)?, products(lists.1)?))
}

/// The world with everything read and named.
pub(super) struct Setting {
    pub(super) world: SmallWorld,
    pub(super) lane: LaneId,
    pub(super) member: MemberName,
    pub(super) policy: PolicyId,
    pub(super) desired: Vec<PolicySnapshot>,
    pub(super) start: State,
}

impl Setting {
    pub(super) fn new(world: &SmallWorld) -> Result<Self, InvalidId> {
        let lane = LaneId {
            account: AccountId::new("222222222222")?,
            experience: ExperienceId::new("exp-1")?,
        };
        let mut experiences = Experiences::new(jiff::SignedDuration::from_secs(world.seconds));
        experiences.add(&lane.account, &lane.experience, policy(world.start)?);
        let desired = world.runs.iter().map(|lists| policy(*lists));
        let desired = desired.collect::<Result<Vec<_>, _>>()?;
        let now = Timestamp::from_second(1_700_000_000).unwrap_or_default();
        let start = State {
            now,
            ledger: Arc::new(MemoryLedger::default()),
            experiences: Arc::new(experiences),
            tasks: Vec::new(),
            letters: Vec::new(),
            requests: (0..desired.len()).map(|number| (number, now)).collect(),
            runs: 0,
            plans: Arc::default(),
            announced: BTreeSet::new(),
            budgets: Budgets {
                crashes: world.crashes,
                duplicates: world.duplicates,
                faults: world.faults,
                slow: world.slow,
            },
        };
        Ok(Self {
            world: world.clone(),
            lane,
            member: MemberName::new("member")?,
            policy: PolicyId::new("procpolicy-1")?,
            desired,
            start,
        })
    }
}

/// A world in which nothing goes wrong: one run, two products, one worker.
const PLAIN: SmallWorld = SmallWorld {
    name: "plain",
    start: (&["p1"], &[]),
    runs: &[(&["p2"], &["p1"])],
    workers: 1,
    pairs: true,
    crashes: 0,
    duplicates: 0,
    faults: 0,
    slow: 0,
    late: true,
    seconds: 2,
    events: Events::Either,
    small: true,
};

/// Two runs and two workers. It is small enough because messages are delivered one by one, both
/// runs begin before the clock moves, and change sets take a second at most.
const TWO_RUNS: SmallWorld = SmallWorld {
    workers: 2,
    pairs: false,
    late: false,
    seconds: 1,
    small: false,
    ..PLAIN
};

/// The worlds, the smallest first.
pub fn worlds() -> Vec<SmallWorld> {
    const THREE: &[(&[&str], &[&str])] = &[(&["p2", "p3"], &["p1"])];
    // Run 1 takes p1 away, run 2 gives it back; p3 is in run 2 only.
    const CONTRADICTORY: &[(&[&str], &[&str])] = &[(&["p2"], &["p1"]), (&["p1", "p2", "p3"], &[])];
    // Run 1 takes p1 away, run 2 gives it back; p2 and p3 are in run 2 only.
    const BACK_AND_MORE: &[(&[&str], &[&str])] = &[(&[], &["p1"]), (&["p1", "p2"], &["p3"])];
    const BACK_AND_FORTH: &[(&[&str], &[&str])] = &[(&[], &["p1"]), (&["p1"], &[])];
    vec![
        PLAIN,
        SmallWorld {
            name: "two-workers",
            workers: 2,
            ..PLAIN
        },
        SmallWorld {
            name: "one-lost-answer",
            faults: 1,
            ..PLAIN
        },
        SmallWorld {
            name: "one-crash",
            crashes: 1,
            ..PLAIN
        },
        SmallWorld {
            name: "one-duplicate",
            duplicates: 1,
            ..PLAIN
        },
        SmallWorld {
            name: "slow",
            slow: 1,
            small: false,
            ..PLAIN
        },
        SmallWorld {
            name: "back-and-forth",
            runs: BACK_AND_FORTH,
            pairs: false,
            seconds: 1,
            ..PLAIN
        },
        SmallWorld {
            name: "back-and-forth-two-workers",
            runs: BACK_AND_FORTH,
            events: Events::Either,
            ..TWO_RUNS
        },
        SmallWorld {
            name: "two-products-two-runs",
            runs: &[(&["p2"], &["p1"]), (&["p1", "p2"], &[])],
            events: Events::Never,
            ..TWO_RUNS
        },
        SmallWorld {
            name: "crash",
            runs: THREE,
            workers: 2,
            pairs: false,
            crashes: 1,
            small: false,
            ..PLAIN
        },
        SmallWorld {
            name: "duplicate",
            runs: THREE,
            workers: 2,
            pairs: false,
            duplicates: 1,
            small: false,
            ..PLAIN
        },
        SmallWorld {
            name: "contradictory-runs",
            runs: CONTRADICTORY,
            events: Events::Never,
            ..TWO_RUNS
        },
        SmallWorld {
            name: "contradictory-runs-with-events",
            runs: CONTRADICTORY,
            events: Events::Always,
            ..TWO_RUNS
        },
        SmallWorld {
            name: "two-workers-three-products-two-runs-one-crash-one-duplicate",
            runs: BACK_AND_MORE,
            events: Events::Never,
            crashes: 1,
            duplicates: 1,
            ..TWO_RUNS
        },
        SmallWorld {
            name: "everything-at-once-and-a-change-more",
            runs: CONTRADICTORY,
            events: Events::Never,
            crashes: 1,
            duplicates: 1,
            ..TWO_RUNS
        },
    ]
}
