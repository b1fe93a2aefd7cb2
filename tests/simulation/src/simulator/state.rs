//! One simulated world.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pmp_sync_domain::ids::{AccountId, LaneId, ProductId, ProductRequestId};
use pmp_sync_domain::lane::MemberRules;
use pmp_sync_domain::wire::ProductRequestEvent;
use pmp_sync_fakes::World;
use pmp_sync_worker::Membership;

use super::edits::LaneEdits;
use super::event::ScheduledEvent;
use super::fault_plan::{FaultPlan, SharedFaultPlan, with};
use super::guards::Guards;
use super::invariants::{Invariants, Violation};
use super::rng::Rng;
use super::scene::installation;
use super::scene::{MOST_REQUESTS, Profile, Scene, at};
use super::stats::Stats;
use super::task::{Task, WORKER_TIMEOUT};
use super::trace::Trace;
use crate::reference::counted;
use crate::{Producer, Worker, producer, worker};

/// The events of each request that were delivered and can be read.
pub(crate) type DeliveredRequests =
    BTreeMap<(AccountId, ProductRequestId), Vec<ProductRequestEvent>>;

/// What comes next.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Turn {
    Task(usize),
    Deliver(usize),
    Requests,
    Retries,
    SetEnds,
    Scheduled,
}

/// One simulated world.
pub(crate) struct Simulator {
    pub(crate) world: World,
    pub(crate) scene: Scene,
    pub(crate) profile: Profile,
    pub(crate) rng: Rng,
    /// Milliseconds since the beginning.
    pub(crate) now: i64,
    pub(crate) producer: Arc<Producer>,
    pub(crate) workers: Vec<Arc<Worker>>,
    /// The rules that each member has set in its stack.
    pub(crate) rules: Vec<MemberRules>,
    /// Members that have had rules: what they kept back of a rollback is not restored later.
    pub(crate) ruled: BTreeSet<usize>,
    pub(crate) tasks: Vec<Task>,
    /// Invocations that were begun.
    pub(crate) begun: u64,
    /// When each member's queue is polled again.
    pub(crate) polls: Vec<i64>,
    pub(crate) schedule: BTreeMap<(i64, u64), ScheduledEvent>,
    pub(crate) scheduled: u64,
    /// Indexes of the change sets under way.
    pub(crate) under_way: Vec<usize>,
    /// Change sets that were seen.
    pub(crate) sets: usize,
    /// Requests in the inbox when it was last looked at.
    pub(crate) requests: usize,
    pub(crate) fault_plan: SharedFaultPlan,
    pub(crate) invariants: Invariants,
    pub(crate) guards: Guards,
    /// What others have changed, by lane.
    pub(crate) edits: BTreeMap<LaneId, LaneEdits>,
    /// Products that AWS Marketplace does not list.
    pub(crate) delisted: BTreeSet<ProductId>,
    /// Lanes to which another installation was reported.
    pub(crate) contested: BTreeSet<LaneId>,
    /// Accounts whose dead letters were lost.
    pub(crate) letters_lost: BTreeSet<AccountId>,
    /// Quarantined changes whose letter was not sent before the next plan.
    pub(crate) unlettered: BTreeSet<(LaneId, ProductId)>,
    /// When a call of the producer failed or was slow, or one of its invocations did not end.
    pub(crate) producer_troubles: Vec<i64>,
    /// When an invocation of the producer did not end.
    pub(crate) producer_crashes: Vec<i64>,
    /// A violation that was found where nothing can be returned.
    pub(crate) found: Option<Violation>,
    pub(crate) stats: Stats,
    pub(crate) trace: Trace,
    pub(crate) repaired: bool,
    /// Full runs requested since the repair.
    pub(crate) since_repair: u64,
    /// Messages that cannot be parsed.
    pub(crate) garbage: u64,
    /// The events of procurement requests that were delivered.
    pub(crate) product_requests: DeliveredRequests,
}

impl Simulator {
    pub(crate) fn new(seed: u64, traced: bool) -> Option<Self> {
        let mut rng = Rng::new(seed);
        let profile = Profile::new(rng.next("profile"));
        let world = World::new(at(0), seed, profile.duration);
        let scene = Scene::new(&world, &profile, rng.next("scene"))?;
        let fault_plan = FaultPlan::new(rng.next("faults"), profile.refuse, profile.lose, traced);
        world.ledger(|ledger| {
            ledger.configs.push(scene.config());
            ledger.watched = Some(Vec::new());
            ledger.watched_link_states = Some(Vec::new());
            ledger.watched_listings = Some(Vec::new());
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
            failing.decide_by(move |call| with(&fault_plan, |fault_plan| fault_plan.fate(call)));
        });
        let workers = scene.members.iter().map(|member| {
            let member = Membership::new(member.account.clone(), WORKER_TIMEOUT)
                .of(installation())
                .with_most_requests(MOST_REQUESTS);
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
            schedule: BTreeMap::new(),
            scheduled: 0,
            under_way: Vec::new(),
            sets: 0,
            requests: 0,
            fault_plan,
            invariants,
            guards,
            edits: BTreeMap::new(),
            delisted: BTreeSet::new(),
            contested: BTreeSet::new(),
            letters_lost: BTreeSet::new(),
            unlettered: BTreeSet::new(),
            producer_troubles: Vec::new(),
            producer_crashes: Vec::new(),
            found: None,
            stats: Stats::default(),
            trace: Trace::new(traced),
            repaired: false,
            since_repair: 0,
            garbage: 0,
            product_requests: DeliveredRequests::new(),
        };
        let profile = format!("{:?}", simulator.profile);
        let config = simulator.scene.config();
        simulator
            .trace
            .line(0, || format!("seed {seed}: {profile}\n{config}"));
        for link in &simulator.scene.links {
            simulator.stats.add(counted(link.mode));
        }
        simulator.add_old_sets();
        simulator.add_old_listings();
        simulator.fill_schedule();
        Some(simulator)
    }
}
