//! What an observation says of its lane.

use super::*;
use crate::error::{Kind, ServiceError};
use crate::lane::{Block, BlockReason, Intent, IntentChange, MemberRules, Phase};
use crate::link::LiveCheck;
use crate::plan::Reason;
use crate::reconcile::{Quarantine, after_block};
use crate::records::{About, Found, LinkState, UnreadableItem};
use crate::revert::Reversal;
use crate::sync_state::LinkFacts;

/// The same, while the member's own rules keep everything back.
fn kept_back(mut scene: Scene) -> Scene {
    scene.state().member = MemberRules::parse("suspended", "").unwrap().mark();
    scene
}

#[test]
fn a_lane_is_in_sync_if_nothing_is_planned_held_kept_back_or_quarantined() {
    let mut odd = in_sync();
    odd.desired.conditions = vec![HoldReason::ManagementArchived { experience: None }];
    let mut quarantining = differing();
    quarantining.reads.quarantined = vec![quarantined("a", Action::Allow)];
    let mut protected = in_sync();
    protected.reads.actual = lists(&["a", "b", "z"], &["x"]);
    protected.link.policy.protect = all(&["z"]);
    let mut observing = differing();
    observing.link.policy.mode = Mode::Observe;
    let mut frozen = differing();
    frozen.link.policy.frozen = true;
    let mut excluding = differing();
    excluding.link.policy.exclude = all(&["a"]);
    // In sync, whole, and kept back.
    for (name, scene, expected) in [
        ("in sync", &in_sync(), (true, true, false)),
        ("differing", &differing(), (false, true, false)),
        ("under way", &under_way(), (false, true, false)),
        ("odd", &odd, (false, true, false)),
        ("quarantining", &quarantining, (false, false, false)),
        ("protected", &protected, (true, true, false)),
        ("excluding", &excluding, (true, true, false)),
        ("observing", &observing, (false, false, false)),
        ("frozen", &frozen, (false, false, false)),
        ("kept back", &kept_back(differing()), (false, false, true)),
        (
            "nothing kept back",
            &kept_back(in_sync()),
            (true, true, false),
        ),
    ] {
        let said = scene.with(|_, seen| (seen.is_in_sync(), seen.is_whole(), seen.is_kept_back()));
        assert_eq!(said, expected, "{name}");
    }
    assert_eq!(in_sync().with(|_, seen| seen.quarantine.staying()), 0);
}

#[test]
fn only_new_products_of_a_link_that_checks_are_in_question() {
    let in_question = |scene: &Scene| scene.draft(|_, draft| draft.in_question());
    let mut scene = differing();
    assert_eq!(in_question(&scene), BTreeSet::new());
    scene.link.live_check = LiveCheck::Require;
    assert_eq!(in_question(&scene), all(&["a"]));
    scene.rollback = true;
    assert_eq!(in_question(&scene), BTreeSet::new());
}

#[test]
fn a_quarantined_change_is_released_if_it_is_not_wanted_or_its_replay_plans_nothing() {
    let sorted = |product: &str, lifted: &[&str], excluded: &[&str]| {
        let mut scene = differing();
        scene.reads.quarantined = vec![quarantined(product, Action::Allow)];
        scene.lifted = all(lifted);
        scene.link.policy.exclude = all(excluded);
        let Quarantine {
            released,
            lifted,
            wanted,
        } = scene.with(|_, seen| seen.quarantine.clone());
        (released.len(), lifted.len(), wanted.len())
    };
    assert_eq!(sorted("a", &[], &[]), (0, 0, 1));
    assert_eq!(sorted("a", &["a"], &[]), (0, 1, 1));
    assert_eq!(sorted("a", &["a"], &["a"]), (1, 0, 0), "not planned");
    assert_eq!(sorted("a", &[], &["a"]), (0, 0, 1), "still wanted");
    assert_eq!(sorted("c", &["c"], &[]), (1, 0, 0), "not wanted");
    assert_eq!(sorted("c", &[], &[]), (1, 0, 0), "not wanted");
}

#[test]
fn open_denies_count_as_removals_and_open_allows_do_not() {
    let mut scene = in_sync();
    scene.reads.actual = PolicySnapshot::new(all(&["a", "b"]).into_iter().chain(many(9)), []);
    scene.link.guard.limits.short_list_removals = 10;
    for (action, held) in [
        (Action::Allow, [].as_slice()),
        (Action::Deny, &[Some(GuardName::Removals)]),
    ] {
        scene.reads.before.open = vec![open("a", action, run(5)), open("b", action, run(5))];
        let reasons: Vec<_> = scene.reasons().iter().map(HoldReason::guard).collect();
        assert_eq!(reasons, held, "{action}");
    }
}

#[test]
fn a_product_whose_item_cannot_be_read_is_left_alone() {
    let needs_changes = |scene: &Scene| scene.draft(|_, draft| draft.needs_changes());
    assert!(needs_changes(&differing()) && !needs_changes(&in_sync()));
    let unreadable = UnreadableItem {
        about: Some(About::Product(p("a"))),
        ..ServiceError::new("Query", "PRODUCT#a", Kind::Unreadable, "schema 9").into()
    };
    // A quarantined change that cannot be read.
    let mut scene = differing();
    scene.reads.unreadable = vec![unreadable.clone()];
    assert!(!needs_changes(&scene));
    // The last change of a product that cannot be read.
    let left = differing().draft(|_, draft| {
        let changes = Found {
            items: Vec::new(),
            unreadable: vec![unreadable],
        };
        draft.with_changes(changes).needs_changes()
    });
    assert!(!left);
    let read = differing().draft(|_, draft| draft.with_changes(Found::default()).needs_changes());
    assert!(read);
}

#[test]
fn a_block_that_is_observed_between_two_runs_is_announced_and_changes_nothing_else() {
    let mut scene = differing();
    scene.state().phase = Phase::Blocked;
    scene.state().block = Some(Block {
        reason: BlockReason::Archived,
        detail: "exp-1".to_owned(),
        since: start(),
    });
    scene.reads.link_state.management_allowed = Some(7);
    let before = scene.reads.link_state.clone();
    let after = scene.with(|goal, seen| after_block(goal, seen, start()));
    let blocked = after.notices.blocked.as_ref().map(|mark| mark.reason);
    assert_eq!(blocked, Some(BlockReason::Archived));
    let notices = before.notices.clone();
    assert_eq!(LinkState { notices, ..after }, before);
}

/// What is planned, blocked, and the rest: the facts that an observation and the decision on it have.
#[test]
fn the_decision_on_a_lane_and_what_was_seen_of_it_are_the_facts_of_its_state() {
    let mut suspended = differing();
    suspended.suspension = Some(suspension());
    suspended.state().suspension = Some(suspension());
    let mut unmarked = differing();
    unmarked.suspension = Some(suspension());
    let mut blocked = differing();
    blocked.state().phase = Phase::Blocked;
    let mut quarantining = differing();
    quarantining.reads.quarantined = vec![quarantined("a", Action::Allow)];
    let mut lifting = differing();
    lifting.reads.quarantined = vec![quarantined("a", Action::Allow)];
    lifting.lifted = all(&["a"]);
    let facts = LinkFacts::default;
    let planned = LinkFacts {
        is_planned: true,
        ..facts()
    };
    let under_suspension = LinkFacts {
        is_suspended: true,
        ..planned.clone()
    };
    let held_back = LinkFacts {
        is_held: true,
        ..facts()
    };
    let underway = LinkFacts {
        is_underway: true,
        ..facts()
    };
    let planned_though_blocked = LinkFacts {
        is_blocked: true,
        ..planned.clone()
    };
    let in_quarantine = LinkFacts {
        is_quarantined: true,
        left_alone: [Reason::Quarantined].into(),
        ..facts()
    };
    for (name, scene, expected) in [
        ("in sync", &in_sync(), facts()),
        ("differing", &differing(), planned.clone()),
        ("under way", &under_way(), underway.clone()),
        ("held", &held(), held_back),
        ("rolling back", &rolling_back(), underway),
        ("suspended", &suspended, under_suspension.clone()),
        ("to be marked", &unmarked, under_suspension),
        ("blocked", &blocked, planned_though_blocked),
        ("quarantining", &quarantining, in_quarantine),
        ("lifting", &lifting, planned),
    ] {
        let seen = scene.with(|goal, seen| LinkFacts::observed(seen, &decide(goal, seen, this())));
        assert_eq!(seen, expected, "{name}");
    }
    for decision in [Decision::RefuseRollback, Decision::AnothersPlan] {
        let seen = in_sync().with(|_, seen| LinkFacts::observed(seen, &decision));
        let expected = LinkFacts {
            is_unreachable: true,
            ..facts()
        };
        assert_eq!(seen, expected, "{decision:?}");
    }
}

/// Of a rollback: what another run has in flight ends as that run wants it, and what is taken back is planned.
#[test]
fn a_rollback_plans_what_is_taken_back_and_nothing_that_another_run_has_in_flight() {
    let mut scene = in_sync();
    scene.rollback = true;
    scene.reads.actual = lists(&["b", "z"], &["a"]);
    scene.reads.reversal = Some(Reversal {
        back: plan(&["a"], &["b"]),
        later: Plan::default(),
    });
    let change = |product: &str, action| IntentChange {
        product: p(product),
        action,
        run: run(5),
        ordinal: 0,
    };
    let planned = |changes: Vec<IntentChange>| {
        let mut scene = Scene {
            reads: scene.reads.clone(),
            ..in_sync()
        };
        scene.rollback = true;
        scene.state().intent = Some(Intent {
            token: "token".to_owned(),
            name: None,
            at: start(),
            written_at: None,
            creates_policy: false,
            changes,
        });
        scene.with(|_, seen| (seen.plan.clone(), seen.report.removals))
    };
    assert_eq!(planned(Vec::new()), (plan(&["a"], &["b"]), 1));
    let of_another = vec![change("z", Action::Deny), change("y", Action::Allow)];
    assert_eq!(planned(of_another), (plan(&["a"], &["b"]), 1));
    let its_own = vec![change("b", Action::Allow), change("z", Action::Deny)];
    assert_eq!(planned(its_own), (plan(&["a"], &["b"]), 1));
}
