//! Guards and holds, with producer and workers together over the fakes: nothing is denied by mistake.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

mod approvals;
mod mass;
mod override_runs;
mod parts;
mod people;
mod reverts;
mod short;
#[path = "../system/mod.rs"]
mod system;

use std::collections::BTreeSet;

use pmp_sync_domain::approval::Hold;
use pmp_sync_domain::error::Kind;
use pmp_sync_domain::experience::Status;
use pmp_sync_domain::guard::HoldReason;
use pmp_sync_domain::ids::{ProductId, RunId};
use pmp_sync_domain::plan::{Plan, Reason};
use pmp_sync_domain::policy::{Action, PolicySnapshot};
use pmp_sync_domain::run::{LinkStatus, RunStatus};
use pmp_sync_domain::time::later;
use pmp_sync_domain::wire::RECOVERED;
use pmp_sync_fakes::Failing;

use crate::system::{CONFIG, System, product, products};

/// Both members allow `count` products, as the management experience does.
fn in_sync(count: usize) -> System {
    let system = System::new(products("p", count), []);
    system.sync();
    system.rest();
    assert_eq!(system.policy('2').allowed().len(), count);
    system.wait(3600);
    system
}

fn allowed(system: &System, member: char) -> BTreeSet<ProductId> {
    system.policy(member).allowed().clone()
}

/// A run, and what stands held for the first member after it.
fn held_after(system: &System) -> Hold {
    let sets = system.sets('2');
    let before = system.policy('2');
    system.sync();
    system.rest();
    let run = system.last_full_run();
    assert_eq!(run.status, RunStatus::Held);
    assert_eq!((run.totals.held, run.totals.messages), (2, 0));
    let record = system.link(run.run, '2');
    assert_eq!(record.status, LinkStatus::Held);
    assert_eq!(system.sets('2'), sets, "nothing is started");
    assert_eq!(system.policy('2'), before, "nothing is denied");
    let hold = system.link_state('2').hold.unwrap();
    assert_eq!(record.hold.map(|hold| hold.run), Some(hold.run));
    hold
}

fn codes(hold: &Hold) -> Vec<&'static str> {
    hold.reasons.iter().map(HoldReason::code).collect()
}

/// A hold that is stale is refused and changes nothing; the exact one is applied, once.
fn stale_is_refused_and_exact_is_applied(system: &System, hold: &Hold) {
    let sets = system.sets('2');
    let other = Plan::default().hash();
    assert_ne!(other, hold.plan_hash);
    system.approval("Approval", '2', hold.run, Some(&other));
    let run = system.last_run();
    let record = system.link(run.run, '2');
    assert_eq!(record.status, LinkStatus::Refused);
    let (approval, lane) = (record.approval.unwrap(), record.lane.unwrap());
    assert!(approval.refused.is_some());
    assert_eq!(approval.hints, [hold.approve(&lane.experience)]);
    system.approval("Approval", '2', run.run, Some(&hold.plan_hash));
    system.rest();
    assert_eq!(system.sets('2'), sets);
    assert_eq!(system.link_state('2').hold.as_ref(), Some(hold));

    let shown = system.link(hold.run, '2').shown();
    let before = allowed(system, '2');
    system.approve('2');
    system.rest();
    let mut expected = before;
    expected.retain(|product| !shown.deny().contains(product));
    assert_eq!(allowed(system, '2'), expected);
    assert_eq!(system.link_state('2').hold, None);
    assert_eq!(system.link_state('2').grant, None, "it is used up");
    assert!(system.unfinished_runs().is_empty());
}

#[test]
fn an_emptied_list_denies_nothing_until_its_plan_is_approved() {
    let system = in_sync(20);
    system.manage(PolicySnapshot::default());
    let hold = held_after(&system);
    assert_eq!(codes(&hold)[0], "PMS-2005");
    assert_eq!((hold.deny, hold.removals), (20, 20));
    stale_is_refused_and_exact_is_applied(&system, &hold);
    assert!(allowed(&system, '2').is_empty());
    assert_eq!(allowed(&system, '3').len(), 20, "the other one still waits");
}

#[test]
fn a_deleted_policy_denies_nothing() {
    let system = in_sync(20);
    system.edit_management(|experience| experience.policy = None);
    let hold = held_after(&system);
    assert_eq!(codes(&hold)[0], "PMS-2004");
    stale_is_refused_and_exact_is_applied(&system, &hold);
}

#[test]
fn a_disabled_experience_changes_nothing() {
    let system = in_sync(20);
    system.manage(PolicySnapshot::new(products("p", 19), []));
    system.edit_management(|experience| experience.status = Status::Disabled);
    let hold = held_after(&system);
    assert_eq!(codes(&hold), ["PMS-2003"]);
    stale_is_refused_and_exact_is_applied(&system, &hold);
    assert_eq!(allowed(&system, '2').len(), 19);
}

#[test]
fn an_archived_experience_changes_nothing() {
    let system = in_sync(20);
    system.manage(PolicySnapshot::new(products("p", 19), []));
    system.edit_management(|experience| experience.archived = true);
    let hold = held_after(&system);
    assert_eq!(codes(&hold), ["PMS-2002"]);
    stale_is_refused_and_exact_is_applied(&system, &hold);
}

#[test]
fn a_truncated_answer_is_held_and_forgotten_when_the_list_comes_back_whole() {
    let system = in_sync(60);
    system.read_short(5);
    let hold = held_after(&system);
    assert_eq!(codes(&hold), ["PMS-7001", "PMS-7002", "PMS-7003"]);
    let sets = system.sets('2');
    system.wait(3600);
    system.sync();
    system.rest();
    assert_eq!(system.last_full_run().status, RunStatus::Completed);
    assert_eq!(system.sets('2'), sets);
    assert_eq!(system.link_state('2').hold, None);
    // Whoever approves it now is too late.
    system.approval("Approval", '2', hold.run, Some(&hold.plan_hash));
    system.rest();
    let record = system.link(system.last_run().run, '2');
    assert_eq!(record.status, LinkStatus::Refused);
    assert_eq!(allowed(&system, '2').len(), 60);
}

#[test]
fn a_further_run_holds_the_same_and_announces_nothing_new() {
    let system = in_sync(20);
    system.manage(PolicySnapshot::default());
    let hold = held_after(&system);
    assert_eq!(system.announced(), 2);
    let in_sync = system.state('2').last_in_sync;
    for _ in 0..3 {
        system.wait(3600);
        assert_eq!(held_after(&system), hold);
    }
    assert_eq!(system.announced(), 2);
    assert_eq!(system.state('2').last_in_sync, in_sync);
}

/// Whoever was cut off before it had written down that the hold is announced: once more, and then no more.
#[test]
fn a_hold_whose_announcement_failed_is_announced_once_more_and_not_every_hour() {
    let system = in_sync(20);
    system.manage(PolicySnapshot::default());
    let calls = {
        let other = in_sync(20);
        other.manage(PolicySnapshot::default());
        let before = other.world.failing(|failing| failing.total());
        other.sync();
        other.world.failing(|failing| failing.total()) - before
    };
    let before = system.world.failing(|failing| failing.total());
    // The first announcement fails, whichever call that is.
    system.world.failing(|failing| {
        failing.fail_next("PutEvents", 1, pmp_sync_domain::error::Kind::Retryable);
    });
    system.sync();
    assert!(system.world.failing(|failing| failing.total()) <= before + calls + 10);
    for _ in 0..4 {
        system.wait(3600);
        system.sync();
        system.rest();
    }
    assert_eq!(system.announced(), 2, "once for each member");
}

#[test]
fn removals_in_slices_are_held_by_the_count_of_a_day() {
    let system = in_sync(100);
    for hour in 1..=60 {
        system.manage(PolicySnapshot::new(products("p", 100 - hour), []));
        system.sync();
        system.rest();
        // Ten are let through within a day, however they are cut; and what waits is more than that by then.
        assert!(allowed(&system, '2').len() >= 90, "hour {hour}");
        system.wait(3600);
    }
    let hold = system.link_state('2').hold.unwrap();
    assert!(codes(&hold).contains(&"PMS-7001"), "{hold:?}");
    assert_eq!(allowed(&system, '2').len(), 90);
}

/// The change sets of a plan may come about hours after its commit: the day begins when they do.
#[test]
fn what_comes_about_late_counts_from_then() {
    let system = in_sync(100);
    system.manage(PolicySnapshot::new(products("p", 90), []));
    system.sync();
    let committed = system.world.time();
    system.wait(9_000);
    system.rest();
    assert_eq!(allowed(&system, '2').len(), 90);
    // A day after the plan, and two and a half hours less after its products have gone.
    system.manage(PolicySnapshot::new(products("p", 85), []));
    system.world.advance_to(later(committed, 86_460));
    system.sync();
    system.rest();
    assert_eq!(allowed(&system, '2').len(), 90);
    assert_eq!(codes(&system.link_state('2').hold.unwrap()), ["PMS-7001"]);
    system.wait(86_400);
    system.sync();
    system.rest();
    assert_eq!(allowed(&system, '2').len(), 85);
}

#[test]
fn a_wrong_approval_is_undone_product_for_product() {
    let system = System::new(products("p", 30), products("q", 5));
    system.sync();
    system.rest();
    system.edit_member('2', &product("prod-p0007"), Action::Allow);
    let before = allowed(&system, '2');
    system.wait(3600);
    system.manage(PolicySnapshot::new(products("n", 3), []));
    system.sync();
    system.rest();
    // The new ones are there already, and stay.
    let before = &before | &products("n", 3).into_iter().collect();
    assert_eq!(allowed(&system, '2'), before);
    system.approve('2');
    let executed = system.last_run().run;
    system.rest();
    assert_eq!(
        allowed(&system, '2'),
        products("n", 3).into_iter().collect()
    );

    system.approval("Restore", '2', executed, None);
    system.rest();
    let back = system.link_state('2').restore.unwrap();
    assert_eq!(codes(&back), ["PMS-7005"]);
    assert_eq!(
        allowed(&system, '2').len(),
        3,
        "it is shown before it is gone"
    );
    system.approval("Approval", '2', back.run, Some(&back.plan_hash));
    system.rest();
    assert_eq!(allowed(&system, '2'), before);

    // And it stays so, until somebody approves otherwise.
    for _ in 0..30 {
        system.wait(3600);
        system.sync();
        system.rest();
        assert_eq!(allowed(&system, '2'), before);
    }
    let hold = system.link_state('2').hold.unwrap();
    assert!(codes(&hold).contains(&"PMS-7004"), "{hold:?}");
    system.approve('2');
    system.rest();
    assert_eq!(allowed(&system, '2').len(), 3);
}

/// Every hour's run goes on with a rollback whose messages were not sent, and voids nothing of it.
#[test]
fn a_rollback_that_could_not_be_sent_is_gone_on_with_by_the_next_run() {
    let system = in_sync(30);
    system.manage(PolicySnapshot::new(products("p", 2), []));
    held_after(&system);
    system.approve('2');
    let executed = system.last_run().run;
    system.rest();
    system.approval("Restore", '2', executed, None);
    let back = system.link_state('2').restore.unwrap();
    system.world.failing(|failing| {
        failing.fail_next(
            "SendMessageBatch",
            1,
            pmp_sync_domain::error::Kind::Retryable,
        );
    });
    system.approval("Approval", '2', back.run, Some(&back.plan_hash));
    system.rest();
    assert_eq!(allowed(&system, '2').len(), 2);
    system.wait(3600);
    system.sync();
    system.rest();
    assert_eq!(allowed(&system, '2').len(), 30);
    system.wait(3600);
    system.sync();
    system.rest();
    assert_eq!(allowed(&system, '2').len(), 30);
}

#[test]
fn a_rejected_hold_stays_and_nobody_is_asked_again() {
    let system = in_sync(20);
    system.manage(PolicySnapshot::default());
    let hold = held_after(&system);
    system.approval("Rejection", '2', hold.run, Some(&hold.plan_hash));
    let record = system.link(system.last_run().run, '2');
    assert_eq!(record.status, LinkStatus::Rejected);
    for _ in 0..3 {
        system.wait(3600);
        let held = held_after(&system);
        assert_eq!(held.rejection().unwrap().by.as_deref(), Some("somebody"));
    }
    assert_eq!(system.announced(), 2);
    assert_eq!(allowed(&system, '2').len(), 20);
}

#[test]
fn a_frozen_link_changes_nothing_but_for_who_overrides_it() {
    let system = in_sync(20);
    let frozen = CONFIG.replacen(
        "member_experience = \"exp-2\"",
        "member_experience = \"exp-2\"\nfreeze = true",
        1,
    );
    system.configure(&frozen);
    system.manage(PolicySnapshot::new(products("p", 25), []));
    system.sync();
    system.rest();
    assert_eq!(allowed(&system, '2').len(), 20);
    assert_eq!(allowed(&system, '3').len(), 25);
    let run = system.last_full_run();
    let left = system.link(run.run, '2').left_alone;
    assert!(left.iter().all(|left| left.reason == Reason::Frozen) && left.len() == 5);

    system.sync_overriding();
    // The next hour's run is early, and leaves the work of the one that was asked for alone.
    system.sync();
    system.rest();
    assert_eq!(allowed(&system, '2').len(), 25);
    // An override is no approval.
    system.manage(PolicySnapshot::default());
    system.sync_overriding();
    system.rest();
    assert_eq!(allowed(&system, '2').len(), 25);
    assert_eq!(codes(&system.link_state('2').hold.unwrap())[0], "PMS-2005");
}

/// A frozen link is in sync with anything: what was long before still counts when it thaws.
#[test]
fn a_freeze_hides_neither_a_shrunken_list_nor_what_was_restored() {
    let generous = CONFIG.replace(
        "schema = 1",
        "schema = 1\nguard = { removals = 100, short_list_removals = 100, most_removals = 100 }",
    );
    let system = in_sync(30);
    system.configure(&generous);
    let frozen = generous.replace("schema = 1", "schema = 1\nfreeze = true");
    system.configure(&frozen);
    system.manage(PolicySnapshot::new(products("p", 3), []));
    system.sync();
    system.rest();
    system.configure(&generous);
    let hold = held_after(&system);
    assert_eq!(codes(&hold), ["PMS-7003"]);
}

#[test]
fn an_approval_executes_what_was_shown_and_what_is_new_is_held_on_its_own() {
    let system = in_sync(30);
    system.manage(PolicySnapshot::new(products("p", 10), []));
    let first = held_after(&system);
    system.manage(PolicySnapshot::new(products("p", 5), []));
    system.approval("Approval", '2', first.run, Some(&first.plan_hash));
    system.rest();
    assert_eq!(allowed(&system, '2').len(), 10);
    let second = system.link_state('2').hold.unwrap();
    assert_eq!(
        codes(&second),
        ["PMS-7003"],
        "half of the 10 that were shown"
    );
    assert_eq!((second.deny, second.removals), (5, 5));
    let record = system.link(second.run, '2');
    assert_eq!(record.status, LinkStatus::Committed);
    assert_eq!(record.approval.unwrap().refused, None);
    assert_eq!(record.hold.unwrap().plan_hash, second.plan_hash);
    assert_eq!((record.deny.len(), record.held.deny.len()), (20, 5));
    let run = system.run_with(|run| run.run == second.run);
    assert_eq!((run.status, run.totals.held), (RunStatus::Held, 1));
    assert_eq!(system.announced(), 3, "the new one is announced");
    system.approve('2');
    system.rest();
    assert_eq!(allowed(&system, '2').len(), 5);
    assert!(system.unfinished_runs().is_empty());
}
