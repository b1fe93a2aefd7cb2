//! What each guard lets through, and what it holds.

use super::*;
use crate::approval::{Ask, Grant};
use crate::ids::RunId;

mod counting;
mod parting;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

fn product(number: usize) -> ProductId {
    ProductId::new(format!("prod-{number:04}")).unwrap()
}

fn products(range: std::ops::Range<usize>) -> BTreeSet<ProductId> {
    range.map(product).collect()
}

fn run(number: i64) -> RunId {
    RunId::next(None, number, 0)
}

/// A member that allows `allowed` products, of which the plan denies the first `denied`.
struct Setting {
    plan: Plan,
    actual: PolicySnapshot,
    open: BTreeSet<ProductId>,
    first_policy: bool,
    oddities: Vec<HoldReason>,
    management_allowed: usize,
    link_state: LinkState,
    approved: Option<Plan>,
    restored: Option<Plan>,
    guard: Guard,
    now: Timestamp,
}

impl Setting {
    fn new(allowed: usize, denied: usize) -> Self {
        Self {
            plan: Plan::new(BTreeSet::new(), products(0..denied)),
            actual: PolicySnapshot::new(products(0..allowed), []),
            open: BTreeSet::new(),
            first_policy: false,
            oddities: Vec::new(),
            management_allowed: allowed - denied,
            link_state: LinkState {
                observed_since: Some(at(-1)),
                ..LinkState::default()
            },
            approved: None,
            restored: None,
            guard: Guard::default(),
            now: at(0),
        }
    }

    fn case(&self) -> Case<'_> {
        Case {
            plan: &self.plan,
            actual: &self.actual,
            open: &self.open,
            first_policy: self.first_policy,
            oddities: &self.oddities,
            management_allowed: self.management_allowed,
            link_state: &self.link_state,
            approved: self.approved.as_ref(),
            restored: self.restored.as_ref(),
            guard: &self.guard,
            now: self.now,
        }
    }

    fn held_by(&self) -> Vec<GuardName> {
        let reasons = self.case().part().reasons;
        reasons.iter().filter_map(HoldReason::guard).collect()
    }
}

const NOTHING: [GuardName; 0] = [];

#[expect(
    clippy::unnecessary_wraps,
    reason = "a reason of an earlier release has no parts"
)]
fn parts(planned: usize, open: usize, earlier: usize, allowed: usize) -> Option<RemovalParts> {
    let since = at(0);
    Some(RemovalParts {
        planned,
        open,
        earlier,
        since,
        allowed,
    })
}

/// They stay on the member's list, whatever the plan removes.
#[test]
fn products_with_ids_that_are_not_valid_count_as_present() {
    let with_invalid = |invalid: usize| {
        let valid = (0..8).map(|number| product(number).to_string());
        let ids: Vec<_> = valid
            .chain((0..invalid).map(|number| format!("not valid #{number}")))
            .collect();
        let details = serde_json::json!({ "Statements": [
            { "Effect": "Allow", "Resources": [{ "Type": "Product", "Ids": ids }] }
        ] });
        let mut setting = Setting::new(8, 4);
        setting.actual = PolicySnapshot::from_details(&details.to_string()).unwrap();
        setting.held_by()
    };
    // 4 of 8, of 16 (25 %) and of 17.
    assert_eq!(with_invalid(0), [GuardName::Removals]);
    assert_eq!(with_invalid(8), [GuardName::Removals]);
    assert_eq!(with_invalid(9), NOTHING);
}

#[test]
fn removals_are_held_above_a_count_from_a_percentage_on_with_a_lower_count_for_short_lists() {
    for (allowed, denied, is_held) in [
        // A percentage alone misfires on short lists: 100 % of two products.
        (2, 2, false),
        (3, 3, false),
        (4, 4, true),
        (10, 3, false),
        (10, 4, true),
        (10, 10, true),
        (20, 10, true),
        // 25 % of 16 are 4.
        (16, 4, true),
        (17, 4, false),
        (40, 10, true),
        (41, 10, false),
        (41, 11, true),
        // 5 % of 220 are 11, and of 400 they are 20.
        (220, 11, true),
        (221, 11, false),
        (400, 19, false),
        (400, 20, true),
    ] {
        let setting = Setting::new(allowed, denied);
        let expected: &[_] = if is_held {
            &[GuardName::Removals]
        } else {
            &NOTHING
        };
        assert_eq!(setting.held_by(), expected, "{denied} of {allowed}");
    }
}

/// The rule in other words: the least number of removals that is held grows with the list.
#[test]
fn the_fewest_removals_that_are_held_are_those_of_the_stricter_limit() {
    for allowed in 0..600_usize {
        let ceil = |percent: usize| (allowed * percent).div_ceil(100);
        let fewest = ceil(25).max(4).min(ceil(5).max(11));
        for denied in 0..=allowed.min(50) {
            let held_by = Setting::new(allowed, denied).held_by();
            let is_held = held_by.contains(&GuardName::Removals);
            assert_eq!(is_held, denied >= fewest, "{denied} of {allowed}");
        }
    }
}

#[test]
fn no_list_is_so_long_that_more_than_the_cap_may_go() {
    assert_eq!(Setting::new(5_000, 50).held_by(), NOTHING);
    let setting = Setting::new(5_000, 51);
    assert_eq!(setting.held_by(), [GuardName::MostRemovals]);
    assert_eq!(
        setting.case().part().reasons,
        [HoldReason::MostRemovals {
            count: 51,
            limit: 50,
            parts: parts(51, 0, 0, 5_000)
        }]
    );
}

#[test]
fn denies_of_what_nobody_could_buy_take_nothing_away() {
    let mut setting = Setting::new(20, 0);
    setting.plan = Plan::new(BTreeSet::new(), products(100..300));
    assert_eq!(setting.held_by(), NOTHING);
    assert!(setting.case().removals().is_empty());
}

#[test]
fn sixty_removals_one_each_hour_are_held_by_the_count_of_24_hours() {
    let mut link_state = Setting::new(0, 0).link_state;
    let mut allowed = products(0..200);
    for hour in 0..60_i64 {
        let now = at(hour * 3_600);
        let goes = BTreeSet::from([product(usize::try_from(hour).unwrap())]);
        let mut setting = Setting::new(0, 0);
        setting.plan = Plan::new(BTreeSet::new(), goes.clone());
        setting.actual = PolicySnapshot::new(allowed.clone(), []);
        setting.management_allowed = allowed.len() - 1;
        setting.link_state = link_state.clone();
        setting.now = now;
        let reasons = setting.case().part().reasons;
        if !reasons.is_empty() {
            // The eleventh: 11 of 200 are more than 10, and at least 5 %.
            assert_eq!(hour, 10);
            assert_eq!(
                reasons,
                [HoldReason::Removals {
                    count: 11,
                    of: 200,
                    limit: 10,
                    percent: 5,
                    parts: parts(1, 0, 10, 190),
                }]
            );
            return;
        }
        link_state.sized(allowed.len(), now);
        link_state.taking_away(goes.clone(), now);
        allowed.retain(|product| !goes.contains(product));
    }
    panic!("all of them went through");
}

#[test]
fn what_was_taken_away_longer_ago_does_not_count() {
    let mut setting = Setting::new(100, 10);
    setting.link_state.sized(110, at(-WINDOW));
    setting
        .link_state
        .taking_away(products(100..110), at(-WINDOW - 60));
    // Seen to be gone.
    setting.link_state.looked(|_| false, at(-WINDOW));
    assert_eq!(setting.held_by(), NOTHING);
    setting.now = at(-1);
    assert_eq!(setting.held_by(), [GuardName::Removals]);
}

#[test]
fn the_same_product_counts_once_whether_it_is_planned_open_or_was_taken_away() {
    let mut setting = Setting::new(100, 10);
    setting.link_state.taking_away(products(0..10), at(-60));
    setting.open = products(0..10);
    assert_eq!(setting.held_by(), NOTHING);
    // Two more that are on their way, though the plan does not have them, and one of before.
    setting.open = products(9..12);
    setting.link_state.taking_away(products(11..13), at(-30));
    assert_eq!(
        setting.case().part().reasons,
        [HoldReason::Removals {
            count: 13,
            of: 100,
            limit: 10,
            percent: 5,
            parts: parts(10, 2, 1, 100),
        }]
    );
}

#[test]
fn the_percentage_is_of_the_list_as_it_stood_when_the_window_began() {
    // 1,000 products came in an hour ago; 40 of the 100 before are more than 5 % of those.
    let mut setting = Setting::new(1_100, 40);
    setting.link_state.sized(100, at(-2 * WINDOW));
    setting.link_state.sized(1_100, at(-3_600));
    assert_eq!(
        setting.case().part().reasons,
        [HoldReason::Removals {
            count: 40,
            of: 100,
            limit: 10,
            percent: 5,
            parts: Some(RemovalParts {
                since: at(-WINDOW),
                ..parts(40, 0, 0, 1_100).unwrap()
            })
        }]
    );
    // Without what is known of then, it is the list of now: 40 of 1,100.
    setting.link_state.sizes.clear();
    assert_eq!(setting.held_by(), NOTHING);
}

#[test]
fn a_management_list_that_lost_half_is_held() {
    for (from, to, is_held) in [
        (20, 10, true),
        (20, 11, false),
        (10, 5, true),
        (10, 6, false),
        (3, 1, true),
        (2, 1, true),
        (3, 2, false),
        (5, 9, false),
        (0, 0, false),
    ] {
        let mut setting = Setting::new(3, 1);
        setting.link_state.management_allowed = Some(from);
        setting.management_allowed = to;
        let expected: &[_] = if is_held {
            &[GuardName::Shrink]
        } else {
            &NOTHING
        };
        assert_eq!(setting.held_by(), expected, "{from} to {to}");
    }
}

#[test]
fn an_odd_management_experience_holds_even_what_changes_nothing_until_it_is_accepted() {
    let mut setting = Setting::new(5, 0);
    setting.oddities = vec![HoldReason::ManagementDisabled {
        status: "Disabled".to_owned(),
        experience: None,
    }];
    assert_eq!(setting.held_by(), [GuardName::ManagementDisabled]);
    setting.link_state.accepted = BTreeSet::from([GuardName::ManagementDisabled]);
    assert_eq!(setting.held_by(), NOTHING);
    // What was accepted is the state, not whatever comes of it.
    setting.plan = Plan::new(products(7..8), BTreeSet::new());
    assert_eq!(setting.held_by(), [GuardName::ManagementDisabled]);
}

#[test]
fn a_condition_that_was_accepted_of_one_management_experience_is_not_of_another() {
    let archived = |name: &str| HoldReason::ManagementArchived {
        experience: Some(name.parse().unwrap()),
    };
    let mut setting = Setting::new(5, 0);
    setting.oddities = vec![archived("exp-a")];
    setting.link_state.accept(&[archived("exp-a")]);
    assert_eq!(setting.held_by(), NOTHING);
    setting.oddities.push(archived("exp-b"));
    assert_eq!(setting.held_by(), [GuardName::ManagementArchived]);
    // Once it is over, it is accepted no more.
    setting.link_state.accepted_while(&[archived("exp-b")]);
    assert!(setting.link_state.accepted_of.is_empty());
    // Nor is that of the only one that the link followed before.
    let alone = HoldReason::ManagementArchived { experience: None };
    setting.link_state.accept(&[alone]);
    assert_eq!(setting.held_by(), [GuardName::ManagementArchived; 2]);
}

#[test]
fn what_was_approved_passes_every_guard_and_nothing_beyond_it_does() {
    let mut setting = Setting::new(100, 100);
    setting.oddities = vec![HoldReason::ManagementEmpty { experience: None }];
    setting.link_state.accept(&setting.oddities);
    setting.approved = Some(setting.plan.clone());
    assert_eq!(setting.held_by(), NOTHING);
    // What has become unnecessary falls away.
    setting.plan = Plan::new(BTreeSet::new(), products(50..100));
    assert_eq!(setting.held_by(), NOTHING);
    // Anything new is judged on its own.
    setting.plan = Plan::new(products(200..201), products(50..100));
    let parted = setting.case().part();
    let approved = Plan::new(BTreeSet::new(), products(50..100));
    assert_eq!((&parted.passing, &parted.approved), (&approved, &approved));
    assert_eq!(parted.held, Plan::new(products(200..201), BTreeSet::new()));
    assert_eq!(setting.held_by(), [GuardName::ManagementEmpty]);
}

#[test]
fn the_first_removals_of_a_link_that_was_never_observed_need_approval() {
    let mut setting = Setting::new(20, 1);
    assert_eq!(setting.held_by(), NOTHING);
    setting.link_state.observed_since = None;
    assert_eq!(
        setting.case().part().reasons,
        [HoldReason::FirstMirror {
            removals: 1,
            allowed: 20
        }]
    );
    setting.approved = Some(setting.plan.clone());
    assert_eq!(setting.held_by(), NOTHING);
    setting.approved = None;
    setting.guard.exempt = BTreeSet::from([GuardName::FirstMirror]);
    assert_eq!(setting.held_by(), NOTHING);
    setting.guard.exempt.clear();
    setting.plan = Plan::new(products(30..90), products(100..130));
    assert_eq!(setting.held_by(), NOTHING, "nothing is removed");
}

/// Three removals out of 28 were once held as "11, of 8".
#[test]
fn removals_of_the_first_alignment_do_not_count_once_the_link_was_in_sync() {
    let mut setting = Setting::new(28, 3);
    let state = &mut setting.link_state;
    state.sized(8, at(-7_200));
    state.taking_away(products(100..108), at(-7_200));
    state.looked(|_| false, at(-3_600));
    state.sized(28, at(-3_600));
    assert_eq!(setting.held_by(), [GuardName::Removals]);
    let words = setting.case().part().reasons.remove(0).to_string();
    assert!(
        words.starts_with("would remove 11 allowed products within 24 hours (3 by this plan, 8 without approval since ")
            && words.ends_with("): more than 10, and at least 5 % of the 8 that were allowed when these hours began"),
        "{words}"
    );
    setting.link_state.aligned(28, at(-3_600));
    assert_eq!(setting.held_by(), NOTHING);
    let aligned = setting.link_state.clone();
    setting.link_state.taking_away(products(3..10), at(-60));
    assert_eq!(setting.held_by(), [GuardName::Removals]);
    let words = setting.case().part().reasons.remove(0).to_string();
    assert!(words.contains("at least 25 % of the 28"), "{words}");
    // It happens once: being in sync again forgets nothing.
    setting.link_state.aligned(25, at(-30));
    assert_eq!(setting.held_by(), [GuardName::Removals]);
    assert_eq!(setting.link_state.sizes, aligned.sizes);
}

#[test]
fn a_hold_of_one_plan_says_so_in_short() {
    let reason = Setting::new(20, 10).case().part().reasons.remove(0);
    assert_eq!(
        reason.to_string(),
        "would remove 10 of 20 allowed products within 24 hours: more than 3, and at least 25 %"
    );
}

#[test]
fn the_first_policy_of_a_live_experience_needs_approval() {
    let mut setting = Setting::new(0, 0);
    setting.first_policy = true;
    assert_eq!(setting.held_by(), NOTHING, "nothing is planned");
    setting.plan = Plan::new(products(0..60), BTreeSet::new());
    assert_eq!(setting.held_by(), [GuardName::FirstPolicy]);
    setting.approved = Some(setting.plan.clone());
    assert_eq!(setting.held_by(), NOTHING);
}

#[test]
fn what_was_restored_is_not_taken_back_without_approval() {
    let mut setting = Setting::new(20, 2);
    let ask = Ask {
        by: None,
        account: None,
        at: at(0),
        reason: None,
    };
    setting.link_state.restored = Some(Grant {
        run: run(1),
        ask,
        executed: run(2),
        earlier: Vec::new(),
        overrides: false,
        before: Vec::new(),
    });
    setting.restored = Some(Plan::new(products(0..1), BTreeSet::new()));
    assert_eq!(
        setting.case().part().reasons,
        [HoldReason::Restored {
            run: run(1),
            count: 1
        }]
    );
    setting.restored = Some(Plan::new(products(5..9), BTreeSet::new()));
    assert_eq!(setting.held_by(), NOTHING);
}

#[test]
fn a_link_is_exempt_by_name_and_from_that_guard_only() {
    let mut setting = Setting::new(100, 60);
    assert_eq!(
        setting.held_by(),
        [GuardName::Removals, GuardName::MostRemovals]
    );
    setting.guard.exempt = BTreeSet::from([GuardName::Removals]);
    assert_eq!(setting.held_by(), [GuardName::MostRemovals]);
    assert_eq!("most-removals".parse(), Ok(GuardName::MostRemovals));
    for name in GuardName::ALL {
        let written = serde_json::to_value(name).unwrap();
        assert_eq!(written, name.as_str());
        assert_eq!(name.as_str().parse(), Ok(name));
    }
    assert!("everything".parse::<GuardName>().is_err());
}

#[test]
fn limits_may_be_stricter_or_wider() {
    let mut setting = Setting::new(100, 1);
    setting.guard.limits = Limits {
        removals: 0,
        removals_percent: 0,
        short_list_removals: 0,
        short_list_percent: 0,
        most_removals: 0,
        shrink_percent: 0,
    };
    setting.link_state.management_allowed = Some(100);
    assert_eq!(
        setting.held_by(),
        [
            GuardName::Removals,
            GuardName::MostRemovals,
            GuardName::Shrink
        ]
    );
    // Nothing lost is never a loss.
    setting.link_state.management_allowed = Some(99);
    assert!(!setting.held_by().contains(&GuardName::Shrink));
    let mut setting = Setting::new(100, 90);
    setting.guard.limits.removals = 90;
    setting.guard.limits.most_removals = 90;
    assert_eq!(setting.held_by(), [GuardName::Removals], "a short list");
    setting.guard.limits.short_list_removals = 90;
    assert_eq!(setting.held_by(), NOTHING);
}

#[test]
fn each_reason_has_its_code_its_words_and_its_remedy() {
    for (reason, code, words, remedy) in [
        (
            HoldReason::ManagementEmpty { experience: None },
            "PMS-2005",
            "allows nothing",
            "allow at least one",
        ),
        (
            HoldReason::ManagementArchived { experience: None },
            "PMS-2002",
            "is archived",
            "reactivate",
        ),
        (
            HoldReason::MostRemovals {
                count: 51,
                limit: 50,
                parts: None,
            },
            "PMS-7002",
            "remove 51 allowed products within 24 hours, more than 50",
            "re-allow",
        ),
        (
            HoldReason::FirstPolicy { allow: 60 },
            "PMS-3004",
            "all but 50 products at once, and then all but 60",
            "fill the list",
        ),
        (
            HoldReason::FirstMirror {
                removals: 10,
                allowed: 12,
            },
            "PMS-7006",
            "would remove 10 of the 12 products that the member allows",
            "allow in the management experience",
        ),
        (
            HoldReason::Restore { run: run(1) },
            "PMS-7005",
            "before run",
            "look at the denies",
        ),
        (
            HoldReason::Rejected { count: 1 },
            "PMS-7008",
            "1 removal was rejected before and is still wanted",
            "allow in the management experience",
        ),
        (
            HoldReason::Rejected { count: 2 },
            "PMS-7008",
            "2 removals were rejected before and are still wanted",
            "allow in the management experience",
        ),
        (
            HoldReason::Revert { run: run(1) },
            "PMS-7007",
            "is taken back, and nothing that came later",
            "look at the denies",
        ),
    ] {
        assert_eq!(reason.code(), code);
        assert!(reason.to_string().contains(words), "{reason}");
        assert!(reason.remedy().starts_with(remedy), "{reason}");
    }
}
