//! A hold keeps back removals, lets the rest through, and a rejection is remembered.

use super::*;
use crate::system::CONFIG;

/// The management experience allows so many of the 200 products that both members have, and these besides.
fn manage(system: &System, left: usize, besides: &[&str]) {
    let besides = besides.iter().map(|id| product(id));
    let wanted = products("p", 200).into_iter().take(left).chain(besides);
    system.manage(PolicySnapshot::new(wanted, []));
}

fn an_hour(system: &System) {
    system.wait(3600);
    system.sync();
    system.rest();
}

fn hold(system: &System) -> Hold {
    system.link_state('2').hold.unwrap()
}

fn reject(system: &System) {
    let hold = hold(system);
    system.approval("Rejection", '2', hold.run, Some(&hold.plan_hash));
}

/// 60 removals are held.
fn sixty() -> System {
    let system = in_sync(200);
    manage(&system, 140, &[]);
    an_hour(&system);
    assert_eq!((hold(&system).deny, allowed(&system, '2').len()), (60, 200));
    system
}

#[test]
fn a_new_product_is_allowed_everywhere_while_60_removals_wait_for_approval() {
    let system = sixty();
    let held = hold(&system);
    manage(&system, 140, &["prod-new"]);
    an_hour(&system);
    for member in ['2', '3'] {
        assert_eq!(allowed(&system, member).len(), 201);
        assert!(allowed(&system, member).contains(&product("prod-new")));
    }
    assert_eq!(hold(&system), held, "the command that was shown stays good");
    let run = system.last_full_run();
    assert_eq!((run.status, run.totals.held), (RunStatus::Held, 2));
    assert_eq!((run.totals.committed, run.totals.allow), (2, 2));
    let record = system.link(run.run, '2');
    assert_eq!(record.status, LinkStatus::Committed);
    assert_eq!((record.allow.len(), record.deny.len()), (1, 0));
    assert_eq!(record.shown().deny().len(), 60);
    assert_eq!(system.announced(), 2, "once for each link");
    assert!(system.unfinished_runs().is_empty());
    system.approve('2');
    system.rest();
    assert_eq!(allowed(&system, '2').len(), 141);
}

#[test]
fn a_rejection_survives_the_arrival_of_a_product_and_ten_hourly_runs() {
    let system = sixty();
    reject(&system);
    let told = system.announced();
    manage(&system, 140, &["prod-new"]);
    for _ in 0..10 {
        an_hour(&system);
        let held = hold(&system);
        let by = held.rejection().and_then(|ask| ask.by.clone());
        assert_eq!(by.as_deref(), Some("somebody"));
        assert_eq!((held.deny, allowed(&system, '2').len()), (60, 201));
    }
    assert_eq!(system.announced(), told, "nobody is asked again");
}

#[test]
fn new_removals_beside_rejected_ones_are_announced_with_how_many_were_rejected() {
    let system = sixty();
    reject(&system);
    let told = system.announced();
    manage(&system, 139, &[]);
    an_hour(&system);
    let held = hold(&system);
    assert_eq!((held.deny, held.is_rejected()), (61, false));
    assert_eq!(held.rejected.as_ref().unwrap().changes, 60);
    // The other link has a new hold as well.
    assert_eq!(system.announced(), told + 2);
    // Fewer of the rejected ones are still rejected ones.
    manage(&system, 150, &[]);
    an_hour(&system);
    assert_eq!(
        (hold(&system).deny, hold(&system).is_rejected()),
        (50, true)
    );
    assert_eq!(system.announced(), told + 3, "only of the other link");
    // Who approves all of it approves the rejected ones, too.
    system.approve('2');
    system.rest();
    assert_eq!(allowed(&system, '2').len(), 150);
    assert_eq!(system.link_state('2').rejected, None);
}

#[test]
fn a_rejected_product_that_is_wanted_again_and_then_removed_again_is_asked_again() {
    let system = sixty();
    reject(&system);
    manage(&system, 141, &[]);
    an_hour(&system);
    assert_eq!(
        (hold(&system).deny, hold(&system).is_rejected()),
        (59, true)
    );
    let told = system.announced();
    manage(&system, 140, &[]);
    an_hour(&system);
    let held = hold(&system);
    assert_eq!((held.deny, held.is_rejected()), (60, false));
    assert_eq!(held.rejected.unwrap().changes, 59);
    assert_eq!(system.announced(), told + 2);
}

/// A day later, or once most of them are wanted again, no guard objects any more.
#[test]
fn what_was_rejected_is_not_done_once_it_is_below_the_limits() {
    let system = sixty();
    reject(&system);
    manage(&system, 195, &[]);
    an_hour(&system);
    assert_eq!(allowed(&system, '2').len(), 200);
    assert_eq!(
        allowed(&system, '3').len(),
        195,
        "nobody has rejected it there"
    );
    let held = hold(&system);
    assert_eq!((codes(&held), held.deny), (vec!["PMS-7008"], 5));
    assert!(held.is_rejected());
    // Others are removed as usual.
    manage(&system, 194, &[]);
    system.wait(2 * 86_400);
    an_hour(&system);
    assert_eq!(allowed(&system, '2').len(), 199);
    assert_eq!(hold(&system).deny, 5);
    system.approve('2');
    system.rest();
    assert_eq!(allowed(&system, '2').len(), 194);
    an_hour(&system);
    let state = system.link_state('2');
    assert_eq!((state.hold, state.rejected), (None, None));
}

/// What the member still allows may be removed for another reason in between.
#[test]
fn a_freeze_or_a_suspension_does_not_end_a_rejection() {
    let system = sixty();
    reject(&system);
    let frozen = CONFIG.replace("schema = 1", "schema = 1\nfreeze = true");
    system.configure(&frozen);
    an_hour(&system);
    assert_eq!(system.link_state('2').hold, None);
    system.configure(CONFIG);
    let told = system.announced();
    an_hour(&system);
    assert!(hold(&system).is_rejected());
    assert_eq!(system.announced(), told + 1, "only of the other link");
}

#[test]
fn an_approval_finishes_although_another_removal_appears_while_it_is_at_work() {
    let system = sixty();
    system.approve('2');
    system.rest_until(|system| system.sets('2') > 0);
    // The new one is below the limits, the approved ones do not count.
    manage(&system, 139, &["prod-new"]);
    system.wait(600);
    system.sync();
    system.rest();
    assert_eq!(allowed(&system, '2').len(), 140);
    assert!(allowed(&system, '2').contains(&product("prod-new")));
    assert_eq!(system.link_state('2').hold, None);
    // Twenty more are not.
    manage(&system, 119, &["prod-new"]);
    an_hour(&system);
    assert_eq!(hold(&system).deny, 20);
    assert!(system.unfinished_runs().is_empty());
}

#[test]
fn the_lists_before_a_run_are_kept_if_what_passes_denies() {
    let system = in_sync(200);
    let wanted = products("p", 140);
    system.manage(PolicySnapshot::new(wanted, [product("prod-never")]));
    an_hour(&system);
    let run = system.last_full_run().run;
    let record = system.link(run, '2');
    assert_eq!((record.deny.len(), record.removals), (1, 0));
    assert_eq!((hold(&system).deny, hold(&system).removals), (60, 60));
    system.approval("Revert", '2', run, None);
    let refused = system.link(system.last_run().run, '2');
    assert_eq!(refused.approval.unwrap().refused, None);
}
