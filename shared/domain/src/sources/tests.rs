//! What a link can follow, and what several management experiences want together.

use proptest::prelude::*;

use super::*;
use crate::guard::{GuardName, HoldReason};
use crate::ids::InvalidId;
use crate::reconcile::{DesiredState, SourceState};

fn id(text: &str) -> ExperienceId {
    text.parse().unwrap()
}

fn product(text: &str) -> ProductId {
    text.parse().unwrap()
}

fn lists(allowed: &[&str], denied: &[&str]) -> PolicySnapshot {
    let ids = |ids: &[&str]| ids.iter().map(|id| product(id)).collect::<Vec<_>>();
    PolicySnapshot::new(ids(allowed), ids(denied))
}

fn source(policy: PolicySnapshot, conditions: Vec<HoldReason>) -> SourceState {
    SourceState {
        policy: Arc::new(policy),
        conditions,
    }
}

fn desired(sources: &[(&str, SourceState)]) -> DesiredState {
    let sources: Vec<_> = sources.iter().map(|(name, of)| (id(name), of)).collect();
    let sources = sources.iter().map(|(name, of)| (name, *of));
    DesiredState::of_sources(sources, Conflict::Deny)
}

#[test]
fn a_link_follows_one_or_several_each_once() {
    let new = |ids: &[&str]| Sources::new(ids.iter().map(|text| id(text)));
    assert_eq!(new(&["exp-a"]), Ok(id("exp-a").into()));
    let several = new(&["exp-b", "exp-a"]).unwrap();
    assert_eq!(several.to_string(), "exp-b, exp-a");
    assert_eq!("exp-b,exp-a".parse(), Ok(several.clone()));
    assert_eq!(
        (several.first(), several.are_several()),
        (&id("exp-b"), true)
    );
    assert!(several.contains(&id("exp-a")) && !several.contains(&id("exp-c")));
    assert_eq!(new(&[]), Err(InvalidSources::Empty));
    let twice = new(&["exp-a", "exp-b", "exp-b"]);
    assert_eq!(twice, Err(InvalidSources::Duplicate(id("exp-b"))));
    let many = |count: usize| Sources::new((0..count).map(|n| id(&format!("exp-{n}"))));
    assert!(many(MOST_SOURCES).is_ok());
    let too_many = MOST_SOURCES + 1;
    assert_eq!(many(too_many), Err(InvalidSources::TooMany(too_many)));
    let wrong = "exp-a, x".parse::<Sources>();
    assert!(matches!(wrong, Err(InvalidSources::Id(InvalidId { .. }))));
}

#[test]
fn one_is_stored_as_before_and_several_beside_the_first() {
    let read = |text: &str| serde_json::from_str::<Sources>(text);
    let one = r#"{"management_experience":"exp-a"}"#;
    assert_eq!(read(one).unwrap(), id("exp-a").into());
    assert_eq!(serde_json::to_string(&read(one).unwrap()).unwrap(), one);
    let two = r#"{"management_experience":"exp-a","management_experiences":["exp-a","exp-b"]}"#;
    assert_eq!(read(two).unwrap().to_string(), "exp-a, exp-b");
    assert_eq!(serde_json::to_string(&read(two).unwrap()).unwrap(), two);
    let listed_alone = r#"{"management_experience":"exp-a","management_experiences":["exp-a"]}"#;
    assert_eq!(read(listed_alone).unwrap(), id("exp-a").into());
    for wrong in [
        "{}",
        r#"{"management_experience":"exp-b","management_experiences":["exp-a","exp-b"]}"#,
        r#"{"management_experience":"exp-a","management_experiences":["exp-a","exp-a"]}"#,
    ] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn each_condition_names_its_management_experience_if_there_are_several() {
    let archived = || vec![HoldReason::ManagementArchived { experience: None }];
    let alone = desired(&[("exp-a", source(lists(&["a"], &[]), archived()))]);
    assert_eq!(alone.conditions, archived());
    assert!(alone.sources.is_empty());
    let both = desired(&[
        ("exp-a", source(lists(&["a"], &[]), Vec::new())),
        ("exp-b", source(lists(&["b"], &[]), archived())),
    ]);
    let experience = Some(id("exp-b"));
    assert_eq!(
        both.conditions,
        [HoldReason::ManagementArchived { experience }]
    );
    let told = both.conditions[0].to_string();
    assert_eq!(told, "the management experience exp-b is archived");
    assert_eq!(both.policy, lists(&["a", "b"], &[]));
}

#[test]
fn one_of_several_is_empty_if_it_lists_nothing_and_all_are_if_they_allow_nothing() {
    let empty = |of: &[(&str, SourceState)]| {
        let conditions = desired(of).conditions;
        assert!(
            conditions
                .iter()
                .all(|one| one.guard() == Some(GuardName::ManagementEmpty)),
            "{conditions:?}"
        );
        conditions
            .iter()
            .map(|one| one.source().cloned())
            .collect::<Vec<_>>()
    };
    let of = |policy| source(policy, Vec::new());
    let base = || ("exp-a", of(lists(&["a"], &[])));
    assert_eq!(empty(&[base(), ("exp-b", of(lists(&[], &["b"])))]), []);
    let lists_nothing = [base(), ("exp-b", of(lists(&[], &[])))];
    assert_eq!(empty(&lists_nothing), [Some(id("exp-b"))]);
    let nothing_is_left = [base(), ("exp-b", of(lists(&[], &["a"])))];
    assert_eq!(empty(&nothing_is_left), [None]);
    assert_eq!(empty(&[("exp-a", of(lists(&[], &["b"])))]), [None], "alone");
}

#[test]
fn one_without_a_policy_is_told_as_that_and_not_as_empty() {
    let without = || {
        let reason = HoldReason::ManagementNoPolicy { experience: None };
        source(lists(&[], &[]), vec![reason])
    };
    let alone = desired(&[("exp-a", without())]).conditions;
    assert_eq!(alone, [HoldReason::ManagementNoPolicy { experience: None }]);
    let base = source(lists(&["a"], &[]), Vec::new());
    let both = desired(&[("exp-a", base), ("exp-b", without())]).conditions;
    let experience = Some(id("exp-b"));
    assert_eq!(both, [HoldReason::ManagementNoPolicy { experience }]);
}

#[test]
fn one_that_is_archived_and_lists_nothing_is_told_as_both() {
    let archived = |experience| HoldReason::ManagementArchived { experience };
    let empty = |experience| HoldReason::ManagementEmpty { experience };
    let without = || source(lists(&[], &[]), vec![archived(None)]);
    let alone = desired(&[("exp-a", without())]).conditions;
    assert_eq!(alone, [archived(None), empty(None)]);
    let base = source(lists(&["a"], &[]), Vec::new());
    let both = desired(&[("exp-a", base), ("exp-b", without())]).conditions;
    let experience = || Some(id("exp-b"));
    assert_eq!(both, [archived(experience()), empty(experience())]);
}

#[test]
fn products_are_grouped_by_who_lists_them() {
    let of = |name: &str, policy| SourceLists {
        experience: id(name),
        policy: Arc::new(policy),
    };
    let sources = [
        of("exp-a", lists(&["a", "both", "conflict"], &["d"])),
        of("exp-b", lists(&["both"], &["conflict"])),
    ];
    let asked: Vec<_> = ["a", "both", "conflict", "d", "none"].map(product).into();
    let (groups, beyond) = origins(&sources, &asked);
    assert_eq!(beyond, 0);
    let told: Vec<_> = groups
        .iter()
        .map(|origin| (origin.products.clone(), origin.words()))
        .collect();
    let group = |name: &str, words: &str| (vec![product(name)], words.to_owned());
    assert_eq!(
        told,
        [
            group("both", "allowed by exp-a, exp-b"),
            group("conflict", "allowed by exp-a and denied by exp-b"),
            group("a", "allowed by exp-a"),
            group("d", "denied by exp-a"),
            group("none", "listed by none"),
        ]
    );
    assert_eq!(conflicting(&sources), BTreeSet::from([product("conflict")]));
    let listed = listed_by(&sources, &product("conflict"));
    assert_eq!(in_words(&listed), "allowed by exp-a and denied by exp-b");
    assert_eq!(origins(&[], &asked), (Vec::new(), 0));
}

/// Eight management experiences list 256 products in as many ways, and one of them a second one in one of these.
#[test]
fn of_very_many_groups_the_largest_are_listed_and_the_products_of_the_others_counted() {
    let sources: Vec<_> = (0..8)
        .map(|bit| {
            let listed: Vec<_> = (0..256)
                .filter(|number| number >> bit & 1 == 1)
                .map(|number| format!("p{number:03}"))
                .chain((bit == 7).then(|| "second".to_owned()))
                .collect();
            let listed: Vec<_> = listed.iter().map(String::as_str).collect();
            SourceLists {
                experience: id(&format!("exp-{bit}")),
                policy: Arc::new(lists(&listed, &[])),
            }
        })
        .collect();
    let numbered = (0..256).map(|number| product(&format!("p{number:03}")));
    let asked: Vec<_> = numbered.chain([product("second")]).collect();
    let (groups, beyond) = origins(&sources, &asked);
    assert_eq!((groups.len(), beyond), (MOST_ORIGINS, 256 - MOST_ORIGINS));
    assert_eq!(groups[0].products, [product("p128"), product("second")]);
}

/// Lists of a few products, some of them on both, and some texts that are no ids.
fn any_lists() -> impl Strategy<Value = PolicySnapshot> {
    prop::collection::vec(any::<(bool, bool)>(), 6).prop_map(|of| {
        let text = |number: usize| match number {
            0 => "not an id".to_owned(),
            _ => format!("p{number}"),
        };
        let on = |is: fn(&(bool, bool)) -> bool| {
            let on = of.iter().enumerate().filter(|(_, flags)| is(flags));
            on.map(|(number, _)| text(number)).collect::<Vec<_>>()
        };
        let details = serde_json::json!({ "Statements": [
            { "Effect": "Allow", "Resources": [{ "Type": "Product", "Ids": on(|of| of.0) }] },
            { "Effect": "Deny", "Resources": [{ "Type": "Product", "Ids": on(|of| of.1) }] },
        ]});
        PolicySnapshot::from_details(&details.to_string()).unwrap()
    })
}

fn any_conflict() -> impl Strategy<Value = Conflict> {
    prop::sample::select(Conflict::ALL.to_vec())
}

proptest! {
    #[test]
    fn the_order_of_a_union_makes_no_difference(
        all in prop::collection::vec(any_lists(), 0..5), conflict in any_conflict()
    ) {
        let mut turned = all.clone();
        turned.reverse();
        prop_assert_eq!(PolicySnapshot::union(&all, conflict), PolicySnapshot::union(&turned, conflict));
    }

    #[test]
    fn a_union_of_the_same_is_the_same(
        one in any_lists(), times in 1_usize..4, conflict in any_conflict()
    ) {
        let all = vec![one.clone(); times];
        prop_assert_eq!(PolicySnapshot::union(&all, conflict), one);
    }

    /// For products and for texts that are no ids alike.
    #[test]
    fn what_any_of_them_lists_is_listed_and_a_conflict_goes_by_the_rule(
        all in prop::collection::vec(any_lists(), 1..5), conflict in any_conflict()
    ) {
        let union = PolicySnapshot::union(&all, conflict);
        let expected = |standings: Vec<Standing>| {
            match (standings.contains(&Standing::Allowed), standings.contains(&Standing::Denied)) {
                (true, true) => if conflict == Conflict::Allow { Standing::Allowed } else { Standing::Denied },
                (true, false) => Standing::Allowed,
                (false, true) => Standing::Denied,
                (false, false) => Standing::Unlisted,
            }
        };
        for number in 1..6 {
            let product = product(&format!("p{number}"));
            let standings = all.iter().map(|of| of.standing(&product)).collect();
            prop_assert_eq!(union.standing(&product), expected(standings));
            prop_assert!(!(union.allowed().contains(&product) && union.denied().contains(&product)));
        }
        let text = "not an id";
        let standings = all.iter().map(|of| of.invalid_standing(text)).collect();
        prop_assert_eq!(union.invalid_standing(text), expected(standings));
        prop_assert!(union.contradictory().is_subset(union.denied()));
    }
}
