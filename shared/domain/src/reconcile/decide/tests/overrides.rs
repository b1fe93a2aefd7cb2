//! What a run holds that has overridden a freeze.

use super::*;
use crate::approval::Hold;

/// The link is frozen. Run 7 has overridden that and holds twelve removals; `a` is to be allowed since.
fn overridden() -> Scene {
    let mut scene = held();
    let allowed = many(12).into_iter().chain([p("b")]);
    scene.reads.actual = PolicySnapshot::new(allowed, all(&["x"]));
    scene.link.policy.frozen = true;
    let shown = removals(12);
    let reasons = vec![HoldReason::MostRemovals {
        count: 12,
        limit: 5,
        parts: None,
    }];
    let hold = Hold {
        run: run(7),
        plan_hash: shown.hash(),
        reasons,
        allow: 0,
        deny: 12,
        removals: 12,
        since: start(),
        announced: true,
        rejected: None,
        approvals: Vec::new(),
        overrides: true,
    };
    scene.records.held = Some(record(run(7), &shown, Some(hold.clone())));
    scene.reads.link_state.hold = Some(hold);
    scene
}

/// The same, approved.
fn approved() -> Scene {
    let mut scene = overridden();
    scene.reads.link_state.hold = None;
    scene.records.approved = scene.records.held.take();
    scene.reads.link_state.grant = Some(crate::approval::Grant {
        overrides: true,
        ..grant(run(7), run(8))
    });
    scene
}

fn removals(count: usize) -> Plan {
    Plan::new(BTreeSet::new(), many(count))
}

fn parts(scene: &Scene) -> (Plan, Plan) {
    scene.with(|_, seen| (seen.plan.clone(), seen.held.clone()))
}

#[test]
fn a_run_that_overrides_the_freeze_commits_what_passes_and_marks_what_it_holds() {
    let mut scene = overridden();
    scene.overrides = true;
    let (passing, held) = parts(&scene);
    assert_eq!((passing, held), (plan(&["a"], &[]), removals(12)));
    let hold = scene.with(|goal, seen| new_hold(goal, seen, this(), start()));
    assert!(hold.overrides);
    scene.link.policy.frozen = false;
    let hold = scene.with(|goal, seen| new_hold(goal, seen, this(), start()));
    assert!(!hold.overrides);
}

#[test]
fn what_it_holds_stays_held_by_the_runs_after_it_as_far_as_it_is_wanted() {
    let mut scene = overridden();
    assert_eq!(parts(&scene), (Plan::default(), removals(12)));
    assert_eq!(scene.decide(), held_alone(Course::InSync));
    let left = scene.with(|_, seen| seen.report.left_alone.clone());
    let left: Vec<_> = left.iter().map(|left| left.product.as_str()).collect();
    assert_eq!(left, ["a"], "the rest is frozen");
    // Few are still held, and for the reasons that they were held for.
    let allowed = many(2).into_iter().chain([p("b")]);
    scene.reads.actual = PolicySnapshot::new(allowed, all(&["x"]));
    assert_eq!(parts(&scene), (Plan::default(), removals(2)));
    let reasons = scene.reads.link_state.hold.clone().unwrap().reasons;
    assert_eq!(scene.reasons(), reasons);
    let hold = scene.with(|goal, seen| new_hold(goal, seen, this(), start()));
    assert_eq!((hold.deny, hold.overrides), (2, true));
    // Others were not asked for.
    let allowed = many(14).into_iter().chain([p("b")]);
    scene.reads.actual = PolicySnapshot::new(allowed, all(&["x"]));
    assert_eq!(parts(&scene).1, removals(12));
    scene.reads.actual = scene.desired.policy.clone();
    assert_eq!(scene.decide(), Decision::InSync);
}

#[test]
fn an_ordinary_hold_ends_with_a_freeze() {
    let mut scene = overridden();
    scene.reads.link_state.hold.as_mut().unwrap().overrides = false;
    assert_eq!(scene.draft(|_, draft| draft.held_run()), None);
    assert_eq!(scene.decide(), Decision::InSync);
    let mut granted = approved();
    granted.reads.link_state.grant = Some(grant(run(7), run(8)));
    assert_eq!(granted.decide(), Decision::InSync);
}

#[test]
fn its_approval_executes_that_and_nothing_else_although_the_link_is_frozen() {
    let mut scene = approved();
    assert_eq!(scene.decide(), Decision::Commit);
    assert_eq!(parts(&scene), (removals(12), Plan::default()));
    let counted = scene.with(|_, seen| seen.guards.removals.clone());
    assert_eq!(counted, BTreeSet::new());
    // Its rest is under way.
    scene.state().planned = Some(planned(run(8), &removals(12), 0));
    assert_eq!(scene.decide(), Decision::Underway(run(8)));
    let allowed = many(5).into_iter().chain([p("b")]);
    scene.reads.actual = PolicySnapshot::new(allowed, all(&["x"]));
    scene.records.committed = Some(removals(12));
    assert_eq!(scene.decide(), Decision::Underway(run(8)));
    // It has come to rest: it was approved once.
    let planned = scene.state().planned.as_mut().unwrap();
    planned.taken = planned.totals;
    assert_eq!(scene.decide(), Decision::InSync);
}

/// The run that has overridden the freeze may still be at work when what it holds is approved.
#[test]
fn its_approval_continues_what_the_run_has_begun() {
    let mut scene = approved();
    let begun = plan(&["a"], &[]);
    scene.state().planned = Some(planned(run(7), &begun, 0));
    scene.records.committed = Some(begun.clone());
    assert_eq!(
        parts(&scene).0,
        removals(12),
        "run 7 has overridden nothing"
    );
    let mut overriding = RunRecord::new(run(7), 1, vec![Scope::default()], start());
    overriding.requests = vec![Request {
        override_reason: Some("an incident".to_owned()),
        ..Request::default()
    }];
    scene.records.planned = Some(overriding.clone());
    assert_eq!(parts(&scene).0, removals(12).then(&begun));
    assert_eq!(scene.decide(), Decision::Commit);
    // While it is only held, the run goes on as well.
    let mut held = overridden();
    held.state().planned = Some(planned(run(7), &begun, 0));
    held.records.planned = Some(overriding);
    assert_eq!(held.decide(), held_alone(Course::Underway(run(7))));
}

#[test]
fn a_doubt_about_the_management_list_is_a_reason_beside_those_of_the_hold() {
    let mut scene = overridden();
    let doubt = HoldReason::ManagementArchived { experience: None };
    scene.desired.conditions = vec![doubt.clone()];
    let reasons = scene.reasons();
    assert_eq!((reasons.len(), &reasons[0]), (2, &doubt));
    let mut approved = approved();
    approved.desired.conditions = vec![doubt.clone()];
    assert_eq!(approved.reasons(), [doubt]);
    assert_eq!(parts(&approved).0, removals(12));
}
