//! Every decision, with every reason that leads to it.

mod memory;
mod observation;
mod overrides;
mod scene;

use std::collections::BTreeSet;

use self::scene::*;
use super::*;
use crate::approval::Undo;
use crate::guard::HoldReason;
use crate::guard::limits::GuardName;
use crate::ids::ProductId;
use crate::lane::{Block, BlockReason, Counts, LaneState, OpenChange, Phase};
use crate::link::Mode;
use crate::plan::Plan;
use crate::policy::{Action, PolicySnapshot};
use crate::reconcile::{Records, TRUST, new_hold};
use crate::records::{Request, RunRecord};
use crate::time::later;
use crate::wire::Scope;

#[test]
fn nothing_to_do_and_nothing_open_is_in_sync() {
    assert_eq!(in_sync().decide(), Decision::InSync);
    let mut never_planned = in_sync();
    *never_planned.state() = LaneState::default();
    assert_eq!(never_planned.decide(), Decision::InSync);
    let mut observing = differing();
    observing.link.policy.mode = Mode::Observe;
    assert_eq!(observing.decide(), Decision::InSync);
    let mut frozen = differing();
    frozen.link.policy.frozen = true;
    assert_eq!(frozen.decide(), Decision::InSync);
}

#[test]
fn a_difference_is_committed_whatever_became_of_the_last_plan() {
    assert_eq!(differing().decide(), Decision::Commit);
    let mut never_planned = differing();
    *never_planned.state() = LaneState::default();
    assert_eq!(never_planned.decide(), Decision::Commit);
    let mut unsent = under_way();
    unsent.state().planned.as_mut().unwrap().sent = false;
    assert_eq!(unsent.decide(), Decision::Commit);
    let mut distrusted = under_way();
    #[expect(clippy::cast_possible_truncation, reason = "three hours")]
    let trust = TRUST as i64;
    distrusted.reads.at = later(start(), trust);
    assert_eq!(distrusted.decide(), Decision::Commit);
    let mut blocked = under_way();
    blocked.state().phase = Phase::Blocked;
    assert_eq!(blocked.decide(), Decision::Commit);
    let mut other = under_way();
    other.state().planned.as_mut().unwrap().hash = plan(&["c"], &[]).hash();
    assert_eq!(other.decide(), Decision::Commit);
}

#[test]
fn an_empty_plan_is_committed_to_halt_what_nobody_wants_any_more() {
    let mut scene = in_sync();
    scene.reads.before.open = vec![open("a", Action::Deny, run(5))];
    assert_eq!(scene.decide(), Decision::Commit);
    scene.reads.before.open = vec![open("a", Action::Allow, run(5))];
    assert_eq!(scene.decide(), Decision::Underway(run(5)));
}

#[test]
fn the_very_plan_of_the_lane_is_under_way_and_so_is_its_rest() {
    assert_eq!(under_way().decide(), Decision::Underway(run(5)));
    let mut rest = under_way();
    let committed = plan(&["a", "b"], &[]);
    rest.state().planned = Some(planned(run(5), &committed, 0));
    rest.records.committed = Some(committed);
    assert_eq!(rest.decide(), Decision::Underway(run(5)));
    rest.records.committed = None;
    assert_eq!(rest.decide(), Decision::Commit);
}

#[test]
fn what_is_replayed_is_committed_anew_and_what_stays_in_quarantine_is_not_planned() {
    let mut scene = under_way();
    scene.reads.quarantined = vec![quarantined("a", Action::Allow)];
    scene.lifted = all(&["a"]);
    assert_eq!(scene.decide(), Decision::Commit);
    scene.lifted.clear();
    assert_eq!(scene.with(|_, seen| seen.plan.clone()), Plan::default());
    assert_eq!(scene.with(|_, seen| seen.quarantine.staying()), 1);
}

#[test]
fn a_freeze_that_somebody_has_overridden_halts_nothing_until_the_plan_is_another() {
    let mut scene = under_way();
    scene.link.policy.frozen = true;
    assert_eq!(scene.decide(), Decision::Commit);
    let mut planning = RunRecord::new(run(5), 1, vec![Scope::default()], start());
    planning.requests = vec![Request {
        override_reason: Some("an incident".to_owned()),
        ..Request::default()
    }];
    scene.records.planned = Some(planning);
    assert_eq!(scene.decide(), Decision::Underway(run(5)));
    scene.reads.actual = lists(&[], &["x"]);
    assert_eq!(scene.decide(), Decision::Commit);
}

/// The decision to hold everything that the link wants.
fn held_alone(rest: Course) -> Decision {
    let passes = false;
    Decision::Hold { rest, passes }
}

/// Each guard, and a plan that it holds.
fn guarded() -> Vec<(GuardName, Scene)> {
    let conditioned = |condition| {
        let mut scene = differing();
        scene.desired.conditions = vec![condition];
        scene
    };
    let mut most = held();
    most.link.guard.limits.removals = 100;
    most.link.guard.limits.short_list_removals = 100;
    most.link.guard.limits.most_removals = 5;
    let mut shrunk = in_sync();
    shrunk.reads.actual = lists(&["a", "b", "z"], &["x"]);
    shrunk.reads.link_state.management_allowed = Some(20);
    let mut restored = differing();
    restored.reads.link_state.restored = Some(grant(run(7), run(8)));
    restored.records.restored = vec![record(run(7), &plan(&[], &["a"]), None)];
    let mut first = differing();
    first.reads.first_policy = Some(true);
    let mut unseen = in_sync();
    unseen.reads.actual = lists(&["a", "b", "z"], &["x"]);
    unseen.reads.link_state.observed_since = None;
    let status = "Other".to_owned();
    vec![
        (
            GuardName::ManagementEmpty,
            conditioned(HoldReason::ManagementEmpty { experience: None }),
        ),
        (
            GuardName::ManagementNoPolicy,
            conditioned(HoldReason::ManagementNoPolicy { experience: None }),
        ),
        (
            GuardName::ManagementDisabled,
            conditioned(HoldReason::ManagementDisabled {
                status,
                experience: None,
            }),
        ),
        (
            GuardName::ManagementArchived,
            conditioned(HoldReason::ManagementArchived { experience: None }),
        ),
        (GuardName::Removals, held()),
        (GuardName::MostRemovals, most),
        (GuardName::Shrink, shrunk),
        (GuardName::Restored, restored),
        (GuardName::FirstPolicy, first),
        (GuardName::FirstMirror, unseen),
    ]
}

#[test]
fn each_guard_holds_a_plan_and_an_exempt_link_commits_it() {
    let names: Vec<_> = guarded().iter().map(|(name, _)| *name).collect();
    assert_eq!(names, GuardName::ALL);
    for (name, mut scene) in guarded() {
        let reasons: Vec<_> = scene.reasons().iter().map(HoldReason::guard).collect();
        assert_eq!(reasons, [Some(name)]);
        assert_eq!(scene.decide(), held_alone(Course::InSync), "{name}");
        scene.link.guard.exempt.insert(name);
        assert_eq!(scene.decide(), Decision::Commit, "{name}");
    }
}

#[test]
fn a_condition_of_the_management_experience_holds_even_an_empty_plan_until_it_is_accepted() {
    let mut scene = in_sync();
    scene.desired.conditions = vec![HoldReason::ManagementArchived { experience: None }];
    assert_eq!(scene.decide(), held_alone(Course::InSync));
    let accepted = &mut scene.reads.link_state.accepted;
    accepted.insert(GuardName::ManagementArchived);
    assert_eq!(scene.decide(), Decision::InSync);
}

#[test]
fn while_a_plan_is_held_the_lane_goes_on_only_as_far_as_it_agrees_with_the_lists() {
    let mut scene = held();
    scene.reads.before.open = vec![open("b", Action::Allow, run(5))];
    assert_eq!(scene.decide(), held_alone(Course::Underway(run(5))));
    assert!(scene.with(|_, seen| seen.goes_on_while_held()));
    scene.reads.before.open = vec![open("b", Action::Deny, run(5))];
    assert_eq!(scene.decide(), held_alone(Course::Commit));
    assert!(!scene.with(|_, seen| seen.goes_on_while_held()));
    assert!(!under_way().with(|_, seen| seen.goes_on_while_held()));
}

#[test]
fn what_was_approved_is_committed_and_anything_new_is_judged_on_its_own() {
    let shown = Plan::new(BTreeSet::new(), many(12));
    let mut scene = held();
    scene.reads.link_state.grant = Some(grant(run(7), run(8)));
    scene.records.approved = Some(record(run(7), &shown, None));
    assert_eq!(scene.decide(), Decision::Commit);
    let parts = |scene: &Scene| {
        scene.with(|_, seen| {
            (
                seen.plan.clone(),
                seen.held.clone(),
                seen.guards.approved.clone(),
            )
        })
    };
    assert_eq!(
        parts(&scene),
        (shown.clone(), Plan::default(), shown.clone())
    );
    // One more is below the limits, and the approved ones do not count.
    scene.reads.actual = PolicySnapshot::new(many(13), all(&["x"]));
    assert_eq!(scene.decide(), Decision::Commit);
    let (passing, waiting, approved) = parts(&scene);
    assert_eq!((passing.deny(), approved), (&many(13), shown.clone()));
    assert_eq!(waiting, Plan::default());
    // Twelve more are held, and the approved ones go on.
    scene.reads.actual = PolicySnapshot::new(many(24), all(&["x"]));
    let passes = true;
    let rest = Course::Commit;
    assert_eq!(scene.decide(), Decision::Hold { rest, passes });
    let (passing, waiting, _) = parts(&scene);
    assert_eq!(passing.deny(), &many(12));
    assert_eq!(waiting.deny(), &(&many(24) - &many(12)));
    // What is no longer wanted is left out.
    scene.reads.actual = PolicySnapshot::new(many(5), all(&["x"]));
    assert_eq!(parts(&scene).0.deny(), &many(5));
    // It was executed, and the lane has come to rest since: it was approved once.
    let mut spent = self::scene::held();
    spent.state().planned = Some(planned(run(8), &shown, 0));
    spent.state().planned.as_mut().unwrap().taken = Counts { allow: 0, deny: 12 };
    spent.reads.link_state.grant = Some(grant(run(7), run(8)));
    spent.records.approved = Some(record(run(7), &shown, None));
    assert!(matches!(spent.decide(), Decision::Hold { .. }));
}

#[test]
fn what_was_approved_before_goes_on_when_something_else_is_approved_until_it_is_done() {
    let (first, second) = (many(12), &many(24) - &many(12));
    let denies = |products: &BTreeSet<ProductId>| Plan::new(BTreeSet::new(), products.clone());
    let mut scene = held();
    scene.reads.actual = PolicySnapshot::new(many(24), all(&["x"]));
    scene.reads.link_state.grant = Some(grant(run(9), run(10)).after(&grant(run(7), run(8))));
    scene.records.approved = Some(record(run(9), &denies(&second), None));
    scene.records.approved_before = vec![record(run(7), &denies(&first), None)];
    let approved = |scene: &Scene| {
        scene.with(|_, seen| {
            let guards = &seen.guards;
            (guards.approved.deny().clone(), guards.going_on.len())
        })
    };
    assert_eq!(approved(&scene), (many(24), 1));
    assert_eq!(scene.decide(), Decision::Commit);
    // What the first one let through was executed, and the lane has come to rest since.
    scene.state().planned = Some(planned(run(8), &denies(&first), 0));
    scene.state().planned.as_mut().unwrap().taken = Counts { allow: 0, deny: 12 };
    assert_eq!(approved(&scene), (second, 0));
}

#[test]
fn a_hold_of_removals_lets_everything_else_through() {
    let mut scene = held();
    // `a` is not allowed yet, and what the management list denies is not on the member's.
    let allowed = many(12).into_iter().chain([p("b")]);
    scene.reads.actual = PolicySnapshot::new(allowed, []);
    let rest = Course::Commit;
    let passes = true;
    assert_eq!(scene.decide(), Decision::Hold { rest, passes });
    let (passing, held) = scene.with(|_, seen| (seen.plan.clone(), seen.held.clone()));
    assert_eq!(passing, plan(&["a"], &["x"]));
    assert_eq!(held, Plan::new(BTreeSet::new(), many(12)));
    let hold = scene.with(|goal, seen| new_hold(goal, seen, this(), scene.reads.at));
    assert_eq!((hold.allow, hold.deny, hold.removals), (0, 12, 12));
    assert_eq!(hold.plan_hash, held.hash());
    // The rest is at work.
    scene.state().planned = Some(planned(run(5), &passing, 0));
    let rest = Course::Underway(run(5));
    assert_eq!(scene.decide(), Decision::Hold { rest, passes });
    // A list that is in doubt lets nothing through.
    scene.desired.conditions = vec![HoldReason::ManagementArchived { experience: None }];
    assert!(scene.with(|_, seen| seen.plan.is_empty() && seen.held.len() == 14));
}

#[test]
fn the_mark_of_a_suspension_is_brought_in_line_before_anything_else() {
    let scenes: [fn() -> Scene; 4] = [in_sync, differing, held, rolling_back];
    for scene in scenes {
        let mut scene = scene();
        scene.suspension = Some(suspension());
        assert_eq!(scene.decide(), Decision::MarkSuspension);
        scene.state().suspension = Some(suspension());
        scene.suspension = None;
        assert_eq!(scene.decide(), Decision::MarkSuspension);
    }
}

#[test]
fn a_suspended_lane_that_differs_is_only_told_and_one_in_sync_is_stamped() {
    let scenes: [(fn() -> Scene, _); 4] = [
        (differing, Decision::Suspended),
        (under_way, Decision::Suspended),
        (held, Decision::Suspended),
        (in_sync, Decision::InSync),
    ];
    for (scene, decision) in scenes {
        let mut scene = scene();
        scene.suspension = Some(suspension());
        let told = scene.with(|goal, seen| decide_plan(goal, seen, None));
        assert_eq!(told, decision);
        scene.state().suspension = Some(suspension());
        assert_eq!(scene.decide(), decision);
    }
}

#[test]
fn a_suspended_lane_of_which_everything_is_held_is_told_as_suspended() {
    let mut scene = held();
    scene.suspension = Some(suspension());
    scene.state().suspension = Some(suspension());
    assert_eq!(scene.with(|_, seen| seen.course.clone()), Course::InSync);
    assert_eq!(scene.decide(), Decision::Suspended);
}

#[test]
fn an_approved_rollback_is_resumed_before_anything_else_is_planned_until_it_is_done() {
    let mut scene = rolling_back();
    assert_eq!(
        scene.decide(),
        Decision::ResumeRollback(Undo::Restore(run(2)))
    );
    scene.suspension = Some(suspension());
    scene.state().suspension = Some(suspension());
    assert_eq!(
        scene.decide(),
        Decision::ResumeRollback(Undo::Restore(run(2)))
    );
    let mut under_way = rolling_back();
    under_way.state().planned = Some(planned(run(8), &plan(&["a"], &[]), 0));
    assert_eq!(
        under_way.decide(),
        Decision::ResumeRollback(Undo::Restore(run(2)))
    );
    let mut spent = rolling_back();
    spent.state().planned = Some(planned(run(8), &plan(&["a"], &[]), 1));
    assert_eq!(spent.decide(), Decision::Commit);
}

#[test]
fn a_rollback_whose_rest_fails_has_gone_as_far_as_it_goes() {
    for (reason, decision) in [
        (BlockReason::ChangeSetFailed, Decision::Commit),
        (
            BlockReason::AccessDenied,
            Decision::ResumeRollback(Undo::Restore(run(2))),
        ),
    ] {
        let mut scene = rolling_back();
        let state = scene.state();
        state.planned = Some(planned(run(8), &plan(&["a"], &[]), 1));
        state.phase = Phase::Blocked;
        state.block = Some(Block {
            reason,
            detail: String::new(),
            since: start(),
        });
        assert_eq!(scene.decide(), decision);
    }
}

/// What the management experience asks for may be a part of it, or the reverse: of a revert, what a later run has changed.
#[test]
fn a_rollback_that_is_over_approves_no_plan_of_the_management_experience_and_no_such_plan_a_rollback()
 {
    let mut scene = held();
    let shown = Plan::new(BTreeSet::new(), many(12));
    scene.reads.link_state.grant = Some(grant(run(7), run(8)));
    let mut approved = rolling_back().records.approved.unwrap();
    approved.deny = shown.deny().iter().cloned().collect();
    approved.allow = Vec::new();
    scene.records.approved = Some(approved.clone());
    let state = scene.state();
    state.planned = Some(planned(run(8), &shown, 0));
    state.planned.as_mut().unwrap().taken = Counts { allow: 0, deny: 12 };
    state.phase = Phase::Blocked;
    state.block = Some(Block {
        reason: BlockReason::ChangeSetFailed,
        detail: String::new(),
        since: start(),
    });
    assert!(matches!(scene.decide(), Decision::Hold { .. }));
    // The same plan, approved as such.
    approved.hold = None;
    scene.records.approved = Some(approved);
    assert!(scene.with(|_, seen| !seen.guards.approved.is_empty()));
    scene.rollback = true;
    assert_eq!(scene.decide(), Decision::RefuseRollback);
}

/// A change of it may arrive, or be claimed, after another one has blocked the lane.
#[test]
fn a_rollback_that_is_blocked_before_all_of_it_is_tried_is_resumed() {
    let blocked = |taken: usize, claimed_at: crate::Timestamp| {
        let mut scene = rolling_back();
        let state = scene.state();
        state.planned = Some(planned(run(8), &plan(&["a"], &[]), taken));
        state.phase = Phase::Blocked;
        state.block = Some(Block {
            reason: BlockReason::ChangeSetFailed,
            detail: String::new(),
            since: start(),
        });
        if taken > 0 {
            let claimed = open("a", Action::Allow, run(8));
            let claimed = OpenChange {
                claimed_at,
                ..claimed
            };
            scene.reads.before.open.push(claimed);
        }
        scene.decide()
    };
    let resumed = Decision::ResumeRollback(Undo::Restore(run(2)));
    assert_eq!(blocked(0, start()), resumed, "not claimed");
    assert_eq!(blocked(1, later(start(), 1)), resumed, "not tried");
    assert_ne!(blocked(1, start()), resumed, "tried");
}

#[test]
fn a_rollback_does_what_was_shown_and_is_refused_if_anything_is_new() {
    let mut scene = rolling_back();
    scene.rollback = true;
    assert_eq!(scene.decide(), Decision::Commit);
    scene.reads.actual = lists(&[], &["x"]);
    assert_eq!(scene.decide(), Decision::RefuseRollback);
    scene.reads.actual = scene.desired.policy.clone();
    assert_eq!(scene.decide(), Decision::InSync);
    // No guard looks at it.
    let mut guarded = held();
    guarded.rollback = true;
    assert_eq!(guarded.reasons(), []);
    assert_eq!(guarded.decide(), Decision::RefuseRollback);
}

#[test]
fn what_a_run_has_committed_in_an_invocation_that_was_cut_off_is_not_replaced_by_itself() {
    let cut_off = |mut scene: Scene| {
        scene.state().planned = Some(planned(this(), &plan(&["c"], &[]), 0));
        scene
    };
    for scene in [cut_off(differing()), cut_off(held())] {
        assert_eq!(scene.decide(), Decision::AnothersPlan);
        let told = scene.with(|goal, seen| decide_plan(goal, seen, None));
        assert_ne!(told, Decision::AnothersPlan, "who only looks is no run");
    }
    let mut same = cut_off(differing());
    let planned = same.state().planned.as_mut().unwrap();
    planned.hash = plan(&["a"], &[]).hash();
    planned.sent = false;
    assert_eq!(same.decide(), Decision::Commit);
    let mut halted = cut_off(held());
    halted.state().planned.as_mut().unwrap().totals = Counts::default();
    assert!(matches!(halted.decide(), Decision::Hold { .. }));
}

#[test]
fn each_decision_is_recorded_as_what_it_is() {
    let passing = |rest| Decision::Hold { rest, passes: true };
    for (decision, status) in [
        (Decision::MarkSuspension, LinkStatus::Suspended),
        (
            Decision::ResumeRollback(Undo::Restore(run(2))),
            LinkStatus::Underway,
        ),
        (Decision::Suspended, LinkStatus::Suspended),
        (held_alone(Course::InSync), LinkStatus::Held),
        (held_alone(Course::Commit), LinkStatus::Held),
        (held_alone(Course::Underway(run(5))), LinkStatus::Held),
        (passing(Course::Commit), LinkStatus::Committed),
        (passing(Course::Underway(run(5))), LinkStatus::Underway),
        (Decision::RefuseRollback, LinkStatus::Refused),
        (Decision::AnothersPlan, LinkStatus::Failed),
        (Decision::InSync, LinkStatus::InSync),
        (Decision::Underway(run(5)), LinkStatus::Underway),
        (Decision::Commit, LinkStatus::Committed),
    ] {
        assert_eq!(decision.status(), status);
    }
}

#[test]
fn records_of_earlier_runs_are_read_only_if_something_depends_on_them() {
    let needs = |scene: &Scene| {
        scene.draft(|_, draft| {
            [
                draft.approved_run(),
                draft.held_run(),
                draft.restored_runs().first().copied(),
                draft.overriding_run(),
                draft.committed_run(&Records::default()),
            ]
        })
    };
    assert_eq!(needs(&in_sync()), [None; 5]);
    assert_eq!(needs(&differing()), [None; 5]);
    assert_eq!(needs(&under_way()), [None; 5], "it is the same");
    assert_eq!(
        needs(&rolling_back()),
        [Some(run(7)), None, None, None, None]
    );
    let mut all = under_way();
    all.link.policy.frozen = true;
    all.reads.link_state.restored = Some(grant(run(3), run(4)));
    let expected = [None, None, Some(run(3)), Some(run(5)), Some(run(5))];
    assert_eq!(needs(&all), expected);
}
