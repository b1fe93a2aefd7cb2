//! What was read of a lane, and what follows from it.
//!
//! Reads depend on one another: whether a product's listing or an earlier plan has to be read follows from
//! the plan. A [`Draft`] says after each stage what is to be read next, and ends as an [`Observation`].

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::course::{Course, PlanOnLane, is_busy};
use super::goal::Goal;
use crate::approval::{Grant, Hold};
use crate::guard::{Case, HoldReason};
use crate::ids::{LaneId, ProductId, RunId};
use crate::lane::{BlockReason, LaneState, LaneView, Phase, Quarantined};
use crate::link::{LinkPolicy, LiveCheck};
use crate::listing::{in_question, only_live};
use crate::plan::{Plan, Reason, Report, plan};
use crate::policy::{Action, PolicySnapshot};
use crate::ports::Lane;
use crate::records::{Answers, LinkRecord, LinkState, RunRecord, overridden};

/// What is read of every lane.
#[derive(Debug, Clone)]
pub struct Reads {
    /// When reading began.
    pub at: Timestamp,
    /// The lane, read before the member's lists: what ends in between is then still in flight here, and at
    /// worst planned once too often.
    pub before: Lane,
    /// Its quarantined changes.
    pub quarantined: Vec<Quarantined>,
    /// What is remembered of the link.
    pub link_state: LinkState,
    /// The member's lists.
    pub actual: PolicySnapshot,
    /// The experience has no policy yet; true if it is live.
    pub first_policy: Option<bool>,
}

/// Records of earlier runs, each read only if a [`Draft`] asks for it.
#[derive(Debug, Clone, Default)]
pub struct Records {
    /// What the approved plan's run shows of the lane.
    pub approved: Option<LinkRecord>,
    /// The same of the run that restored the lists.
    pub restored: Option<LinkRecord>,
    /// The run whose plan the lane works on.
    pub planned: Option<RunRecord>,
    /// The plan that the lane works on.
    pub committed: Option<Plan>,
}

/// Quarantined changes, by what becomes of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quarantine {
    /// Not wanted any more.
    pub released: Vec<Quarantined>,
    /// Tried again under this plan.
    pub lifted: Vec<Quarantined>,
    /// Still wanted, those included that are tried again.
    pub wanted: Vec<Quarantined>,
}

impl Quarantine {
    /// How many stay.
    pub fn staying(&self) -> usize {
        self.wanted.len().saturating_sub(self.lifted.len())
    }
}

/// What the guards say of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuardVerdict {
    /// Why the plan needs approval; none if it does not.
    pub reasons: Vec<HoldReason>,
    /// True if every change of the plan was approved.
    pub approved: bool,
    /// The lists as they were restored, or are to be.
    pub restored: Option<Plan>,
    /// The run before which the lists are wanted back, if that was approved and is not done.
    pub rollback: Option<RunId>,
    /// Products that the plan takes away.
    pub removals: BTreeSet<ProductId>,
}

/// A lane as it was observed.
#[derive(Debug, Clone)]
pub struct Observation {
    /// The lane.
    pub lane: LaneId,
    /// When reading began.
    pub at: Timestamp,
    /// The lane's state and claimed changes.
    pub before: Lane,
    /// The member's lists.
    pub actual: PolicySnapshot,
    /// The experience has no policy yet; true if it is live.
    pub first_policy: Option<bool>,
    /// What is remembered of the link.
    pub link_state: LinkState,
    /// What would be changed.
    pub plan: Plan,
    /// What would not, and why.
    pub report: Report,
    /// Quarantined changes.
    pub quarantine: Quarantine,
    /// What the guards say.
    pub guards: GuardVerdict,
    /// What the plan asks of the lane.
    pub course: Course,
    /// What the lane does while the plan is held: as if nothing were to be changed.
    pub meanwhile: Course,
}

impl Observation {
    /// True if the member's own rules keep something back.
    pub fn is_kept_back(&self) -> bool {
        let mut left = self.report.left_alone.iter();
        left.any(|left| left.reason == Reason::MemberRules)
    }

    /// True if the member has everything that the link is to bring, once the plan is empty.
    pub fn is_whole(&self) -> bool {
        let mut left = self.report.left_alone.iter();
        let is_missing = |reason| matches!(reason, Reason::LiveUnknown | Reason::MemberRules);
        self.quarantine.staying() == 0 && !left.any(|left| is_missing(left.reason))
    }

    /// True if the member is as the link wants it.
    pub fn is_in_sync(&self) -> bool {
        self.course == Course::InSync && self.guards.reasons.is_empty() && self.is_whole()
    }

    /// True if the plan is held, and the lane goes on with the one before.
    pub fn goes_on_while_held(&self) -> bool {
        !self.guards.reasons.is_empty() && matches!(self.meanwhile, Course::Underway(_))
    }

    /// The lane's state.
    pub fn state(&self) -> &LaneState {
        &self.before.state
    }
}

/// An observation while it is being made.
#[derive(Debug)]
pub struct Draft<'a> {
    goal: Goal<'a>,
    reads: Reads,
    overlay: LaneView,
    plan: Plan,
    report: Report,
}

impl<'a> Draft<'a> {
    /// Plans from what was read.
    pub fn new(goal: Goal<'a>, reads: Reads) -> Self {
        let staying = reads.quarantined.iter();
        let staying = staying.filter(|change| !goal.lifted.contains(&change.product));
        let overlay = (reads.before.state).view(staying.map(Quarantined::change).collect());
        let desired = &goal.desired.policy;
        let (plan, report) = plan(desired, &reads.actual, &overlay, goal.policy);
        Self {
            goal,
            reads,
            overlay,
            plan,
            report,
        }
    }

    /// The products of which has to be known whether they are live.
    pub fn in_question(&self) -> BTreeSet<ProductId> {
        if self.goal.link.live_check == LiveCheck::Off || self.goal.rollback {
            return BTreeSet::new();
        }
        in_question(&self.plan, &self.reads.actual)
    }

    /// Takes out what is not live, before anybody decides or judges.
    #[must_use]
    pub fn checked(mut self, answers: &Answers) -> Self {
        let (check, now) = (self.goal.link.live_check, self.reads.at);
        let actual = &self.reads.actual;
        (self.plan, self.report) = only_live(self.plan, self.report, actual, answers, check, now);
        self
    }

    /// The run whose record of the lane shows what was approved and is not done.
    pub fn approved_run(&self) -> Option<RunId> {
        self.grant().map(|grant| grant.run)
    }

    /// The run whose record of the lane shows what was restored.
    pub fn restored_run(&self) -> Option<RunId> {
        let restored = self.reads.link_state.restored.as_ref();
        restored.map(|restored| restored.run)
    }

    /// The run that has perhaps overridden the freeze of the link: as long as its plan is what would be
    /// planned now, were the link not frozen, the next run, which overrides nothing, does not halt it.
    pub fn overriding_run(&self) -> Option<RunId> {
        let Lane { state, open } = &self.reads.before;
        let is_busy = is_busy(state, open);
        state
            .planned_run()
            .filter(|_| self.goal.policy.frozen && is_busy)
    }

    /// The run whose plan the lane works on, if the course depends on what it was.
    pub fn committed_run(&self, records: &Records) -> Option<RunId> {
        let (nothing, now) = (Plan::default(), self.reads.at);
        let needs = |plan: &Plan, policy: &LinkPolicy| {
            let on_lane = self.on_lane(plan, policy, None);
            on_lane.needs_committed(now)
        };
        let overridden = self.thawed(records);
        let overridden = overridden.is_some_and(|(plan, policy)| needs(&plan, &policy));
        let planned = needs(&self.plan, self.goal.policy);
        let halted = needs(&nothing, self.goal.policy) && !self.guards(records).reasons.is_empty();
        let run = self.reads.before.state.planned_run();
        run.filter(|_| overridden || planned || halted)
    }

    /// What follows from all that was read.
    pub fn finish(self, records: &Records) -> Observation {
        let (quarantine, guards) = (self.quarantine(), self.guards(records));
        let committed = records.committed.as_ref();
        let course = |plan: &Plan, policy: &LinkPolicy| {
            let on_lane = self.on_lane(plan, policy, committed);
            on_lane.course(self.reads.at)
        };
        let overridden = self.thawed(records);
        let overridden = overridden.map(|(plan, policy)| course(&plan, &policy));
        let own = match overridden {
            Some(Course::Underway(run)) => Course::Underway(run),
            _ => course(&self.plan, self.goal.policy),
        };
        let meanwhile = if guards.reasons.is_empty() {
            own.clone()
        } else {
            course(&Plan::default(), self.goal.policy)
        };
        let Reads {
            at,
            before,
            link_state,
            actual,
            first_policy,
            ..
        } = self.reads;
        Observation {
            lane: self.goal.link.lane_of(self.goal.experience),
            at,
            before,
            actual,
            first_policy,
            link_state,
            plan: self.plan,
            report: self.report,
            quarantine,
            guards,
            course: own,
            meanwhile,
        }
    }

    fn on_lane<'b>(
        &'b self,
        plan: &'b Plan,
        policy: &'b LinkPolicy,
        committed: Option<&'b Plan>,
    ) -> PlanOnLane<'b> {
        let is_lifted = |change: &Quarantined| self.is_lifted(change);
        let lifted = self.reads.quarantined.iter().any(is_lifted);
        PlanOnLane {
            plan,
            state: &self.reads.before.state,
            open: &self.reads.before.open,
            committed,
            desired: &self.goal.desired.policy,
            link: policy,
            renewed: lifted && !plan.is_empty(),
        }
    }

    /// What would be planned if the link were not frozen, where the run at work has overridden that.
    fn thawed(&self, records: &Records) -> Option<(Plan, LinkPolicy)> {
        let Goal {
            link,
            experience,
            desired,
            policy,
            ..
        } = self.goal;
        let run = records.planned.as_ref()?;
        let mut scopes = overridden(&run.requests).into_iter();
        if !scopes.any(|scope| scope.covers(&link.member.name, experience)) {
            return None;
        }
        let thawed = LinkPolicy {
            frozen: false,
            ..policy.clone()
        };
        let (plan, _) = plan(&desired.policy, &self.reads.actual, &self.overlay, &thawed);
        Some((plan, thawed))
    }

    fn is_lifted(&self, change: &Quarantined) -> bool {
        self.goal.lifted.contains(&change.product) && self.plan.contains(&change.change())
    }

    fn quarantine(&self) -> Quarantine {
        let is_wanted = |change: &Quarantined| {
            let standing = |policy: &PolicySnapshot| policy.standing(&change.product);
            let (desired, actual) = (&self.goal.desired.policy, &self.reads.actual);
            LinkPolicy::wanted(standing(desired), standing(actual)) == Some(change.action)
        };
        let mut sorted = Quarantine::default();
        for change in &self.reads.quarantined {
            if self.is_lifted(change) {
                sorted.lifted.push(change.clone());
            } else if self.goal.lifted.contains(&change.product) || !is_wanted(change) {
                // One that is to be tried again and is not in the plan loses its dead letter now. Were it
                // left in quarantine, and its change wanted again, no replay would ever find it.
                sorted.released.push(change.clone());
            } else {
                sorted.wanted.push(change.clone());
            }
        }
        sorted.wanted.extend(sorted.lifted.iter().cloned());
        sorted
    }

    /// What was approved, unless it was committed and the lane has come to rest since: it was approved once.
    fn grant(&self) -> Option<&Grant> {
        let Lane { state, open } = &self.reads.before;
        let is_spent = |grant: &&Grant| {
            state.planned_run() >= Some(grant.executed)
                && state.phase != Phase::Blocked
                && !is_busy(state, open)
        };
        let grant = self.reads.link_state.grant.as_ref();
        grant.filter(|grant| !is_spent(grant))
    }

    fn guards(&self, records: &Records) -> GuardVerdict {
        let Reads {
            before,
            actual,
            link_state,
            ..
        } = &self.reads;
        let desired = self.goal.desired;
        let state = &before.state;
        // If all that is left of it fails, it has gone as far as it goes.
        let failed = state.block.as_ref();
        let failed = failed.is_some_and(|block| block.reason == BlockReason::ChangeSetFailed);
        let tried = |grant: &Grant| state.planned_run() >= Some(grant.executed);
        let is_over = failed && self.grant().is_some_and(tried);
        let approved = records.approved.as_ref();
        let rollback = approved.filter(|_| !is_over);
        let rollback = rollback.and_then(|record| record.hold.as_ref());
        let rollback = rollback.and_then(Hold::rollback_to);
        let approved = approved.map(LinkRecord::shown);
        let restored = records.restored.as_ref().map(LinkRecord::shown);
        let open = before.open.iter();
        let open = open.filter(|open| open.action == Action::Deny);
        let open = open.map(|open| open.product.clone()).collect();
        let case = Case {
            plan: &self.plan,
            actual,
            open: &open,
            first_policy: self.reads.first_policy == Some(true),
            oddities: &desired.conditions,
            management_allowed: desired.policy.allowed().len(),
            link_state,
            approved: approved.as_ref(),
            restored: restored.as_ref(),
            guard: &self.goal.link.guard,
            now: self.reads.at,
        };
        GuardVerdict {
            reasons: if self.goal.rollback {
                Vec::new()
            } else {
                case.reasons()
            },
            approved: case.is_approved(),
            removals: case.removals(),
            rollback,
            restored,
        }
    }
}
