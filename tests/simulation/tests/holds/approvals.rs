//! What an approval does, and what ends it.

use super::*;
use crate::system::CONFIG;

/// What has become unnecessary falls away.
#[test]
fn an_approval_does_what_is_left_of_what_was_shown() {
    let system = in_sync(30);
    system.manage(PolicySnapshot::new(products("p", 10), []));
    held_after(&system);
    system.manage(PolicySnapshot::new(products("p", 12), []));
    system.approve('2');
    system.rest();
    assert_eq!(allowed(&system, '2').len(), 12);
}

/// The invocation that serves an approval ends after each of its calls in turn. Its request comes again;
/// or it does not, and the next hour's run takes it up. Either way it is done once.
#[test]
fn an_approval_that_was_cut_off_is_taken_up_again_once() {
    for redelivered in [true, false] {
        let mut taken_up = 0;
        for calls in 1.. {
            let system = in_sync(30);
            system.manage(PolicySnapshot::new(products("p", 10), []));
            let hold = held_after(&system);
            if !system.approve_cut_off('2', &hold, calls) {
                break;
            }
            let taken = system.link_state('2').grant.is_some();
            if redelivered {
                system.approval("Approval", '2', hold.run, Some(&hold.plan_hash));
            }
            system.rest();
            system.wait(3600);
            system.sync();
            system.rest();
            let applied = redelivered || taken;
            let expected = if applied { 10 } else { 30 };
            assert_eq!(allowed(&system, '2').len(), expected, "call {calls}");
            taken_up += usize::from(taken);
            assert!(system.sets('2') <= 3, "call {calls}");
            assert!(system.unfinished_runs().is_empty(), "call {calls}");
            if !applied {
                assert_eq!(system.link_state('2').hold, Some(hold), "call {calls}");
                continue;
            }
            // It was approved once.
            for product in products("p", 30) {
                system.edit_member('2', &product, Action::Allow);
            }
            system.wait(3600);
            system.sync();
            system.rest();
            assert_eq!(allowed(&system, '2').len(), 30, "call {calls}");
            assert!(system.link_state('2').hold.is_some(), "call {calls}");
        }
        assert!(taken_up > 3, "{taken_up}");
    }
}

/// The removals were approved once: when they come again, somebody is asked again.
#[test]
fn an_approval_is_used_once_even_if_nobody_has_looked_since() {
    for settled in [true, false] {
        let system = in_sync(30);
        system.manage(PolicySnapshot::new(products("p", 10), []));
        let hold = held_after(&system);
        system.approve('2');
        // The worker does its part; whether its hint arrives or not.
        system.rest_until(|system| {
            if !settled {
                system.world.inbox(pmp_sync_fakes::FifoQueue::clear);
            }
            false
        });
        assert_eq!(allowed(&system, '2').len(), 10);
        for product in products("p", 30) {
            system.edit_member('2', &product, Action::Allow);
        }
        system.approval("Approval", '2', hold.run, Some(&hold.plan_hash));
        system.rest();
        system.sync();
        system.rest();
        assert_eq!(allowed(&system, '2').len(), 30, "settled: {settled}");
        assert!(system.link_state('2').hold.is_some());
    }
}

/// The configuration without the link of member 2.
fn without_first_link() -> String {
    CONFIG.split("[[link]]").next().unwrap().to_owned()
        + "[[link]]"
        + CONFIG.rsplit("[[link]]").next().unwrap()
}

#[test]
fn a_link_that_leaves_the_configuration_leaves_nothing_to_approve() {
    let system = in_sync(30);
    system.manage(PolicySnapshot::new(products("p", 10), []));
    let hold = held_after(&system);
    system.configure(&without_first_link());
    system.sync();
    system.rest();
    assert_eq!(system.link_state('2').hold, None);
    assert!(
        system.link_state('3').hold.is_some(),
        "the other link's stays"
    );
    // Back again, it is held anew: what was shown before is not approved any more.
    system.configure(CONFIG);
    system.approval("Approval", '2', hold.run, Some(&hold.plan_hash));
    system.rest();
    assert_eq!(allowed(&system, '2').len(), 30);
    let held = held_after(&system);
    assert_ne!(held.run, hold.run);
}

/// The bus refuses that the hold has ended with its link: the next run announces it, although the lane has
/// nothing else left to do.
#[test]
fn the_end_of_a_hold_is_announced_although_its_link_is_gone_and_the_bus_was_down() {
    let system = in_sync(30);
    system.manage(PolicySnapshot::new(products("p", 10), []));
    held_after(&system);
    system.configure(&without_first_link());
    let refused = |failing: &mut Failing| failing.fail_next("PutEvents", 1, Kind::Retryable);
    system.world.failing(refused);
    system.sync();
    system.rest();
    assert_eq!(
        system.link_state('2').notices.pending.len(),
        1,
        "nothing told it"
    );
    system.wait(3600);
    system.sync();
    system.rest();
    assert!(system.link_state('2').notices.pending.is_empty());
    let events = system.world.events();
    let recovered = events.iter().filter(|(_, what, _)| *what == RECOVERED);
    assert_eq!(recovered.count(), 1);
}

/// An approval that is under way ends with its link: it does not come to life again.
#[test]
fn an_approval_ends_with_its_link() {
    let system = in_sync(130);
    system.manage(PolicySnapshot::new(products("p", 10), []));
    held_after(&system);
    system.approve('2');
    system.rest_until(|system| system.sets('2') > 3);
    system.configure(&without_first_link());
    system.sync();
    system.rest();
    let left = allowed(&system, '2').len();
    assert!(left > 10, "some of it was not done");
    system.configure(CONFIG);
    system.sync();
    system.rest();
    assert_eq!(allowed(&system, '2').len(), left);
    assert!(system.link_state('2').hold.is_some());
}

/// A change that is quarantined, whose plan needs approval by now: it waits with the rest.
#[test]
fn a_replayed_removal_that_is_held_can_be_approved() {
    let system = in_sync(30);
    system.make_bad("prod-p0029");
    system.manage(PolicySnapshot::new(products("p", 10), []));
    held_after(&system);
    system.approve('2');
    system.rest();
    assert_eq!(allowed(&system, '2').len(), 11);
    system.make_good("prod-p0029");
    system.manage(PolicySnapshot::default());
    system.wait(3600);
    system.sync();
    system.rest();
    system.replay("{}");
    system.rest();
    assert_eq!(system.dead('2').len(), 1, "its letter stays");
    let hold = system.link_state('2').hold.unwrap();
    assert_eq!(hold.deny, 11);
    system.wait(3600);
    system.sync();
    system.rest();
    assert_eq!(system.link_state('2').hold.as_ref(), Some(&hold));
    system.approve('2');
    system.rest();
    assert!(allowed(&system, '2').is_empty());
    system.replay("{}");
    assert!(system.dead('2').is_empty());
}
