//! The worker over the stateful fakes: one lane from the commit of a plan to Lane Settled, with
//! every message delivered twice, and with each single call failing once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

mod harness;

use pmp_sync_domain::delivery::{Disposition, Record};
use pmp_sync_domain::error::Kind;
use pmp_sync_domain::ids::AccountId;
use pmp_sync_domain::lane::{BlockReason, Phase, Suspension};
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::policy::{Action, PolicySnapshot};
use pmp_sync_domain::ports::Closing;
use pmp_sync_domain::records::SetOutcome;
use pmp_sync_domain::time::later;
use pmp_sync_domain::wire::ChangeMessage;

use crate::harness::{Lane, product, products, run};

/// The binary is built with the tests, so that the end-to-end tests find it.
const _BINARY: &str = env!("CARGO_BIN_EXE_pmp-sync-worker");

#[test]
fn a_plan_takes_the_fewest_change_sets_and_is_announced_once() {
    let lane = Lane::new(PolicySnapshot::default());
    let (allow, deny) = (products("a", 130), products("d", 60));
    let plan = lane.commit(run(1), &allow, &deny);
    lane.send(run(1), &plan);
    lane.drive(1);
    assert_eq!(lane.policy(), PolicySnapshot::new(allow, deny));
    assert_eq!(lane.sets().len(), 3, "{:?}", lane.sets());
    assert_eq!(
        (lane.state().phase, lane.open(), lane.settled()),
        (Phase::Idle, 0, 1)
    );
}

#[test]
fn everything_delivered_twice_changes_nothing() {
    let lane = Lane::new(PolicySnapshot::default());
    let (allow, deny) = (products("a", 70), products("d", 10));
    let plan = lane.commit(run(1), &allow, &deny);
    lane.send(run(1), &plan);
    lane.send(run(1), &plan);
    lane.drive(2);
    assert_eq!(lane.policy(), PolicySnapshot::new(allow, deny));
    assert_eq!(lane.sets().len(), 2);
    assert_eq!((lane.open(), lane.settled()), (0, 1));
}

#[test]
fn a_change_of_an_older_run_is_void_however_late_it_comes() {
    let lane = Lane::new(PolicySnapshot::new(products("p", 1), []));
    let old = lane.commit(run(1), &[], &products("p", 1));
    let new = lane.commit(run(2), &products("n", 1), &[]);
    lane.send(run(2), &new);
    lane.drive(1);
    lane.send(run(1), &old);
    lane.drive(1);
    assert_eq!(
        lane.policy(),
        PolicySnapshot::new([products("p", 1), products("n", 1)].concat(), [])
    );
    assert_eq!(lane.sets(), [(1, 0)]);
}

#[test]
fn what_holds_already_is_closed_without_a_change_set() {
    let lane = Lane::new(PolicySnapshot::new(products("p", 3), []));
    let plan = lane.commit(run(1), &products("p", 3), &[]);
    lane.send(run(1), &plan);
    lane.drive(1);
    assert!(lane.sets().is_empty());
    assert_eq!((lane.open(), lane.settled()), (0, 1));
    let closed = lane.world.ledger(|ledger| {
        ledger
            .items
            .values()
            .filter(|item| item.closed == Some(Closing::Holding))
            .count()
    });
    assert_eq!(closed, 3);
}

#[test]
fn a_lane_does_not_wait_for_ever_for_changes_that_never_come() {
    let lane = Lane::new(PolicySnapshot::default());
    let plan = lane.commit(run(1), &products("a", 10), &[]);
    lane.send(
        run(1),
        &Plan::new(plan.allow().iter().take(4).cloned().collect(), [].into()),
    );
    lane.drive(1);
    assert_eq!(lane.sets(), [(4, 0)]);
    assert_eq!(
        lane.settled(),
        0,
        "a plan that is not whole has not settled"
    );
}

#[test]
fn what_cannot_be_claimed_is_dead_lettered_with_its_code() {
    let lane = Lane::new(PolicySnapshot::default());
    let foreign = ChangeMessage {
        run: run(1),
        account: AccountId::new("333333333333").unwrap(),
        experience: lane.id.experience.clone(),
        product: product("p"),
        action: Action::Deny,
        ordinal: 0,
    };
    let unknown = ChangeMessage {
        account: lane.id.account.clone(),
        ..foreign.clone()
    };
    for body in [
        "not json".to_owned(),
        "{\"schema\":2,\"kind\":\"tick\"}".to_owned(),
        foreign.to_body(),
        unknown.to_body(),
    ] {
        lane.push(&body);
    }
    lane.drive(1);
    let codes: Vec<_> = lane
        .world
        .dead_of(&lane.id.account)
        .into_iter()
        .map(|(_, attributes)| attributes["code"].clone())
        .collect();
    assert_eq!(codes, ["PMS-5001", "PMS-5001", "PMS-5002", "PMS-5003"]);
    assert!(lane.sets().is_empty());
}

#[test]
fn a_bad_product_is_quarantined_and_the_others_get_through() {
    let lane = Lane::new(PolicySnapshot::default());
    lane.world
        .experiences(|experiences| experiences.make_bad(product("prod-a0031")));
    let plan = lane.commit(run(1), &products("a", 50), &products("d", 20));
    lane.send(run(1), &plan);
    lane.drive(1);
    let mut good = products("a", 50);
    good.retain(|id| id.as_str() != "prod-a0031");
    assert_eq!(lane.policy(), PolicySnapshot::new(good, products("d", 20)));
    assert_eq!(
        (lane.state().phase, lane.open(), lane.settled()),
        (Phase::Idle, 0, 1)
    );
    assert!(lane.sets().len() <= 13, "{:?}", lane.sets());
    let dead = lane.world.dead_of(&lane.id.account);
    let [(body, attributes)] = dead.as_slice() else {
        panic!("{dead:?}")
    };
    assert!(body.contains("prod-a0031"));
    assert_eq!(
        (
            attributes["reason"].as_str(),
            attributes["error_code"].as_str()
        ),
        ("quarantined", "INVALID_PRODUCT")
    );
    assert!(attributes.contains_key("change_set") && attributes["run"] == run(1).to_string());
}

#[test]
fn a_lane_on_which_everything_fails_is_blocked_and_a_new_plan_frees_it() {
    let lane = Lane::new(PolicySnapshot::default());
    for bad in ["one", "two"] {
        lane.world
            .experiences(|experiences| experiences.make_bad(product(bad)));
    }
    let plan = lane.commit(run(1), &[product("one"), product("two")], &[]);
    lane.send(run(1), &plan);
    lane.drive(1);
    let state = lane.state();
    assert_eq!(state.phase, Phase::Blocked);
    assert_eq!(
        state.block.map(|block| block.reason),
        Some(BlockReason::ChangeSetFailed)
    );
    assert_eq!(lane.policy(), PolicySnapshot::default());
    assert!(lane.world.dead_of(&lane.id.account).is_empty());
    let plan = lane.commit(run(2), &[product("good")], &[]);
    lane.send(run(2), &plan);
    lane.drive(1);
    assert_eq!(lane.policy(), PolicySnapshot::new([product("good")], []));
    assert_eq!((lane.state().phase, lane.open()), (Phase::Idle, 0));
}

#[test]
fn the_service_failing_a_few_times_only_takes_longer() {
    let lane = Lane::new(PolicySnapshot::default());
    lane.world
        .experiences(|experiences| experiences.fail_next_sets(4));
    let plan = lane.commit(run(1), &products("a", 3), &[]);
    lane.send(run(1), &plan);
    lane.drive(1);
    assert_eq!(lane.policy(), PolicySnapshot::new(products("a", 3), []));
    assert_eq!(lane.sets().len(), 5);
    let waits: Vec<_> = lane.world.experiences(|experiences| {
        let sets = experiences.change_sets().windows(2);
        sets.map(|pair| pair[1].started.duration_since(pair[0].ends).as_secs())
            .collect()
    });
    assert!(waits.is_sorted() && waits[3] >= 20, "{waits:?}");
}

#[test]
fn somebody_elses_change_set_is_waited_for() {
    let lane = Lane::new(PolicySnapshot::default());
    let now = lane.world.time();
    lane.world.experiences(|experiences| {
        experiences.lock_until(&lane.id.experience, now, later(now, 300));
    });
    let plan = lane.commit(run(1), &products("a", 3), &[]);
    lane.send(run(1), &plan);
    lane.drive(1);
    assert_eq!(lane.policy(), PolicySnapshot::new(products("a", 3), []));
    assert_eq!((lane.state().phase, lane.settled()), (Phase::Idle, 1));
}

#[test]
fn a_change_set_that_an_administrator_cancels_is_tried_a_few_times_and_then_blocks() {
    let lane = Lane::new(PolicySnapshot::default());
    let plan = lane.commit(run(1), &products("a", 3), &[]);
    lane.send(run(1), &plan);
    let mut cancelled = 0;
    lane.drive_with(1, || {
        cancelled += usize::from(
            lane.world
                .experiences(|experiences| experiences.cancel(&lane.id.experience)),
        );
    });
    assert_eq!(cancelled, 3);
    assert_eq!(
        lane.state().block.map(|block| block.reason),
        Some(BlockReason::Cancelled)
    );
}

#[test]
fn a_change_set_that_vanishes_is_given_up_after_a_while_and_the_rest_is_done() {
    let lane = Lane::new(PolicySnapshot::default());
    let plan = lane.commit(run(1), &products("a", 3), &[]);
    lane.send(run(1), &plan);
    let mut vanished = false;
    lane.drive_with(1, || {
        let set = lane.state().change_set;
        if let (Some(set), false) = (set, vanished) {
            vanished = true;
            lane.world
                .experiences(|experiences| experiences.forget(&set));
        }
    });
    assert!(vanished);
    assert_eq!(lane.policy(), PolicySnapshot::new(products("a", 3), []));
    assert_eq!((lane.state().phase, lane.open()), (Phase::Idle, 0));
    assert_eq!(
        lane.sets().len(),
        1,
        "what it did is seen, and not done again"
    );
    let [record] = lane.records(None).try_into().unwrap();
    assert_eq!(record.outcome, SetOutcome::Vanished);
}

#[test]
fn a_suspended_lane_starts_nothing_and_lets_what_is_in_flight_end() {
    let lane = Lane::new(PolicySnapshot::default());
    let plan = lane.commit(run(1), &products("a", 120), &[]);
    lane.send(run(1), &plan);
    let mut suspended = false;
    lane.drive_with(1, || {
        if lane.state().phase == Phase::InFlight && !suspended {
            suspended = true;
            let by = Suspension {
                by: None,
                since: lane.world.time(),
            };
            lane.change(|state| state.suspended(by.clone()).unwrap());
        }
    });
    assert_eq!(lane.sets().len(), 1);
    assert_eq!(lane.policy().allowed().len(), lane.sets()[0].0);
    assert_eq!(lane.state().phase, Phase::Suspended);
}

#[test]
fn an_invocation_without_time_leaves_its_messages() {
    let lane = Lane::new(PolicySnapshot::default());
    let plan = lane.commit(run(1), &products("a", 1), &[]);
    let change = plan.in_sending_order().remove(0);
    let message = ChangeMessage {
        run: run(1),
        account: lane.id.account.clone(),
        experience: lane.id.experience.clone(),
        product: change.product,
        action: change.action,
        ordinal: 0,
    };
    let records = [Record {
        id: "1".to_owned(),
        body: message.to_body(),
        ..Record::default()
    }];
    let deadline = later(lane.world.time(), 5);
    let dispositions = lane.handle(&records, deadline);
    assert_eq!(dispositions, [Disposition::Retry]);
    assert!(lane.sets().is_empty());
}

#[test]
fn an_archived_experience_blocks_the_lane() {
    let lane = Lane::new(PolicySnapshot::default());
    lane.world.experiences(|experiences| {
        experiences.edit(&lane.id.experience, |experience, _| {
            experience.archived = true;
        });
    });
    let plan = lane.commit(run(1), &[product("p")], &[]);
    lane.send(run(1), &plan);
    lane.drive(1);
    assert_eq!(
        lane.state().block.map(|block| block.reason),
        Some(BlockReason::Archived)
    );
}

#[test]
fn any_single_call_may_fail_and_the_lane_still_ends_where_it_should() {
    let calls = {
        let lane = Lane::new(PolicySnapshot::new(products("h", 2), []));
        let plan = lane.commit(run(1), &products("a", 60), &products("h", 2));
        lane.send(run(1), &plan);
        lane.drive(1);
        lane.world.failing(|failing| failing.total())
    };
    assert!(calls > 100, "{calls}");
    for (kind, lost) in [
        (Kind::Retryable, false),
        (Kind::Throttled, false),
        (Kind::Retryable, true),
    ] {
        for nth in 1..=calls {
            let lane = Lane::new(PolicySnapshot::new(products("h", 2), []));
            lane.world.failing(|failing| {
                if lost {
                    failing.lose_nth(nth, kind);
                } else {
                    failing.fail_nth(nth, kind);
                }
            });
            let plan = lane.commit(run(1), &products("a", 60), &products("h", 2));
            lane.send(run(1), &plan);
            lane.drive(1);
            let expected = PolicySnapshot::new(products("a", 60), products("h", 2));
            assert_eq!(
                lane.policy(),
                expected,
                "call {nth} fails as {kind:?}, after its effect: {lost}"
            );
            assert_eq!(
                (lane.state().phase, lane.open()),
                (Phase::Idle, 0),
                "call {nth} fails as {kind:?}, after its effect: {lost}"
            );
        }
    }
}

/// Which products were in which change set, how it ended, and when.
#[test]
fn every_change_set_is_on_record_by_the_time_its_lane_is_free() {
    let lane = Lane::new(PolicySnapshot::default());
    lane.world
        .experiences(|experiences| experiences.fail_next_sets(1));
    let (allow, deny) = (products("a", 60), products("d", 2));
    let plan = lane.commit(run(1), &allow, &deny);
    lane.send(run(1), &plan);
    lane.drive_with(1, || {
        let state = lane.state();
        let ended = state.seq - u64::from(state.intent.is_some());
        assert_eq!(lane.records(None).len() as u64, ended);
    });
    let records = lane.records(None);
    let told: Vec<_> = records
        .iter()
        .map(|record| (record.seq, record.outcome, record.detail.is_some()))
        .collect();
    assert_eq!(
        told,
        [
            (1, SetOutcome::ServerFault, true),
            (2, SetOutcome::Succeeded, false),
            (3, SetOutcome::Succeeded, false),
        ]
    );
    lane.world.experiences(|experiences| {
        for (set, record) in experiences.change_sets().iter().zip(&records) {
            assert_eq!(set.id, record.change_set);
            let of = |action| {
                let changes = set.changes.iter().filter(move |(_, of)| *of == action);
                changes.map(|(product, _)| product).cloned()
            };
            assert!(of(Action::Allow).eq(record.allow.iter().cloned()));
            assert!(of(Action::Deny).eq(record.deny.iter().cloned()));
            assert!(record.started_at <= set.started && set.ends <= record.ended_at);
        }
    });
    assert_eq!(lane.records(Some(run(1))), records);
    assert!(lane.records(Some(run(2))).is_empty());
}

/// The lane is not freed without its record, and continues by its Ticks once the record can be
/// written.
#[test]
fn a_change_set_that_cannot_be_put_on_record_is_settled_once_it_can() {
    for lost in [false, true] {
        let lane = Lane::new(PolicySnapshot::default());
        lane.world.failing(|failing| {
            if lost {
                failing.lose_next("KeepSet", 7, Kind::Retryable);
            } else {
                failing.fail_next("KeepSet", 7, Kind::Throttled);
            }
        });
        let plan = lane.commit(run(1), &products("a", 3), &[]);
        lane.send(run(1), &plan);
        lane.drive_with(1, || {
            if lane.world.failing(|failing| failing.calls("KeepSet")) < 8 {
                assert_ne!((lane.state().phase, lane.sets().len()), (Phase::Idle, 1));
            }
        });
        assert_eq!((lane.state().phase, lane.open()), (Phase::Idle, 0));
        assert_eq!(lane.settled(), 1);
        let [record] = lane.records(None).try_into().unwrap();
        assert_eq!(record.outcome, SetOutcome::Succeeded);
    }
}

#[test]
fn how_a_change_set_failed_is_on_record_in_the_services_words() {
    let lane = Lane::new(PolicySnapshot::default());
    lane.world
        .experiences(|experiences| experiences.make_bad(product("prod-a0000")));
    let plan = lane.commit(run(1), &products("a", 2), &[]);
    lane.send(run(1), &plan);
    let mut cancelled = false;
    lane.drive_with(1, || {
        let experiences =
            |experiences: &mut pmp_sync_fakes::Experiences| experiences.cancel(&lane.id.experience);
        cancelled = cancelled || lane.world.experiences(experiences);
    });
    let records = lane.records(None);
    assert_eq!(records[0].outcome, SetOutcome::Cancelled);
    assert_eq!(records[1].outcome, SetOutcome::Failed);
    let words = records[1].detail.clone().unwrap();
    assert!(words.contains("INVALID_PRODUCT"), "{words}");
    assert_eq!(
        records.last().map(|record| record.outcome),
        Some(SetOutcome::Succeeded)
    );
}

/// The event is a hint. A bus that accepts nothing must not send the messages of a settled lane back to
/// their queue until its retention ends.
#[test]
fn an_event_that_cannot_be_put_holds_back_no_message() {
    for kind in [Kind::Denied, Kind::Retryable, Kind::Throttled] {
        let lane = Lane::new(PolicySnapshot::default());
        let plan = lane.commit(run(1), &products("a", 3), &[]);
        lane.send(run(1), &plan);
        let times = if kind == Kind::Denied { u64::MAX } else { 5 };
        lane.world
            .failing(|failing| failing.fail_next("PutEvents", times, kind));
        lane.drive(1);
        assert_eq!(lane.returned.get(), 0, "{kind:?}");
        assert_eq!(lane.policy(), PolicySnapshot::new(products("a", 3), []));
        assert_eq!(lane.open(), 0);
        // A refusal does not end by itself: the lane rests until something wakes it.
        let expected = match kind {
            Kind::Denied => (0, None),
            _ => (1, Some(run(1))),
        };
        assert_eq!((lane.settled(), lane.state().announced), expected);
    }
}
