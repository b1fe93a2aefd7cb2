//! Lanes to decide on, and what was read of each.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::super::*;
use crate::approval::{Ask, Grant, Hold};
use crate::guard::HoldReason;
use crate::guard::limits::Guard;
use crate::ids::{ChangeSetId, ExperienceId, LaneId, ProductId};
use crate::lane::{Counts, LaneState, OpenChange, Planned, Quarantined, Suspension};
use crate::link::{Link, LinkPolicy, LiveCheck, Member, Mode, Target};
use crate::plan::Plan;
use crate::policy::{Action, PolicySnapshot};
use crate::ports::Lane;
use crate::reconcile::{DesiredState, Draft, Reads, Records};
use crate::records::{LinkRecord, LinkState};
use crate::sources::Conflict;
use crate::time::later;

pub(super) fn p(text: &str) -> ProductId {
    ProductId::new(text).unwrap()
}

pub(super) fn all(texts: &[&str]) -> BTreeSet<ProductId> {
    texts.iter().map(|text| p(text)).collect()
}

pub(super) fn many(count: usize) -> BTreeSet<ProductId> {
    (0..count)
        .map(|number| p(&format!("prod-{number:03}")))
        .collect()
}

pub(super) fn lists(allowed: &[&str], denied: &[&str]) -> PolicySnapshot {
    PolicySnapshot::new(all(allowed), all(denied))
}

pub(super) fn plan(allow: &[&str], deny: &[&str]) -> Plan {
    Plan::new(all(allow), all(deny))
}

pub(super) fn run(number: i64) -> RunId {
    RunId::next(None, number, 0)
}

pub(super) fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

/// The run that decides.
pub(super) fn this() -> RunId {
    run(9)
}

pub(super) fn experience() -> ExperienceId {
    ExperienceId::new("exp-1").unwrap()
}

pub(super) fn lane() -> LaneId {
    "222222222222/exp-1".parse().unwrap()
}

pub(super) fn suspension() -> Suspension {
    Suspension {
        by: None,
        since: start(),
    }
}

/// A link whose management experience allows `a` and `b` and denies `x`, as the member does; the lane has
/// come to rest under run 5.
pub(super) struct Scene {
    pub(super) link: Link,
    pub(super) desired: DesiredState,
    pub(super) reads: Reads,
    pub(super) records: Records,
    pub(super) lifted: BTreeSet<ProductId>,
    pub(super) rollback: bool,
    /// True if the run overrides the freeze of the link.
    pub(super) overrides: bool,
    pub(super) suspension: Option<Suspension>,
}

pub(super) fn in_sync() -> Scene {
    let lists = lists(&["a", "b"], &["x"]);
    let experience = experience();
    Scene {
        link: Link {
            sources: "exp-m".parse().unwrap(),
            conflict: Conflict::default(),
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
        desired: DesiredState::alone(lists.clone()),
        reads: Reads {
            unreadable: Vec::new(),
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
            link_state: LinkState {
                observed_since: Some(start()),
                aligned_since: Some(start()),
                ..LinkState::default()
            },
            actual: lists,
            first_policy: None,
            reversal: None,
        },
        records: Records::default(),
        lifted: BTreeSet::new(),
        rollback: false,
        overrides: false,
        suspension: None,
    }
}

/// A plan as a lane has it: sent whole, and taken but for what is left out.
pub(super) fn planned(run: RunId, plan: &Plan, taken: usize) -> Planned {
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
        counted: BTreeSet::new(),
        creates_policy: false,
        sent: true,
        proved: BTreeSet::new(),
        at: start(),
    }
}

/// The same, where the member does not allow `a` yet.
pub(super) fn differing() -> Scene {
    let mut scene = in_sync();
    scene.reads.actual = lists(&["b"], &["x"]);
    scene
}

/// The same, while the lane works on exactly that under run 5.
pub(super) fn under_way() -> Scene {
    let mut scene = differing();
    scene.reads.before.state.planned = Some(planned(run(5), &plan(&["a"], &[]), 0));
    scene
}

/// A removal that the guards do not let through: the member allows 12 products more.
pub(super) fn held() -> Scene {
    let mut scene = in_sync();
    scene.reads.actual =
        PolicySnapshot::new(all(&["a", "b"]).into_iter().chain(many(12)), all(&["x"]));
    scene
}

/// The record of a run that shows this plan as held.
pub(super) fn record(run: RunId, plan: &Plan, hold: Option<Hold>) -> LinkRecord {
    LinkRecord {
        invalid: crate::plan::InvalidProducts::default(),
        schema: crate::SCHEMA,
        run,
        member: "acme".parse().unwrap(),
        account: "222222222222".parse().unwrap(),
        lane: Some(lane()),
        sources: "exp-m".parse().unwrap(),
        mode: Mode::Mirror,
        status: LinkStatus::Held,
        plan_hash: None,
        allow: Vec::new(),
        deny: Vec::new(),
        held: crate::records::HeldPart::from(plan),
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

pub(super) fn grant(of: RunId, executed: RunId) -> Grant {
    Grant {
        run: of,
        ask: Ask {
            by: None,
            account: None,
            at: start(),
            reason: None,
        },
        executed,
        earlier: Vec::new(),
        overrides: false,
        before: Vec::new(),
    }
}

/// A rollback of run 2 was approved as run 7 showed it, and run 8 was to execute it.
pub(super) fn rolling_back() -> Scene {
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
        approvals: Vec::new(),
        overrides: false,
    };
    scene.reads.link_state.grant = Some(grant(run(7), run(8)));
    scene.records.approved = Some(record(run(7), &shown, Some(hold)));
    scene
}

pub(super) fn open(product: &str, action: Action, by: RunId) -> OpenChange {
    OpenChange {
        product: p(product),
        action,
        run: by,
        ordinal: 0,
        claimed_at: start(),
    }
}

pub(super) fn quarantined(product: &str, action: Action) -> Quarantined {
    Quarantined {
        product: p(product),
        action,
        run: run(4),
        error_code: String::new(),
        error_message: String::new(),
        change_set: ChangeSetId::new("cs-1").unwrap(),
        quarantined_at: start(),
    }
}

impl Scene {
    /// Works with the goal and what was read of the lane.
    pub(super) fn draft<T>(&self, work: impl FnOnce(&Goal<'_>, Draft<'_>) -> T) -> T {
        let experience = experience();
        let policy = LinkPolicy {
            frozen: self.link.policy.frozen && !self.overrides,
            ..self.link.policy.clone()
        };
        let goal = Goal {
            link: &self.link,
            policy: &policy,
            experience: &experience,
            desired: &self.desired,
            lifted: &self.lifted,
            rollback: self.rollback,
            suspension: self.suspension.as_ref(),
        };
        work(&goal, Draft::new(goal, self.reads.clone()))
    }

    pub(super) fn with<T>(&self, work: impl FnOnce(&Goal<'_>, &Observation) -> T) -> T {
        self.draft(|goal, draft| work(goal, &self.finish(draft)))
    }

    fn finish(&self, mut draft: Draft<'_>) -> Observation {
        assert!(draft.in_question().is_empty());
        draft = draft.checked(&crate::records::Answers::new());
        // A record is there only if it is asked for, as in a run.
        let asked = |run: Option<RunId>| run.is_some();
        let mut records = Records {
            approved: (self.records.approved.clone()).filter(|_| asked(draft.approved_run())),
            approved_before: {
                let runs = draft.approved_before();
                let mut known = self.records.approved_before.clone();
                known.retain(|record| runs.contains(&record.run));
                known
            },
            restored: if draft.restored_runs().is_empty() {
                Vec::new()
            } else {
                self.records.restored.clone()
            },
            planned: (self.records.planned.clone()).filter(|_| asked(draft.overriding_run())),
            held: (self.records.held.clone()).filter(|_| asked(draft.held_run())),
            committed: None,
        };
        let committed = asked(draft.committed_run(&records));
        records.committed = self.records.committed.clone().filter(|_| committed);
        draft.finish(&records)
    }

    pub(super) fn decide(&self) -> Decision {
        self.with(|goal, seen| decide(goal, seen, this()))
    }

    pub(super) fn reasons(&self) -> Vec<HoldReason> {
        self.with(|_, seen| seen.guards.reasons.clone())
    }

    pub(super) fn state(&mut self) -> &mut LaneState {
        &mut self.reads.before.state
    }
}
