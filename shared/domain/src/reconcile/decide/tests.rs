//! Every decision, with every reason that leads to it.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::*;
use crate::approval::{Ask, Grant, Hold};
use crate::guard::HoldReason;
use crate::guard::limits::{Guard, GuardName};
use crate::ids::{ChangeSetId, ExperienceId, LaneId, ProductId};
use crate::lane::{
    Block, BlockReason, Counts, LaneState, OpenChange, Phase, Planned, Quarantined, Suspension,
};
use crate::link::{Link, LinkPolicy, LiveCheck, Member, Mode, Target};
use crate::plan::Plan;
use crate::policy::{Action, PolicySnapshot};
use crate::ports::Lane;
use crate::reconcile::{DesiredState, Draft, Reads, Records, TRUST};
use crate::records::{LinkRecord, LinkState, Request, RunRecord};
use crate::time::later;
use crate::wire::Scope;

fn p(text: &str) -> ProductId {
    ProductId::new(text).unwrap()
}

fn all(texts: &[&str]) -> BTreeSet<ProductId> {
    texts.iter().map(|text| p(text)).collect()
}

fn many(count: usize) -> BTreeSet<ProductId> {
    (0..count)
        .map(|number| p(&format!("prod-{number:03}")))
        .collect()
}

fn lists(allowed: &[&str], denied: &[&str]) -> PolicySnapshot {
    PolicySnapshot::new(all(allowed), all(denied))
}

fn plan(allow: &[&str], deny: &[&str]) -> Plan {
    Plan::new(all(allow), all(deny))
}

fn run(number: i64) -> RunId {
    RunId::next(None, number, 0)
}

fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

/// The run that decides.
fn this() -> RunId {
    run(9)
}

fn experience() -> ExperienceId {
    ExperienceId::new("exp-1").unwrap()
}

fn lane() -> LaneId {
    "222222222222/exp-1".parse().unwrap()
}

fn suspension() -> Suspension {
    Suspension {
        by: None,
        since: start(),
    }
}

/// A link whose management experience allows `a` and `b` and denies `x`, as the member does; the lane has
/// come to rest under run 5.
struct Scene {
    link: Link,
    desired: DesiredState,
    reads: Reads,
    records: Records,
    lifted: BTreeSet<ProductId>,
    rollback: bool,
    suspension: Option<Suspension>,
}

fn in_sync() -> Scene {
    let lists = lists(&["a", "b"], &["x"]);
    let experience = experience();
    Scene {
        link: Link {
            management_experience: ExperienceId::new("exp-m").unwrap(),
            member: Member {
                name: "acme".parse().unwrap(),
                account: "222222222222".parse().unwrap(),
                external_id: "0123456789abcdef0123456789abcdef".parse().unwrap(),
                role: None,
                queue: None,
            },
            target: Target::One(experience),
            policy: LinkPolicy::default(),
            guard: Guard::default(),
            live_check: LiveCheck::Off,
            stale_after_hours: 24,
        },
        desired: DesiredState {
            policy: lists.clone(),
            conditions: Vec::new(),
        },
        reads: Reads {
            at: later(start(), 600),
            before: Lane {
                state: LaneState {
                    rev: 3,
                    planned: Some(planned(run(5), &plan(&["a"], &[]), 1)),
                    ..LaneState::default()
                },
                open: Vec::new(),
            },
            quarantined: Vec::new(),
            link_state: LinkState::default(),
            actual: lists,
            first_policy: None,
        },
        records: Records::default(),
        lifted: BTreeSet::new(),
        rollback: false,
        suspension: None,
    }
}

/// A plan as a lane has it: sent whole, and taken but for what is left out.
fn planned(run: RunId, plan: &Plan, taken: usize) -> Planned {
    Planned {
        run,
        hash: plan.hash(),
        totals: Counts {
            allow: plan.allow().len(),
            deny: plan.deny().len(),
        },
        taken: Counts {
            allow: taken,
            deny: 0,
        },
        creates_policy: false,
        sent: true,
        proved: BTreeSet::new(),
        at: start(),
    }
}

/// The same, where the member does not allow `a` yet.
fn differing() -> Scene {
    let mut scene = in_sync();
    scene.reads.actual = lists(&["b"], &["x"]);
    scene
}

/// The same, while the lane works on exactly that under run 5.
fn under_way() -> Scene {
    let mut scene = differing();
    scene.reads.before.state.planned = Some(planned(run(5), &plan(&["a"], &[]), 0));
    scene
}

/// A removal that the guards do not let through: the member allows 12 products more.
fn held() -> Scene {
    let mut scene = in_sync();
    scene.reads.actual =
        PolicySnapshot::new(all(&["a", "b"]).into_iter().chain(many(12)), all(&["x"]));
    scene
}

fn record(run: RunId, plan: &Plan, hold: Option<Hold>) -> LinkRecord {
    LinkRecord {
        schema: crate::SCHEMA,
        run,
        member: "acme".parse().unwrap(),
        account: "222222222222".parse().unwrap(),
        lane: Some(lane()),
        management_experience: ExperienceId::new("exp-m").unwrap(),
        mode: Mode::Mirror,
        status: LinkStatus::Held,
        plan_hash: Some(plan.hash()),
        allow: plan.allow().iter().cloned().collect(),
        deny: plan.deny().iter().cloned().collect(),
        removals: 0,
        left_alone: Vec::new(),
        contradictory: Vec::new(),
        edited: Vec::new(),
        edited_since: None,
        fault: None,
        hold,
        approval: None,
        unchecked: 0,
        at: start(),
    }
}

fn grant(of: RunId, executed: RunId) -> Grant {
    Grant {
        run: of,
        ask: Ask {
            by: None,
            account: None,
            at: start(),
        },
        executed,
    }
}

/// A rollback of run 2 was approved as run 7 showed it, and run 8 was to execute it.
fn rolling_back() -> Scene {
    let mut scene = differing();
    let shown = plan(&["a"], &[]);
    let hold = Hold {
        run: run(7),
        plan_hash: shown.hash(),
        reasons: vec![HoldReason::Restore { run: run(2) }],
        allow: 1,
        deny: 0,
        removals: 0,
        since: start(),
        announced: true,
        rejected: None,
    };
    scene.reads.link_state.grant = Some(grant(run(7), run(8)));
    scene.records.approved = Some(record(run(7), &shown, Some(hold)));
    scene
}

fn open(product: &str, action: Action, by: RunId) -> OpenChange {
    OpenChange {
        product: p(product),
        action,
        run: by,
        ordinal: 0,
        claimed_at: start(),
    }
}

impl Scene {
    fn with<T>(&self, work: impl FnOnce(&Goal<'_>, &Observation) -> T) -> T {
        let experience = experience();
        let goal = Goal {
            link: &self.link,
            policy: &self.link.policy,
            experience: &experience,
            desired: &self.desired,
            lifted: &self.lifted,
            rollback: self.rollback,
            suspension: self.suspension.as_ref(),
        };
        let mut draft = Draft::new(goal, self.reads.clone());
        assert!(draft.in_question().is_empty());
        draft = draft.checked(&crate::records::Answers::new());
        // A record is there only if it is asked for, as in a run.
        let asked = |run: Option<RunId>| run.is_some();
        let mut records = Records {
            approved: (self.records.approved.clone()).filter(|_| asked(draft.approved_run())),
            restored: (self.records.restored.clone()).filter(|_| asked(draft.restored_run())),
            planned: (self.records.planned.clone()).filter(|_| asked(draft.overriding_run())),
            committed: None,
        };
        let committed = asked(draft.committed_run(&records));
        records.committed = self.records.committed.clone().filter(|_| committed);
        work(&goal, &draft.finish(&records))
    }

    fn decide(&self) -> Decision {
        self.with(|goal, seen| decide(goal, seen, this()))
    }

    fn reasons(&self) -> Vec<HoldReason> {
        self.with(|_, seen| seen.guards.reasons.clone())
    }

    fn state(&mut self) -> &mut LaneState {
        &mut self.reads.before.state
    }
}

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
    scene.reads.quarantined = vec![Quarantined {
        product: p("a"),
        action: Action::Allow,
        run: run(4),
        error_code: String::new(),
        error_message: String::new(),
        change_set: ChangeSetId::new("cs-1").unwrap(),
        quarantined_at: start(),
    }];
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

/// Each guard, and a plan that it holds.
fn guarded() -> Vec<(GuardName, Scene)> {
    let conditioned = |condition| {
        let mut scene = differing();
        scene.desired.conditions = vec![condition];
        scene
    };
    let mut most = held();
    most.link.guard.limits.removals = 100;
    most.link.guard.limits.most_removals = 5;
    let mut shrunk = differing();
    shrunk.reads.link_state.management_allowed = Some(20);
    let mut restored = differing();
    restored.reads.link_state.restored = Some(grant(run(7), run(8)));
    restored.records.restored = Some(record(run(7), &plan(&[], &["a"]), None));
    let mut first = differing();
    first.reads.first_policy = Some(true);
    let status = "Other".to_owned();
    vec![
        (
            GuardName::ManagementEmpty,
            conditioned(HoldReason::ManagementEmpty),
        ),
        (
            GuardName::ManagementNoPolicy,
            conditioned(HoldReason::ManagementNoPolicy),
        ),
        (
            GuardName::ManagementDisabled,
            conditioned(HoldReason::ManagementDisabled { status }),
        ),
        (
            GuardName::ManagementArchived,
            conditioned(HoldReason::ManagementArchived),
        ),
        (GuardName::Removals, held()),
        (GuardName::MostRemovals, most),
        (GuardName::Shrink, shrunk),
        (GuardName::Restored, restored),
        (GuardName::FirstPolicy, first),
    ]
}

#[test]
fn each_guard_holds_a_plan_and_an_exempt_link_commits_it() {
    let names: Vec<_> = guarded().iter().map(|(name, _)| *name).collect();
    assert_eq!(names, GuardName::ALL);
    for (name, mut scene) in guarded() {
        let reasons: Vec<_> = scene.reasons().iter().map(HoldReason::guard).collect();
        assert_eq!(reasons, [Some(name)]);
        let meanwhile = Course::InSync;
        assert_eq!(scene.decide(), Decision::Hold { meanwhile }, "{name}");
        scene.link.guard.exempt.insert(name);
        assert_eq!(scene.decide(), Decision::Commit, "{name}");
    }
}

#[test]
fn a_condition_of_the_management_experience_holds_even_an_empty_plan_until_it_is_accepted() {
    let mut scene = in_sync();
    scene.desired.conditions = vec![HoldReason::ManagementArchived];
    let meanwhile = Course::InSync;
    assert_eq!(scene.decide(), Decision::Hold { meanwhile });
    let accepted = &mut scene.reads.link_state.accepted;
    accepted.insert(GuardName::ManagementArchived);
    assert_eq!(scene.decide(), Decision::InSync);
}

#[test]
fn while_a_plan_is_held_the_lane_goes_on_only_as_far_as_it_agrees_with_the_lists() {
    let mut scene = held();
    scene.reads.before.open = vec![open("b", Action::Allow, run(5))];
    let meanwhile = Course::Underway(run(5));
    assert_eq!(scene.decide(), Decision::Hold { meanwhile });
    assert!(scene.with(|_, seen| seen.goes_on_while_held()));
    scene.reads.before.open = vec![open("b", Action::Deny, run(5))];
    let meanwhile = Course::Commit;
    assert_eq!(scene.decide(), Decision::Hold { meanwhile });
    assert!(!scene.with(|_, seen| seen.goes_on_while_held()));
    assert!(!under_way().with(|_, seen| seen.goes_on_while_held()));
}

#[test]
fn what_was_approved_is_committed_and_anything_new_is_held() {
    let shown = Plan::new(BTreeSet::new(), many(12));
    let mut scene = held();
    scene.reads.link_state.grant = Some(grant(run(7), run(8)));
    scene.records.approved = Some(record(run(7), &shown, None));
    assert_eq!(scene.decide(), Decision::Commit);
    assert!(scene.with(|_, seen| seen.guards.approved));
    scene.reads.actual = lists(&["b"], &[]);
    scene.reads.actual = PolicySnapshot::new(many(13), BTreeSet::new());
    assert!(matches!(scene.decide(), Decision::Hold { .. }));
    // It was executed, and the lane has come to rest since: it was approved once.
    let mut spent = held();
    spent.state().planned = Some(planned(run(8), &shown, 0));
    spent.state().planned.as_mut().unwrap().taken = Counts { allow: 0, deny: 12 };
    spent.reads.link_state.grant = Some(grant(run(7), run(8)));
    spent.records.approved = Some(record(run(7), &shown, None));
    assert!(matches!(spent.decide(), Decision::Hold { .. }));
}

#[test]
fn the_mark_of_a_suspension_is_brought_in_line_before_anything_else() {
    for mut scene in [in_sync(), differing(), held(), rolling_back()] {
        scene.suspension = Some(suspension());
        assert_eq!(scene.decide(), Decision::MarkSuspension);
        scene.state().suspension = Some(suspension());
        scene.suspension = None;
        assert_eq!(scene.decide(), Decision::MarkSuspension);
    }
}

#[test]
fn a_suspended_lane_that_differs_is_only_told_and_one_in_sync_is_stamped() {
    for (mut scene, decision) in [
        (differing(), Decision::Suspended),
        (under_way(), Decision::Suspended),
        (held(), Decision::Suspended),
        (in_sync(), Decision::InSync),
    ] {
        scene.suspension = Some(suspension());
        let told = scene.with(|goal, seen| decide_plan(goal, seen, None));
        assert_eq!(told, decision);
        scene.state().suspension = Some(suspension());
        assert_eq!(scene.decide(), decision);
    }
}

#[test]
fn an_approved_rollback_is_resumed_before_anything_else_is_planned_until_it_is_done() {
    let mut scene = rolling_back();
    assert_eq!(scene.decide(), Decision::ResumeRollback(run(2)));
    scene.suspension = Some(suspension());
    scene.state().suspension = Some(suspension());
    assert_eq!(scene.decide(), Decision::ResumeRollback(run(2)));
    let mut under_way = rolling_back();
    under_way.state().planned = Some(planned(run(8), &plan(&["a"], &[]), 0));
    assert_eq!(under_way.decide(), Decision::ResumeRollback(run(2)));
    let mut spent = rolling_back();
    spent.state().planned = Some(planned(run(8), &plan(&["a"], &[]), 1));
    assert_eq!(spent.decide(), Decision::Commit);
}

#[test]
fn a_rollback_whose_rest_fails_has_gone_as_far_as_it_goes() {
    for (reason, decision) in [
        (BlockReason::ChangeSetFailed, Decision::Commit),
        (BlockReason::AccessDenied, Decision::ResumeRollback(run(2))),
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
    let meanwhile = Course::InSync;
    for (decision, status) in [
        (Decision::MarkSuspension, LinkStatus::Suspended),
        (Decision::ResumeRollback(run(2)), LinkStatus::Underway),
        (Decision::Suspended, LinkStatus::Suspended),
        (Decision::Hold { meanwhile }, LinkStatus::Held),
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
        let experience = experience();
        let goal = Goal {
            link: &scene.link,
            policy: &scene.link.policy,
            experience: &experience,
            desired: &scene.desired,
            lifted: &scene.lifted,
            rollback: false,
            suspension: None,
        };
        let draft = Draft::new(goal, scene.reads.clone());
        [
            draft.approved_run(),
            draft.restored_run(),
            draft.overriding_run(),
            draft.committed_run(&Records::default()),
        ]
    };
    assert_eq!(needs(&in_sync()), [None; 4]);
    assert_eq!(needs(&differing()), [None; 4]);
    assert_eq!(needs(&under_way()), [None; 4], "it is the same");
    assert_eq!(needs(&rolling_back()), [Some(run(7)), None, None, None]);
    let mut all = under_way();
    all.link.policy.frozen = true;
    all.reads.link_state.restored = Some(grant(run(3), run(4)));
    let expected = [None, Some(run(3)), Some(run(5)), Some(run(5))];
    assert_eq!(needs(&all), expected);
}
