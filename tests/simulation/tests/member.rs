//! The member's own rules through the whole system: what its worker keeps back is left alone by plans,
//! every run comes to its end, and once it may everything is made up for.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

mod system;

use pmp_sync_domain::error::Kind;
use pmp_sync_domain::lane::Phase;
use pmp_sync_domain::plan::Reason;
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::run::RunStatus;
use pmp_sync_domain::time::later;

use crate::system::{System, products};

fn whole() -> PolicySnapshot {
    PolicySnapshot::new(products("p", 60), products("d", 10))
}

fn system() -> System {
    System::new(products("p", 60), products("d", 10))
}

/// Every change of the member's that is kept back, and none other, by the last run's own words.
fn kept_back(system: &System, count: usize) {
    let run = system.last_full_run();
    let link = system.link(run.run, '2');
    assert_eq!(link.left_alone.len(), count);
    let mut left = link.left_alone.iter();
    assert!(left.all(|left| left.reason == Reason::MemberRules));
    assert!(link.allow.is_empty() && link.deny.is_empty());
    assert_eq!((run.totals.messages, run.totals.failed), (0, 0));
}

fn all_has_ended(system: &System) {
    let unfinished = system.unfinished_runs();
    assert!(unfinished.is_empty(), "{unfinished:?}");
    for member in ['2', '3'] {
        assert_eq!(system.open(member), 0);
        assert_eq!(system.state(member).phase, Phase::Idle);
    }
}

#[test]
fn a_member_that_takes_allows_only_is_planned_for_without_denies_until_it_takes_them_again() {
    let mut system = system();
    system.rule('2', "allow-only", "");
    system.sync();
    system.rest();
    assert_eq!(system.policy('3'), whole(), "the others are not held up");
    assert_eq!(
        system.policy('2'),
        PolicySnapshot::new(products("p", 60), [])
    );
    assert_eq!(system.sets('2'), 2);
    all_has_ended(&system);
    // Whatever was committed before the mark was known, and after.
    let statuses: Vec<_> = system.runs().iter().map(|run| run.status).collect();
    assert_eq!(statuses[0], RunStatus::Superseded);
    assert_eq!(system.state('2').last_in_sync, None);

    let sets = system.sets('2');
    for _ in 0..3 {
        system.wait(3_600);
        system.sync();
        system.rest();
        kept_back(&system, 10);
        all_has_ended(&system);
    }
    assert_eq!(system.sets('2'), sets);

    system.rule('2', "all", "");
    system.wait(3_600);
    // The hourly run asks, the worker tells, and what was kept back is planned.
    system.sync();
    system.rest();
    assert_eq!(system.policy('2'), whole());
    assert_eq!(system.state('2').member, None);
    assert!(system.state('2').last_in_sync.is_some());
    all_has_ended(&system);
}

#[test]
fn a_member_that_stops_while_a_plan_is_at_work_ends_what_is_in_flight_and_no_more() {
    for hint_is_lost in [false, true] {
        let mut system = System::new(products("p", 120), products("d", 70));
        system.sync();
        system.rest_until(|system| {
            system.state('2').phase == Phase::InFlight && system.open('2') == 190
        });
        let set = system.state('2').intent.unwrap().counts().total();
        system.rule('2', "suspended", "");
        if hint_is_lost {
            system
                .world
                .failing(|failing| failing.fail_next("PutEvents", 1, Kind::Retryable));
        }
        system.rest();
        system.wait(3_600);
        system.sync();
        system.rest();
        let told = format!("the hint is lost: {hint_is_lost}");
        assert_eq!(system.sets('2'), 1, "{told}");
        all_has_ended(&system);
        kept_back(&system, 190 - set);

        system.rule('2', "all", "");
        system.wait(3_600);
        system.sync();
        system.rest();
        let whole = PolicySnapshot::new(products("p", 120), products("d", 70));
        assert_eq!(system.policy('2'), whole, "{told}");
        all_has_ended(&system);
    }
}

/// Set, and lifted before anybody has asked: the plan at work goes on where it was.
#[test]
fn rules_that_come_and_go_between_two_runs_cost_nothing_but_time() {
    let mut system = System::new(products("p", 120), []);
    system.sync();
    system.rest_until(|system| system.state('2').phase == Phase::InFlight);
    system
        .world
        .failing(|failing| failing.fail_next("PutEvents", 1, Kind::Retryable));
    system.rule('2', "suspended", "");
    system.rest_until(|system| system.state('2').phase == Phase::Idle);
    system.rule('2', "all", "");
    system.rest();
    system.wait(3_600);
    system.sync();
    system.rest();
    let whole = PolicySnapshot::new(products("p", 120), []);
    assert_eq!(system.policy('2'), whole);
    all_has_ended(&system);
}

#[test]
fn a_limit_is_kept_over_days_of_hourly_runs_and_everything_is_done_in_the_end() {
    let mut system = System::new(products("p", 3), products("d", 25));
    system.rule('2', "all", "10");
    let begin = system.world.time();
    for hour in 0..60 {
        system.rest_until(|system| system.world.time() >= later(begin, hour * 3_600));
        system.world.advance_to(later(begin, hour * 3_600));
        system.sync();
    }
    system.rest();
    let records = system.records('2', None);
    for last in &records {
        let day = records.iter().filter(|record| {
            record.ended_at <= last.ended_at && later(record.ended_at, 86_400) > last.ended_at
        });
        let denies: usize = day.map(|record| record.deny.len()).sum();
        assert!(denies <= 10, "{denies} within the day before {last:?}");
    }
    let whole = PolicySnapshot::new(products("p", 3), products("d", 25));
    assert_eq!(
        (system.policy('2'), system.policy('3')),
        (whole.clone(), whole)
    );
    let counts: Vec<_> = records.iter().map(|record| record.deny.len()).collect();
    assert_eq!(counts, [10, 10, 5]);
    all_has_ended(&system);
    assert_eq!(system.dead('2'), [] as [String; 0]);
}

/// The worker would keep it back, and tell nobody: it has told already.
#[test]
fn a_plan_that_was_made_before_the_mark_is_not_committed_after_it() {
    let system = system();
    system.sync_and_meanwhile('2', || system.mark('2', "allow-only"));
    let planned = system.state('2').planned.unwrap();
    assert_eq!((planned.totals.allow, planned.totals.deny), (60, 0));
    assert_eq!(system.state('3').planned.unwrap().totals.deny, 10);
}

/// What was done under which run is told, run by run.
#[test]
fn the_change_sets_of_a_run_are_on_record_under_it() {
    let system = System::new(products("p", 120), []);
    system.sync();
    system.rest();
    let first = system.last_full_run().run;
    assert_eq!(system.records('2', Some(first)).len(), 3);
    system.manage(PolicySnapshot::new(products("p", 119), products("d", 1)));
    system.wait(3_600);
    system.sync();
    system.rest();
    let second = system.last_full_run().run;
    let [record] = system.records('2', Some(second)).try_into().unwrap();
    assert_eq!((record.allow.len(), record.deny.len()), (0, 2));
    assert_eq!(system.records('2', None).len(), 4);
    assert_eq!(system.records('2', Some(first)).len(), 3);
}
