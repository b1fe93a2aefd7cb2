//! One lane and whatever may be done to it, in any order.
//!
//! An input that begins with `{` is an item of the ledger: what is read is written as it was, and
//! every question that a lane answers can be asked of it. Any other input is a list of steps, each a
//! letter (see `Scene::step`) with its numbers, each a byte counted from `0`: `c305m03` commits a
//! plan of three allows, no deny, products from the fifth on, and delivers three of its messages.
//! At the end the lane is left in peace: a last plan has to be brought about in as many change sets
//! as it needs and no more.

#![no_main]

#[path = "lanes/worker.rs"]
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::ids::{ChangeSetId, ExperienceId, ProductId, RunId};
use pmp_sync_domain::lane::{
    Block, BlockReason, ChangeError, Counts, Ending, Failed, LaneState, Next, OnTick, OpenChange,
    Phase, Rejected, Suspension, choose, first_tick, later_tick, next, on_tick, outstanding,
    restart_is_due,
};
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::policy::{Action, PolicySnapshot, ProductChange};
use pmp_sync_domain::time::later;

/// The worker function's time-out, in seconds.
const TIMEOUT: i64 = 60;
/// How many products there are: enough for three full change sets of a kind.
const PRODUCTS: usize = 150;
/// Steps of an input that are made: more find nothing that fewer do not, and take their time.
const MOST_MADE: u32 = 200;
/// Steps after which a lane in peace has to have come to rest.
const MOST_STEPS: usize = 60;

fuzz_target!(|data: &[u8]| {
    if data.first() == Some(&b'{') {
        if let Ok(state) = serde_json::from_slice::<LaneState>(data) {
            check_stored(&state);
        }
        return;
    }
    let mut scene = Scene::default();
    let mut bytes = Bytes(data);
    while scene.serial < MOST_MADE
        && let Some(letter) = bytes.letter()
    {
        scene.step(letter, &mut bytes);
    }
    scene.leave_in_peace();
});

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn letter(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> u8 {
        self.letter().unwrap_or(b'0').wrapping_sub(b'0')
    }
}

/// The product's item in the ledger.
struct Item {
    change: OpenChange,
    is_open: bool,
}

struct Scene {
    lane: LaneState,
    items: BTreeMap<ProductId, Item>,
    /// The messages of the newest plan, in their order.
    messages: Vec<ProductChange>,
    /// The member's real policy.
    policy: PolicySnapshot,
    /// The number of the newest plan's run.
    run: i64,
    now: Timestamp,
    serial: u32,
}

impl Default for Scene {
    fn default() -> Self {
        Self {
            lane: LaneState::default(),
            items: BTreeMap::new(),
            messages: Vec::new(),
            policy: PolicySnapshot::default(),
            run: 0,
            now: "2026-01-01T00:00:00Z".parse().expect("a time"),
            serial: 0,
        }
    }
}

fn run(number: i64) -> RunId {
    RunId::next(None, number, 0)
}

fn product(number: usize) -> ProductId {
    static ALL: LazyLock<Vec<ProductId>> = LazyLock::new(|| {
        let id = |number| ProductId::new(format!("prod-{number:03}")).expect("an id");
        (0..PRODUCTS).map(id).collect()
    });
    ALL[number % PRODUCTS].clone()
}

impl Scene {
    fn step(&mut self, letter: u8, bytes: &mut Bytes<'_>) {
        self.serial += 1;
        match letter {
            // The producer.
            b'c' => self.commit(bytes.number(), bytes.number(), bytes.number()),
            b'o' => self.commit_again(i64::from(bytes.number() % 3)),
            b'M' => self.make(|lane, by, _| lane.sent(run(by))),
            b'j' => {
                let late = i64::from(bytes.number() % 2);
                self.make(|lane, by, _| lane.joined(run(by + 1), run(by - late)));
            }
            b'e' => {
                let equal = bytes.number().is_multiple_of(2);
                self.make(|lane, _, now| Ok(lane.in_sync(equal, now)));
            }
            // The worker.
            b'm' => self.deliver(bytes.number(), bytes.number()),
            b'a' => drop(self.advance()),
            b's' => self.start(bytes.number()),
            b'S' => self.succeed(bytes.number()),
            b'f' => self.fail(bytes.number(), bytes.number()),
            b'x' | b'p' | b'b' => self.end(letter, bytes.number()),
            b'w' => {
                let until = self.until(bytes.number());
                self.make(|lane, _, _| lane.back_off(until));
            }
            b'k' => {
                let block = self.block(bytes.number());
                let planned = self.lane.planned_run();
                self.make(|lane, _, _| lane.blocked(lane.seq, planned, block));
            }
            b't' => {
                let ahead = i64::from(bytes.number() % 4) - 1;
                self.tick(self.lane.tick.saturating_add_signed(ahead));
            }
            b'T' => {
                // Near the end of all numbers: nobody of ours can have sent it.
                let before = u64::from(bytes.number());
                self.tick(u64::MAX - before);
            }
            // The operator, the administrator and the clock.
            b'h' => {
                let suspension = Suspension {
                    by: None,
                    since: self.now,
                };
                self.make(|lane, _, _| lane.suspended(suspension));
            }
            b'r' => self.make(|lane, _, _| lane.resumed()),
            b'l' => self.edit(bytes.number(), bytes.number()),
            b'd' => self.now = later(self.now, i64::from(bytes.number())),
            b'D' => self.now = later(self.now, i64::from(bytes.number()) * 60),
            _ => {}
        }
    }

    /// Makes a transition; what is refused leaves everything as it was.
    fn make(&mut self, transition: impl FnOnce(&LaneState, i64, Timestamp) -> Made) {
        let _ = self.try_to(transition);
    }

    fn try_to(
        &mut self,
        transition: impl FnOnce(&LaneState, i64, Timestamp) -> Made,
    ) -> Result<(), Rejected> {
        let after = transition(&self.lane, self.run, self.now)?;
        self.write(after);
        Ok(())
    }

    fn write(&mut self, after: LaneState) {
        check_step(&self.lane, &after);
        check_state(&after);
        check_json(&after);
        self.lane = LaneState {
            rev: self.lane.rev + 1,
            ..after
        };
    }

    fn commit(&mut self, allow: u8, deny: u8, from: u8) {
        let (allow, from) = (usize::from(allow), usize::from(from));
        let of = |from, count| (from..from + count).map(product).collect::<BTreeSet<_>>();
        let plan = Plan::new(of(from, allow), of(from + allow, usize::from(deny)));
        self.commit_plan(&plan);
    }

    fn commit_plan(&mut self, plan: &Plan) {
        let planned = self.planned(self.run + 1, plan);
        self.try_to(|lane, _, _| lane.committed(planned))
            .expect("a newer plan is taken in any phase");
        self.run += 1;
        self.messages = plan.in_sending_order();
    }

    fn planned(&self, by: i64, plan: &Plan) -> pmp_sync_domain::lane::Planned {
        pmp_sync_domain::lane::Planned {
            run: run(by),
            hash: plan.hash(),
            totals: Counts {
                allow: plan.allow().len(),
                deny: plan.deny().len(),
            },
            taken: Counts::default(),
            counted: BTreeSet::new(),
            creates_policy: false,
            sent: false,
            proved: BTreeSet::new(),
            at: self.now,
        }
    }

    /// A plan that is not newer than the one that stands is refused.
    fn commit_again(&mut self, older_by: i64) {
        if self.run > 0 {
            let planned = self.planned((self.run - older_by).max(0), &Plan::default());
            assert_eq!(self.lane.committed(planned), Err(Rejected::NotNewer));
        }
    }

    /// Messages of the newest plan arrive: out of order and twice, as it comes.
    fn deliver(&mut self, from: u8, count: u8) {
        let by = run(self.run);
        let from = usize::from(from);
        for (place, change) in self.messages.iter().enumerate().skip(from) {
            if place >= from + usize::from(count) {
                break;
            }
            let item = self.items.get(&change.product);
            if item.is_some_and(|item| item.change.run >= by) {
                continue;
            }
            let change = OpenChange {
                product: change.product.clone(),
                action: change.action,
                run: by,
                ordinal: u32::try_from(place).expect("small"),
                claimed_at: self.now,
            };
            let is_open = true;
            self.items
                .insert(change.product.clone(), Item { change, is_open });
        }
    }

    fn open(&self) -> Vec<OpenChange> {
        let open = self.items.values().filter(|item| item.is_open);
        open.map(|item| item.change.clone()).collect()
    }

    fn close(&mut self, product: &ProductId, by: RunId) {
        let item = self.items.get_mut(product);
        if let Some(item) = item.filter(|item| item.change.run == by) {
            item.is_open = false;
        }
    }

    /// The worker moves the lane on. Returns true when it can do nothing more.
    fn advance(&mut self) -> bool {
        worker::advance_lane(self)
    }

    fn check_due(&self, due: Timestamp) {
        let wait = due.duration_since(self.now).as_secs();
        assert!((1..=900).contains(&wait), "a tick due in {wait} s");
    }

    /// The number of an intent: the last one, mostly.
    fn seq(&self, late: u8) -> u64 {
        self.lane.seq.saturating_sub(u64::from(late % 3))
    }

    fn change_set(&self) -> ChangeSetId {
        ChangeSetId::new(format!("cs-{}", self.serial)).expect("an id")
    }

    fn start(&mut self, late: u8) {
        let (seq, id) = (self.seq(late), self.change_set());
        self.make(|lane, _, _| lane.started(seq, id));
    }

    fn until(&self, random: u8) -> Timestamp {
        let until = self
            .lane
            .back_off_until(self.now, u128::from(random).wrapping_mul(u128::MAX / 256));
        let wait = until.duration_since(self.now).as_secs();
        assert!((2..=900).contains(&wait), "put off for {wait} s");
        until
    }

    fn block(&self, which: u8) -> Block {
        let reason = match which % 3 {
            0 => BlockReason::Archived,
            1 => BlockReason::AccessDenied,
            _ => BlockReason::Refused,
        };
        Block {
            reason,
            detail: String::new(),
            since: self.now,
        }
    }

    /// The batch is applied by the service, its items are closed, then the lane is freed.
    fn succeed(&mut self, late: u8) {
        let seq = self.seq(late);
        if seq == self.lane.seq
            && let Some(intent) = self.lane.intent.clone()
        {
            let applied = intent.changes.iter();
            self.policy = self
                .policy
                .overlaid(applied.map(|change| (&change.product, change.action)));
            for change in &intent.changes {
                self.close(&change.product, change.run);
            }
        }
        let duration_seconds = (!late.is_multiple_of(5)).then_some(u32::from(late) * 10);
        self.make(|lane, _, now| lane.ended(seq, Ending::Succeeded { duration_seconds }, now));
    }

    fn fail(&mut self, late: u8, blamed: u8) {
        let (seq, change_set) = (self.seq(late), self.change_set());
        let error = |action| ChangeError {
            action,
            code: "INVALID_INPUT".to_owned(),
            message: "no such product".to_owned(),
        };
        let of = |bit, action| (blamed & bit != 0).then(|| error(action));
        let failed = Failed {
            errors: of(1, Action::Allow)
                .into_iter()
                .chain(of(2, Action::Deny))
                .collect(),
            description: (blamed & 4 != 0).then(|| "it has failed".to_owned()),
        };
        assert!(!failed.to_string().is_empty());
        self.make(|lane, _, now| lane.ended(seq, Ending::Failed { change_set, failed }, now));
    }

    fn end(&mut self, letter: u8, number: u8) {
        let seq = self.seq(number);
        let until = self.until(number);
        let ending = match letter {
            b'x' => Ending::Cancelled {
                change_set: self.change_set(),
                until,
            },
            b'p' => Ending::BackOff(until),
            _ => Ending::Blocked(self.block(number)),
        };
        self.make(|lane, _, now| lane.ended(seq, ending, now));
    }

    fn tick(&mut self, number: u64) {
        match on_tick(&self.lane, &self.open(), number, TIMEOUT, self.now) {
            // An old one, or one so far ahead that no worker can have sent it.
            OnTick::Drop => assert!(number < self.lane.tick || number - self.lane.tick > 1_000),
            OnTick::End => assert!(self.lane.intent.is_none()),
            OnTick::Renew { number: next, due } => {
                assert!(next > number, "tick {next} follows {number}");
                self.check_due(due);
                self.try_to(|lane, _, _| lane.ticked(next, due))
                    .expect("it is newer");
            }
        }
    }

    /// Somebody changes the member's policy by hand.
    fn edit(&mut self, which: u8, action: u8) {
        let action = if action.is_multiple_of(2) {
            Action::Allow
        } else {
            Action::Deny
        };
        let product = product(usize::from(which));
        self.policy = self.policy.overlaid([(&product, action)]);
    }

    fn leave_in_peace(&mut self) {
        if self.lane.suspension.is_some() {
            self.try_to(|lane, _, _| lane.resumed())
                .expect("it is suspended");
        }
        // What may still be under way ends.
        self.start(0);
        self.succeed(0);
        let of = |from, count| (from..from + count).map(product).collect::<BTreeSet<_>>();
        // A plan of two change sets takes its time, so most inputs end with a smaller one.
        let plan = if self.serial.is_multiple_of(8) {
            Plan::new(of(7, 60), of(67, 55))
        } else {
            Plan::new(of(3, 6), of(9, 4))
        };
        self.commit_plan(&plan);
        self.deliver(0, u8::MAX);
        let mut change_sets = 0;
        for _ in 0..MOST_STEPS {
            self.serial += 1;
            if self.lane.intent.is_some() {
                change_sets += 1;
                self.start(0);
                self.succeed(0);
            }
            if self.advance() {
                if self.lane.announced == Some(run(self.run)) {
                    break;
                }
                // Put off for 15 minutes at most.
                self.now = later(self.now, 901);
            }
        }
        assert_eq!(self.open(), [], "left open: {:?}", self.lane);
        assert_eq!(self.lane.phase, Phase::Idle);
        assert_eq!(self.lane.announced, Some(run(self.run)), "{:?}", self.lane);
        assert!(
            change_sets <= plan.fewest_change_sets(),
            "{change_sets} change sets"
        );
        for change in plan.changes() {
            assert_eq!(
                self.policy.standing(&change.product),
                change.action.outcome()
            );
        }
    }
}

type Made = Result<LaneState, Rejected>;

/// What holds of every state, however it was come to.
fn check_state(lane: &LaneState) {
    let is_under_way = matches!(lane.phase, Phase::Starting | Phase::InFlight);
    assert_eq!(lane.intent.is_some(), is_under_way, "{lane:?}");
    assert_eq!(lane.change_set.is_some(), lane.phase == Phase::InFlight);
    assert_eq!(lane.block.is_some(), lane.phase == Phase::Blocked);
    match lane.phase {
        Phase::Suspended => assert!(lane.suspension.is_some()),
        Phase::Idle | Phase::Blocked => assert!(lane.suspension.is_none()),
        Phase::Starting | Phase::InFlight => {}
    }
    if let Some(planned) = &lane.planned {
        let over = planned.taken.less(planned.totals);
        assert_eq!(over, Counts::default(), "taken too much: {planned:?}");
    }
}

/// What holds of every step.
fn check_step(before: &LaneState, after: &LaneState) {
    // The ledger counts the writes, not the transition.
    assert_eq!(after.rev, before.rev);
    assert!(after.seq == before.seq || after.seq == before.seq + 1);
    assert!(after.tick >= before.tick, "the tick goes back");
    assert!(after.planned_run() >= before.planned_run());
    if after.seq > before.seq {
        assert_eq!(before.phase, Phase::Idle);
    }
    if before.intent.is_some() && after.intent.is_some() {
        assert_eq!(after.intent, before.intent);
    }
    if before.change_set.is_some() && after.change_set.is_some() {
        assert_eq!(after.change_set, before.change_set);
    }
    if after.intent.is_some() && before.intent.is_none() {
        assert_eq!(after.tick, before.tick + 1);
    }
}

fn check_json(lane: &LaneState) {
    let written = serde_json::to_string(lane).expect("a lane can be written");
    let again: LaneState = serde_json::from_str(&written).expect("and read");
    assert_eq!(again, *lane);
}

/// A lane of an earlier release, or of a later one, or one that was changed by hand.
fn check_stored(lane: &LaneState) {
    check_json(lane);
    let now = "2026-01-01T00:00:00Z".parse().expect("a time");
    let open: Vec<_> = lane
        .intent
        .iter()
        .flat_map(|intent| &intent.changes)
        .map(|change| OpenChange {
            product: change.product.clone(),
            action: change.action,
            run: change.run,
            ordinal: change.ordinal,
            claimed_at: now,
        })
        .collect();
    if let Next::Choose(claimed) = next(lane, &open, TIMEOUT, now) {
        let _ = choose(lane, &claimed, &PolicySnapshot::default(), now);
    }
    let _ = outstanding(lane, &open);
    if lane.tick < u64::MAX {
        let _ = on_tick(lane, &open, lane.tick, TIMEOUT, now);
    }
    let _ = restart_is_due(lane, TIMEOUT, now);
    for due in [first_tick(lane, now), later_tick(lane, now)] {
        assert!(due > now);
    }
    assert!(lane.back_off_until(now, u128::MAX) > now);
    let view = lane.view(Vec::new());
    assert_eq!(
        view.in_flight.len(),
        lane.intent
            .as_ref()
            .map_or(0, |intent| intent.changes.len())
    );
    let experience = ExperienceId::new("exp-1").expect("an id");
    if let Some(name) = lane.change_set_name(&experience) {
        assert_eq!(name.to_string().parse(), Ok(name));
    }
}
