//! Plans of small scenes, written out and compared with the texts in `golden/`.

#![allow(
    clippy::unwrap_used,
    reason = "a test that finds something wrong is to panic"
)]

mod properties;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use pmp_sync_domain::ids::ProductId;
use pmp_sync_domain::lane::{LaneView, MemberRules};
use pmp_sync_domain::link::{LinkPolicy, Mode};
use pmp_sync_domain::plan::{Plan, Reason, Report, plan};
use pmp_sync_domain::policy::{Action, PolicySnapshot, ProductChange, Standing};

const STANDINGS: [Standing; 3] = [Standing::Allowed, Standing::Denied, Standing::Unlisted];

fn product(text: &str) -> ProductId {
    ProductId::new(text).unwrap()
}

fn change(text: &str, action: Action) -> ProductChange {
    ProductChange {
        product: product(text),
        action,
    }
}

/// What a plan is made from.
#[derive(Debug, Clone, Default)]
struct Scene {
    desired: PolicySnapshot,
    actual: PolicySnapshot,
    lane: LaneView,
    link: LinkPolicy,
}

impl Scene {
    /// One product for each pair of standings, named `<desired>-<actual>`.
    fn of_all_standings(mode: Mode) -> Self {
        let mut lists: [Vec<ProductId>; 4] = Default::default();
        let [desired_allow, desired_deny, actual_allow, actual_deny] = &mut lists;
        for desired in STANDINGS {
            for actual in STANDINGS {
                let product = product(&format!("{desired}-{actual}"));
                match desired {
                    Standing::Allowed => desired_allow.push(product.clone()),
                    Standing::Denied => desired_deny.push(product.clone()),
                    Standing::Unlisted => {}
                }
                match actual {
                    Standing::Allowed => actual_allow.push(product),
                    Standing::Denied => actual_deny.push(product),
                    Standing::Unlisted => {}
                }
            }
        }
        let [desired_allow, desired_deny, actual_allow, actual_deny] = lists;
        Self {
            desired: PolicySnapshot::new(desired_allow, desired_deny),
            actual: PolicySnapshot::new(actual_allow, actual_deny),
            link: LinkPolicy {
                mode,
                ..LinkPolicy::default()
            },
            lane: LaneView::default(),
        }
    }

    fn plan(&self) -> (Plan, Report) {
        plan(&self.desired, &self.actual, &self.lane, &self.link)
    }

    /// The plan and its report as text.
    fn text(&self) -> String {
        let (plan, report) = self.plan();
        let mut text = format!("{}\n", self.link.mode);
        for (verb, products) in [("allow", plan.allow()), ("deny", plan.deny())] {
            section(&mut text, verb, products.iter().map(ToString::to_string));
        }
        let left_alone = report.left_alone.iter().map(|left| {
            format!(
                "{}: {}, wanted {}, {}",
                left.product, left.standing, left.wanted, left.reason
            )
        });
        section(&mut text, "left alone", left_alone);
        let contradictory = report.contradictory.iter().map(ToString::to_string);
        section(&mut text, "contradictory", contradictory);
        write!(
            text,
            "removals: {}\nfewest change sets: {}\nhash: {}\n",
            report.removals,
            plan.fewest_change_sets(),
            plan.hash()
        )
        .unwrap();
        text
    }
}

fn section(text: &mut String, title: &str, lines: impl ExactSizeIterator<Item = String>) {
    writeln!(text, "{title}: {}", lines.len()).unwrap();
    for line in lines {
        writeln!(text, "  {line}").unwrap();
    }
}

fn assert_golden(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../golden");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn a_mirror_follows_every_pair_of_standings() {
    assert_golden("mirror", &Scene::of_all_standings(Mode::Mirror).text());
}

#[test]
fn an_additive_link_denies_nothing_and_says_so() {
    assert_golden("additive", &Scene::of_all_standings(Mode::Additive).text());
}

/// A mode without a golden plan of its own fails here.
#[test]
fn a_link_of_each_mode_does_what_its_golden_plan_says() {
    for mode in Mode::ALL {
        assert_golden(mode.as_str(), &Scene::of_all_standings(mode).text());
    }
}

#[test]
fn an_observing_link_changes_nothing_and_says_what_differs() {
    assert_golden("observe", &Scene::of_all_standings(Mode::Observe).text());
}

#[test]
fn a_protected_product_is_allowed_and_never_denied() {
    let mut scene = Scene::of_all_standings(Mode::Mirror);
    scene.link.protect = [
        "allowed-denied",
        "denied-allowed",
        "denied-unlisted",
        "unlisted-denied",
    ]
    .map(product)
    .into();
    assert_golden("protect", &scene.text());
}

#[test]
fn an_excluded_product_is_neither_allowed_nor_denied() {
    let mut scene = Scene::of_all_standings(Mode::Mirror);
    scene.link.exclude = ["allowed-denied", "denied-allowed", "denied-denied"]
        .map(product)
        .into();
    assert_golden("exclude", &scene.text());
}

#[test]
fn a_product_that_management_both_allows_and_denies_is_denied_and_reported() {
    let scene = Scene {
        desired: PolicySnapshot::new(
            ["both-allowed", "both-denied", "both-unlisted", "fine"].map(product),
            ["both-allowed", "both-denied", "both-unlisted"].map(product),
        ),
        actual: PolicySnapshot::new([product("both-allowed")], [product("both-denied")]),
        ..Scene::default()
    };
    assert_golden("contradictory", &scene.text());
}

#[test]
fn a_batch_in_flight_that_is_the_opposite_of_what_is_wanted_now_is_planned_against() {
    let scene = Scene {
        desired: PolicySnapshot::new(
            ["in-place-being-denied", "wanted-being-allowed"].map(product),
            [product("gone-being-allowed")],
        ),
        actual: PolicySnapshot::new(
            [product("in-place-being-denied")],
            [product("gone-being-allowed")],
        ),
        lane: LaneView {
            in_flight: vec![
                change("in-place-being-denied", Action::Deny),
                change("wanted-being-allowed", Action::Allow),
                change("gone-being-allowed", Action::Allow),
                // Listed on neither side: once it is allowed, people could procure it.
                change("unlisted-being-allowed", Action::Allow),
                change("unlisted-being-denied", Action::Deny),
            ],
            ..LaneView::default()
        },
        ..Scene::default()
    };
    assert_golden("opposite-in-flight", &scene.text());
}

#[test]
fn a_quarantined_change_is_left_alone_and_its_opposite_is_not() {
    let mut scene = Scene::of_all_standings(Mode::Mirror);
    scene.lane.quarantined = vec![
        change("allowed-unlisted", Action::Allow),
        change("denied-allowed", Action::Deny),
        change("allowed-denied", Action::Deny),
        change("unlisted-allowed", Action::Allow),
    ];
    assert_golden("quarantined", &scene.text());
}

#[test]
fn a_product_whose_item_cannot_be_read_is_left_alone_whatever_is_wanted() {
    let mut scene = Scene::of_all_standings(Mode::Mirror);
    let (whole, _) = scene.plan();
    for change in whole.changes() {
        scene.lane.unreadable = [change.product.clone()].into();
        let (plan, report) = scene.plan();
        assert_eq!(plan.len() + 1, whole.len());
        assert!(!plan.contains(&change));
        let [left] = &report.left_alone[..] else {
            panic!("{:?}", report.left_alone);
        };
        assert_eq!(
            (&left.product, left.wanted),
            (&change.product, change.action)
        );
        assert_eq!(left.reason, Reason::UnreadableItem);
    }
}

#[test]
fn a_product_whose_id_is_not_valid_is_reported_and_never_planned() {
    let policy = |ids: &str| {
        let text = format!(
            r#"{{"Statements":[{{"Effect":"Allow","Resources":[{{"Type":"Product","Ids":{ids}}}]}}]}}"#
        );
        PolicySnapshot::from_details(&text).unwrap()
    };
    let scene = Scene {
        desired: policy(r#"["a", "b b", "both both"]"#),
        actual: policy(r#"["c c", "both both"]"#),
        ..Scene::default()
    };
    let (plan, report) = scene.plan();
    assert_eq!(
        plan.changes().collect::<Vec<_>>(),
        [change("a", Action::Allow)]
    );
    let told: Vec<_> = report
        .invalid
        .products
        .iter()
        .map(|left| (left.id.as_str(), left.standing, left.wanted, left.reason))
        .collect();
    let reason = Reason::InvalidId;
    assert_eq!(
        told,
        [
            ("b b", Standing::Unlisted, Action::Allow, reason),
            ("c c", Standing::Allowed, Action::Deny, reason),
        ]
    );
}

#[test]
fn what_the_member_keeps_back_is_left_alone_and_told() {
    let of = |mode, most_denies| {
        let mut scene = Scene::of_all_standings(Mode::Mirror);
        scene.link.protect = ["denied-allowed"].map(product).into();
        scene.lane.member = MemberRules::parse(mode, most_denies).unwrap().mark();
        scene.plan()
    };
    let (free, report) = of("all", "7");
    assert_eq!((free.len(), report.left_alone.len()), (4, 1));
    let reasons = |report: &Report| {
        let left = report.left_alone.iter();
        left.map(|left| (left.wanted, left.reason))
            .collect::<BTreeMap<_, _>>()
    };
    for (mode, most_denies) in [("allow-only", ""), ("all", "0")] {
        let (plan, report) = of(mode, most_denies);
        assert_eq!((plan.allow(), plan.deny().len()), (free.allow(), 0));
        assert_eq!(report.left_alone.len(), free.deny().len() + 1);
        assert_eq!(report.removals, 0);
        let last = reasons(&report);
        assert_eq!(last[&Action::Deny], Reason::MemberRules);
        assert!(
            report
                .left_alone
                .iter()
                .any(|left| left.reason == Reason::Protected),
            "what the link forbids is told first"
        );
    }
    let (plan, report) = of("suspended", "");
    assert!(plan.is_empty());
    assert_eq!(report.left_alone.len(), free.len() + 1);
    assert_eq!(reasons(&report)[&Action::Allow], Reason::MemberRules);
    assert_eq!(Reason::MemberRules.to_string(), "member-rules");
}

#[test]
fn a_product_that_is_left_alone_for_several_reasons_is_told_with_the_strictest() {
    let mut text = String::new();
    for mode in Mode::ALL {
        let mut scene = Scene::of_all_standings(mode);
        scene.link.protect = ["denied-allowed", "denied-unlisted", "allowed-denied"]
            .map(product)
            .into();
        scene.link.exclude = ["denied-allowed"].map(product).into();
        scene.lane.quarantined = vec![
            change("denied-allowed", Action::Deny),
            change("denied-unlisted", Action::Deny),
            change("unlisted-allowed", Action::Deny),
            change("allowed-unlisted", Action::Allow),
        ];
        writeln!(text, "{}", scene.text()).unwrap();
    }
    assert_golden("several-reasons", text.trim_end());
}

#[test]
fn the_fewest_change_sets_are_counted_by_the_longer_list() {
    for (allow, deny, fewest) in [
        (0, 0, 0),
        (1, 0, 1),
        (50, 50, 1),
        (51, 50, 2),
        (0, 101, 3),
        (150, 151, 4),
    ] {
        assert_eq!(sized(allow, deny).fewest_change_sets(), fewest);
    }
}

#[test]
fn opposite_changes_of_both_kinds_are_counted() {
    let of = |allow: &[&str], deny: &[&str]| {
        let products = |texts: &[&str]| texts.iter().copied().map(product).collect();
        Plan::new(products(allow), products(deny))
    };
    let plan = of(&["a", "b", "c"], &["x", "y"]);
    assert_eq!(plan.opposed_to(&plan).len(), 0);
    assert_eq!(plan.opposed_to(&of(&["x", "y"], &["a"])).len(), 3);
    assert_eq!(plan.opposed_to(&of(&["a", "y"], &["x"])).len(), 1);
}

#[test]
fn each_reason_says_something_of_its_own() {
    for words in [Reason::explanation, Reason::remedy] {
        let all: BTreeSet<_> = Reason::ALL.into_iter().map(words).collect();
        assert_eq!(all.len(), Reason::ALL.len());
    }
}

fn sized(allow: usize, deny: usize) -> Plan {
    let numbered = |prefix: &str, count| {
        (0..count)
            .map(|n| product(&format!("{prefix}{n:04}")))
            .collect()
    };
    Plan::new(numbered("a", allow), numbered("d", deny))
}

#[test]
fn of_two_plans_the_later_change_of_a_product_counts() {
    let all = |texts: &[&str]| -> BTreeSet<_> { texts.iter().map(|text| product(text)).collect() };
    let earlier = Plan::new(all(&["a", "b"]), all(&["c", "d"]));
    let later = Plan::new(all(&["c", "e"]), all(&["a", "f"]));
    let both = Plan::new(all(&["b", "c", "e"]), all(&["a", "d", "f"]));
    assert_eq!(earlier.clone().then(&later), both);
    assert_eq!(earlier.clone().then(&Plan::default()), earlier);
    assert_eq!(Plan::default().then(&later), later);
}
