//! What holds for the plan of every scene.

use std::collections::BTreeSet;

use pmp_sync_domain::ids::ProductId;
use pmp_sync_domain::lane::MemberRules;
use pmp_sync_domain::link::{LinkPolicy, Mode};
use pmp_sync_domain::plan::{Plan, Reason};
use pmp_sync_domain::policy::{Action, PolicySnapshot, ProductChange, Standing};
use proptest::prelude::*;

use crate::{Scene, product, sized};

/// What one product is in a scene: where it stands, and what is known of it otherwise.
fn any_scene() -> impl Strategy<Value = Scene> {
    let action = || prop::option::of(prop_oneof![Just(Action::Allow), Just(Action::Deny)]);
    // On the Allow list, on the Deny list; both is a contradiction.
    let lists = any::<(bool, bool)>;
    let flags = (prop::bool::weighted(0.2), prop::bool::weighted(0.2));
    let about_one = (lists(), lists(), action(), action(), flags);
    let products = prop::collection::vec(about_one, 0..14);
    let rules = prop::sample::select(vec!["all", "all", "allow-only", "suspended"]);
    let scenes = (prop::sample::select(Mode::ALL.to_vec()), rules, products);
    scenes.prop_map(|(mode, rules, products)| {
        let mut scene = Scene::default();
        let rules = MemberRules::parse(rules, "");
        scene.lane.member = rules.ok().and_then(|rules| rules.mark());
        let mut lists: [Vec<ProductId>; 4] = Default::default();
        for (number, (desired, actual, in_flight, quarantined, flags)) in
            products.into_iter().enumerate()
        {
            let product = product(&format!("p{number:02}"));
            for (list, is_on) in lists
                .iter_mut()
                .zip([desired.0, desired.1, actual.0, actual.1])
            {
                list.extend(is_on.then(|| product.clone()));
            }
            let changed = |action| ProductChange {
                product: product.clone(),
                action,
            };
            scene.lane.in_flight.extend(in_flight.map(changed));
            scene.lane.quarantined.extend(quarantined.map(changed));
            scene.link.protect.extend(flags.0.then(|| product.clone()));
            scene.link.exclude.extend(flags.1.then(|| product.clone()));
        }
        let [desired_allow, desired_deny, actual_allow, actual_deny] = lists;
        scene.link.mode = mode;
        scene.desired = PolicySnapshot::new(desired_allow, desired_deny);
        scene.actual = PolicySnapshot::new(actual_allow, actual_deny);
        scene
    })
}

fn any_plan() -> impl Strategy<Value = Plan> {
    let products = || {
        prop::collection::btree_set(0_u8..6, 0..4).prop_map(|numbers| {
            numbers
                .into_iter()
                .map(|n| product(&format!("p{n}")))
                .collect()
        })
    };
    (products(), products()).prop_map(|(allow, deny)| Plan::new(allow, deny))
}

fn applied<'a>(
    policy: &PolicySnapshot,
    changes: impl IntoIterator<Item = &'a ProductChange>,
) -> PolicySnapshot {
    policy.overlaid(
        changes
            .into_iter()
            .map(|change| (&change.product, change.action)),
    )
}

/// In place by the meaning of the lists: procurable on both sides or on neither, and denied where
/// management denies.
fn in_place(desired: Standing, actual: Standing) -> bool {
    (desired == Standing::Allowed) == (actual == Standing::Allowed)
        && (desired != Standing::Denied || actual == Standing::Denied)
}

proptest! {
    /// Whether the batch in flight succeeds or fails.
    #[test]
    fn a_mirror_plan_makes_the_allow_lists_equal_and_leaves_nothing_to_plan(
        mut scene in any_scene(), batch_succeeds: bool
    ) {
        scene.link = LinkPolicy::default();
        scene.lane.quarantined.clear();
        scene.lane.unreadable.clear();
        scene.lane.member = None;
        let (first, _) = scene.plan();
        let changes: Vec<_> = first.changes().collect();
        if batch_succeeds {
            scene.actual = applied(&scene.actual, &scene.lane.in_flight);
        }
        scene.actual = applied(&scene.actual, &changes);
        scene.lane.in_flight.clear();
        prop_assert_eq!(scene.actual.allowed(), scene.desired.allowed());
        prop_assert!(scene.actual.denied().is_superset(scene.desired.denied()));
        let (second, report) = scene.plan();
        prop_assert!(second.is_empty(), "{:?}", second);
        prop_assert!(report.left_alone.is_empty());
    }

    #[test]
    fn no_plan_denies_a_protected_product_or_touches_an_excluded_one(scene in any_scene()) {
        let (plan, _) = scene.plan();
        prop_assert!(plan.deny().is_disjoint(&scene.link.protect));
        prop_assert!(plan.deny().is_disjoint(&scene.link.exclude));
        prop_assert!(plan.allow().is_disjoint(&scene.link.exclude));
    }

    #[test]
    fn a_link_of_each_mode_plans_what_a_mirror_does_as_far_as_it_may(scene in any_scene()) {
        let of = |mode| {
            let link = LinkPolicy { mode, ..scene.link.clone() };
            Scene { link, ..scene.clone() }.plan().0
        };
        let (mirror, nothing) = (of(Mode::Mirror), BTreeSet::new());
        for mode in Mode::ALL {
            let (allows, denies) = match mode {
                Mode::Mirror => (true, true),
                Mode::Additive => (true, false),
                Mode::Observe => (false, false),
            };
            let made = of(mode);
            prop_assert_eq!(made.allow(), if allows { mirror.allow() } else { &nothing });
            prop_assert_eq!(made.deny(), if denies { mirror.deny() } else { &nothing });
        }
    }

    /// What differs now, or will once the batch in flight is applied; nothing else.
    #[test]
    fn every_product_that_differs_is_planned_or_left_alone_with_a_reason(scene in any_scene()) {
        let (plan, report) = scene.plan();
        let overlaid = applied(&scene.actual, &scene.lane.in_flight);
        let left: BTreeSet<_> = report.left_alone.iter().map(|left| &left.product).collect();
        prop_assert_eq!(left.len(), report.left_alone.len());
        for number in 0..14 {
            let product = product(&format!("p{number:02}"));
            let goal = scene.desired.standing(&product);
            let differs = !in_place(goal, scene.actual.standing(&product))
                || !in_place(goal, overlaid.standing(&product));
            let planned = plan.allow().contains(&product) || plan.deny().contains(&product);
            prop_assert_eq!(usize::from(differs), usize::from(planned) + usize::from(left.contains(&product)), "{}", product);
        }
        for left in &report.left_alone {
            let change = ProductChange { product: left.product.clone(), action: left.wanted };
            prop_assert_eq!(left.standing, scene.actual.standing(&left.product));
            let holds = match left.reason {
                Reason::Observe => scene.link.mode == Mode::Observe,
                Reason::Additive => scene.link.mode == Mode::Additive && left.wanted == Action::Deny,
                Reason::Protected => scene.link.protect.contains(&left.product) && left.wanted == Action::Deny,
                Reason::Excluded => scene.link.exclude.contains(&left.product),
                Reason::Quarantined => scene.lane.quarantined.contains(&change),
                Reason::MemberRules => scene.lane.member.as_ref().is_some_and(|rules| rules.forbids(left.wanted)),
                Reason::Frozen => scene.link.frozen,
                Reason::UnreadableItem => scene.lane.unreadable.contains(&left.product),
                // Nobody has asked AWS Marketplace here, and what has no valid id is listed apart.
                Reason::NotLive | Reason::LiveUnknown | Reason::InvalidId => false,
            };
            prop_assert!(holds, "{:?}", left);
        }
        let removals = plan.deny().intersection(scene.actual.allowed()).count();
        prop_assert_eq!(report.removals, removals);
        prop_assert_eq!(&report.contradictory, scene.desired.contradictory());
    }

    #[test]
    fn every_planned_change_is_one_that_the_link_agrees_to(scene in any_scene()) {
        let (plan, report) = scene.plan();
        for change in plan.changes() {
            prop_assert!(scene.link.agrees(&scene.desired, &change), "{:?}", change);
        }
        for left in report.left_alone.iter().filter(|left| !matches!(left.reason, Reason::Quarantined | Reason::MemberRules | Reason::UnreadableItem)) {
            let change = ProductChange { product: left.product.clone(), action: left.wanted };
            prop_assert!(!scene.link.agrees(&scene.desired, &change), "{:?}", change);
        }
    }

    #[test]
    fn two_plans_have_one_hash_if_and_only_if_they_have_the_same_changes(a in any_plan(), b in any_plan()) {
        let changes = |plan: &Plan| plan.changes().collect::<Vec<_>>();
        prop_assert_eq!(changes(&a) == changes(&b), a.hash() == b.hash());
        let again = Plan::new(a.allow().iter().rev().cloned().collect(), a.deny().clone());
        prop_assert_eq!(again.hash(), a.hash());
        let opposite = Plan::new(a.deny().clone(), a.allow().clone());
        prop_assert_eq!(opposite.hash() == a.hash(), a.is_empty());
        for change in a.changes() {
            let without = |set: &BTreeSet<ProductId>| set.iter().filter(|p| **p != change.product).cloned().collect();
            prop_assert_ne!(Plan::new(without(a.allow()), without(a.deny())).hash(), a.hash());
        }
    }

    #[test]
    fn a_product_has_one_change_at_most_and_a_deny_wins(a in any_plan(), b in any_plan()) {
        let both = Plan::new(a.allow().clone(), b.allow().clone());
        prop_assert!(both.allow().is_disjoint(both.deny()));
        prop_assert_eq!(both.deny(), b.allow());
        prop_assert_eq!(both.changes().count(), both.len());
        prop_assert!(both.changes().all(|change| both.contains(&change)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_sending_order_has_every_change_once(allow in 0_usize..330, deny in 0_usize..330) {
        let plan = sized(allow, deny);
        let mut sent = plan.in_sending_order();
        sent.sort();
        prop_assert!(sent.into_iter().eq(plan.changes()));
    }

    /// While both kinds last, any hundred messages in a row have fifty of each: a full change set.
    #[test]
    fn a_hundred_messages_in_a_row_make_a_full_change_set_while_both_kinds_last(
        allow in 0_usize..330, deny in 0_usize..330
    ) {
        let order = sized(allow, deny).in_sending_order();
        let both_last = allow.min(deny) / 50 * 100;
        for window in order.iter().take(both_last).collect::<Vec<_>>().windows(100) {
            let allows = window.iter().filter(|change| change.action == Action::Allow).count();
            prop_assert_eq!(allows, 50);
        }
    }

    /// Cut wherever a fifty-first of a kind would come, the sending order falls into the fewest sets.
    #[test]
    fn change_sets_that_are_cut_from_the_sending_order_are_the_fewest(
        allow in 0_usize..330, deny in 0_usize..330
    ) {
        let plan = sized(allow, deny);
        let (mut sets, mut allows, mut denies) = (0, 50, 50);
        for change in plan.in_sending_order() {
            let room = if change.action == Action::Allow { &mut allows } else { &mut denies };
            *room += 1;
            if *room > 50 {
                (allows, denies) = if change.action == Action::Allow { (1, 0) } else { (0, 1) };
                sets += 1;
            }
        }
        prop_assert_eq!(sets, plan.fewest_change_sets());
        prop_assert_eq!(sets, allow.div_ceil(50).max(deny.div_ceil(50)));
    }
}
