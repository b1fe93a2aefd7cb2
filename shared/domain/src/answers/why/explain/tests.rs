use std::collections::BTreeSet;

use super::*;
use crate::approval::{Ask, RejectedPart};
use crate::guard::HoldReason;
use crate::ids::{ChangeSetId, RunId};
use crate::lane::{Block, BlockReason, Counts, Intent, IntentChange, LaneView, Planned};
use crate::link::{LinkPolicy, Mode};
use crate::plan::plan;
use crate::sync_state::Verdict;

mod order;

fn p(text: &str) -> ProductId {
    ProductId::new(text).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn run(number: i64) -> RunId {
    RunId::next(None, number, 0)
}

fn told(answer: &WhyAnswer) -> String {
    answer.what_to_do().unwrap().to_string()
}

fn left(reason: Reason) -> Why {
    let since = None;
    Why::LeftAlone { reason, since }
}

fn change_set() -> ChangeSetId {
    ChangeSetId::new("cs1").unwrap()
}

/// The management experience allows `a` and `b`; the member allows `b` and `d`. So `a` is to be allowed
/// and `d` denied.
struct World {
    desired: PolicySnapshot,
    actual: PolicySnapshot,
    link: LinkPolicy,
    state: LaneState,
    last: BTreeMap<ProductId, LastChange>,
    committed: Option<Plan>,
    held_for: Vec<HoldReason>,
    /// What passes although something is held.
    passing: BTreeSet<ProductId>,
    goes_on: bool,
    link_state: LinkState,
    suspension: Option<Suspension>,
    edited: Edited,
    replaced: Option<Reason>,
}

impl World {
    fn new() -> Self {
        Self {
            desired: PolicySnapshot::new([p("a"), p("b")], []),
            actual: PolicySnapshot::new([p("b"), p("d")], []),
            link: LinkPolicy::default(),
            state: LaneState::default(),
            last: BTreeMap::new(),
            committed: None,
            held_for: Vec::new(),
            passing: BTreeSet::new(),
            goes_on: false,
            link_state: LinkState::default(),
            suspension: None,
            edited: Edited::default(),
            replaced: None,
        }
    }

    fn plan(&self) -> Plan {
        let view = self.state.view(Vec::new());
        plan(&self.desired, &self.actual, &view, &self.link).0
    }

    fn answer(&self, product: &str) -> WhyAnswer {
        let quarantined = self.last.values();
        let quarantined = quarantined.filter(|last| last.state == ChangeState::Quarantined);
        let quarantined = quarantined.map(|last| ProductChange {
            product: last.product.clone(),
            action: last.action,
        });
        let view: LaneView = self.state.view(quarantined.collect());
        let (plan, report) = plan(&self.desired, &self.actual, &view, &self.link);
        let left_alone = report.left_alone.into_iter().map(|mut left| {
            left.reason = self.replaced.unwrap_or(left.reason);
            (left.product.clone(), left)
        });
        let held = if self.held_for.is_empty() {
            Plan::default()
        } else {
            plan.clone().without(&self.passing)
        };
        let plan = plan.minus(&held);
        let seen = Seen {
            sources: &[],
            experience: &"exp-1".parse().unwrap(),
            desired: &self.desired,
            actual: &self.actual,
            state: &self.state,
            last: &self.last,
            plan: &plan,
            held: &held,
            left_alone: &left_alone.collect(),
            committed: self.committed.as_ref(),
            held_for: &self.held_for,
            goes_on: self.goes_on,
            link_state: &self.link_state,
            suspension: self.suspension.as_ref(),
            edited: &self.edited,
            at: at(1_000),
        };
        why(&p(product), Facts::Seen(&seen))
    }

    fn why(&self, product: &str) -> Why {
        self.answer(product).why
    }

    fn last(&mut self, product: &str, action: Action, by: RunId, state: ChangeState) {
        let ended = state != ChangeState::Open && state != ChangeState::Quarantined;
        let failed = state == ChangeState::Quarantined;
        let change = LastChange {
            product: p(product),
            action,
            run: by,
            state,
            change_set: (state == ChangeState::Applied || failed).then(change_set),
            claimed_at: at(500),
            closed_at: ended.then(|| at(600)),
            quarantined_at: failed.then(|| at(600)),
            error_code: failed.then(|| "INVALID".to_owned()),
            error_message: failed.then(|| "no such product".to_owned()),
        };
        self.last.insert(p(product), change);
    }

    /// The lane works on the plan of that run, of which nothing has been taken yet.
    fn planned(&mut self, by: RunId) {
        let plan = self.plan();
        self.state.planned = Some(Planned {
            run: by,
            hash: plan.hash(),
            totals: Counts { allow: 1, deny: 1 },
            taken: Counts::default(),
            counted: BTreeSet::new(),
            creates_policy: false,
            sent: true,
            proved: BTreeSet::new(),
            at: at(900),
        });
        self.committed = Some(plan);
    }

    fn in_flight(&mut self, product: &str, action: Action) {
        self.state.phase = Phase::InFlight;
        self.state.change_set = Some(change_set());
        self.state.intent = Some(Intent {
            creates_policy: false,
            token: "t".to_owned(),
            name: None,
            written_at: None,
            at: at(950),
            changes: vec![IntentChange {
                product: p(product),
                action,
                run: run(1),
                ordinal: 0,
            }],
        });
    }

    fn blocked(&mut self) {
        self.state.phase = Phase::Blocked;
        self.state.block = Some(Block {
            reason: BlockReason::AccessDenied,
            detail: "not authorized".to_owned(),
            since: at(700),
        });
    }

    fn held(&mut self) {
        self.held_for = vec![HoldReason::MostRemovals {
            count: 99,
            limit: 50,
            parts: None,
        }];
    }

    fn suspended(&mut self) {
        self.suspension = Some(Suspension {
            by: Some("ann".to_owned()),
            since: at(800),
        });
    }
}

#[test]
fn what_stands_as_it_is_wanted_is_in_sync_with_what_is_known_of_it() {
    let mut world = World::new();
    let nothing_known = Why::InSync {
        since: None,
        run: None,
        change_set: None,
    };
    assert_eq!(world.why("b"), nothing_known);
    // Unlisted on both sides.
    assert_eq!(world.why("z"), nothing_known);
    world.last("b", Action::Allow, run(1), ChangeState::Applied);
    let answer = world.answer("b");
    let known = Why::InSync {
        since: Some(at(600)),
        run: Some(run(1)),
        change_set: Some(change_set()),
    };
    assert_eq!(answer.why, known);
    assert_eq!((answer.wanted, answer.what_to_do()), (None, None));
    assert_eq!(
        answer.words(),
        format!("allowed, in sync by run {}, change set cs1", run(1))
    );
    // pmp-sync denied it: somebody else has allowed it since, and that is wanted now.
    world.last("b", Action::Deny, run(1), ChangeState::Applied);
    assert_eq!(world.why("b"), nothing_known);
    world.last("b", Action::Allow, run(1), ChangeState::Superseded);
    assert_eq!(world.why("b"), nothing_known);
}

#[test]
fn what_differs_and_stands_nowhere_waits_for_the_next_run() {
    let world = World::new();
    let answer = world.answer("a");
    assert_eq!(answer.why, Why::Planned);
    assert_eq!(answer.wanted, Some(Action::Allow));
    assert_eq!(answer.desired, Some(Standing::Allowed));
    assert_eq!(answer.standing, Some(Standing::Unlisted));
    assert_eq!(answer.words(), "unlisted, should be allowed: it differs");
    assert_eq!(world.answer("d").wanted, Some(Action::Deny));
}

#[test]
fn a_link_that_cannot_be_looked_at_fails_for_every_product() {
    let fault = FaultRecord {
        code: "PMS-3001".to_owned(),
        message: "the role cannot be assumed".to_owned(),
        remedy: "check external_id".to_owned(),
        hint: None,
    };
    let answer = why(&p("a"), Facts::Failing(&fault));
    assert_eq!(answer.why, Why::Failing(fault));
    assert_eq!(
        (answer.desired, answer.standing, answer.wanted),
        (None, None, None)
    );
    assert_eq!(answer.words(), "PMS-3001: the role cannot be assumed");
    assert_eq!(told(&answer), "check external_id");
}

#[test]
fn a_change_is_open_from_when_it_was_sent_until_it_is_applied() {
    let mut world = World::new();
    world.planned(run(1));
    let open = |stage, since| Why::Open {
        action: Action::Allow,
        stage,
        since: at(since),
        run: run(1),
        change_set: (stage == Stage::InFlight).then(change_set),
        not_before: None,
    };
    assert_eq!(world.why("a"), open(Stage::Sent, 900));
    // Of an older run: this one's message has not been claimed yet.
    world.last("a", Action::Allow, run(0), ChangeState::Superseded);
    assert_eq!(world.why("a"), open(Stage::Sent, 900));
    world.last("a", Action::Allow, run(1), ChangeState::Open);
    assert_eq!(world.why("a"), open(Stage::Waiting, 500));
    world.in_flight("a", Action::Allow);
    assert_eq!(world.why("a"), open(Stage::InFlight, 950));
}

#[test]
fn what_the_service_back_off_waits_until_then() {
    let mut world = World::new();
    world.planned(run(1));
    world.last("a", Action::Allow, run(1), ChangeState::Open);
    let until = |world: &World| match world.why("a") {
        Why::Open { not_before, .. } => not_before,
        other => panic!("{other:?}"),
    };
    for over in [999, 1_000] {
        world.state.not_before = Some(at(over));
        assert_eq!(until(&world), None);
    }
    world.state.not_before = Some(at(1_500));
    assert_eq!(until(&world), Some(at(1_500)));
}

#[test]
fn a_plan_that_is_not_trusted_to_be_at_work_is_planned_again() {
    let mut unsent = World::new();
    unsent.planned(run(1));
    unsent.state.planned.as_mut().unwrap().sent = false;
    assert_eq!(unsent.why("a"), Why::Planned);
    let mut old = World::new();
    old.planned(run(1));
    old.state.planned.as_mut().unwrap().at = at(1_000 - 3 * 3_600);
    assert_eq!(old.why("a"), Why::Planned);
    let mut another = World::new();
    another.planned(run(1));
    another.committed = Some(Plan::default());
    assert_eq!(another.why("a"), Why::Planned);
    // Done under this very run, and it differs all the same: an outside edit.
    let mut done = World::new();
    done.planned(run(1));
    done.last("a", Action::Allow, run(1), ChangeState::Applied);
    assert_eq!(done.why("a"), Why::Planned);
    // The claimed change is the opposite of what is wanted now.
    let mut opposite = World::new();
    opposite.planned(run(1));
    opposite.last("a", Action::Deny, run(1), ChangeState::Open);
    assert_eq!(opposite.why("a"), Why::Planned);
}

#[test]
fn a_change_set_that_does_the_opposite_is_told_as_what_it_does() {
    let mut world = World::new();
    world.in_flight("b", Action::Deny);
    let answer = world.answer("b");
    let Why::Open { action, stage, .. } = answer.why else {
        panic!("{answer:?}");
    };
    assert_eq!((action, stage), (Action::Deny, Stage::InFlight));
    assert_eq!(answer.wanted, Some(Action::Allow));
    assert!(told(&answer).contains("the next run"));
}

#[test]
fn each_reason_to_leave_a_product_alone_has_its_answer() {
    for reason in Reason::ALL {
        // Of a quarantined one nothing more is known here.
        let expected = Why::LeftAlone {
            reason,
            since: (reason == Reason::Frozen).then_some(at(3)),
        };
        let mut world = World::new();
        world.link.exclude.insert(p("a"));
        world.link_state.frozen_since = Some(at(3));
        world.replaced = Some(reason);
        let answer = world.answer("a");
        assert_eq!(answer.why, expected);
        assert_eq!(answer.wanted, Some(Action::Allow));
        assert_eq!(answer.why.verdict(), reason.state().verdict());
    }
}

#[test]
fn the_links_own_reasons_are_found_in_its_policy() {
    let mut world = World::new();
    world.link.exclude.insert(p("a"));
    world.link.protect.insert(p("d"));
    assert_eq!(world.why("a"), left(Reason::Excluded));
    assert_eq!(world.why("d"), left(Reason::Protected));
    world.link = LinkPolicy {
        mode: Mode::Observe,
        ..LinkPolicy::default()
    };
    assert_eq!(world.why("a"), left(Reason::Observe));
    world.link.mode = Mode::Additive;
    assert_eq!(world.why("d"), left(Reason::Additive));
    assert_eq!(world.why("a"), Why::Planned);
    world.link.frozen = true;
    assert_eq!(world.why("a"), left(Reason::Frozen));
}

#[test]
fn what_a_mode_leaves_alone_is_told_with_a_reason_of_the_name_of_that_mode() {
    for mode in Mode::ALL {
        let mut world = World::new();
        world.link.mode = mode;
        for product in ["a", "d"] {
            match world.why(product) {
                Why::LeftAlone { reason, .. } => assert_eq!(reason.as_str(), mode.as_str()),
                why => assert_eq!(why, Why::Planned, "{mode}"),
            }
        }
    }
}

#[test]
fn a_quarantined_change_is_told_with_its_error() {
    let mut world = World::new();
    world.last("a", Action::Allow, run(1), ChangeState::Quarantined);
    let answer = world.answer("a");
    let expected = Why::Quarantined {
        action: Action::Allow,
        error_code: "INVALID".to_owned(),
        error_message: "no such product".to_owned(),
        change_set: Some(change_set()),
        run: run(1),
        since: at(600),
    };
    assert_eq!(answer.why, expected);
    assert_eq!(answer.why.verdict(), Verdict::Fails);
    assert!(told(&answer).contains("--product a"));
    // Something else is wanted of it by now: that is planned.
    world.last("a", Action::Deny, run(1), ChangeState::Quarantined);
    assert_eq!(world.why("a"), Why::Planned);
}

fn hold_of(world: &World) -> Hold {
    Hold {
        run: run(2),
        plan_hash: world.plan().hash(),
        reasons: world.held_for.clone(),
        allow: 1,
        deny: 1,
        removals: 1,
        since: at(100),
        announced: true,
        rejected: None,
        approvals: Vec::new(),
        overrides: false,
    }
}

#[test]
fn a_held_plan_is_told_with_the_hold_that_stands_and_its_command() {
    let mut world = World::new();
    world.held();
    let would_be = Why::Held {
        reasons: world.held_for.clone(),
        run: None,
        since: None,
        approve: None,
        rejected: None,
    };
    assert_eq!(world.why("a"), would_be);
    let hold = hold_of(&world);
    world.link_state.hold = Some(hold.clone());
    let stands = Why::Held {
        reasons: world.held_for.clone(),
        run: Some(run(2)),
        since: Some(at(100)),
        approve: Some(hold.approve(&"exp-1".parse().unwrap())),
        rejected: None,
    };
    assert_eq!(world.why("a"), stands);
    assert_eq!(world.why("d"), stands);
    assert_eq!(stands.verdict(), Verdict::Held);
    let approve = hold.approve(&"exp-1".parse().unwrap());
    assert_eq!(world.answer("a").what_to_do().unwrap().hints(), [approve]);
    // What the reasons count may have moved since.
    world.held_for = vec![HoldReason::MostRemovals {
        count: 98,
        limit: 50,
        parts: None,
    }];
    assert!(matches!(world.why("a"), Why::Held { run: Some(_), .. }));
    // The hold is of another plan.
    world.actual = PolicySnapshot::new([p("b")], []);
    assert!(matches!(world.why("a"), Why::Held { run: None, .. }));
}

#[test]
fn a_rejected_hold_says_so() {
    let mut world = World::new();
    world.held();
    let mut hold = hold_of(&world);
    hold.rejected = Some(RejectedPart {
        changes: hold.changes(),
        ask: Ask {
            by: Some("ann".to_owned()),
            account: None,
            at: at(200),
            reason: None,
        },
    });
    world.link_state.hold = Some(hold);
    assert!(told(&world.answer("a")).contains("rejected"));
}

#[test]
fn a_change_that_a_newer_plan_made_void_is_superseded() {
    let mut world = World::new();
    world.last("a", Action::Allow, run(1), ChangeState::Superseded);
    let superseded = |by, since| Why::Superseded {
        run: run(1),
        by,
        since,
    };
    assert_eq!(world.why("a"), superseded(None, Some(at(600))));
    // A run does not make its own changes void.
    world.planned(run(1));
    assert_eq!(world.why("a"), superseded(None, Some(at(600))));
    world.planned(run(2));
    world.committed = Some(Plan::default());
    assert_eq!(world.why("a"), superseded(Some(run(2)), Some(at(600))));
    // Void, and not closed yet.
    world.last("a", Action::Allow, run(1), ChangeState::Open);
    assert_eq!(world.why("a"), superseded(Some(run(2)), None));
    // That the opposite was superseded is no reason why this is not done.
    world.last("a", Action::Deny, run(1), ChangeState::Superseded);
    assert_eq!(world.why("a"), Why::Planned);
}

#[test]
fn a_blocked_lane_is_told_with_its_block() {
    let mut world = World::new();
    world.blocked();
    let answer = world.answer("a");
    let expected = Why::Blocked {
        reason: BlockReason::AccessDenied,
        detail: "not authorized".to_owned(),
        since: at(700),
    };
    assert_eq!(answer.why, expected);
    assert_eq!(answer.why.verdict(), Verdict::Fails);
    assert_eq!(answer.why.since(), Some(at(700)));
}

#[test]
fn beside_what_is_held_the_rest_is_told_as_what_it_is() {
    let mut world = World::new();
    world.held();
    world.passing = BTreeSet::from([p("a")]);
    assert!(matches!(world.why("d"), Why::Held { .. }));
    assert_eq!(world.why("a"), Why::Planned);
}
