//! Each transition, allowed and refused.

use super::*;
use crate::ids::ExperienceId;
use crate::policy::ProductChange;
use std::collections::BTreeSet;

fn taken(state: &LaneState) -> Counts {
    state.planned.as_ref().unwrap().taken
}

fn succeeded(seconds: Option<u32>) -> Ending {
    Ending::Succeeded {
        duration_seconds: seconds,
    }
}

#[test]
fn a_lane_creates_the_first_policy_only_if_its_plan_does() {
    let mut lane = idle(c(1, 0));
    assert!(!lane.creates_policy());
    lane.planned.as_mut().unwrap().creates_policy = true;
    assert!(lane.creates_policy());
    assert!(!LaneState::default().creates_policy());
}

#[test]
fn only_a_newer_plan_is_committed() {
    let lane = idle(c(1, 0));
    for number in [4, 5] {
        assert_eq!(
            lane.committed(planned(number, c(2, 2))),
            Err(Rejected::NotNewer)
        );
    }
    let next = lane.committed(planned(6, c(2, 2))).unwrap();
    assert_eq!(next.planned, Some(planned(6, c(2, 2))));
    assert!(LaneState::default().committed(planned(1, c(1, 0))).is_ok());
}

#[test]
fn a_commit_frees_a_blocked_lane_and_leaves_every_other_phase() {
    for phase in PHASES {
        let lane = LaneState {
            block: (phase == Phase::Blocked).then(block),
            not_before: Some(at(60)),
            back_off: 4,
            ..in_phase(phase)
        };
        let next = lane.committed(planned(6, c(2, 2))).unwrap();
        if phase == Phase::Blocked {
            assert_eq!((next.phase, next.block), (Phase::Idle, None));
            assert_eq!((next.not_before, next.back_off), (None, 0));
        } else {
            assert_eq!(next.phase, phase);
            assert_eq!((next.not_before, next.back_off), (Some(at(60)), 4));
        }
    }
}

#[test]
fn a_commit_leaves_the_batch_in_flight_and_forgets_who_waited_for_the_older_plan() {
    let lane = in_flight(c(2, 0), c(2, 0)).joined(run(6), run(5)).unwrap();
    let next = lane.committed(planned(7, c(1, 0))).unwrap();
    assert_eq!(next.intent, lane.intent);
    assert_eq!(next.change_set, lane.change_set);
    assert_eq!(
        (next.phase, next.seq, next.tick),
        (Phase::InFlight, lane.seq, lane.tick)
    );
    assert!(next.joined.is_empty());
}

#[test]
fn the_sent_mark_is_for_the_plan_that_was_sent() {
    let lane = idle(c(1, 0));
    assert_eq!(lane.sent(run(4)), Err(Rejected::Plan));
    assert_eq!(lane.sent(run(6)), Err(Rejected::Plan));
    assert_eq!(LaneState::default().sent(run(5)), Err(Rejected::Plan));
    assert!(lane.sent(run(5)).unwrap().planned.unwrap().sent);
}

#[test]
fn a_run_joins_the_plan_that_it_found_under_way() {
    let lane = idle(c(1, 0));
    assert_eq!(lane.joined(run(8), run(4)), Err(Rejected::Plan));
    assert_eq!(
        LaneState::default().joined(run(8), run(5)),
        Err(Rejected::Plan)
    );
    let lane = lane.joined(run(8), run(5)).unwrap();
    let lane = lane.joined(run(9), run(5)).unwrap();
    assert_eq!(lane.joined, BTreeSet::from([run(8), run(9)]));
    let lane = lane.in_sync(true, at(9));
    assert!(lane.joined.is_empty());
    assert_eq!(lane.last_in_sync, Some(at(9)));
}

#[test]
fn an_intent_moves_seq_and_tick_and_takes_its_changes() {
    let batch = intent(run(5), c(2, 1));
    let next = idle(c(5, 5))
        .intending(3, run(5), batch.clone(), (&holding(c(1, 2)), &[]), at(2))
        .unwrap();
    assert_eq!((next.phase, next.seq, next.tick), (Phase::Starting, 4, 8));
    assert_eq!(next.tick_at, Some(at(2)));
    assert_eq!(next.last_attempt, Some(start()));
    assert_eq!(next.intent, Some(batch));
    assert_eq!(taken(&next), c(3, 3));
}

#[test]
fn an_intent_of_nothing_but_what_holds_moves_seq_and_leaves_the_lane_idle() {
    let next = idle(c(5, 5))
        .intending(
            3,
            run(5),
            intent(run(5), c(0, 0)),
            (&holding(c(1, 2)), &[]),
            at(2),
        )
        .unwrap();
    assert_eq!((next.phase, next.seq, next.tick), (Phase::Idle, 4, 7));
    assert_eq!((next.intent.clone(), next.tick_at), (None, None));
    assert_eq!(taken(&next), c(1, 2));
}

#[test]
fn what_holds_is_counted_once_however_often_it_is_found_before_it_is_closed() {
    let found = holding(c(1, 2));
    let none = || intent(run(5), c(0, 0));
    let first = idle(c(2, 3));
    let first = first
        .intending(3, run(5), none(), (&found, &found), at(2))
        .unwrap();
    assert_eq!(taken(&first), c(1, 2));
    // One of them could be closed. Another one has arrived, and holds as well.
    let mut left = found[1..].to_vec();
    left.push(open("late", Action::Deny, 5, 7));
    let second = first
        .intending(4, run(5), none(), (&left, &left), at(3))
        .unwrap();
    assert_eq!(taken(&second), c(1, 3));
    // Nothing of what is closed is remembered.
    let counted = |lane: &LaneState| lane.planned.as_ref().unwrap().counted.clone();
    assert_eq!(counted(&second), BTreeSet::from([1001, 1002, 7]));
    let third = second
        .intending(5, run(5), intent(run(5), c(1, 0)), (&[], &[]), at(4))
        .unwrap();
    assert_eq!((taken(&third), counted(&third)), (c(2, 3), BTreeSet::new()));
}

#[test]
fn what_held_and_holds_no_more_is_counted_by_its_intent_and_given_back_with_it() {
    let found = [open("deny-0", Action::Deny, 5, 0)];
    let none = intent(run(5), c(0, 0));
    let lane = idle(c(0, 2))
        .intending(3, run(5), none, (&found, &found), at(2))
        .unwrap();
    let lane = lane
        .intending(4, run(5), intent(run(5), c(0, 1)), (&[], &found), at(3))
        .unwrap();
    assert_eq!(taken(&lane), c(0, 1));
    let lane = lane.ended(5, Ending::BackOff(at(60)), at(40)).unwrap();
    assert_eq!(taken(&lane), c(0, 0));
}

#[test]
fn a_change_of_another_run_is_no_change_of_the_plan_with_its_ordinal() {
    let newer = [open("p0", Action::Deny, 6, 0)];
    let mine = [open("p0", Action::Deny, 5, 0)];
    let none = || intent(run(5), c(0, 0));
    let lane = idle(c(0, 2))
        .intending(3, run(5), none(), (&mine, &mine), at(2))
        .unwrap();
    let lane = lane
        .intending(4, run(5), none(), (&newer, &newer), at(3))
        .unwrap();
    assert_eq!(taken(&lane), c(0, 2));
}

#[test]
fn an_intent_is_refused_at_another_seq_under_another_plan_or_in_another_phase() {
    let intend = |lane: &LaneState, seq, by| {
        lane.intending(seq, by, intent(run(5), c(1, 0)), (&[], &[]), at(2))
    };
    let lane = idle(c(1, 1));
    assert_eq!(intend(&lane, 2, run(5)), Err(Rejected::Seq));
    assert_eq!(intend(&lane, 4, run(5)), Err(Rejected::Seq));
    assert_eq!(intend(&lane, 3, run(4)), Err(Rejected::Plan));
    let unplanned = LaneState::default();
    assert_eq!(intend(&unplanned, 0, run(5)), Err(Rejected::Plan));
    for phase in PHASES {
        let answer = intend(&in_phase(phase), 3, run(5));
        if phase == Phase::Idle {
            assert!(answer.is_ok());
        } else {
            assert_eq!(answer, Err(Rejected::Phase), "{phase}");
        }
    }
}

#[test]
fn a_start_is_written_down_once_and_for_its_own_intent() {
    let lane = LaneState {
        back_off: 2,
        not_before: Some(at(60)),
        ..starting(c(2, 0), c(2, 0))
    };
    for seq in [3, 5] {
        assert_eq!(lane.started(seq, change_set("cs-9")), Err(Rejected::Seq));
    }
    let next = lane.started(4, change_set("cs-9")).unwrap();
    assert_eq!(next.phase, Phase::InFlight);
    assert_eq!(next.change_set, Some(change_set("cs-9")));
    assert_eq!(next.not_before, None);
    assert_eq!(
        next.back_off, 2,
        "that it was started does not say that it ends well"
    );
    assert_eq!(next.intent, lane.intent);
    assert_eq!(next.started(4, change_set("cs-8")), Err(Rejected::Phase));
    assert_eq!(
        in_phase(Phase::Idle).started(3, change_set("cs-9")),
        Err(Rejected::Phase)
    );
}

#[test]
fn a_change_set_that_succeeded_frees_the_lane_and_keeps_what_it_took() {
    let lane = LaneState {
        back_off: 2,
        not_before: Some(at(60)),
        ..in_flight(c(2, 1), c(2, 1))
    };
    let next = lane.ended(4, succeeded(Some(30)), at(40)).unwrap();
    assert_eq!((next.phase, next.seq), (Phase::Idle, 4));
    assert_eq!((next.intent.clone(), next.change_set.clone()), (None, None));
    assert_eq!((next.not_before, next.back_off), (None, 0));
    assert_eq!(next.last_success, Some(at(40)));
    assert_eq!(next.last_duration_seconds, Some(30));
    assert_eq!(taken(&next), c(2, 1));
}

#[test]
fn a_duration_that_the_service_does_not_tell_leaves_the_last_one() {
    let lane = LaneState {
        last_duration_seconds: Some(12),
        ..in_flight(c(1, 0), c(1, 0))
    };
    let next = lane.ended(4, succeeded(None), at(40)).unwrap();
    assert_eq!(next.last_duration_seconds, Some(12));
}

#[test]
fn changes_of_a_batch_that_came_to_nothing_are_to_be_taken_again() {
    for lane in [
        starting(c(4, 4), c(2, 1)),
        in_flight(c(4, 4), c(2, 1)),
        LaneState {
            back_off: 3,
            ..starting(c(4, 4), c(2, 1))
        },
    ] {
        let next = lane.ended(4, Ending::BackOff(at(60)), at(40)).unwrap();
        assert_eq!(
            (next.phase, next.back_off),
            (Phase::Idle, lane.back_off + 1)
        );
        assert_eq!(next.not_before, Some(at(60)));
        assert_eq!(taken(&next), c(0, 0));
        let next = lane.ended(4, Ending::Blocked(block()), at(40)).unwrap();
        assert_eq!(
            (next.phase, next.block.clone()),
            (Phase::Blocked, Some(block()))
        );
        assert_eq!(taken(&next), c(0, 0));
        assert_eq!((next.intent, next.change_set), (None, None));
        assert_eq!(
            (next.last_success, next.last_duration_seconds),
            (None, None)
        );
    }
}

#[test]
fn what_was_found_to_hold_stays_taken_when_the_batch_comes_to_nothing() {
    let lane = idle(c(4, 4))
        .intending(
            3,
            run(5),
            intent(run(5), c(2, 1)),
            (&holding(c(1, 1)), &[]),
            at(2),
        )
        .unwrap();
    let next = lane.ended(4, Ending::BackOff(at(60)), at(40)).unwrap();
    assert_eq!(taken(&next), c(1, 1));
}

#[test]
fn a_batch_of_an_older_plan_gives_nothing_back_to_the_newer_one() {
    let mut newer = planned(6, c(3, 3));
    newer.taken = c(1, 1);
    let lane = in_flight(c(2, 2), c(2, 2)).committed(newer).unwrap();
    for ending in [Ending::BackOff(at(60)), Ending::Blocked(block())] {
        let next = lane.ended(4, ending, at(40)).unwrap();
        assert_eq!(taken(&next), c(1, 1));
    }
}

#[test]
fn an_end_is_for_the_intent_that_is_under_way() {
    let lane = in_flight(c(1, 0), c(1, 0));
    for seq in [3, 5] {
        assert_eq!(lane.ended(seq, succeeded(None), at(40)), Err(Rejected::Seq));
    }
    for phase in [Phase::Idle, Phase::Blocked, Phase::Suspended] {
        let ended = in_phase(phase).ended(3, succeeded(None), at(40));
        assert_eq!(ended, Err(Rejected::Phase), "{phase}");
    }
    let once = lane.ended(4, succeeded(None), at(40)).unwrap();
    assert_eq!(once.ended(4, succeeded(None), at(41)), Err(Rejected::Phase));
}

#[test]
fn only_an_idle_lane_is_blocked_or_back_off_before_an_intent() {
    for phase in PHASES {
        let lane = in_phase(phase);
        if phase == Phase::Idle {
            let blocked = block_now(&lane, block()).unwrap();
            assert_eq!(
                (blocked.phase, blocked.block),
                (Phase::Blocked, Some(block()))
            );
            let back_off = lane.back_off(at(60)).unwrap();
            assert_eq!((back_off.phase, back_off.back_off), (Phase::Idle, 1));
            assert_eq!(back_off.not_before, Some(at(60)));
        } else {
            assert_eq!(block_now(&lane, block()), Err(Rejected::Phase), "{phase}");
            assert_eq!(lane.back_off(at(60)), Err(Rejected::Phase), "{phase}");
        }
    }
}

#[test]
fn a_block_is_written_only_under_the_plan_and_at_the_seq_that_it_was_found_at() {
    let found = idle(c(1, 0));
    let blocked = |now: &LaneState| now.blocked(found.seq, found.planned_run(), block());
    let newer = found.committed(planned(6, c(0, 0))).unwrap();
    assert_eq!(blocked(&newer), Err(Rejected::Plan));
    let moved = LaneState {
        seq: found.seq + 1,
        ..found.clone()
    };
    assert_eq!(blocked(&moved), Err(Rejected::Seq));
    assert!(blocked(&found).is_ok());
}

#[test]
fn a_tick_takes_the_place_of_older_ones_only() {
    let lane = idle(c(1, 0));
    for number in [0, 6, 7] {
        assert_eq!(lane.ticked(number, at(9)), Err(Rejected::Tick));
    }
    let next = lane.ticked(8, at(9)).unwrap();
    assert_eq!((next.tick, next.tick_at), (8, Some(at(9))));
    assert_eq!(next.ticked(8, at(9)), Err(Rejected::Tick));
}

#[test]
fn an_announcement_is_kept_for_its_run() {
    assert_eq!(idle(c(0, 0)).announced(run(5)).announced, Some(run(5)));
}

#[test]
fn starts_are_back_off_for_longer_each_time_up_to_fifteen_minutes() {
    let delay = |back_off| LaneState {
        back_off,
        ..LaneState::default()
    };
    for (back_off, seconds) in [
        (0, 5),
        (1, 10),
        (2, 20),
        (7, 640),
        (8, 900),
        (u32::MAX, 900),
    ] {
        let half = start() + jiff::SignedDuration::from_millis(seconds * 500);
        assert_eq!(delay(back_off).back_off_until(start(), 0), half);
        let late = delay(back_off).back_off_until(start(), 999);
        assert!(half < late && late < at(seconds), "{back_off}: {late}");
    }
}

#[test]
fn a_plan_is_shown_the_batch_of_a_lane_from_its_intent_to_its_end() {
    let quarantined = vec![ProductChange {
        product: p("q"),
        action: Action::Allow,
    }];
    let in_flight: Vec<_> = [("allow-0", Action::Allow), ("deny-0", Action::Deny)]
        .map(|(product, action)| ProductChange {
            product: p(product),
            action,
        })
        .into();
    let lane = starting(c(1, 1), c(1, 1));
    assert_eq!(
        lane.view(quarantined.clone()),
        LaneView {
            unreadable: std::collections::BTreeSet::new(),
            in_flight,
            quarantined,
            member: None,
        }
    );
    let lane = lane.ended(4, succeeded(None), at(40)).unwrap();
    assert_eq!(lane.view(Vec::new()), LaneView::default());
}

#[test]
fn a_change_set_is_named_after_the_experience_and_its_intent() {
    let experience = ExperienceId::new("exp-1").unwrap();
    let mut lane = starting(c(1, 0), c(1, 0));
    let named = |lane: &LaneState| {
        let name = lane.change_set_name(&experience);
        name.map(|name| name.to_string())
    };
    // An intent of an earlier release has no name of its own.
    assert_eq!(named(&lane).as_deref(), Some("pmp-sync:exp-1:4"));
    let text = "pmp-sync:exp-1:4:0k3f9-abcdefghjk";
    lane.intent.as_mut().unwrap().name = text.parse().ok();
    assert_eq!(named(&lane).as_deref(), Some(text));
    assert_eq!(named(&LaneState::default()), None);
}

/// A change set that somebody gave the same name: an earlier installation, or a person.
#[test]
fn only_a_change_set_with_the_content_and_time_of_the_intent_is_the_intents() {
    let batch = intent(run(5), c(2, 1));
    let set = |started: Timestamp, allow: &[&str], deny: &[&str]| NamedSet {
        id: change_set("cs-1"),
        started: Some(started),
        content: Some(SetContent {
            allow: allow.iter().map(|id| p(id)).collect(),
            deny: deny.iter().map(|id| p(id)).collect(),
            ..SetContent::default()
        }),
    };
    let mine = |at| set(at, &["allow-1", "allow-0"], &["deny-0"]);
    assert!(batch.is_started_by(&mine(at(0))));
    // The clocks differ.
    assert!(batch.is_started_by(&mine(at(-200))));
    assert!(!batch.is_started_by(&mine(at(-400))));
    assert!(!batch.is_started_by(&set(at(0), &["allow-0"], &["deny-0"])));
    assert!(!batch.is_started_by(&set(at(0), &["allow-1", "allow-0"], &[])));
    let of = |content| NamedSet {
        content,
        ..mine(at(0))
    };
    let content = mine(at(0)).content.unwrap();
    for other in [
        SetContent {
            is_more: true,
            ..content.clone()
        },
        SetContent {
            creates_policy: true,
            ..content
        },
    ] {
        assert!(!batch.is_started_by(&of(Some(other))));
    }
    // What the service does not report decides nothing.
    assert!(batch.is_started_by(&NamedSet {
        started: None,
        ..of(None)
    }));
    // The first try may have started it, however often it was tried since.
    let again = starting(c(2, 1), c(2, 1))
        .restarting(4, at(0), at(1_000))
        .unwrap()
        .restarting(4, at(1_000), at(2_000))
        .unwrap();
    let again = again.intent.unwrap();
    assert_eq!((again.at, again.written_at), (at(2_000), Some(at(0))));
    assert!(again.is_started_by(&mine(at(0))));
    assert!(!again.is_started_by(&mine(at(-400))));
}

#[test]
fn an_intent_tells_its_products_by_kind_in_the_order_of_the_request() {
    let batch = intent(run(5), c(2, 1));
    assert_eq!(batch.counts(), c(2, 1));
    let allows: Vec<_> = batch.products(Action::Allow).collect();
    assert_eq!(allows, [&p("allow-0"), &p("allow-1")]);
    assert_eq!(batch.products(Action::Deny).count(), 1);
}

#[test]
fn a_state_is_read_back_as_it_was_written() {
    let vanished = Ending::Vanished(at(60));
    let failed = Ending::Failed {
        change_set: change_set("cs-1"),
        failed: Failed::default(),
    };
    for lane in [
        LaneState::default(),
        in_flight(c(2, 1), c(2, 1)).joined(run(6), run(5)).unwrap(),
        block_now(&idle(c(1, 0)), block()).unwrap(),
        // Denies that count for a day, and a bisect.
        in_flight(c(0, 2), c(0, 2))
            .ended(4, vanished, at(9))
            .unwrap(),
        in_flight(c(0, 2), c(0, 2)).ended(4, failed, at(9)).unwrap(),
        // A lane that has retried twice.
        LaneState {
            retries: 2,
            ..LaneState::default()
        },
    ] {
        let text = serde_json::to_string(&lane).unwrap();
        assert_eq!(serde_json::from_str::<LaneState>(&text).unwrap(), lane);
    }
}

#[test]
fn a_lane_that_never_retried_is_stored_without_a_count() {
    let stored = serde_json::to_value(LaneState::default()).unwrap();
    assert_eq!(stored.get("retries"), None);
}

#[test]
fn an_intent_is_taken_for_a_restart_once_by_whoever_saw_its_last_try() {
    let lane = starting(c(1, 0), c(1, 0));
    let taken = lane.restarting(4, at(0), at(40)).unwrap();
    let intent = taken.intent.clone().unwrap();
    assert_eq!((intent.at, intent.written_at), (at(40), Some(at(0))));
    assert_eq!(taken.last_attempt, Some(at(40)));
    // Another invocation that saw the first try comes too late.
    assert_eq!(taken.restarting(4, at(0), at(41)), Err(Rejected::Phase));
    let again = taken.restarting(4, at(40), at(80)).unwrap();
    let intent = again.intent.clone().unwrap();
    assert_eq!((intent.at, intent.written_at), (at(80), Some(at(0))));
    assert_eq!(lane.restarting(3, at(0), at(40)), Err(Rejected::Seq));
    let flying = in_flight(c(1, 0), c(1, 0));
    assert_eq!(flying.restarting(4, at(0), at(40)), Err(Rejected::Phase));
}

#[test]
fn three_change_sets_that_are_cancelled_in_a_row_block_the_lane() {
    let cancelled = |before: u32, seconds: i64| {
        let lane = LaneState {
            cancelled: before,
            ..in_flight(c(2, 0), c(2, 0))
        };
        let ending = Ending::Cancelled {
            change_set: change_set("cs-1"),
            until: at(seconds + 60),
        };
        lane.ended(4, ending, at(seconds)).unwrap()
    };
    for before in [0, 1] {
        let lane = cancelled(before, 9);
        assert_eq!((lane.phase, lane.not_before), (Phase::Idle, Some(at(69))));
        assert_eq!((lane.cancelled, taken(&lane)), (before + 1, c(0, 0)));
    }
    let lane = cancelled(2, 9);
    assert_eq!((lane.phase, taken(&lane)), (Phase::Blocked, c(0, 0)));
    let block = lane.block.clone().unwrap();
    assert_eq!((block.reason, block.since), (BlockReason::Cancelled, at(9)));
    assert!(block.detail.contains("cs-1"), "{}", block.detail);
    // A new plan tries again, and counts anew. So does a success.
    let next = lane.committed(planned(6, c(2, 0))).unwrap();
    assert_eq!((next.phase, next.cancelled), (Phase::Idle, 0));
    let lane = LaneState {
        cancelled: 2,
        ..in_flight(c(2, 0), c(2, 0))
    };
    let lane = lane.ended(4, succeeded(None), at(9)).unwrap();
    assert_eq!(lane.cancelled, 0);
}

#[test]
fn a_lane_is_at_an_intent_while_it_is_starting_it_and_no_other() {
    let lane = starting(c(1, 0), c(1, 0));
    let intent = lane.intent.clone().unwrap();
    assert!(lane.is_at(&intent));
    let other = Intent {
        token: "another".to_owned(),
        ..intent.clone()
    };
    assert!(!lane.is_at(&other));
    assert!(!in_flight(c(1, 0), c(1, 0)).is_at(&intent));
    assert!(!idle(c(1, 0)).is_at(&intent));
}
