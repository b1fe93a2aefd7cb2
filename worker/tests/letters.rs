//! One quarantined change has one dead letter, also if two invocations are at it, or one is interrupted.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

mod harness;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::executor::block_on;
use futures::future::join;
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::delivery::Record;
use pmp_sync_domain::error::Kind;
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::ports::Lanes as _;
use pmp_sync_fakes::Fate;
use pmp_sync_worker::handle;

use crate::harness::{Lane, product, products, run};

fn with_a_bad_product() -> Lane {
    let lane = Lane::new(PolicySnapshot::default());
    let bad = product("prod-a0003");
    lane.world.experiences(|all| all.make_bad(bad));
    let plan = lane.commit(run(1), &products("a", 8), &[]);
    lane.send(run(1), &plan);
    lane
}

fn letters(lane: &Lane) -> usize {
    lane.world.dead_of(&lane.id.account).len()
}

/// The next messages of the member's queue, which are acknowledged whatever comes of them, at the time at which they are due.
fn records(lane: &Lane) -> Option<Vec<Record>> {
    let account = &lane.id.account;
    if let Some(due) = lane.world.changes(account, |queue| queue.next_due()) {
        lane.world.advance_to(due);
    }
    let now = lane.world.time();
    let batch = lane.world.changes(account, |queue| queue.take(now, 10));
    let records = batch.iter().map(|delivery| Record {
        id: delivery.id.to_string(),
        body: delivery.body.clone(),
        ..Record::default()
    });
    (!batch.is_empty()).then(|| records.collect())
}

/// Each message goes to two invocations at once, whose calls alternate.
#[test]
fn two_invocations_at_once_send_one_letter() {
    let lane = with_a_bad_product();
    lane.world.failing(|failing| failing.interleave(true));
    let worker = lane.worker.borrow();
    for _ in 0..5_000 {
        let Some(records) = records(&lane) else { break };
        let one = handle(&worker, &records, Timestamp::MAX);
        let other = handle(&worker, &records, Timestamp::MAX);
        block_on(join(one, other));
    }
    assert_eq!(lane.policy().allowed().len(), 7);
    assert_eq!(letters(&lane), 1);
}

/// The call fails once, before or after its effect. Only a letter that was sent and whose sending is
/// not known comes twice.
#[test]
fn a_letter_that_could_not_be_sent_is_sent_by_a_later_invocation() {
    for (operation, fate, expected) in [
        ("SendMessage", Fate::Refuse(Kind::Retryable), 1),
        ("SendMessage", Fate::Lose(Kind::Retryable), 2),
        ("Quarantine", Fate::Refuse(Kind::Retryable), 1),
        ("Quarantine", Fate::Lose(Kind::Retryable), 1),
    ] {
        let lane = with_a_bad_product();
        let mut done = false;
        lane.world.failing(|failing| {
            failing.decide_by(move |call| {
                let is_letter = operation != "SendMessage" || call.thing == "dead letters";
                if done || call.operation != operation || !is_letter {
                    return Fate::Go;
                }
                done = true;
                fate
            });
        });
        lane.drive(1);
        assert_eq!(lane.policy().allowed().len(), 7, "{operation} {fate:?}");
        assert_eq!(letters(&lane), expected, "{operation} {fate:?}");
        let quarantined = block_on(lane.world.quarantined(&lane.id)).unwrap();
        assert_eq!(quarantined.items.len(), 1, "{operation} {fate:?}");
        assert!(lane.state().bisect.is_idle(), "{operation} {fate:?}");
    }
}

/// Nothing is open beside the quarantined change: the next Tick comes while the interrupted invocation
/// may still be running, and it is the last one of its chain.
#[test]
fn a_letter_that_could_not_be_sent_is_sent_although_no_other_message_is_left() {
    let lane = Lane::new(PolicySnapshot::default());
    let bad = product("prod-a0001");
    lane.world.experiences(|all| all.make_bad(bad.clone()));
    let plan = lane.commit(run(1), &products("a", 2), &[]);
    let (good, last) = (
        Plan::new([product("prod-a0000")].into(), [].into()),
        Plan::new([bad].into(), [].into()),
    );
    assert_eq!(plan.len(), good.len() + last.len());
    lane.send(run(1), &good);
    lane.drive(1);
    lane.world.failing(|failing| {
        let mut done = false;
        failing.decide_by(move |call| {
            let is_letter = call.operation == "SendMessage" && call.thing == "dead letters";
            if is_letter && !done {
                done = true;
                return Fate::Refuse(Kind::Retryable);
            }
            Fate::Go
        });
    });
    lane.send(run(1), &last);
    lane.drive(1);
    assert_eq!(letters(&lane), 1);
    assert!(lane.state().bisect.is_idle());
    assert_eq!(lane.settled(), 1);
}

/// The message of the invocation that wrote the item is acknowledged, because a Tick is on its way. Before that comes, a run commits a
/// new plan, which ends the bisect.
#[test]
fn a_letter_that_could_not_be_sent_is_sent_although_a_new_plan_was_committed_meanwhile() {
    let lane = with_a_bad_product();
    let refused = Arc::new(AtomicBool::new(false));
    let tells = Arc::clone(&refused);
    lane.world.failing(|failing| {
        failing.decide_by(move |call| {
            let is_letter = call.operation == "SendMessage" && call.thing == "dead letters";
            if is_letter && !tells.swap(true, Ordering::SeqCst) {
                return Fate::Refuse(Kind::Retryable);
            }
            Fate::Go
        });
    });
    while !refused.load(Ordering::SeqCst) {
        let records = records(&lane).expect("the letter was tried");
        block_on(handle(&lane.worker.borrow(), &records, Timestamp::MAX));
    }
    let quarantined = block_on(lane.world.quarantined(&lane.id)).unwrap();
    assert_eq!((quarantined.items.len(), letters(&lane)), (1, 0));
    let plan = lane.commit(run(2), &products("b", 1), &[]);
    lane.send(run(2), &plan);
    lane.drive(1);
    assert_eq!(letters(&lane), 1);
    assert!(lane.state().bisect.is_idle());
}
