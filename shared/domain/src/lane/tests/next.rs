//! The next step of a lane, and what goes into a batch.

use proptest::prelude::*;

use super::*;
use crate::policy::PolicySnapshot;

const TIMEOUT: i64 = 30;

fn next_at(lane: &LaneState, open: &[OpenChange], seconds: i64) -> Next {
    next(lane, open, TIMEOUT, at(seconds))
}

fn with_taken(totals: Counts, taken: Counts) -> LaneState {
    let mut lane = idle(totals);
    lane.planned.as_mut().unwrap().taken = taken;
    lane
}

fn nothing() -> PolicySnapshot {
    PolicySnapshot::default()
}

#[test]
fn a_lane_that_is_in_flight_blocked_or_suspended_stays_whatever_is_open() {
    let open = [
        open("a", Action::Allow, 5, 0),
        open("b", Action::Deny, 4, 0),
    ];
    for phase in [Phase::InFlight, Phase::Blocked, Phase::Suspended] {
        assert_eq!(next_at(&in_phase(phase), &open, 60), Next::Stay, "{phase}");
    }
}

#[test]
fn a_lane_that_is_starting_is_guarded_by_its_live_tick() {
    // The intent was written at the start, by an invocation that runs for 30 s at most.
    let lane = starting(c(1, 0), c(1, 0));
    let guard = |due| Next::Guard { number: 8, due };
    assert_eq!(next_at(&lane, &[], 0), guard(at(31)));
    assert_eq!(next_at(&lane, &[], 10), guard(at(31)));
    assert_eq!(next_at(&lane, &[], 500), guard(at(625)));
}

#[test]
fn a_lane_without_a_plan_rests() {
    let lane = LaneState::default();
    assert_eq!(next_at(&lane, &[], 0), Next::Rest(None));
}

#[test]
fn a_lane_that_has_done_its_plan_rests_and_announces_it_once() {
    let lane = with_taken(c(2, 1), c(2, 1));
    assert_eq!(next_at(&lane, &[], 0), Next::Rest(Some(run(5))));
    let announced = lane.announced(run(5));
    assert_eq!(next_at(&announced, &[], 0), Next::Rest(None));
    // That an older run was announced is no reason to keep quiet.
    let older = lane.announced(run(4));
    assert_eq!(next_at(&older, &[], 0), Next::Rest(Some(run(5))));
}

#[test]
fn a_lane_has_not_settled_while_announced_changes_are_on_their_way() {
    let lane = with_taken(c(2, 1), c(2, 0));
    assert_eq!(next_at(&lane, &[], 0), Next::Rest(None));
}

#[test]
fn changes_of_older_runs_are_closed_before_anything_else() {
    let lane = LaneState {
        not_before: Some(at(600)),
        ..idle(c(1, 0))
    };
    let old = [
        open("b", Action::Deny, 4, 0),
        open("c", Action::Allow, 3, 1),
    ];
    let [first, second] = old.clone();
    let open = [first, open("a", Action::Allow, 5, 0), second];
    assert_eq!(next_at(&lane, &open, 60), Next::Supersede(old.to_vec()));
}

#[test]
fn a_change_of_the_plan_itself_is_not_superseded() {
    let lane = idle(c(1, 0));
    let open = [open("a", Action::Allow, 5, 0)];
    assert_eq!(next_at(&lane, &open, 0), Next::Choose(open.to_vec()));
}

#[test]
fn nothing_is_chosen_before_the_lane_may_go_on() {
    let lane = LaneState {
        not_before: Some(at(60)),
        ..idle(c(1, 0))
    };
    let open = [open("a", Action::Allow, 5, 0)];
    assert_eq!(next_at(&lane, &open, 59), Next::Wait { until: at(60) });
    assert_eq!(next_at(&lane, &open, 60), Next::Choose(open.to_vec()));
}

#[test]
fn a_partial_batch_waits_for_the_rest_of_the_plan_for_five_seconds() {
    let lane = idle(c(2, 0));
    let mut open = vec![open("a", Action::Allow, 5, 0)];
    assert_eq!(next_at(&lane, &open, 0), Next::Wait { until: at(5) });
    assert_eq!(next_at(&lane, &open, 4), Next::Wait { until: at(5) });
    assert_eq!(next_at(&lane, &open, 5), Next::Choose(open.clone()));
    // The oldest counts.
    open.push(OpenChange {
        claimed_at: at(3),
        ..open[0].clone()
    });
    let lane = idle(c(3, 0));
    assert_eq!(next_at(&lane, &open, 4), Next::Wait { until: at(5) });
    assert_eq!(next_at(&lane, &open, 5), Next::Choose(open.clone()));
}

#[test]
fn the_whole_rest_of_a_plan_does_not_wait() {
    let lane = with_taken(c(3, 1), c(2, 0));
    let open = [
        open("a", Action::Allow, 5, 2),
        open("x", Action::Deny, 5, 3),
    ];
    assert_eq!(next_at(&lane, &open, 0), Next::Choose(open.to_vec()));
}

#[test]
fn a_full_batch_does_not_wait_for_the_rest_of_the_plan() {
    let lane = idle(c(100, 0));
    let full = claimed(Action::Allow, 50);
    assert_eq!(next_at(&lane, &full, 0), Next::Choose(full.clone()));
    let one_short = &full[..49];
    assert_eq!(next_at(&lane, one_short, 0), Next::Wait { until: at(5) });
}

#[test]
fn changes_are_chosen_in_the_order_in_which_they_were_sent() {
    let lane = idle(c(3, 0));
    let [a, b, d] = [("a", 2), ("b", 0), ("d", 1)]
        .map(|(product, ordinal)| open(product, Action::Allow, 5, ordinal));
    let chosen = next_at(&lane, &[a.clone(), b.clone(), d.clone()], 0);
    assert_eq!(chosen, Next::Choose(vec![b, d, a]));
}

#[test]
fn a_lane_of_which_all_that_is_claimed_failed_alone_waits_five_minutes_for_the_rest_of_its_plan() {
    // One of two announced changes is claimed, and fails alone.
    let failed = Ending::Failed {
        change_set: change_set("cs-1"),
        failed: Failed::default(),
    };
    let lane = in_flight(c(2, 0), c(1, 0));
    let lane = lane.ended(4, failed, at(9)).unwrap();
    let open = claimed(Action::Allow, 1);
    assert_eq!(next_at(&lane, &open, 10), Next::Wait { until: at(300) });
    assert_eq!(next_at(&lane, &open, 299), Next::Wait { until: at(300) });
    let Next::Block(block) = next_at(&lane, &open, 300) else {
        panic!("{:?}", next_at(&lane, &open, 300));
    };
    assert_eq!(block.reason, BlockReason::ChangeSetFailed);
    assert_eq!(block.since, at(300));
    // With nothing on its way there is nothing to wait for.
    let mut last = lane.clone();
    last.planned.as_mut().unwrap().totals = c(0, 0);
    assert!(matches!(next_at(&last, &open, 10), Next::Block(_)));
}

#[test]
fn what_is_outstanding_is_announced_or_claimed_whichever_is_more() {
    let claims = [claimed(Action::Allow, 3), claimed(Action::Deny, 1)].concat();
    assert_eq!(outstanding(&with_taken(c(9, 9), c(8, 4)), &claims), c(3, 5));
    assert_eq!(outstanding(&LaneState::default(), &claims), c(3, 1));
    assert_eq!(outstanding(&with_taken(c(9, 9), c(9, 9)), &[]), c(0, 0));
}

#[test]
fn what_holds_already_is_closed_and_does_not_go_into_the_batch() {
    let claims = [
        open("held-allow", Action::Allow, 5, 0),
        open("allow", Action::Allow, 5, 1),
        open("held-deny", Action::Deny, 5, 2),
        open("deny-allowed", Action::Deny, 5, 3),
        open("deny-unlisted", Action::Deny, 5, 4),
    ];
    let actual = PolicySnapshot::new(
        [p("held-allow"), p("deny-allowed")],
        [p("allow"), p("held-deny")],
    );
    let Choice { batch, holding } = choose(&idle(c(2, 3)), &claims, &actual, start());
    let [held_allow, allow, held_deny, deny_allowed, deny_unlisted] = claims;
    assert_eq!(holding, [held_allow, held_deny]);
    assert_eq!(batch, [allow, deny_allowed, deny_unlisted]);
}

#[test]
fn a_batch_takes_the_first_fifty_of_each_kind() {
    let claims = [claimed(Action::Deny, 51), claimed(Action::Allow, 70)].concat();
    let Choice { batch, holding } = choose(&idle(c(70, 51)), &claims, &nothing(), start());
    let [denies, allows] = [&claims[..50], &claims[51..101]];
    assert_eq!(batch, [allows, denies].concat());
    assert!(holding.is_empty());
}

#[test]
fn a_batch_that_is_partial_once_the_policy_is_known_waits_and_closes_what_holds() {
    // Fifty of 101 leave two change sets of three; 49 of 100 would leave two of two.
    let claims = claimed(Action::Allow, 50);
    let actual = PolicySnapshot::new([p("allow-7")], []);
    let lane = idle(c(101, 0));
    assert_eq!(next_at(&lane, &claims, 0), Next::Choose(claims.clone()));
    let choice = choose(&lane, &claims, &actual, start());
    assert!(choice.batch.is_empty());
    assert_eq!(choice.holding, [claims[7].clone()]);
    // After five seconds the rest goes.
    let choice = choose(&lane, &claims, &actual, at(5));
    assert_eq!(choice.batch.len(), 49);
}

#[test]
fn nothing_is_started_when_all_that_is_claimed_holds() {
    let claims = claimed(Action::Allow, 2);
    let actual = PolicySnapshot::new([p("allow-0"), p("allow-1")], []);
    let choice = choose(&idle(c(2, 0)), &claims, &actual, at(60));
    assert_eq!((choice.batch, choice.holding), (Vec::new(), claims));
}

proptest! {
    /// Every claimed change is in the batch, holds or is left for later; the batch is in order,
    /// fits into one change set, and nothing in it holds.
    #[test]
    fn a_choice_fits_into_one_change_set_and_loses_nothing(
        kinds in prop::collection::vec((any::<bool>(), 0_u8..3), 0..130),
        more in (0_usize..60, 0_usize..60),
        seconds in 0_i64..10,
    ) {
        let mut lists = (Vec::new(), Vec::new());
        let mut claims = Vec::new();
        for (ordinal, (is_allow, standing)) in (0_u32..).zip(kinds) {
            let action = if is_allow { Action::Allow } else { Action::Deny };
            let change = open(&format!("p{ordinal}"), action, 5, ordinal);
            match standing {
                0 => lists.0.push(change.product.clone()),
                1 => lists.1.push(change.product.clone()),
                _ => {}
            }
            claims.push(change);
        }
        let actual = PolicySnapshot::new(lists.0, lists.1);
        let count = counts(claims.iter().map(|change| change.action));
        let lane = idle(count.plus(c(more.0, more.1)));
        let Choice { batch, holding } = choose(&lane, &claims, &actual, at(seconds));
        let holds = |change: &&OpenChange| actual.standing(&change.product) == change.action.outcome();
        prop_assert!(claims.iter().filter(holds).eq(&holding));
        prop_assert!(!batch.iter().any(|change| holds(&change)));
        for action in [Action::Allow, Action::Deny] {
            let of = |list: &[OpenChange]| -> Vec<OpenChange> {
                list.iter().filter(|change| change.action == action).cloned().collect()
            };
            let (taken, left) = (of(&batch), of(&claims).into_iter().filter(|change| !holds(&change)));
            prop_assert!(taken.len() <= BATCH);
            // The first ones, as many as fit, or none at all.
            if batch.is_empty() {
                prop_assert!(taken.is_empty());
            } else {
                prop_assert!(left.take(BATCH).eq(taken));
            }
        }
        let open_left = claims.len() > holding.len();
        if seconds >= MOST_WAIT {
            prop_assert_eq!(batch.is_empty(), !open_left);
        }
    }

    /// Whatever the state, a lane with something claimed under its plan either goes on or says when.
    #[test]
    fn a_lane_with_claimed_changes_goes_on_or_knows_when(
        count in 1_usize..120, announced in 0_usize..120, wait in prop::option::of(-10_i64..10), seconds in 0_i64..20,
    ) {
        let lane = LaneState { not_before: wait.map(at), ..idle(c(announced, 0)) };
        let open = claimed(Action::Allow, count);
        match next_at(&lane, &open, seconds) {
            Next::Choose(chosen) => prop_assert_eq!(chosen, open),
            Next::Wait { until } => {
                prop_assert!(until > at(seconds));
                prop_assert!(matches!(next(&lane, &open, TIMEOUT, until.max(at(MOST_WAIT))), Next::Choose(_)));
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }
}
