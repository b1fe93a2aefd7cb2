//! Every course of a plan.

use std::collections::BTreeSet;

use super::*;
use crate::ids::ProductId;
use crate::lane::{Intent, IntentChange, MemberRules, Planned};
use crate::link::Mode;
use crate::policy::Action;
use crate::time::later;

fn p(text: &str) -> ProductId {
    ProductId::new(text).unwrap()
}

fn run(number: i64) -> RunId {
    RunId::next(None, number, 0)
}

fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn plan(allow: &[&str], deny: &[&str]) -> Plan {
    Plan::new(
        allow.iter().copied().map(p).collect(),
        deny.iter().copied().map(p).collect(),
    )
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

/// A lane at work on `committed`, which run 5 planned and sent whole; none of it is taken yet.
/// Management allows `a` and `b` and denies `x`.
#[derive(Clone)]
struct Scene {
    plan: Plan,
    state: LaneState,
    open: Vec<OpenChange>,
    committed: Plan,
    desired: PolicySnapshot,
    link: LinkPolicy,
}

impl Scene {
    fn new(committed: Plan, plan: Plan) -> Self {
        let totals = Counts {
            allow: committed.allow().len(),
            deny: committed.deny().len(),
        };
        let planned = Planned {
            run: run(5),
            hash: committed.hash(),
            totals,
            taken: Counts::default(),
            counted: BTreeSet::default(),
            creates_policy: false,
            sent: true,
            proved: std::collections::BTreeSet::new(),
            at: start(),
        };
        Self {
            plan,
            state: LaneState {
                planned: Some(planned),
                ..LaneState::default()
            },
            open: Vec::new(),
            committed,
            desired: PolicySnapshot::new([p("a"), p("b")], [p("x")]),
            link: LinkPolicy::default(),
        }
    }

    fn planned(&mut self) -> &mut Planned {
        self.state.planned.as_mut().unwrap()
    }

    /// Everything that was announced has been taken into intents.
    fn all_taken(mut self) -> Self {
        let planned = self.planned();
        planned.taken = planned.totals;
        self
    }

    fn with_open(mut self, open: OpenChange) -> Self {
        self.open.push(open);
        self
    }

    fn on_lane(&self) -> PlanOnLane<'_> {
        PlanOnLane {
            plan: &self.plan,
            state: &self.state,
            open: &self.open,
            committed: Some(&self.committed),
            desired: &self.desired,
            link: &self.link,
            renewed: false,
        }
    }

    /// The course ten minutes after the commit.
    fn course(&self) -> Course {
        self.on_lane().course(later(start(), 600))
    }
}

fn same() -> Scene {
    Scene::new(plan(&["a"], &["x"]), plan(&["a"], &["x"]))
}

fn underway() -> Course {
    Course::Underway(run(5))
}

#[test]
fn a_lane_that_never_had_a_plan_is_in_sync_unless_there_is_something_to_do() {
    let mut scene = Scene::new(plan(&[], &[]), plan(&[], &[]));
    scene.state.planned = None;
    assert_eq!(scene.course(), Course::InSync);
    scene.plan = plan(&["a"], &[]);
    assert_eq!(scene.course(), Course::Commit);
    scene.plan = plan(&[], &["x"]);
    assert_eq!(scene.course(), Course::Commit);
}

#[test]
fn a_lane_at_rest_with_an_empty_plan_is_in_sync_whatever_became_of_the_last_one() {
    let scene = Scene::new(plan(&["a"], &[]), plan(&[], &[])).all_taken();
    assert_eq!(scene.course(), Course::InSync);
    let mut unsent = scene.clone();
    unsent.planned().sent = false;
    assert_eq!(unsent.course(), Course::InSync);
    let much_later = later(start(), 1_000_000);
    assert_eq!(scene.on_lane().course(much_later), Course::InSync);
}

#[test]
fn the_very_plan_that_the_lane_works_on_is_not_committed_again() {
    assert_eq!(same().course(), underway());
    // The hash is enough, and nothing has to be read.
    let scene = same();
    let on_lane = PlanOnLane {
        committed: None,
        ..scene.on_lane()
    };
    assert_eq!(on_lane.course(later(start(), 600)), underway());
    assert!(!on_lane.needs_committed(later(start(), 600)));
}

#[test]
fn a_lane_is_at_work_while_anything_is_announced_claimed_or_under_way() {
    let announced = same();
    assert_eq!(announced.course(), underway());
    let taken = announced.all_taken();
    assert_eq!(taken.course(), Course::Commit);
    let claimed = taken.clone().with_open(open("a", Action::Allow, run(5)));
    assert_eq!(claimed.course(), underway());
    let mut started = taken;
    started.state.phase = Phase::Starting;
    started.state.intent = Some(Intent {
        token: "t".to_owned(),
        name: None,
        written_at: None,
        creates_policy: false,
        at: start(),
        changes: vec![IntentChange {
            product: p("a"),
            action: Action::Allow,
            run: run(5),
            ordinal: 0,
        }],
    });
    assert_eq!(started.course(), underway());
}

#[test]
fn what_is_left_of_the_committed_plan_is_not_committed_again() {
    let scene = Scene::new(plan(&["a", "b"], &["x"]), plan(&["b"], &["x"]));
    assert_eq!(scene.course(), underway());
    assert!(scene.on_lane().needs_committed(later(start(), 600)));
    // Only the committed plan tells.
    let on_lane = PlanOnLane {
        committed: None,
        ..scene.on_lane()
    };
    assert_eq!(on_lane.course(later(start(), 600)), Course::Commit);
}

#[test]
fn a_plan_with_anything_new_is_committed() {
    let more = Scene::new(plan(&["a"], &["x"]), plan(&["a", "b"], &["x"]));
    assert_eq!(more.course(), Course::Commit);
    let other = Scene::new(plan(&["a"], &["x"]), plan(&["b"], &["x"]));
    assert_eq!(other.course(), Course::Commit);
    let opposite = Scene::new(plan(&["a"], &["x"]), plan(&["x"], &["a"]));
    assert_eq!(opposite.course(), Course::Commit);
}

#[test]
fn a_smaller_plan_is_committed_when_what_it_lacks_is_not_wanted_any_more() {
    // `b` was to be denied and is allowed by management now: its deny must not come to pass.
    let restored = Scene::new(plan(&["a"], &["b", "x"]), plan(&["a"], &["x"]));
    assert_eq!(restored.course(), Course::Commit);
    // `x` is protected now.
    let mut protected = Scene::new(plan(&["a"], &["x"]), plan(&["a"], &[]));
    assert_eq!(protected.course(), underway());
    protected.link.protect.insert(p("x"));
    assert_eq!(protected.course(), Course::Commit);
}

#[test]
fn a_plan_that_was_not_sent_whole_is_committed_again() {
    let mut scene = same();
    scene.planned().sent = false;
    assert_eq!(scene.course(), Course::Commit);
    let mut halted = Scene::new(plan(&["a"], &[]), plan(&[], &[]));
    halted.planned().sent = false;
    assert_eq!(halted.course(), Course::Commit);
}

#[test]
fn a_plan_is_trusted_for_less_than_three_hours() {
    let scene = same();
    let at = |seconds| scene.on_lane().course(later(start(), seconds));
    assert_eq!(at(3 * 3600 - 1), underway());
    assert_eq!(at(3 * 3600), Course::Commit);
    // A clock that is behind the one of the commit finds a young plan.
    assert_eq!(at(-60), underway());
}

#[test]
fn a_blocked_lane_is_committed_to_by_every_run() {
    let mut scene = same();
    scene.state.phase = Phase::Blocked;
    assert_eq!(scene.course(), Course::Commit);
    let mut halted = Scene::new(plan(&["a"], &[]), plan(&[], &[]));
    halted.state.phase = Phase::Blocked;
    assert_eq!(halted.course(), Course::Commit);
    // With nothing to do and nothing open, too: otherwise it would stay blocked.
    let mut done = Scene::new(plan(&["a"], &[]), plan(&[], &[])).all_taken();
    assert_eq!(done.course(), Course::InSync);
    done.state.phase = Phase::Blocked;
    assert_eq!(done.course(), Course::Commit);
}

#[test]
fn a_suspended_lane_keeps_a_plan_that_is_the_same() {
    let mut scene = same();
    scene.state.phase = Phase::Suspended;
    assert_eq!(scene.course(), underway());
}

#[test]
fn an_empty_plan_lets_go_on_what_is_open_and_still_wanted() {
    let scene = Scene::new(plan(&["a"], &["x"]), plan(&[], &[])).all_taken();
    let scene = scene
        .with_open(open("a", Action::Allow, run(5)))
        .with_open(open("x", Action::Deny, run(5)));
    assert_eq!(scene.course(), underway());
    // A product that management does not list must not be procurable: its deny is wanted as well.
    let unlisted = scene.with_open(open("unlisted", Action::Deny, run(5)));
    assert_eq!(unlisted.course(), underway());
}

#[test]
fn an_empty_plan_halts_the_lane_when_anything_open_is_not_wanted_any_more() {
    let scene = Scene::new(plan(&["a"], &["b"]), plan(&[], &[]))
        .all_taken()
        .with_open(open("a", Action::Allow, run(5)));
    assert_eq!(scene.course(), underway());
    let opposite = scene.clone().with_open(open("b", Action::Deny, run(5)));
    assert_eq!(opposite.course(), Course::Commit);
    let unlisted = scene
        .clone()
        .with_open(open("unlisted", Action::Allow, run(5)));
    assert_eq!(unlisted.course(), Course::Commit);
    let mut observed = scene.clone();
    observed.link.mode = Mode::Observe;
    assert_eq!(observed.course(), Course::Commit);
    let mut excluded = scene;
    excluded.link.exclude.insert(p("a"));
    assert_eq!(excluded.course(), Course::Commit);
}

#[test]
fn open_changes_of_older_runs_are_void_and_halt_nothing() {
    let scene = Scene::new(plan(&["a"], &[]), plan(&[], &[]))
        .all_taken()
        .with_open(open("b", Action::Deny, run(4)));
    assert_eq!(scene.course(), underway());
}

#[test]
fn the_committed_plan_is_read_only_where_the_answer_depends_on_it() {
    let now = later(start(), 600);
    let needs = |scene: &Scene| scene.on_lane().needs_committed(now);
    let rest = Scene::new(plan(&["a", "b"], &[]), plan(&["b"], &[]));
    assert!(needs(&rest));
    assert!(!needs(&rest.clone().all_taken()));
    assert!(!rest.on_lane().needs_committed(later(start(), 3 * 3600)));
    let mut unsent = rest.clone();
    unsent.planned().sent = false;
    assert!(!needs(&unsent));
    let mut blocked = rest.clone();
    blocked.state.phase = Phase::Blocked;
    assert!(!needs(&blocked));
    let mut empty = rest;
    empty.plan = plan(&[], &[]);
    assert!(needs(&empty), "it may have to be halted");
    assert!(!needs(&empty.all_taken().with_open(open(
        "a",
        Action::Allow,
        run(5)
    ))));
}

/// A deny that is on its way must not arrive after management allows the product again.
#[test]
fn an_empty_plan_halts_what_is_announced_and_no_longer_wanted() {
    let late_deny = Scene::new(plan(&[], &["b"]), plan(&[], &[]));
    assert_eq!(late_deny.course(), Course::Commit);
    let mut unknown = Scene::new(plan(&["b"], &[]), plan(&[], &[]));
    assert_eq!(unknown.course(), Course::Underway(run(5)));
    unknown.link.exclude.insert(p("b"));
    assert_eq!(unknown.course(), Course::Commit);
    let scene = Scene::new(plan(&["b"], &[]), plan(&[], &[]));
    let on_lane = PlanOnLane {
        committed: None,
        ..scene.on_lane()
    };
    assert_eq!(on_lane.course(later(start(), 600)), Course::Commit);
}

/// The committed plan had the change, and is done with it: only a new one has it tried again.
#[test]
fn a_change_that_leaves_quarantine_is_committed_anew() {
    let scene = Scene::new(plan(&["a", "b"], &[]), plan(&["b"], &[]));
    assert_eq!(scene.course(), Course::Underway(run(5)));
    let on_lane = PlanOnLane {
        renewed: true,
        ..scene.on_lane()
    };
    assert_eq!(on_lane.course(later(start(), 600)), Course::Commit);
}

fn ruled(mut scene: Scene, mode: &str) -> Scene {
    scene.state.member = MemberRules::parse(mode, "").unwrap().mark();
    scene
}

/// What the member keeps back is not waited for: the lane gets a plan that it can come to the end of.
#[test]
fn a_plan_that_the_member_keeps_back_is_not_at_work_however_much_it_is_wanted() {
    let committed = plan(&["a"], &["x"]);
    let mut whole = Scene::new(committed.clone(), Plan::default());
    whole.open = vec![open("x", Action::Deny, run(5))];
    assert_eq!(whole.course(), Course::Underway(run(5)));
    for mode in ["allow-only", "suspended"] {
        assert_eq!(ruled(whole.clone(), mode).course(), Course::Commit);
    }
    let rest = Scene::new(committed, plan(&["a"], &[]));
    assert_eq!(rest.course(), Course::Underway(run(5)));
    assert_eq!(ruled(rest, "allow-only").course(), Course::Commit);
}

#[test]
fn what_an_older_plan_left_open_is_no_reason_to_commit_again() {
    let mut scene = Scene::new(Plan::default(), Plan::default());
    scene.open = vec![open("x", Action::Deny, run(4))];
    assert_eq!(ruled(scene, "suspended").course(), Course::Underway(run(5)));
}

#[test]
fn a_limit_only_delays_and_so_changes_no_decision() {
    let mut scene = Scene::new(plan(&[], &["x"]), plan(&[], &["x"]));
    scene.state.member = MemberRules::parse("all", "1").unwrap().mark();
    assert_eq!(scene.course(), Course::Underway(run(5)));
}
