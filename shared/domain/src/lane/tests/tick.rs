//! Ticks: which one is live, what it does, and when the next is due.

use proptest::prelude::*;

use super::*;

const TIMEOUT: i64 = 30;

fn tick(lane: &LaneState, open: &[OpenChange], number: u64, seconds: i64) -> OnTick {
    on_tick(lane, open, number, TIMEOUT, at(seconds))
}

fn renew(number: u64, seconds: i64) -> OnTick {
    OnTick::Renew {
        number,
        due: at(seconds),
    }
}

fn one_open() -> Vec<OpenChange> {
    claimed(Action::Allow, 1)
}

#[test]
fn a_tick_that_is_not_the_live_one_is_dropped_in_every_phase() {
    for phase in PHASES {
        let lane = in_phase(phase);
        assert_eq!(tick(&lane, &one_open(), 6, 0), OnTick::Drop, "{phase}");
    }
}

#[test]
fn the_chain_ends_on_a_lane_at_rest_and_on_one_that_waits_for_a_person() {
    assert_eq!(tick(&in_phase(Phase::Idle), &[], 7, 0), OnTick::End);
    for phase in [Phase::Blocked, Phase::Suspended] {
        let lane = in_phase(phase);
        assert_eq!(tick(&lane, &one_open(), 7, 0), OnTick::End, "{phase}");
    }
}

/// The clocks of two hosts differ a little, and nothing else would wake the lane for its retry.
#[test]
fn a_tick_that_comes_before_the_retry_that_it_is_for_is_sent_again() {
    let lane = LaneState {
        retry_at: Some(at(60)),
        ..in_phase(Phase::Blocked)
    };
    assert_eq!(tick(&lane, &one_open(), 7, 59), renew(8, 60));
    assert_eq!(tick(&lane, &one_open(), 7, 60), OnTick::End);
}

#[test]
fn the_live_tick_goes_on_with_the_next_number() {
    let lane = in_phase(Phase::Idle);
    assert_eq!(tick(&lane, &one_open(), 7, 0), renew(8, 15));
    // A Tick that was sent and is not written down yet counts as the live one.
    assert_eq!(tick(&lane, &one_open(), 9, 0), renew(10, 15));
}

#[test]
fn a_lane_that_waits_is_woken_when_it_may_go_on() {
    let lane = LaneState {
        not_before: Some(at(200)),
        ..in_phase(Phase::Idle)
    };
    assert_eq!(tick(&lane, &one_open(), 7, 0), renew(8, 200));
    assert_eq!(tick(&lane, &one_open(), 7, 200), renew(8, 215));
    let long = LaneState {
        not_before: Some(at(5_000)),
        ..lane
    };
    assert_eq!(tick(&long, &one_open(), 7, 0), renew(8, 900));
}

#[test]
fn a_lane_that_is_starting_is_woken_when_its_start_may_be_repeated() {
    let lane = starting(c(1, 0), c(1, 0));
    assert_eq!(tick(&lane, &[], 8, 1), renew(9, 31));
    assert!(restart_is_due(&lane, TIMEOUT, at(31)));
}

#[test]
fn a_start_that_cannot_be_repeated_is_tried_again_after_a_quarter_of_its_age() {
    let lane = starting(c(1, 0), c(1, 0));
    for (age, due) in [(31, 39), (100, 125), (3_600, 4_500), (40_000, 40_900)] {
        assert_eq!(tick(&lane, &[], 8, age), renew(9, due));
        let guard = Next::Guard {
            number: lane.tick,
            due: at(due),
        };
        assert_eq!(next(&lane, &[], TIMEOUT, at(age)), guard);
    }
}

#[test]
fn a_change_set_in_flight_is_looked_at_again_after_a_quarter_of_its_age() {
    let lane = in_flight(c(1, 0), c(1, 0));
    for (age, due) in [
        (0, 1),
        (4, 5),
        (100, 125),
        (101, 127),
        (3_600, 4_500),
        (40_000, 40_900),
    ] {
        assert_eq!(tick(&lane, &[], 8, age), renew(9, due));
        assert_eq!(later_tick(&lane, at(age)), at(due));
    }
}

#[test]
fn the_first_tick_of_a_batch_is_due_a_little_before_the_last_ones_duration() {
    let due = |last| {
        let lane = LaneState {
            last_duration_seconds: last,
            ..LaneState::default()
        };
        first_tick(&lane, start())
    };
    for (last, seconds) in [
        (None, 1),
        (Some(0), 1),
        (Some(1), 1),
        (Some(10), 9),
        (Some(11), 10),
        (Some(95), 86),
        (Some(1_000), 900),
        (Some(100_000), 900),
    ] {
        assert_eq!(due(last), at(seconds), "{last:?}");
    }
}

#[test]
fn a_start_is_repeated_only_after_the_function_that_wrote_it_cannot_run_any_more() {
    let lane = starting(c(1, 0), c(1, 0));
    for (seconds, due) in [
        (0, false),
        (29, false),
        (30, false),
        (31, true),
        (4_000, true),
    ] {
        assert_eq!(
            restart_is_due(&lane, TIMEOUT, at(seconds)),
            due,
            "{seconds}"
        );
    }
    assert!(!restart_is_due(&idle(c(1, 0)), TIMEOUT, at(4_000)));
}

proptest! {
    /// SQS delays by whole seconds and by fifteen minutes at most.
    #[test]
    fn every_tick_is_due_after_a_second_at_least_and_fifteen_minutes_at_most(
        phase in prop::sample::select(PHASES.to_vec()),
        last in prop::option::of(any::<u32>()),
        written in -100_000_i64..100_000,
        wait in prop::option::of(-100_000_i64..100_000),
        seconds in 0_i64..100_000,
        number in 0_u64..20,
        timeout in 1_i64..1_000,
    ) {
        let mut batch = intent(run(5), c(1, 0));
        batch.at = at(written);
        let lane = LaneState {
            intent: matches!(phase, Phase::Starting | Phase::InFlight).then_some(batch),
            last_duration_seconds: last,
            not_before: wait.map(at),
            ..in_phase(phase)
        };
        let bounds = at(seconds + 1)..=at(seconds + MOST_TICK_DELAY);
        prop_assert!(bounds.contains(&first_tick(&lane, at(seconds))));
        prop_assert!(bounds.contains(&later_tick(&lane, at(seconds))));
        match on_tick(&lane, &one_open(), number, timeout, at(seconds)) {
            OnTick::Drop => prop_assert!(number < lane.tick),
            OnTick::End => prop_assert!(matches!(phase, Phase::Blocked | Phase::Suspended)),
            OnTick::Renew { number: next, due } => {
                prop_assert_eq!(next, number + 1);
                prop_assert!(lane.ticked(next, due).is_ok());
                prop_assert!(bounds.contains(&due));
            }
        }
    }
}

/// Numbers are counted on: one near the end of their range would stop the lane for good.
#[test]
fn a_tick_that_no_worker_can_have_sent_is_dropped() {
    let busy = in_flight(c(1, 0), c(1, 0));
    let ahead = |by: u64| on_tick(&busy, &[], busy.tick + by, 30, at(1));
    assert!(matches!(ahead(0), OnTick::Renew { .. }));
    assert!(matches!(ahead(1_000), OnTick::Renew { .. }));
    assert_eq!(ahead(1_001), OnTick::Drop);
    assert_eq!(on_tick(&busy, &[], u64::MAX, 30, at(1)), OnTick::Drop);
}
