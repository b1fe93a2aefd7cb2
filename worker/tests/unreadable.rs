//! Items that a newer release wrote, on one lane: no message of the lane is lost, and no other lane waits.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

mod harness;

use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::time::later;
use pmp_sync_fakes::ItemKey;

use crate::harness::{Lane, products, run};

/// How long the items cannot be read, in seconds: several deliveries.
const WHILE: i64 = 900;

/// Drives both lanes, and lets the item be read after a while. `meanwhile` is what must be so just
/// before that.
fn drive(lane: &Lane, key: &ItemKey, meanwhile: impl Fn()) {
    let upgraded = later(lane.world.time(), WHILE);
    lane.world.ledger(|ledger| ledger.newer.insert(key.clone()));
    let mut done = false;
    lane.drive_with(1, || {
        if !done && lane.world.time() >= upgraded {
            done = true;
            meanwhile();
            lane.world.ledger(|ledger| ledger.newer.clear());
        }
    });
    assert!(done, "nothing came again");
}

fn two_lanes() -> (Lane, Lane) {
    let one = Lane::new(PolicySnapshot::default());
    let other = one.beside("exp-2", PolicySnapshot::default());
    for lane in [&one, &other] {
        let plan = lane.commit(run(1), &products("a", 4), &[]);
        lane.send(run(1), &plan);
    }
    (one, other)
}

#[test]
fn messages_of_a_lane_whose_state_cannot_be_read_come_again_and_hold_no_other_lane_back() {
    let (one, other) = two_lanes();
    one.wake();
    let before = one.state();
    drive(&one, &ItemKey::LaneState(one.id.clone()), || {
        assert_eq!(other.policy().allowed().len(), 4);
        assert_eq!(other.state().intent, None);
        assert_eq!(one.policy().allowed().len(), 0);
        one.world.ledger(|ledger| {
            assert_eq!(ledger.lanes[&one.id], before, "it is not overwritten");
        });
    });
    // Four changes and a Tick, at each delivery.
    assert!(one.returned.get() >= 5, "{}", one.returned.get());
    assert_eq!(one.policy().allowed().len(), 4);
    assert!(one.world.dead_of(&one.id.account).is_empty());
    assert_eq!(one.open(), 0);
}

#[test]
fn a_message_about_a_change_that_cannot_be_read_comes_again_and_holds_no_other_change_back() {
    let (one, other) = two_lanes();
    let product = products("a", 1)[0].clone();
    drive(&one, &ItemKey::Product(one.id.clone(), product), || {
        assert_eq!(other.policy().allowed().len(), 4);
        assert_eq!(one.policy().allowed().len(), 3);
        assert_eq!(one.state().intent, None);
    });
    assert_eq!(one.policy().allowed().len(), 4);
    assert!(one.world.dead_of(&one.id.account).is_empty());
    assert_eq!(one.open(), 0);
}

/// The newer release has claimed it.
#[test]
fn a_claimed_change_that_cannot_be_read_waits_alone() {
    let (one, other) = two_lanes();
    let product = products("a", 1)[0].clone();
    let now = one.world.time();
    let claimed = || {
        one.world.ledger(|ledger| {
            let items = ledger.items.iter().filter(|((lane, _), _)| *lane == one.id);
            items.filter(|(_, item)| item.is_open()).count()
        })
    };
    one.drive_with(1, || {
        if claimed() == 4 {
            let key = ItemKey::Product(one.id.clone(), product.clone());
            one.world.ledger(|ledger| ledger.newer.insert(key));
        }
        assert!(
            one.world.time() < later(now, 3_600),
            "the lane does not rest"
        );
    });
    assert_eq!(other.policy().allowed().len(), 4);
    let item = one
        .world
        .ledger(|ledger| ledger.items[&(one.id.clone(), product)].clone());
    assert!(item.is_open(), "it is left as it is");
}
