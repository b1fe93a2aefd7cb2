//! What an observation says of its lane.

use super::*;
use crate::lane::MemberRules;
use crate::link::LiveCheck;
use crate::reconcile::Quarantine;

/// The same, while the member's own rules keep everything back.
fn kept_back(mut scene: Scene) -> Scene {
    scene.state().member = MemberRules::parse("suspended", "").unwrap().mark();
    scene
}

#[test]
fn a_lane_is_in_sync_if_nothing_is_planned_held_kept_back_or_quarantined() {
    let mut odd = in_sync();
    odd.desired.conditions = vec![HoldReason::ManagementArchived];
    let mut quarantining = differing();
    quarantining.reads.quarantined = vec![quarantined("a", Action::Allow)];
    let mut protected = in_sync();
    protected.reads.actual = lists(&["a", "b", "z"], &["x"]);
    protected.link.policy.protect = all(&["z"]);
    // In sync, whole, and kept back.
    for (name, scene, expected) in [
        ("in sync", &in_sync(), (true, true, false)),
        ("differing", &differing(), (false, true, false)),
        ("under way", &under_way(), (false, true, false)),
        ("odd", &odd, (false, true, false)),
        ("quarantining", &quarantining, (false, false, false)),
        ("protected", &protected, (true, true, false)),
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
