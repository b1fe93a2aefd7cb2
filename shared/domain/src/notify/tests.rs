//! Nothing is announced twice for the same state, nothing is lost, and what is told is what stands.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde::Serialize;

use super::*;
use crate::guard::HoldReason;
use crate::hint::Hint;
use crate::ids::RunId;
use crate::lane::{Block, BlockReason, Suspension};
use crate::plan::Plan;
use crate::policy::Action;
use crate::wire::events::{Blocked, Held, MOST_LISTED, MemberStale, Quarantined, SyncCompleted};

const HOUR: i64 = 3600;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_767_322_800 + seconds).unwrap()
}

fn run(number: u128) -> RunId {
    RunId::next(None, 1, number)
}

fn subject() -> Subject {
    Subject {
        member: "emea".parse().unwrap(),
        lane: "222222222222/exp-1".parse().unwrap(),
        management_experience: "exp-0".parse().unwrap(),
    }
}

fn hold(number: u128) -> Hold {
    let product = format!("prod-{number}").parse().unwrap();
    Hold {
        run: run(number),
        plan_hash: Plan::new(BTreeSet::new(), BTreeSet::from([product])).hash(),
        reasons: vec![HoldReason::MostRemovals {
            count: 51,
            limit: 50,
            parts: None,
        }],
        allow: 2,
        deny: 51,
        removals: 51,
        since: at(0),
        announced: false,
        rejected: None,
    }
}

fn quarantined(product: usize, number: u128) -> lane::Quarantined {
    lane::Quarantined {
        product: format!("prod-{product:05}").parse().unwrap(),
        action: Action::Allow,
        run: run(number),
        error_code: "INCOMPATIBLE_PRODUCT".to_owned(),
        error_message: "it cannot be".to_owned(),
        change_set: "cs-1".parse().unwrap(),
        quarantined_at: at(0),
    }
}

fn blocked_by(reason: BlockReason) -> LaneState {
    LaneState {
        phase: Phase::Blocked,
        block: Some(Block {
            reason,
            detail: "the service refuses the worker".to_owned(),
            since: at(0),
        }),
        ..LaneState::default()
    }
}

/// What is found of a link, as a test changes it from look to look.
#[derive(Debug, Clone)]
struct World {
    now: i64,
    hold: Option<Hold>,
    fault: Option<FaultRecord>,
    is_guarded: bool,
    state: LaneState,
    is_done: bool,
    quarantined: Vec<lane::Quarantined>,
    in_sync: bool,
    stale_after_hours: Option<u32>,
    /// The runs that changes were claimed under so far.
    claims: u128,
    known: Notices,
    heard: Vec<Notice>,
}

impl World {
    fn new() -> Self {
        Self {
            now: 0,
            hold: None,
            fault: None,
            is_guarded: false,
            state: LaneState::default(),
            is_done: true,
            quarantined: Vec::new(),
            in_sync: false,
            stale_after_hours: Some(24),
            claims: 0,
            known: Notices::default(),
            heard: Vec::new(),
        }
    }

    fn looked(&self) -> Notices {
        self.known.after(&Seen {
            subject: &subject(),
            now: at(self.now),
            hold: self.hold.as_ref(),
            fault: self.fault.as_ref(),
            is_guarded: self.is_guarded,
            state: &self.state,
            is_done: self.is_done,
            quarantined: self.fault.is_none().then_some(self.quarantined.as_slice()),
            in_sync: self.in_sync,
            stale_after_hours: self.stale_after_hours,
        })
    }

    /// A look, after which everything is put on the bus. What was put there.
    fn look(&mut self) -> Vec<&'static str> {
        self.known = self.looked();
        if self.in_sync {
            self.state.last_in_sync = Some(at(self.now));
        }
        let heard = std::mem::take(&mut self.known.pending);
        let names = heard.iter().map(|notice| notice.event().1).collect();
        self.heard.extend(heard);
        names
    }

    fn last(&self) -> &Notice {
        self.heard.last().unwrap()
    }

    fn fails(&mut self, code: &str, is_guarded: bool) {
        self.is_guarded = is_guarded;
        self.fault = Some(FaultRecord {
            code: code.to_owned(),
            message: "it cannot be looked at".to_owned(),
            remedy: "mend it".to_owned(),
            hint: None,
        });
    }
}

fn recovered(notice: &Notice) -> (Vec<Condition>, Vec<EndedBy>, &[Condition]) {
    let Notice::Recovered(detail) = notice else {
        panic!("{notice:?}")
    };
    let ended = &detail.recovered;
    (
        ended.iter().map(|ended| ended.condition).collect(),
        ended.iter().map(|ended| ended.ended_by).collect(),
        &detail.standing,
    )
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_link_that_is_well_is_not_told_of() {
    let mut world = World::new();
    world.in_sync = true;
    assert_eq!(world.look(), NOTHING);
    world.now += 100 * HOUR;
    assert_eq!(world.look(), NOTHING);
}

#[test]
fn a_hold_is_told_once_another_one_again_and_its_end_once() {
    let mut world = World::new();
    world.hold = Some(hold(1));
    assert_eq!(world.look(), ["Held"]);
    assert_eq!(world.look(), NOTHING);
    let Notice::Held(told) = world.last() else {
        panic!()
    };
    assert_eq!(
        (told.allow, told.deny, told.reason.as_str()),
        (2, 51, "PMS-7002")
    );
    let approve = world.hold.as_ref().unwrap().approve(&told.about.experience);
    assert!(
        told.about.what_to_do.contains(&approve.to_string()),
        "{told:?}"
    );
    assert!(told.about.hints.contains(&approve), "{told:?}");
    world.hold = Some(hold(2));
    assert_eq!(world.look(), ["Held"]);
    world.hold = None;
    assert_eq!(world.look(), ["Recovered"]);
    assert_eq!(
        recovered(world.last()),
        (
            vec![Condition::Held],
            vec![EndedBy::Resolved],
            [].as_slice()
        )
    );
    assert_eq!(world.look(), NOTHING);
}

#[test]
fn a_management_experience_that_cannot_be_trusted_is_a_hold_without_a_command() {
    let mut world = World::new();
    world.fails("PMS-2001", true);
    assert_eq!(world.look(), ["Held"]);
    let Notice::Held(told) = world.last() else {
        panic!()
    };
    let is_approval = |hint: &Hint| matches!(hint, Hint::Approve { .. });
    assert!(!told.about.hints.iter().any(is_approval) && told.run.is_none());
    assert_eq!(told.reason, "PMS-2001");
    assert_eq!(world.look(), NOTHING);
    // That the member does not answer says nothing of the management experience.
    world.fails("PMS-3001", false);
    assert_eq!(world.look(), NOTHING);
    world.fault = None;
    assert_eq!(world.look(), ["Recovered"]);
}

#[test]
fn what_is_held_does_not_end_because_nobody_can_look() {
    let mut world = World::new();
    world.hold = Some(hold(1));
    world.look();
    world.fails("PMS-2006", true);
    assert_eq!(world.look(), ["Held"]);
    world.fault = None;
    assert_eq!(world.look(), ["Recovered"]);
    assert_eq!(recovered(world.last()).2, [Condition::Held]);
}

#[test]
fn a_lane_that_blocks_recovers_and_blocks_is_three_events() {
    let mut world = World::new();
    world.state = blocked_by(BlockReason::AccessDenied);
    world.is_done = false;
    assert_eq!(world.look(), ["Blocked"]);
    assert_eq!(world.look(), NOTHING);
    world.state = LaneState::default();
    world.is_done = true;
    assert_eq!(world.look(), ["Recovered"]);
    world.state = blocked_by(BlockReason::AccessDenied);
    assert_eq!(world.look(), ["Blocked"]);
}

/// Each run takes the block away and tries again: that is no recovery.
#[test]
fn a_lane_that_tries_again_what_it_was_blocked_by_has_not_recovered() {
    let mut world = World::new();
    world.is_done = false;
    for _ in 0..5 {
        world.now += HOUR;
        world.state = blocked_by(BlockReason::AccessDenied);
        world.look();
        world.state = LaneState::default();
        world.look();
        world.state.phase = Phase::InFlight;
        world.look();
    }
    assert_eq!(world.heard.len(), 1);
    world.state = blocked_by(BlockReason::Archived);
    assert_eq!(world.look(), ["Blocked"], "for another reason");
}

#[test]
fn a_lane_that_is_suspended_has_not_recovered() {
    let mut world = World::new();
    world.state = blocked_by(BlockReason::NotFound);
    world.look();
    world.state = LaneState {
        phase: Phase::Suspended,
        suspension: Some(Suspension {
            by: None,
            since: at(1),
        }),
        ..LaneState::default()
    };
    assert_eq!(world.look(), NOTHING);
}

#[test]
fn only_what_is_newly_quarantined_is_told() {
    let mut world = World::new();
    world.quarantined = vec![quarantined(1, 1), quarantined(2, 1)];
    assert_eq!(world.look(), ["Quarantined"]);
    assert_eq!(world.look(), NOTHING);
    world.quarantined = vec![quarantined(2, 1), quarantined(3, 2)];
    assert_eq!(world.look(), ["Quarantined"]);
    let Notice::Quarantined(told) = world.last() else {
        panic!()
    };
    assert_eq!((told.new, told.count, told.products.len()), (1, 2, 1));
    assert_eq!(told.products[0].product.as_str(), "prod-00003");
    assert!(
        told.about.message.contains("INCOMPATIBLE_PRODUCT"),
        "{told:?}"
    );
    world.quarantined = vec![quarantined(3, 2)];
    assert_eq!(world.look(), NOTHING);
    world.quarantined.clear();
    assert_eq!(world.look(), ["Recovered"]);
}

#[test]
fn a_replay_that_fails_again_is_told_again_and_one_at_work_is_no_recovery() {
    let mut world = World::new();
    world.quarantined = vec![quarantined(1, 1)];
    world.look();
    world.quarantined.clear();
    world.is_done = false;
    assert_eq!(world.look(), NOTHING);
    world.quarantined = vec![quarantined(1, 2)];
    assert_eq!(world.look(), ["Quarantined"]);
}

#[test]
fn a_replay_after_which_the_lane_is_blocked_is_not_quarantined_any_more() {
    let mut world = World::new();
    world.quarantined = vec![quarantined(1, 1)];
    world.look();
    world.quarantined.clear();
    world.is_done = false;
    world.state = blocked_by(BlockReason::ChangeSetFailed);
    assert_eq!(world.look(), ["Recovered", "Blocked"]);
    assert_eq!(recovered(&world.heard[1]).0, [Condition::Quarantined]);
}

#[test]
fn of_very_many_that_are_quarantined_the_number_is_told() {
    let mut world = World::new();
    world.quarantined = (0..MOST_QUARANTINED + 40)
        .map(|number| quarantined(number, 1))
        .collect();
    assert_eq!(world.look(), ["Quarantined"]);
    let Notice::Quarantined(told) = world.last() else {
        panic!()
    };
    assert_eq!(told.products.len(), MOST_LISTED);
    assert_eq!(
        (told.new, told.count),
        (MOST_QUARANTINED + 40, MOST_QUARANTINED + 40)
    );
    assert_eq!(world.look(), NOTHING);
    let mark = world.known.quarantined.clone().unwrap();
    assert_eq!((mark.products.len(), mark.beyond), (MOST_QUARANTINED, 40));
    world.quarantined.push(quarantined(9_999, 2));
    assert_eq!(world.look(), ["Quarantined"]);
    assert_eq!(world.look(), NOTHING);
}

#[test]
fn a_link_is_stale_once_it_was_not_in_sync_for_too_long() {
    let mut world = World::new();
    world.in_sync = true;
    world.look();
    world.in_sync = false;
    world.now = 24 * HOUR;
    assert_eq!(world.look(), NOTHING);
    world.now += 1;
    assert_eq!(world.look(), ["Member Stale"]);
    let Notice::MemberStale(told) = world.last() else {
        panic!()
    };
    assert_eq!((told.since, told.hours), (at(0), 24));
    assert_eq!(told.reason, "differs");
    world.now += 50 * HOUR;
    assert_eq!(world.look(), NOTHING);
    world.in_sync = true;
    assert_eq!(world.look(), ["Recovered"]);
    assert_eq!(world.look(), NOTHING);
}

#[test]
fn a_link_that_was_never_in_sync_is_stale_by_when_it_was_first_looked_at() {
    let mut world = World::new();
    world.fails("PMS-3001", false);
    assert_eq!(world.look(), NOTHING);
    world.now = 25 * HOUR;
    assert_eq!(world.look(), ["Member Stale"]);
    let Notice::MemberStale(told) = world.last() else {
        panic!()
    };
    assert_eq!(told.reason, "PMS-3001");
    assert_eq!(told.about.what_to_do, "mend it");
}

#[test]
fn nobody_expects_anything_of_a_link_that_is_not_watched() {
    let mut world = World::new();
    world.stale_after_hours = None;
    world.look();
    world.now = 500 * HOUR;
    assert_eq!(world.look(), NOTHING);
    // From here on it is; what was before does not count.
    world.stale_after_hours = Some(24);
    assert_eq!(world.look(), NOTHING);
    world.now += 24 * HOUR + 1;
    assert_eq!(world.look(), ["Member Stale"]);
    world.stale_after_hours = None;
    assert_eq!(world.look(), ["Recovered"]);
    assert_eq!(recovered(world.last()).1, [EndedBy::NotExpected]);
}

#[test]
fn a_link_that_leaves_the_configuration_ends_everything_and_begins_anew() {
    let mut world = World::new();
    world.hold = Some(hold(1));
    world.state = blocked_by(BlockReason::NotFound);
    world.quarantined = vec![quarantined(1, 1)];
    world.look();
    let number = world.known.number;
    world.known = world.known.removed(&subject(), at(5));
    let told = world.known.pending.pop().unwrap();
    let (conditions, by, standing) = recovered(&told);
    let all = vec![Condition::Held, Condition::Blocked, Condition::Quarantined];
    assert_eq!(conditions, all);
    assert!(by.iter().all(|by| *by == EndedBy::Removed) && standing.is_empty());
    let again = world.known.removed(&subject(), at(6));
    assert_eq!(again, world.known, "once");
    assert!(again.since.is_none() && again.number == number + 1);
}

#[test]
fn what_an_earlier_release_has_announced_is_not_announced_again() {
    let old = Hold {
        announced: true,
        ..hold(1)
    };
    let mut world = World::new();
    world.known = Notices::default().with_announced(Some(&old));
    world.hold = Some(old);
    assert_eq!(world.look(), NOTHING);
    let unannounced = Notices::default().with_announced(Some(&hold(1)));
    assert!(unannounced.is_blank());
}

#[test]
fn a_bus_that_takes_nothing_delays_notices_without_end_and_loses_no_state() {
    let mut world = World::new();
    for number in 0..100 {
        world.hold = Some(hold(number));
        world.known = world.looked();
    }
    assert_eq!(world.known.pending.len(), MOST_PENDING);
    world.known.pending.clear();
    assert_eq!(world.look(), ["Held"]);
    assert_eq!(world.known.held.as_ref().unwrap().run, run(99));
}

/// What a receiver knows that has heard everything, doubles dropped by their ids.
fn retold(heard: &[Notice]) -> Result<BTreeSet<Condition>, String> {
    let mut ids = BTreeSet::new();
    let mut standing = BTreeSet::new();
    let (mut hold, mut block, mut products) = (BTreeSet::new(), None, BTreeMap::new());
    for notice in heard {
        if !ids.insert(notice.about().id.clone()) {
            continue;
        }
        let is_new = match notice {
            Notice::Held(told) => {
                standing.insert(Condition::Held);
                if told.run.is_some() {
                    hold.retain(|(run, _): &(Option<RunId>, String)| run.is_none());
                }
                hold.insert((told.run, told.reason.clone()))
            }
            Notice::Blocked(told) => {
                standing.insert(Condition::Blocked);
                block.replace(told.reason) != Some(told.reason)
            }
            Notice::Quarantined(told) => {
                standing.insert(Condition::Quarantined);
                let mut told = told.products.iter();
                told.all(|told| products.insert(told.product.clone(), told.run) != Some(told.run))
            }
            Notice::MemberStale(_) => standing.insert(Condition::Stale),
            Notice::Recovered(told) => {
                let ended: BTreeSet<_> = told.recovered.iter().map(|e| e.condition).collect();
                let stood = ended.is_subset(&standing);
                for condition in ended {
                    match condition {
                        Condition::Held => hold.clear(),
                        Condition::Blocked => block = None,
                        Condition::Quarantined => products.clear(),
                        Condition::Stale => {}
                    }
                }
                standing = told.standing.iter().copied().collect();
                stood && !told.recovered.is_empty()
            }
        };
        if !is_new {
            return Err(format!("told twice: {notice:?}"));
        }
    }
    Ok(standing)
}

#[derive(Debug, Clone)]
enum Step {
    Hours(i64),
    Hold(Option<u128>),
    Fault(Option<bool>),
    Block(Option<bool>),
    Done(bool),
    /// These are quarantined; of those that did before, some have failed again.
    Quarantine(BTreeMap<usize, bool>),
    /// In sync or not.
    Level(bool),
    Watch(bool),
    Remove,
    /// Recorded, and not put on the bus.
    CutOffBefore,
    /// Put on the bus, and not written down.
    CutOffAfter,
    Look,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..30_i64).prop_map(Step::Hours),
        proptest::option::of(0..3_u128).prop_map(Step::Hold),
        proptest::option::of(any::<bool>()).prop_map(Step::Fault),
        proptest::option::of(any::<bool>()).prop_map(Step::Block),
        any::<bool>().prop_map(Step::Done),
        proptest::collection::btree_map(0..4_usize, any::<bool>(), 0..4).prop_map(Step::Quarantine),
        any::<bool>().prop_map(Step::Level),
        any::<bool>().prop_map(Step::Watch),
        Just(Step::Remove),
        Just(Step::CutOffBefore),
        Just(Step::CutOffAfter),
        Just(Step::Look),
        Just(Step::Look),
    ]
}

impl World {
    fn step(&mut self, step: Step) {
        match step {
            Step::Hours(hours) => self.now += hours * HOUR,
            Step::Hold(number) => self.hold = number.map(hold),
            Step::Fault(None) => self.fault = None,
            Step::Fault(Some(is_guarded)) => {
                self.fails(if is_guarded { "PMS-2001" } else { "PMS-3001" }, is_guarded);
            }
            Step::Block(None) => {
                self.state.phase = Phase::Idle;
                self.state.block = None;
            }
            Step::Block(Some(archived)) => {
                let last = self.state.last_in_sync;
                self.state = blocked_by(if archived {
                    BlockReason::Archived
                } else {
                    BlockReason::Refused
                });
                self.state.last_in_sync = last;
            }
            Step::Done(is_done) => self.is_done = is_done,
            Step::Quarantine(products) => {
                self.claims += 1;
                let new = products.into_iter().map(|(product, again)| {
                    let new = quarantined(product, self.claims);
                    let mut old = self.quarantined.iter().filter(|_| !again);
                    let old = old.find(|old| old.product == new.product);
                    old.cloned().unwrap_or(new)
                });
                self.quarantined = new.collect();
            }
            Step::Level(in_sync) => self.in_sync = in_sync,
            Step::Watch(watched) => self.stale_after_hours = watched.then_some(24),
            Step::Remove => {
                self.hold = None;
                self.known = self.known.removed(&subject(), at(self.now));
            }
            Step::CutOffBefore => self.known = self.looked(),
            Step::CutOffAfter => {
                self.known = self.looked();
                self.heard.extend(self.known.pending.clone());
            }
            Step::Look => {
                self.look();
            }
        }
        // Nobody is in sync that cannot be looked at.
        self.in_sync &= self.fault.is_none();
    }
}

proptest! {
    #[test]
    fn whoever_hears_everything_knows_what_stands(steps in proptest::collection::vec(step(), 0..60)) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        let was_full = world.known.pending.len() >= MOST_PENDING;
        world.look();
        if was_full {
            // Nothing was compared while so many waited.
            world.look();
        }
        let known = retold(&world.heard);
        prop_assert_eq!(known, Ok(world.known.standing()));
        // The same state is told once.
        prop_assert_eq!(world.look(), NOTHING);
        // At rest what stands is what is.
        world.fault = None;
        world.is_done = true;
        world.look();
        let standing = world.known.standing();
        prop_assert_eq!(standing.contains(&Condition::Held), world.hold.is_some());
        let is_blocked = world.state.phase == Phase::Blocked;
        prop_assert_eq!(standing.contains(&Condition::Blocked), is_blocked);
        prop_assert_eq!(standing.contains(&Condition::Quarantined), !world.quarantined.is_empty());
        prop_assert_eq!(retold(&world.heard), Ok(standing));
    }
}

/// Through the type and back, and equal to the fixture: what receivers read stays.
fn kept<T: Serialize + serde::de::DeserializeOwned>(fixture: &str) {
    let detail: T = serde_json::from_str(fixture).unwrap();
    let written = serde_json::to_value(&detail).unwrap();
    let fixture: serde_json::Value = serde_json::from_str(fixture).unwrap();
    assert_eq!(written, fixture);
}

#[test]
fn the_details_of_events_keep_their_form() {
    kept::<Held>(include_str!("../../fixtures/events/held-1.json"));
    kept::<Blocked>(include_str!("../../fixtures/events/blocked-1.json"));
    kept::<Quarantined>(include_str!("../../fixtures/events/quarantined-1.json"));
    kept::<MemberStale>(include_str!("../../fixtures/events/member-stale-1.json"));
    kept::<Recovered>(include_str!("../../fixtures/events/recovered-1.json"));
    kept::<SyncCompleted>(include_str!("../../fixtures/events/sync-completed-1.json"));
}
