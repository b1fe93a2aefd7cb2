//! What is held of a plan, and what passes.

use super::*;
use crate::approval::Rejection;

fn ask() -> Ask {
    Ask {
        by: Some("ann".to_owned()),
        account: None,
        at: at(0),
        reason: None,
    }
}

/// A member that allows 100 products, of which the plan denies the first `denied`. It allows 3 more, and denies 2 that
/// nobody can buy.
fn mixed(denied: usize) -> Setting {
    let mut setting = Setting::new(100, denied);
    let denies = &products(0..denied) | &products(300..302);
    setting.plan = Plan::new(products(200..203), denies);
    setting
}

fn harmless() -> Plan {
    Plan::new(products(200..203), products(300..302))
}

fn removals(range: std::ops::Range<usize>) -> Plan {
    Plan::new(BTreeSet::new(), products(range))
}

#[test]
fn guards_of_removals_keep_back_the_removals_and_nothing_else() {
    let few = mixed(5).case().part();
    assert_eq!((few.passing, few.reasons), (mixed(5).plan, Vec::new()));
    let mut first = mixed(1);
    first.link_state.observed_since = None;
    let mut shrunk = mixed(1);
    shrunk.link_state.management_allowed = Some(1_000);
    for (setting, held) in [(mixed(60), 60), (first, 1), (shrunk, 1)] {
        let parted = setting.case().part();
        assert_eq!(parted.passing, harmless(), "{:?}", parted.reasons);
        assert_eq!(parted.held, removals(0..held));
        assert!(!parted.reasons.is_empty());
        assert!(!parted.reasons.iter().any(HoldReason::holds_everything));
    }
}

#[test]
fn a_guard_of_removals_holds_nothing_if_nothing_is_removed() {
    let mut setting = mixed(0);
    setting.link_state.management_allowed = Some(1_000);
    let parted = setting.case().part();
    assert_eq!((parted.passing, parted.reasons), (harmless(), Vec::new()));
}

#[test]
fn a_list_in_doubt_and_a_first_policy_let_nothing_through_but_what_was_approved() {
    let mut doubted = mixed(1);
    doubted.oddities = vec![HoldReason::ManagementEmpty { experience: None }];
    let mut first = mixed(1);
    first.first_policy = true;
    for mut setting in [doubted, first] {
        let parted = setting.case().part();
        assert_eq!(parted.held, setting.plan);
        assert!(parted.passing.is_empty());
        assert!(parted.reasons.iter().all(HoldReason::holds_everything));
        setting.approved = Some(Plan::new(products(200..201), products(50..60)));
        let parted = setting.case().part();
        let approved = Plan::new(products(200..201), BTreeSet::new());
        assert_eq!(parted.passing, approved);
        assert_eq!(parted.held, setting.plan.minus(&approved));
    }
}

#[test]
fn the_opposite_of_what_was_taken_back_is_held_whether_it_allows_or_denies() {
    let mut setting = mixed(2);
    setting.link_state.restored = Some(Grant {
        run: run(1),
        ask: ask(),
        earlier: Vec::new(),
        executed: run(2),
        overrides: false,
        before: Vec::new(),
    });
    setting.restored = Some(Plan::new(products(0..1), products(200..201)));
    let parted = setting.case().part();
    assert_eq!(parted.held, Plan::new(products(200..201), products(0..1)));
    assert_eq!(parted.passing, setting.plan.minus(&parted.held));
    let run = run(1);
    assert_eq!(parted.reasons, [HoldReason::Restored { run, count: 2 }]);
}

#[test]
fn what_was_approved_counts_against_no_limit_whether_it_is_planned_or_open() {
    let mut setting = Setting::new(100, 70);
    setting.approved = Some(removals(0..60));
    setting.open = products(0..60);
    let parted = setting.case().part();
    assert_eq!(parted.passing, removals(0..70), "10 are not approved");
    assert_eq!(parted.approved, removals(0..60));
    setting.plan = removals(0..71);
    let parted = setting.case().part();
    assert_eq!(parted.passing, removals(0..60));
    assert_eq!(parted.held, removals(60..71));
    // What passed without approval today counts.
    setting.plan = removals(0..70);
    setting.link_state.taking_away(products(90..91), at(-10));
    assert_eq!(setting.case().part().held, removals(60..70));
}

#[test]
fn a_rejected_removal_stays_held_even_if_no_guard_objects_any_more() {
    let mut setting = mixed(3);
    let rejected = Plan::new(products(200..201), products(0..2));
    setting.link_state.rejected = Some(Rejection::new(&rejected, ask()));
    let parted = setting.case().part();
    assert_eq!(parted.held, removals(0..2), "allows are not");
    assert_eq!(parted.reasons, [HoldReason::Rejected { count: 2 }]);
    assert_eq!(parted.passing, setting.plan.minus(&parted.held));
    // A guard that holds them says more.
    setting.link_state.observed_since = None;
    let parted = setting.case().part();
    assert_eq!(parted.held, removals(0..3));
    let codes: Vec<_> = parted.reasons.iter().map(HoldReason::code).collect();
    assert_eq!(codes, ["PMS-7006"]);
    setting.approved = Some(removals(0..3));
    assert_eq!(setting.case().part().held, Plan::default());
}
