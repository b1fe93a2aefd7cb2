use super::*;
use crate::ids::RunId;
use crate::lane::{Intent, IntentChange, LaneView};
use crate::link::LinkPolicy;
use crate::plan::plan;
use crate::policy::Action;
use crate::records::ChangeState;

fn p(text: &str) -> ProductId {
    ProductId::new(text).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn last(product: &str, action: Action, state: ChangeState) -> LastChange {
    LastChange {
        product: p(product),
        action,
        run: RunId::next(None, 1, 1),
        state,
        change_set: None,
        claimed_at: at(0),
        closed_at: Some(at(10)),
        quarantined_at: None,
        error_code: None,
        error_message: None,
    }
}

/// The management experience allows `a` and `b` and denies `d`; the member allows `b` and `d`.
fn edits_of(changes: &[LastChange], state: &LaneState, seconds: i64) -> Vec<ProductId> {
    let desired = PolicySnapshot::new([p("a"), p("b")], [p("d")]);
    let actual = PolicySnapshot::new([p("b"), p("d")], [p("x")]);
    let (plan, report) = plan(
        &desired,
        &actual,
        &LaneView::default(),
        &LinkPolicy::default(),
    );
    let look = Look {
        changes,
        actual: &actual,
        state,
        plan: &plan,
        report: &report,
        list: None,
        before: &BTreeMap::new(),
        at: at(seconds),
    };
    look.edits().into_iter().collect()
}

#[test]
fn what_was_done_and_stands_otherwise_was_edited() {
    let changes = [
        last("a", Action::Allow, ChangeState::Applied),
        last("b", Action::Allow, ChangeState::Applied),
        last("d", Action::Deny, ChangeState::Holding),
    ];
    let idle = LaneState::default();
    assert_eq!(edits_of(&changes, &idle, 1_000), [p("a"), p("d")]);
}

#[test]
fn what_was_never_done_is_no_edit() {
    let idle = LaneState::default();
    for state in [
        ChangeState::Open,
        ChangeState::Superseded,
        ChangeState::Quarantined,
    ] {
        let changes = [last("a", Action::Allow, state)];
        assert_eq!(edits_of(&changes, &idle, 1_000), [], "{state:?}");
    }
    assert_eq!(edits_of(&[], &idle, 1_000), []);
}

#[test]
fn a_difference_that_pmp_sync_made_itself_is_no_edit() {
    // The management experience denies it since: it stands as it was left.
    let changes = [last("d", Action::Allow, ChangeState::Applied)];
    assert_eq!(edits_of(&changes, &LaneState::default(), 1_000), []);
}

#[test]
fn an_edit_that_is_in_sync_concerns_nobody() {
    let changes = [
        last("b", Action::Deny, ChangeState::Applied),
        last("x", Action::Allow, ChangeState::Applied),
    ];
    assert_eq!(edits_of(&changes, &LaneState::default(), 1_000), []);
}

#[test]
fn what_is_left_alone_may_be_edited_as_well() {
    let actual = PolicySnapshot::new([], [p("a")]);
    let desired = PolicySnapshot::new([p("a")], []);
    let link = LinkPolicy {
        exclude: BTreeSet::from([p("a")]),
        ..LinkPolicy::default()
    };
    let (plan, report) = plan(&desired, &actual, &LaneView::default(), &link);
    assert!(plan.is_empty());
    let look = Look {
        changes: &[last("a", Action::Allow, ChangeState::Applied)],
        actual: &actual,
        state: &LaneState::default(),
        plan: &plan,
        report: &report,
        list: None,
        before: &BTreeMap::new(),
        at: at(1_000),
    };
    assert_eq!(look.edits(), BTreeSet::from([p("a")]));
}

/// A lane with a change set under way that denies the product.
fn at_work(product: &str) -> LaneState {
    LaneState {
        intent: Some(Intent {
            creates_policy: false,
            token: "t".to_owned(),
            name: None,
            written_at: None,
            at: at(900),
            changes: vec![IntentChange {
                product: p(product),
                action: Action::Deny,
                run: RunId::next(None, 1, 1),
                ordinal: 0,
            }],
        }),
        ..LaneState::default()
    }
}

#[test]
fn what_a_change_set_of_ours_is_changing_is_no_edit() {
    let changes = [
        last("a", Action::Allow, ChangeState::Applied),
        last("d", Action::Deny, ChangeState::Applied),
    ];
    assert_eq!(edits_of(&changes, &at_work("a"), 1_000), [p("d")]);
}

/// It would be told anew with another time if the change set fails.
#[test]
fn a_remembered_edit_stays_one_while_it_is_changed_back() {
    let edits = |state: &LaneState, before: &[(&str, i64)]| {
        let before = before
            .iter()
            .map(|(product, since)| (p(product), at(*since)));
        let list = SeenList::of(&PolicySnapshot::new([p("b")], []), at(100));
        let desired = PolicySnapshot::new([p("a"), p("b")], []);
        let actual = PolicySnapshot::new([p("b"), p("d")], []);
        let (view, policy) = (LaneView::default(), LinkPolicy::default());
        let (plan, report) = plan(&desired, &actual, &view, &policy);
        let look = Look {
            changes: &[],
            actual: &actual,
            state,
            plan: &plan,
            report: &report,
            list: list.as_ref(),
            before: &before.collect(),
            at: at(1_000),
        };
        look.edits().into_iter().collect::<Vec<_>>()
    };
    assert_eq!(edits(&at_work("d"), &[("d", 50)]), [p("d")]);
    assert_eq!(edits(&at_work("d"), &[]), []);
}

#[test]
fn what_has_only_just_ended_is_no_edit_yet() {
    let changes = [last("a", Action::Allow, ChangeState::Applied)];
    let idle = LaneState::default();
    assert_eq!(edits_of(&changes, &idle, 10), []);
    assert_eq!(edits_of(&changes, &idle, 69), []);
    assert_eq!(edits_of(&changes, &idle, 70), [p("a")]);
    // It ended after the look began, or by a clock that is ahead.
    assert_eq!(edits_of(&changes, &idle, 5), []);
}

#[test]
fn an_edit_keeps_since_when_it_was_seen_and_begins_anew_after_it_was_put_right() {
    let first = Edited::new(
        BTreeSet::from([p("a"), p("b")]),
        &BTreeMap::new(),
        Some(at(1)),
    );
    assert_eq!(first.first(), Some(at(1)));
    let (kept, beyond) = first.kept();
    assert_eq!((kept.len(), beyond), (2, 0));
    let second = Edited::new(BTreeSet::from([p("b"), p("c")]), &kept, Some(at(2)));
    let expected = BTreeMap::from([(p("b"), at(1)), (p("c"), at(2))]);
    assert_eq!(second.since, expected);
    assert_eq!(second.products(), [p("b"), p("c")]);
    let third = Edited::new(BTreeSet::from([p("a")]), &second.kept().0, Some(at(3)));
    assert_eq!(third.first(), Some(at(3)));
    assert_eq!(Edited::default().first(), None);
}

#[test]
fn a_thousand_edits_are_remembered_the_oldest_first_and_the_others_counted() {
    let products = |prefix: &str, count: usize| -> BTreeSet<ProductId> {
        let ids = (0..count).map(|number| p(&format!("{prefix}-{number:04}")));
        ids.collect()
    };
    let old = Edited::new(products("z", 10), &BTreeMap::new(), Some(at(1)));
    let mut all = products("a", MOST_EDITED);
    all.extend(products("z", 10));
    let more = Edited::new(all, &old.kept().0, Some(at(2)));
    assert_eq!(more.since.len(), MOST_EDITED + 10);
    let (kept, beyond) = more.kept();
    assert_eq!((kept.len(), beyond), (MOST_EDITED, 10));
    let remembered = kept.iter().filter(|(_, since)| **since == at(1));
    assert_eq!(remembered.count(), 10);
}

#[test]
fn the_item_is_read_as_the_worker_writes_it() {
    let item = r#"{"pk":"LANE#222222222222#exp-1","sk":"PRODUCT#a","schema":1,"product":"a","run":"01ARZ3NDEKTSV4RRFFQ69G5FAV","action":"deny","ordinal":3,"state":"applied","claimed_at":"2026-01-01T00:00:00Z","closed_at":"2026-01-01T00:01:00Z","change_set":"cs1"}"#;
    let change: LastChange = serde_json::from_str(item).unwrap();
    assert_eq!(
        (change.action, change.state),
        (Action::Deny, ChangeState::Applied)
    );
    assert!(change.is_done() && change.change_set.is_some());
}

/// The member allows `b` and `d`, the management experience `a` and `b`; the list was seen at 100.
fn edits_since(
    list: Option<&[&str]>,
    changes: &[LastChange],
    before: &[(&str, i64)],
    seconds: i64,
) -> Vec<ProductId> {
    let desired = PolicySnapshot::new([p("a"), p("b")], []);
    let actual = PolicySnapshot::new([p("b"), p("d")], []);
    let (view, policy) = (LaneView::default(), LinkPolicy::default());
    let (plan, report) = plan(&desired, &actual, &view, &policy);
    let list = list.map(|list| {
        let policy = PolicySnapshot::new(list.iter().map(|product| p(product)), []);
        SeenList::of(&policy, at(100)).unwrap()
    });
    let before = before
        .iter()
        .map(|(product, since)| (p(product), at(*since)));
    let look = Look {
        changes,
        actual: &actual,
        state: &LaneState::default(),
        plan: &plan,
        report: &report,
        list: list.as_ref(),
        before: &before.collect(),
        at: at(seconds),
    };
    look.edits().into_iter().collect()
}

#[test]
fn a_product_that_pmp_sync_never_changed_was_edited_if_it_has_come_or_gone_since_the_list_was_seen()
{
    assert_eq!(edits_since(Some(&["b"]), &[], &[], 200), [p("d")]);
    assert_eq!(
        edits_since(Some(&["a", "b"]), &[], &[], 200),
        [p("a"), p("d")]
    );
    // It was so before, or nothing is known of before.
    assert_eq!(edits_since(Some(&["b", "d"]), &[], &[], 200), []);
    assert_eq!(edits_since(None, &[], &[], 200), []);
    // What is as it should be counts for nothing.
    assert_eq!(edits_since(Some(&["d"]), &[], &[], 200), []);
}

#[test]
fn an_edit_within_a_minute_of_a_sync_is_seen_in_the_list_that_was_seen_after_it() {
    let changes = [LastChange {
        closed_at: Some(at(99)),
        ..last("a", Action::Allow, ChangeState::Applied)
    }];
    assert_eq!(
        edits_since(Some(&["a", "b", "d"]), &changes, &[], 110),
        [p("a")]
    );
    // Without the list nobody knows whether the catalog shows the old lists still.
    assert_eq!(edits_since(None, &changes, &[], 110), []);
}

#[test]
fn what_a_change_of_the_lane_did_since_the_list_was_seen_is_no_edit() {
    let of = |closed: i64| LastChange {
        closed_at: Some(at(closed)),
        ..last("d", Action::Allow, ChangeState::Applied)
    };
    assert_eq!(edits_since(Some(&["b"]), &[of(150)], &[], 200), []);
    // The clocks of two accounts may be apart.
    assert_eq!(edits_since(Some(&["b"]), &[of(-190)], &[], 200), []);
    assert_eq!(edits_since(Some(&["b"]), &[of(-210)], &[], 200), [p("d")]);
    // It may be applied, and the lane is about to say so.
    let in_state = |state| LastChange { state, ..of(150) };
    let open = in_state(ChangeState::Open);
    assert_eq!(edits_since(Some(&["b"]), &[open], &[], 200), []);
    // It never was.
    for state in [ChangeState::Quarantined, ChangeState::Superseded] {
        assert_eq!(
            edits_since(Some(&["b"]), &[in_state(state)], &[], 200),
            [p("d")]
        );
    }
}

#[test]
fn an_edit_stays_one_while_it_differs_and_nothing_of_ours_was_done_to_it() {
    assert_eq!(
        edits_since(Some(&["b", "d"]), &[], &[("d", 50)], 200),
        [p("d")]
    );
    // It does not differ any more.
    assert_eq!(edits_since(Some(&["b", "d"]), &[], &[("b", 50)], 200), []);
    let ours = LastChange {
        closed_at: Some(at(60)),
        ..last("d", Action::Allow, ChangeState::Applied)
    };
    assert_eq!(
        edits_since(Some(&["b", "d"]), &[ours], &[("d", 50)], 200),
        []
    );
}

#[test]
fn a_query_sees_an_edit_for_nobody() {
    let edits = || BTreeSet::from([p("a"), p("b")]);
    let known = BTreeMap::from([(p("a"), at(1))]);
    let asked = Edited::new(edits(), &known, None);
    assert_eq!(
        (asked.first(), asked.products()),
        (Some(at(1)), vec![p("a"), p("b")])
    );
    assert_eq!(asked.since.get(&p("b")), None);
    let seen = Edited::new(edits(), &known, Some(at(9)));
    assert_eq!(seen.since.get(&p("b")), Some(&at(9)));
}

/// A member that nobody ever read whole would otherwise be emptied without a guard, once it is.
#[test]
fn only_what_undoes_a_change_of_ours_counts_as_undone() {
    let desired = PolicySnapshot::new([], []);
    let actual = PolicySnapshot::new([p("d"), p("n")], []);
    let (view, policy) = (LaneView::default(), LinkPolicy::default());
    let (plan, report) = plan(&desired, &actual, &view, &policy);
    let list = SeenList::of(&PolicySnapshot::default(), at(100)).unwrap();
    let changes = [last("d", Action::Deny, ChangeState::Applied)];
    let look = Look {
        changes: &changes,
        actual: &actual,
        state: &LaneState::default(),
        plan: &plan,
        report: &report,
        list: Some(&list),
        before: &BTreeMap::new(),
        at: at(200),
    };
    let edits = look.edits();
    assert_eq!(edits, BTreeSet::from([p("d"), p("n")]));
    assert_eq!(look.undone(&edits), BTreeSet::from([p("d")]));
}

#[test]
fn only_a_change_that_was_done_after_the_edit_and_is_in_force_ends_it() {
    let change = |action, state, closed| LastChange {
        closed_at: Some(at(closed)),
        ..last("d", action, state)
    };
    let (applied, open) = (ChangeState::Applied, ChangeState::Open);
    for (of, stands) in [
        (change(Action::Allow, applied, 51), false),
        (change(Action::Allow, applied, 50), true),
        (change(Action::Allow, applied, 49), true),
        // It was never made, or something else is in force.
        (change(Action::Allow, open, 60), true),
        (change(Action::Deny, applied, 60), true),
    ] {
        let found = edits_since(
            Some(&["b", "d"]),
            std::slice::from_ref(&of),
            &[("d", 50)],
            61,
        );
        let expected: &[ProductId] = if stands { &[p("d")] } else { &[] };
        assert_eq!(found, expected, "{of:?}");
    }
}

#[test]
fn an_edit_undoes_only_a_change_that_was_done_of_its_own_product() {
    let actual = PolicySnapshot::new([p("a")], [p("b")]);
    let (plan, report) = Default::default();
    let (applied, open) = (ChangeState::Applied, ChangeState::Open);
    for (change, is_edited, is_undone) in [
        (last("a", Action::Deny, applied), true, true),
        (last("b", Action::Allow, applied), true, true),
        (last("a", Action::Deny, applied), false, false),
        // It is in force, or was never made.
        (last("a", Action::Allow, applied), true, false),
        (last("a", Action::Deny, open), true, false),
    ] {
        let look = Look {
            changes: std::slice::from_ref(&change),
            actual: &actual,
            state: &LaneState::default(),
            plan: &plan,
            report: &report,
            list: None,
            before: &BTreeMap::new(),
            at: at(200),
        };
        let edits = is_edited.then(|| change.product.clone());
        let undone = look.undone(&edits.into_iter().collect());
        assert_eq!(undone.contains(&change.product), is_undone, "{change:?}");
    }
}
