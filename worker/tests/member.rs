//! The member's own rules: what the worker keeps back, whatever it is sent, and what it does once it may.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

mod harness;

use pmp_sync_domain::error::Kind;
use pmp_sync_domain::lane::{MemberMode, MemberRules, Phase};
use pmp_sync_domain::policy::{Action, PolicySnapshot};
use pmp_sync_domain::time::later;

use crate::harness::{Lane, products, run};

/// A lane whose experience allows `denies` products that a plan denies, beside `allows` that it allows.
fn planned(mode: &str, most_denies: &str, allows: usize, denies: usize) -> Lane {
    let lane = Lane::new(PolicySnapshot::new(products("d", denies), []));
    lane.rule(mode, most_denies);
    let plan = lane.commit(run(1), &products("a", allows), &products("d", denies));
    lane.send(run(1), &plan);
    lane
}

fn done(allows: usize, denies: usize) -> PolicySnapshot {
    PolicySnapshot::new(products("a", allows), products("d", denies))
}

#[test]
fn a_suspended_member_starts_nothing_and_goes_on_when_it_is_asked_again() {
    let lane = planned("suspended", "", 3, 2);
    lane.drive(1);
    let state = lane.state();
    assert!(lane.sets().is_empty());
    assert_eq!((state.phase, lane.open()), (Phase::Idle, 5));
    let mark = MemberRules {
        mode: MemberMode::Suspended,
        most_denies: None,
    };
    assert_eq!(state.member, Some(mark));
    assert_eq!(lane.settled(), 1, "the hint that something is kept back");
    // A wake-up finds the lane unchanged.
    lane.wake();
    lane.drive(1);
    assert_eq!((lane.sets().len(), lane.settled()), (0, 1));

    lane.rule("all", "");
    lane.wake();
    lane.drive(1);
    assert_eq!(lane.policy(), done(3, 2));
    assert_eq!((lane.state().member, lane.open()), (None, 0));
    assert_eq!(lane.settled(), 3, "that it is lifted, and that it is done");
}

#[test]
fn rules_that_restrict_nothing_leave_no_mark_and_no_hint() {
    let lane = planned("all", "", 3, 2);
    lane.drive(1);
    assert_eq!((lane.policy(), lane.settled()), (done(3, 2), 1));
    assert_eq!(lane.state().member, None);
    // A lane that was never planned for gets no state.
    let unplanned = Lane::new(PolicySnapshot::default());
    unplanned.rule("suspended", "");
    unplanned.wake();
    unplanned.drive(1);
    assert_eq!((unplanned.state().rev, unplanned.settled()), (0, 0));
}

#[test]
fn what_is_in_flight_when_a_member_stops_is_left_to_end() {
    let lane = planned("all", "", 120, 0);
    lane.drive_with(1, || {
        if lane.state().phase == Phase::InFlight {
            lane.rule("suspended", "");
        }
    });
    assert_eq!(lane.sets().len(), 1);
    assert_eq!(lane.policy().allowed().len(), lane.sets()[0].0);
    assert_eq!(lane.state().phase, Phase::Idle);
    assert_eq!(lane.open(), 120 - lane.sets()[0].0);
}

/// Whether its start took effect is unknown, so it is looked up by name first.
#[test]
fn an_intent_that_was_not_started_is_given_up_and_one_that_was_is_left_to_end() {
    for (mode, started) in [
        ("suspended", false),
        ("suspended", true),
        ("allow-only", false),
        ("allow-only", true),
    ] {
        let lane = planned("all", "", 3, 2);
        lane.world.failing(|failing| {
            if started {
                failing.lose_next("StartChangeSet", 1, Kind::Retryable);
            } else {
                failing.fail_next("StartChangeSet", 1, Kind::Retryable);
            }
        });
        lane.drive_with(1, || {
            if lane.state().phase == Phase::Starting {
                lane.rule(mode, "");
            }
        });
        let (expected, open) = match (mode, started) {
            (_, true) => (vec![(3, 2)], 0),
            ("suspended", false) => (vec![], 5),
            (_, false) => (vec![(3, 0)], 2),
        };
        assert_eq!(lane.sets(), expected, "{mode}, started: {started}");
        assert_eq!(lane.open(), open, "{mode}, started: {started}");
        assert_eq!(lane.state().phase, Phase::Idle);
        let left = lane.state().planned.unwrap();
        assert_eq!(left.totals.less(left.taken).total(), open);
    }
}

#[test]
fn a_member_that_takes_allows_only_gets_them_in_the_fewest_change_sets() {
    let lane = planned("allow-only", "", 130, 60);
    lane.drive(1);
    let mut allowed = products("a", 130);
    allowed.extend(products("d", 60));
    assert_eq!(lane.policy(), PolicySnapshot::new(allowed, []));
    assert_eq!(lane.sets().len(), 3, "{:?}", lane.sets());
    assert_eq!((lane.open(), lane.settled()), (60, 1));
    lane.rule("all", "");
    lane.wake();
    lane.drive(1);
    assert_eq!(lane.policy(), done(130, 60));
    assert_eq!((lane.open(), lane.settled()), (0, 3));
}

#[test]
fn a_lane_denies_no_more_a_day_than_the_member_lets_it_and_goes_on_by_itself() {
    for times in [1, 2] {
        let lane = planned("all", "10", 60, 25);
        lane.drive(times);
        assert_eq!(lane.policy(), done(60, 25));
        assert_eq!((lane.open(), lane.settled()), (0, 1));
        let denies: Vec<_> = lane.world.experiences(|experiences| {
            let sets = experiences.change_sets().iter();
            sets.map(|set| {
                let denies = set.changes.iter();
                let count = denies.filter(|(_, a)| *a == Action::Deny).count();
                (set.ends, count)
            })
            .filter(|(_, count)| *count > 0)
            .collect()
        });
        for (end, _) in &denies {
            let day = denies
                .iter()
                .filter(|(other, _)| other <= end && later(*other, 86_400) > *end);
            let count: usize = day.map(|(_, count)| count).sum();
            assert!(count <= 10, "{count} within the day before {end}");
        }
        let counts: Vec<_> = denies.iter().map(|(_, count)| *count).collect();
        assert_eq!(counts, [10, 10, 5]);
        let ticks = lane.world.failing(|failing| failing.calls("SendMessage"));
        assert!(ticks < 2 * 4 * 25 + 50, "{ticks} Ticks in two days");
    }
}

#[test]
fn a_limit_that_is_lifted_is_noticed_within_a_quarter_of_an_hour() {
    let lane = planned("all", "4", 0, 10);
    let begin = lane.world.time();
    lane.drive_with(1, || {
        if lane.world.time() > later(begin, 3_600) {
            lane.rule("all", "");
        }
    });
    assert_eq!(lane.policy(), done(0, 10));
    let end = lane.world.time().duration_since(begin).as_secs();
    assert!(end < 3_600 + 2 * 900, "{end}");
}

#[test]
fn a_limit_of_none_keeps_every_deny_back_without_a_tick() {
    let lane = planned("all", "0", 2, 10);
    lane.drive(1);
    assert_eq!(lane.sets(), [(2, 0)]);
    assert_eq!((lane.open(), lane.settled()), (10, 1));
}

#[test]
fn any_single_call_may_fail_and_nothing_is_started_that_the_member_forbids() {
    let calls = {
        let lane = planned("allow-only", "", 60, 5);
        lane.drive(1);
        lane.world.failing(|failing| failing.total())
    };
    assert!(calls > 100, "{calls}");
    for lost in [false, true] {
        for nth in 1..=calls {
            let lane = planned("allow-only", "", 60, 5);
            lane.world.failing(|failing| {
                if lost {
                    failing.lose_nth(nth, Kind::Retryable);
                } else {
                    failing.fail_nth(nth, Kind::Retryable);
                }
            });
            lane.drive(1);
            let told = format!("call {nth}, after its effect: {lost}");
            assert!(lane.sets().iter().all(|(_, deny)| *deny == 0), "{told}");
            assert_eq!(lane.policy().allowed().len(), 65, "{told}");
            assert_eq!(lane.open(), 5, "{told}");
            lane.rule("all", "");
            lane.wake();
            lane.drive(1);
            assert_eq!(lane.policy(), done(60, 5), "{told}");
            assert_eq!(
                (lane.state().phase, lane.open()),
                (Phase::Idle, 0),
                "{told}"
            );
        }
    }
}

#[test]
fn rules_apply_although_their_change_cannot_be_announced() {
    let lane = planned("all", "", 3, 2);
    lane.rule("suspended", "");
    lane.world
        .failing(|failing| failing.fail_next("PutEvents", u64::MAX, Kind::Denied));
    lane.drive(1);
    assert_eq!((lane.returned.get(), lane.settled()), (0, 0));
    assert!(lane.sets().is_empty());
    assert_eq!(lane.open(), 5);
}
