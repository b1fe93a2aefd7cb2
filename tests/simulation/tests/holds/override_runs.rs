//! What a run holds that overrides a freeze.

use super::*;
use crate::system::CONFIG;

/// The first member is frozen. A run has overridden that: a product is allowed, and 20 removals of 30 are held.
fn overridden() -> (System, Hold) {
    let system = in_sync(30);
    system.configure(&frozen());
    manage(&system, 10, &["prod-n"]);
    system.sync();
    system.rest();
    assert_eq!(allowed(&system, '2').len(), 30);
    assert_eq!(system.link_state('2').hold, None);
    system.sync_overriding();
    system.rest();
    assert_eq!(allowed(&system, '2').len(), 31);
    let hold = system.link_state('2').hold.unwrap();
    assert_eq!((hold.deny, hold.overrides), (20, true));
    (system, hold)
}

fn frozen() -> String {
    CONFIG.replacen(
        "member_experience = \"exp-2\"",
        "member_experience = \"exp-2\"\nfreeze = true",
        1,
    )
}

fn manage(system: &System, left: usize, besides: &[&str]) {
    let besides = besides.iter().map(|id| product(id));
    let wanted = products("p", 30).into_iter().take(left).chain(besides);
    system.manage(PolicySnapshot::new(wanted, []));
}

fn an_hour(system: &System) {
    system.wait(3600);
    system.sync();
    system.rest();
}

#[test]
fn it_survives_the_next_runs_and_its_approval_changes_nothing_else() {
    let (system, hold) = overridden();
    manage(&system, 9, &["prod-n", "prod-m"]);
    for _ in 0..5 {
        an_hour(&system);
        assert_eq!(system.link_state('2').hold.as_ref(), Some(&hold));
        assert_eq!(allowed(&system, '2').len(), 31);
    }
    let record = system.link(system.last_full_run().run, '2');
    assert_eq!(
        (record.status, record.held.deny.len()),
        (LinkStatus::Held, 20)
    );
    let mut left = record.left_alone.iter();
    assert!(left.all(|left| left.reason == Reason::Frozen));
    assert_eq!(record.left_alone.len(), 2, "the new ones are frozen");
    system.approve('2');
    system.rest();
    let mut expected: BTreeSet<_> = products("p", 10).into_iter().collect();
    expected.insert(product("prod-n"));
    assert_eq!(allowed(&system, '2'), expected);
    an_hour(&system);
    assert_eq!(allowed(&system, '2'), expected, "it is frozen");
    let state = system.link_state('2');
    assert_eq!((state.hold, state.grant), (None, None));
    assert!(system.unfinished_runs().is_empty());
}

#[test]
fn it_shrinks_as_its_changes_are_no_longer_wanted_and_ends_with_the_last_one() {
    let (system, hold) = overridden();
    manage(&system, 25, &["prod-n"]);
    an_hour(&system);
    let less = system.link_state('2').hold.unwrap();
    assert_eq!(
        (less.deny, less.overrides),
        (5, true),
        "few, and still held"
    );
    assert_ne!(less.plan_hash, hold.plan_hash);
    system.approval("Approval", '2', hold.run, Some(&hold.plan_hash));
    system.rest();
    assert_eq!(allowed(&system, '2').len(), 31, "that is out of date");
    // What is removed again was not asked for in spite of the freeze.
    manage(&system, 24, &["prod-n"]);
    an_hour(&system);
    assert_eq!(system.link_state('2').hold, Some(less));
    manage(&system, 30, &["prod-n"]);
    an_hour(&system);
    assert_eq!(system.link_state('2').hold, None);
}

#[test]
fn its_approval_that_was_cut_off_is_taken_up_by_the_next_run() {
    let mut taken_up = 0;
    for calls in 1.. {
        let (system, hold) = overridden();
        if !system.approve_cut_off('2', &hold, calls) {
            break;
        }
        let taken = system.link_state('2').grant.is_some();
        taken_up += usize::from(taken);
        an_hour(&system);
        an_hour(&system);
        let expected = if taken { 11 } else { 31 };
        assert_eq!(allowed(&system, '2').len(), expected, "call {calls}");
        assert!(system.unfinished_runs().is_empty(), "call {calls}");
        // It was approved once.
        for product in products("p", 30) {
            system.edit_member('2', &product, Action::Allow);
        }
        an_hour(&system);
        assert_eq!(allowed(&system, '2').len(), 31, "call {calls}");
    }
    assert!(taken_up > 3, "{taken_up}");
}

/// The rest of the run that has overridden the freeze is not lost.
#[test]
fn its_approval_lets_what_the_run_has_begun_go_on() {
    let system = in_sync(30);
    system.configure(&frozen());
    let mut wanted = products("p", 10);
    wanted.extend(products("n", 150));
    system.manage(PolicySnapshot::new(wanted.clone(), []));
    system.sync_overriding();
    system.rest_until(|system| system.sets('2') == 2);
    system.approve('2');
    system.rest_until(|system| system.sets('2') == 3);
    system.sync();
    system.rest();
    assert_eq!(allowed(&system, '2'), wanted.into_iter().collect());
    assert!(system.unfinished_runs().is_empty());
}

#[test]
fn a_hold_of_before_the_freeze_is_not_executed_in_spite_of_it() {
    let system = in_sync(30);
    manage(&system, 10, &[]);
    let hold = held_after(&system);
    assert!(!hold.overrides);
    system.configure(&frozen());
    system.approval("Approval", '2', hold.run, Some(&hold.plan_hash));
    system.rest();
    let record = system.link(system.last_run().run, '2');
    assert!(record.approval.unwrap().refused.unwrap().contains("frozen"));
    assert_eq!(allowed(&system, '2').len(), 30);
}

#[test]
fn it_can_be_rejected() {
    let (system, hold) = overridden();
    system.approval("Rejection", '2', hold.run, Some(&hold.plan_hash));
    let told = system.announced();
    an_hour(&system);
    an_hour(&system);
    let held = system.link_state('2').hold.unwrap();
    assert!(held.is_rejected() && held.overrides);
    assert_eq!(system.announced(), told);
}
