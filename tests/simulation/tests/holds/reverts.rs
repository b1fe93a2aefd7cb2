//! A run is taken back: all that it changed, and nothing that came later.

use pmp_sync_domain::lane::Suspension;
use pmp_sync_domain::records::Suspensions;

use super::*;

/// The first run allows n000 to n004 and denies p028 and p029; the second allows two more and denies n000.
fn two_runs() -> (System, RunId, RunId) {
    let system = in_sync(30);
    let mut lists = products("p", 28);
    lists.extend(products("n", 5));
    system.manage(PolicySnapshot::new(lists.clone(), []));
    system.sync();
    system.rest();
    let first = system.last_full_run().run;
    system.wait(3600);
    lists.retain(|product| *product != of("n", 0));
    lists.extend(products("m", 2));
    system.manage(PolicySnapshot::new(lists, []));
    system.sync();
    system.rest();
    let second = system.last_full_run().run;
    assert_ne!(first, second);
    system.wait(3600);
    (system, first, second)
}

fn of(prefix: &str, number: usize) -> ProductId {
    products(prefix, number + 1).remove(number)
}

/// Asks for the reversal of a run. Returns it as it is held.
fn reverted(system: &System, run: RunId) -> Hold {
    system.approval("Revert", '2', run, None);
    system.link_state('2').restore.unwrap()
}

fn approve(system: &System, back: &Hold) {
    system.approval("Approval", '2', back.run, Some(&back.plan_hash));
    system.rest();
}

/// An hour goes by, with its run.
fn an_hour(system: &System) {
    system.wait(3600);
    system.sync();
    system.rest();
}

#[test]
fn what_a_run_changed_is_taken_back_and_what_came_later_stays() {
    let (system, first, _) = two_runs();
    let back = reverted(&system, first);
    assert_eq!(codes(&back), ["PMS-7007"]);
    assert_eq!((back.allow, back.deny), (2, 4));
    let record = system.link(back.run, '2');
    let kept = record.approval.unwrap().kept;
    assert!(
        kept.is_empty(),
        "n000 is as it was before the run: {kept:?}"
    );
    approve(&system, &back);
    let mut expected: BTreeSet<_> = products("p", 30).into_iter().collect();
    expected.extend(products("m", 2));
    assert_eq!(allowed(&system, '2'), expected);
    // And it stays so, until somebody approves otherwise.
    for _ in 0..3 {
        an_hour(&system);
        assert_eq!(allowed(&system, '2'), expected);
    }
    let hold = system.link_state('2').hold.unwrap();
    assert!(codes(&hold).contains(&"PMS-7004"), "{hold:?}");
    system.approve('2');
    system.rest();
    assert_eq!(allowed(&system, '2').len(), 34);
    assert_eq!(system.link_state('2').rollbacks().count(), 0);
}

#[test]
fn what_was_taken_back_first_is_still_guarded_after_the_second_time() {
    let (system, first, second) = two_runs();
    approve(&system, &reverted(&system, second));
    approve(&system, &reverted(&system, first));
    let expected: BTreeSet<_> = products("p", 30).into_iter().collect();
    let mut with_first = expected.clone();
    with_first.insert(of("n", 0));
    // The first run's n000 was denied by the second, and is back by the reversal of that.
    assert_eq!(allowed(&system, '2'), with_first);
    for _ in 0..3 {
        an_hour(&system);
        assert_eq!(allowed(&system, '2'), with_first);
    }
    assert_eq!(system.link_state('2').rollbacks().count(), 2);
}

#[test]
fn a_reversal_is_taken_back_by_the_reversal_of_its_own_run() {
    let (system, first, _) = two_runs();
    let before = allowed(&system, '2');
    approve(&system, &reverted(&system, first));
    let again = system
        .run_with(|run| run.requests[0].kind == "approval-requested")
        .run;
    an_hour(&system);
    let back = reverted(&system, again);
    assert_eq!((back.allow, back.deny), (4, 2));
    approve(&system, &back);
    assert_eq!(allowed(&system, '2'), before);
    an_hour(&system);
    // The management experience wants the same: nothing is guarded any more.
    assert_eq!(system.link_state('2').hold, None);
    assert_eq!(system.link_state('2').rollbacks().count(), 0);
}

#[test]
fn what_somebody_else_has_changed_since_is_left_alone() {
    let (system, first, _) = two_runs();
    let lists = system.policy('2');
    system.edit_member('2', &of("n", 1), Action::Deny);
    let back = reverted(&system, first);
    assert_eq!((back.allow, back.deny), (2, 3));
    // Between the request and its approval as well.
    system.edit_member('2', &of("p", 28), Action::Allow);
    approve(&system, &back);
    let mut expected = lists.allowed().clone();
    expected.retain(|product| !products("n", 5).contains(product));
    // The management experience wants it, and it was not taken back.
    expected.extend([of("p", 28), of("p", 29), of("n", 1)]);
    assert_eq!(allowed(&system, '2'), expected);
}

/// Of a run that is at work, what it has still to do is shown with the rest, and never done.
#[test]
fn a_run_that_is_at_work_is_stopped_and_taken_back() {
    let system = in_sync(10);
    let before = allowed(&system, '2');
    let mut lists = products("p", 10);
    lists.extend(products("n", 240));
    system.manage(PolicySnapshot::new(lists, []));
    system.sync();
    system.rest_until(|system| system.sets('2') == 3);
    let run = system.last_full_run().run;
    let back = reverted(&system, run);
    assert_eq!(back.deny, 240);
    system.rest_until(|system| system.sets('2') == 4);
    approve(&system, &back);
    assert_eq!(allowed(&system, '2'), before);
    assert!(system.unfinished_runs().is_empty());
    an_hour(&system);
    assert_eq!(allowed(&system, '2'), before);
}

/// An emergency: nothing more is done, what was done is taken back, and only then the link goes on.
#[test]
fn a_reversal_can_be_approved_while_the_link_is_suspended() {
    let (system, first, _) = two_runs();
    let before = allowed(&system, '2');
    system.suspensions(Suspensions {
        all: Some(Suspension {
            by: None,
            since: system.world.time(),
        }),
        ..Suspensions::default()
    });
    system.sync();
    let back = reverted(&system, first);
    approve(&system, &back);
    assert_eq!(allowed(&system, '2'), before, "nothing is started");
    assert!(system.link_state('2').grant.is_some());
    system.suspensions(Suspensions::default());
    an_hour(&system);
    assert_eq!(allowed(&system, '2').len(), 32);
}

#[test]
fn there_is_nothing_to_revert_of_a_run_that_changed_nothing_or_that_is_taken_back() {
    let (system, first, _) = two_runs();
    an_hour(&system);
    system.approval("Revert", '2', system.last_full_run().run, None);
    let record = system.link(system.last_run().run, '2');
    let why = record.approval.unwrap().refused.unwrap();
    assert!(why.contains("changed nothing"), "{why}");
    approve(&system, &reverted(&system, first));
    system.approval("Revert", '2', first, None);
    let record = system.link(system.last_run().run, '2');
    assert_eq!(record.status, LinkStatus::InSync);
    assert_eq!(system.link_state('2').restore, None);
}

/// What a lane works on belongs to the run that committed it.
#[test]
fn there_is_nothing_to_revert_of_a_run_that_found_its_plan_under_way() {
    let system = in_sync(30);
    system.manage(PolicySnapshot::new(products("p", 28), []));
    system.sync();
    system.wait(60);
    system.sync();
    let second = system.last_full_run().run;
    let record = system.link(second, '2');
    assert_eq!(
        (record.status, record.deny.len()),
        (LinkStatus::Underway, 2)
    );
    system.rest();
    assert_eq!(allowed(&system, '2').len(), 28);
    system.wait(3600);
    system.approval("Revert", '2', second, None);
    let record = system.link(system.last_run().run, '2');
    let why = record.approval.unwrap().refused.unwrap();
    assert!(why.contains("an earlier run"), "{why}");
    assert_eq!(record.status, LinkStatus::Refused);
}

/// The invocation that serves the approval ends after each of its calls in turn. Its request comes again, or the next hour's run takes
/// it up: the run is taken back once, and what came later stays.
#[test]
fn a_reversal_that_was_cut_off_is_taken_up_again_once() {
    for redelivered in [true, false] {
        let mut taken_up = 0;
        for calls in 1.. {
            let (system, first, _) = two_runs();
            let before = allowed(&system, '2');
            let back = reverted(&system, first);
            if !system.approve_cut_off('2', &back, calls) {
                break;
            }
            let taken = system.link_state('2').grant.is_some();
            if redelivered {
                system.approval("Approval", '2', back.run, Some(&back.plan_hash));
            }
            system.rest();
            an_hour(&system);
            let now = allowed(&system, '2');
            if redelivered || taken {
                assert_eq!(now.len(), 32, "call {calls}");
            } else {
                assert_eq!(now, before, "call {calls}");
            }
            taken_up += usize::from(taken);
            assert!(system.unfinished_runs().is_empty(), "call {calls}");
        }
        assert!(taken_up > 3, "{taken_up}");
    }
}
