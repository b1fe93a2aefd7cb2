//! What is remembered of a lane, by decision.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::*;
use crate::approval::{Ask, Rejection};
use crate::drift::Edited;
use crate::error::LinkError;
use crate::ids::ExperienceId;
use crate::lane::{Intent, IntentChange};
use crate::reconcile::{
    after_commit, after_hold, after_observing, after_suspension, before_commit, new_hold,
    notices_of_fault,
};
use crate::records::{LinkState, Mark, Size};
use crate::wire::events::{Condition, Notice};

type After = fn(&Goal<'_>, &Observation, &Edited, Timestamp) -> LinkState;

fn now() -> Timestamp {
    later(start(), 600)
}

fn edited() -> Edited {
    Edited {
        undone: all(&["edited"]),
        ..Edited::new(all(&["edited"]), &BTreeMap::new(), Some(now()))
    }
}

fn after(scene: &Scene, after: After) -> LinkState {
    scene.with(|goal, seen| after(goal, seen, &edited(), now()))
}

fn observed(scene: &Scene) -> LinkState {
    after(scene, after_observing)
}

/// Twelve removals as run 7 showed them, approved.
fn approved() -> Scene {
    let shown = Plan::new(BTreeSet::new(), many(12));
    let mut scene = held();
    scene.reads.link_state.grant = Some(grant(run(7), run(8)));
    scene.records.approved = Some(record(run(7), &shown, None));
    scene
}

#[test]
fn every_observation_remembers_the_length_of_the_list_and_outside_edits() {
    let mut scene = in_sync();
    scene.reads.link_state.rev = 4;
    let next = observed(&scene);
    let size = Size {
        at: now(),
        allowed: 2,
    };
    assert_eq!((next.rev, next.sizes), (4, vec![size]));
    assert_eq!(next.edited, BTreeMap::from([(p("edited"), now())]));
    assert_eq!(next.frozen_since, None);
    scene.link.policy.frozen = true;
    assert_eq!(observed(&scene).frozen_since, Some(now()));
    scene.reads.link_state.frozen_since = Some(start());
    assert_eq!(observed(&scene).frozen_since, Some(start()));
}

#[test]
fn a_removal_is_under_way_while_it_is_planned_or_open_and_the_product_is_allowed() {
    let mut scene = in_sync();
    scene.reads.actual = lists(&["a", "b", "z"], &["x"]);
    scene.reads.before.open = vec![
        open("a", Action::Deny, run(5)),
        open("b", Action::Allow, run(5)),
        open("gone", Action::Deny, run(5)),
    ];
    scene.reads.link_state.taking = all(&["a", "b", "z", "gone"]);
    assert_eq!(observed(&scene).taking, all(&["a", "z"]));
}

/// A plan that a run goes on with may still remove what its own plan does not have: a change of that
/// plan is in flight although a newer one was claimed in its place, or is on its way.
#[test]
fn a_removal_is_under_way_while_it_is_in_flight_or_may_be_announced() {
    let mut scene = in_sync();
    scene.reads.link_state.taking = all(&["a", "b"]);
    scene.reads.before.open = vec![open("a", Action::Allow, run(6))];
    assert_eq!(observed(&scene).taking, BTreeSet::new());
    scene.state().intent = Some(denying("a", run(5)));
    assert_eq!(observed(&scene).taking, all(&["a"]));
    let at = observed(&scene).removals.last().map(|one| one.at);
    assert_eq!(at, Some(now()));
    scene.state().intent = None;
    scene.state().planned = Some(planned(run(5), &plan(&["a"], &[]), 0));
    assert_eq!(observed(&scene).taking, all(&["a", "b"]));
}

/// The intent of a change set that denies one product.
fn denying(product: &str, by: RunId) -> Intent {
    Intent {
        token: "token".to_owned(),
        name: None,
        at: start(),
        written_at: None,
        creates_policy: false,
        changes: vec![IntentChange {
            product: p(product),
            action: Action::Deny,
            run: by,
            ordinal: 0,
        }],
    }
}

#[test]
fn the_length_of_the_management_list_is_remembered_when_a_plan_follows_from_it() {
    let remembered = |scene: &Scene| observed(scene).management_allowed;
    assert_eq!(remembered(&in_sync()), Some(2));
    assert_eq!(remembered(&differing()), Some(2));
    let mut halting = in_sync();
    halting.reads.before.open = vec![open("a", Action::Deny, run(5))];
    assert_eq!(remembered(&halting), None);
    let mut frozen = in_sync();
    frozen.link.policy.frozen = true;
    assert_eq!(remembered(&frozen), None);
    let mut odd = in_sync();
    odd.desired.conditions = vec![HoldReason::ManagementArchived { experience: None }];
    assert_eq!(remembered(&odd), None);
}

#[test]
fn a_condition_is_accepted_only_while_it_lasts() {
    let mut scene = in_sync();
    scene.desired.conditions = vec![HoldReason::ManagementArchived { experience: None }];
    scene.reads.link_state.accepted =
        BTreeSet::from([GuardName::ManagementArchived, GuardName::ManagementEmpty]);
    let accepted = observed(&scene).accepted;
    assert_eq!(accepted, BTreeSet::from([GuardName::ManagementArchived]));
}

#[test]
fn a_restore_is_remembered_until_the_management_experience_wants_it_and_the_lane_is_in_sync() {
    let remembered = |mut scene: Scene, restored: Plan| {
        scene.reads.link_state.restored = Some(grant(run(3), run(4)));
        scene.records.restored = vec![record(run(3), &restored, None)];
        observed(&scene).restored.is_some()
    };
    assert!(!remembered(in_sync(), plan(&["a"], &["x"])));
    assert!(remembered(in_sync(), plan(&["a"], &["b"])));
    assert!(remembered(differing(), plan(&["a"], &["x"])));
}

#[test]
fn a_grant_lasts_while_its_plan_is_wanted_and_that_of_a_rollback_until_it_is_in_sync() {
    let granted = |scene: &Scene, how: After| after(scene, how).grant.is_some();
    assert!(granted(&approved(), after_observing));
    let mut other = differing();
    other.reads.link_state.grant = Some(grant(run(7), run(8)));
    assert!(!granted(&other, after_observing));
    let mut rollback = rolling_back();
    rollback.rollback = true;
    assert!(granted(&rollback, after_observing));
    rollback.reads.actual = rollback.desired.policy.clone();
    assert!(!granted(&rollback, after_observing));
}

#[test]
fn a_commit_counts_its_removals_unless_they_were_approved() {
    let mut scene = in_sync();
    scene.reads.actual = lists(&["a", "b", "z"], &["x"]);
    assert_eq!(observed(&scene).taking, BTreeSet::new());
    let next = after(&scene, after_commit);
    assert_eq!(next.taking, all(&["z"]));
    assert_eq!(next.removals.len(), 1);
    assert_eq!(after(&approved(), after_commit).taking, BTreeSet::new());
}

/// What reverses an outside edit was removed before, and counted or was approved then.
#[test]
fn a_removal_that_reverses_an_outside_edit_does_not_count_later() {
    let mut scene = in_sync();
    scene.reads.actual = lists(&["a", "b", "edited", "z"], &["x"]);
    let next = after(&scene, after_commit);
    assert_eq!(next.taking, all(&["z"]));
    let removed: Vec<_> = next.removals.iter().map(|one| &one.products).collect();
    assert_eq!(removed, [&all(&["z"])]);
}

/// Whoever wants to see first what a link would deny lets it observe, or freezes it.
#[test]
fn a_link_counts_as_observed_once_no_guard_holds_its_plan() {
    let mut unseen = in_sync();
    unseen.reads.actual = lists(&["a", "b", "z"], &["x"]);
    unseen.reads.link_state.observed_since = None;
    assert!(matches!(unseen.decide(), Decision::Hold { .. }));
    let hold = unseen.with(|goal, seen| new_hold(goal, seen, this(), now()));
    let held = unseen.with(|goal, seen| after_hold(goal, seen, &edited(), hold, now()));
    assert_eq!(held.observed_since, None, "the hold stays");
    let suspended = after(&unseen, after_suspension);
    assert_eq!(suspended.observed_since, None);
    for mode in Mode::ALL {
        let mut scene = in_sync();
        scene.link.policy.mode = mode;
        scene.reads.link_state.observed_since = None;
        assert_eq!(observed(&scene).observed_since, Some(now()));
    }
    unseen.link.policy.frozen = true;
    assert_eq!(observed(&unseen).observed_since, Some(now()));
    unseen.reads.link_state.observed_since = Some(start());
    assert_eq!(observed(&unseen).observed_since, Some(start()));
}

#[test]
fn a_link_is_aligned_the_first_time_that_it_may_deny_and_is_in_sync() {
    let aligned = |mut scene: Scene| {
        scene.reads.link_state.aligned_since = None;
        observed(&scene).aligned_since
    };
    assert_eq!(aligned(in_sync()), Some(now()));
    assert_eq!(aligned(differing()), None);
    for mode in Mode::ALL {
        let mut scene = in_sync();
        scene.link.policy.mode = mode;
        let expected = mode.denies().then(now);
        assert_eq!(aligned(scene), expected, "{mode}");
    }
    let mut frozen = in_sync();
    frozen.link.policy.frozen = true;
    assert_eq!(aligned(frozen), None);
    assert_eq!(observed(&in_sync()).aligned_since, Some(start()));
}

#[test]
fn a_hold_is_remembered_until_another_decision_ends_it() {
    let mut scene = held();
    scene.reads.link_state.grant = Some(grant(run(7), run(8)));
    let hold = scene.with(|goal, seen| new_hold(goal, seen, this(), now()));
    let (allow, deny, removals) = (hold.allow, hold.deny, hold.removals);
    assert_eq!((hold.run, allow, deny, removals), (this(), 0, 12, 12));
    let after_hold = |scene: &Scene| {
        scene.with(|goal, seen| after_hold(goal, seen, &edited(), hold.clone(), now()))
    };
    let next = after_hold(&scene);
    assert_eq!((next.hold, next.grant), (Some(hold.clone()), None));
    assert_eq!(next.edited.len(), 1);
    let standing = BTreeSet::from([Condition::Held, Condition::Edited]);
    assert_eq!(next.notices.standing(), standing);
    assert!(next.seen.is_some());
    assert!(after_hold(&approved()).grant.is_some());
    scene.reads.link_state.hold = Some(hold.clone());
    let suspended = after(&scene, after_suspension);
    assert_eq!(suspended.hold, Some(hold.clone()));
    assert_eq!((suspended.sizes.len(), suspended.edited.len()), (0, 1));
    assert_eq!(observed(&scene).hold, None);
}

#[test]
fn a_block_that_was_announced_ends_once_the_lane_has_nothing_left_to_do() {
    let mut scene = in_sync();
    scene.reads.link_state.notices.blocked = Some(Mark {
        reason: BlockReason::AccessDenied,
        since: start(),
    });
    let next = observed(&scene).notices;
    assert_eq!(next.blocked, None);
    assert!(matches!(
        next.pending.as_slice(),
        [Notice::Recovered(_), Notice::EditedOutside(_)]
    ));
    scene.reads.before.open = vec![open("a", Action::Allow, run(5))];
    assert!(observed(&scene).notices.blocked.is_some());
}

#[test]
fn a_link_that_should_be_in_sync_is_stale_after_its_hours() {
    let stale = |mut scene: Scene, hours: i64| {
        scene.reads.link_state.notices.since = Some(later(now(), -hours * 3_600));
        observed(&scene).notices.stale.is_some()
    };
    assert!(!stale(differing(), 23));
    assert!(stale(differing(), 25));
    assert!(!stale(in_sync(), 25));
    assert_eq!(observed(&in_sync()).notices.since, Some(now()));
    let mut suspended = differing();
    suspended.state().suspension = Some(suspension());
    assert!(!stale(suspended, 25));
}

#[test]
fn a_fault_of_the_management_experience_is_announced_as_a_hold() {
    let (scene, state) = (in_sync(), LaneState::default());
    let error = LinkError::ManagementNotFound(ExperienceId::new("exp-m").unwrap());
    let known = LinkState::default();
    let notices = notices_of_fault(&scene.link, &lane(), &state, &known, &error, now());
    assert_eq!(notices.standing(), BTreeSet::from([Condition::Held]));
}

fn ask() -> Ask {
    Ask {
        by: None,
        account: None,
        at: start(),
        reason: None,
    }
}

/// The link state after a run that holds something.
fn holding(scene: &Scene) -> LinkState {
    scene.with(|goal, seen| {
        let hold = new_hold(goal, seen, this(), now());
        after_hold(goal, seen, &edited(), hold, now())
    })
}

#[test]
fn a_rejection_is_remembered_for_each_change_until_that_is_no_longer_wanted() {
    let mut scene = held();
    let rejected = Plan::new(all(&["a"]), many(13));
    scene.reads.link_state.rejected = Some(Rejection::new(&rejected, ask()));
    let left = Some(Rejection::new(&Plan::new(BTreeSet::new(), many(12)), ask()));
    let next = holding(&scene);
    assert_eq!(
        next.rejected, left,
        "`a` is allowed, and one is not any more"
    );
    let hold = next.hold.unwrap();
    assert!(hold.is_rejected());
    assert_eq!(hold.rejected.map(|part| part.changes), Some(12));
    // Whatever keeps it from being planned, it is wanted.
    for change in [
        |scene: &mut Scene| scene.link.policy.frozen = true,
        |scene: &mut Scene| scene.link.policy.mode = Mode::Observe,
        |scene: &mut Scene| scene.link.policy.protect = many(12),
    ] {
        let mut scene = held();
        scene.reads.link_state.rejected = Some(Rejection::new(&rejected, ask()));
        change(&mut scene);
        assert_eq!(observed(&scene).rejected, left);
    }
    let mut in_sync = in_sync();
    in_sync.reads.link_state.rejected = Some(Rejection::new(&rejected, ask()));
    assert_eq!(observed(&in_sync).rejected, None);
}

/// Twelve removals are held, `a` is to be allowed, and five removals are approved.
fn parted() -> Scene {
    let mut scene = held();
    let allowed = many(17).into_iter().chain([p("b")]);
    scene.reads.actual = PolicySnapshot::new(allowed, all(&["x"]));
    let shown = Plan::new(BTreeSet::new(), many(5));
    scene.reads.link_state.grant = Some(grant(run(7), run(8)));
    scene.records.approved = Some(record(run(7), &shown, None));
    scene
}

#[test]
fn a_grant_lasts_beside_a_hold_while_something_of_it_is_wanted() {
    let scene = parted();
    assert!(holding(&scene).grant.is_some());
    let hold = holding(&scene).hold.unwrap();
    assert_eq!((hold.allow, hold.deny), (0, 12));
    let mut done = parted();
    let allowed = many(17).into_iter().skip(5).chain([p("b")]);
    done.reads.actual = PolicySnapshot::new(allowed, all(&["x"]));
    assert_eq!(holding(&done).grant, None);
}

#[test]
fn of_what_passes_beside_a_hold_only_what_nobody_has_approved_counts() {
    let mut scene = parted();
    // `first-mirror` and the like hold removals, so what passes beside them takes nothing away but for what is approved.
    let next = scene.with(|_, seen| before_commit(holding(&scene), seen, &edited(), now()));
    assert_eq!(next.taking, BTreeSet::new());
    // Below the limits it counts, and the approved ones do not.
    let allowed = many(7).into_iter().chain([p("b")]);
    scene.reads.actual = PolicySnapshot::new(allowed, all(&["x"]));
    let next = after(&scene, after_commit);
    assert_eq!(next.taking, &many(7) - &many(5));
}

/// A hold may last for as long as somebody rejects it.
#[test]
fn beside_a_hold_the_length_of_the_management_list_is_remembered_unless_that_is_the_reason() {
    let remembered = |scene: &Scene| holding(scene).management_allowed;
    let mut scene = held();
    scene.reads.link_state.management_allowed = Some(3);
    scene.reads.link_state.accepted = BTreeSet::from([GuardName::ManagementArchived]);
    assert_eq!(remembered(&scene), Some(2));
    assert!(holding(&scene).accepted.is_empty(), "it is over");
    scene.reads.link_state.management_allowed = Some(4);
    assert_eq!(remembered(&scene), Some(4), "half of it is gone");
    scene.reads.link_state.management_allowed = Some(3);
    scene.desired.conditions = vec![HoldReason::ManagementArchived { experience: None }];
    assert_eq!(remembered(&scene), Some(3));
    assert!(!holding(&scene).accepted.is_empty());
}
