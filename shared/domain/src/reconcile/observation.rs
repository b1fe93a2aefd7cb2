//! An observation of a lane: what was read, and what follows from it.
//!
//! Reads depend on each other: the plan decides whether a listing or an earlier plan must be read.
//! After each stage a [`Draft`] says what to read next. At the end it becomes an [`Observation`].

use std::borrow::Cow;
use std::collections::BTreeSet;

use jiff::Timestamp;

use super::course::{Course, PlanOnLane, is_announced, is_busy};
use super::goal::Goal;
use crate::approval::{Grant, Hold, Undo};
use crate::guard::{Case, HoldReason};
use crate::ids::{LaneId, ProductId, RunId};
use crate::lane::{BlockReason, LaneState, LaneView, Phase, Quarantined};
use crate::link::{LinkPolicy, LiveCheck};
use crate::listing::{in_question, only_live};
use crate::plan::{Plan, Reason, Report, plan};
use crate::policy::{Action, PolicySnapshot};
use crate::ports::Lane;
use crate::records::{
    Answers, Found, LastChange, LinkRecord, LinkState, RunRecord, UnreadableItem, overridden,
};
use crate::revert::Reversal;

/// What is read for every lane.
#[derive(Debug, Clone)]
pub struct Reads {
    /// When reading began.
    pub at: Timestamp,
    /// The lane, read before the member's lists. A change that ends in between is still in flight
    /// here, and at worst planned once too often.
    pub before: Lane,
    /// Quarantined changes of the lane.
    pub quarantined: Vec<Quarantined>,
    /// Items of the lane's products that cannot be read.
    pub unreadable: Vec<UnreadableItem>,
    /// The link state.
    pub link_state: LinkState,
    /// The lists of the member experience.
    pub actual: PolicySnapshot,
    /// Some if the experience has no policy yet; true if it is live.
    pub first_policy: Option<bool>,
    /// What can be taken back of the run that the goal is without. Read after the lane, and before the
    /// member's lists.
    pub reversal: Option<Reversal>,
}

/// Records of earlier runs, each read only if a [`Draft`] asks for it.
#[derive(Debug, Clone, Default)]
pub struct Records {
    /// The record of the lane in the run whose plan was approved.
    pub approved: Option<LinkRecord>,
    /// The records of the lane in the runs that show executed rollbacks, the oldest first.
    pub restored: Vec<LinkRecord>,
    /// The run of the committed plan.
    pub planned: Option<RunRecord>,
    /// The committed plan.
    pub committed: Option<Plan>,
}

/// Quarantined changes, by what happens to them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quarantine {
    /// Changes that are no longer wanted.
    pub released: Vec<Quarantined>,
    /// Changes that are tried again under this plan.
    pub lifted: Vec<Quarantined>,
    /// Changes that are still wanted, including those that are tried again.
    pub wanted: Vec<Quarantined>,
}

impl Quarantine {
    /// Number of changes that stay in quarantine.
    pub fn staying(&self) -> usize {
        self.wanted.len().saturating_sub(self.lifted.len())
    }
}

/// The verdict of the guards on a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuardVerdict {
    /// The reasons why the plan needs approval. Empty if it needs none.
    pub reasons: Vec<HoldReason>,
    /// True if every change of the plan was approved.
    pub approved: bool,
    /// What was taken back: the rollbacks that were executed or approved.
    pub restored: Option<Plan>,
    /// What is to be taken back, if a rollback was approved and is not done.
    pub rollback: Option<Undo>,
    /// The removals of the plan.
    pub removals: BTreeSet<ProductId>,
}

/// The observation of a lane.
#[derive(Debug, Clone)]
pub struct Observation {
    /// Member account and member experience.
    pub lane: LaneId,
    /// When reading began.
    pub at: Timestamp,
    /// The lane's state and claimed changes.
    pub before: Lane,
    /// Items that cannot be read. Their products are left alone.
    pub unreadable: Vec<UnreadableItem>,
    /// The last changes of the lane's products, if they were read.
    pub changes: Option<Vec<LastChange>>,
    /// The lists of the member experience.
    pub actual: PolicySnapshot,
    /// Some if the experience has no policy yet; true if it is live.
    pub first_policy: Option<bool>,
    /// What can be taken back, if it is what is wanted.
    pub reversal: Option<Reversal>,
    /// The link state.
    pub link_state: LinkState,
    /// The changes that the link wants.
    pub plan: Plan,
    /// What the plan leaves alone, and why.
    pub report: Report,
    /// Quarantined changes.
    pub quarantine: Quarantine,
    /// The verdict of the guards.
    pub guards: GuardVerdict,
    /// What the plan requires of the lane.
    pub course: Course,
    /// What an empty plan requires of the lane, for the case that the plan is held.
    pub meanwhile: Course,
}

impl Observation {
    /// True if the member's own rules keep something back.
    pub fn is_kept_back(&self) -> bool {
        let mut left = self.report.left_alone.iter();
        left.any(|left| left.reason == Reason::MemberRules)
    }

    /// True if the member is as the configuration wants it, once the plan is empty. What a link that only observes leaves
    /// as it differs is not.
    pub fn is_whole(&self) -> bool {
        let mut left = self.report.left_alone.iter();
        self.quarantine.staying() == 0
            && self.report.invalid.is_empty()
            && left.all(|left| left.reason.is_intended())
    }

    /// True if the member is as the link wants it.
    pub fn is_in_sync(&self) -> bool {
        self.course == Course::InSync && self.guards.reasons.is_empty() && self.is_whole()
    }

    /// True if the plan is held, and the lane continues with the earlier one.
    pub fn goes_on_while_held(&self) -> bool {
        !self.guards.reasons.is_empty() && matches!(self.meanwhile, Course::Underway(_))
    }

    /// The lane's state.
    pub fn state(&self) -> &LaneState {
        &self.before.state
    }
}

/// An observation in progress.
#[derive(Debug)]
pub struct Draft<'a> {
    goal: Goal<'a>,
    /// The lists that the member should have.
    desired: Cow<'a, PolicySnapshot>,
    reads: Reads,
    overlay: LaneView,
    plan: Plan,
    report: Report,
    changes: Option<Vec<LastChange>>,
}

/// Computes the plan. A reversal leaves what another run has in flight to end as that run wants it.
fn planned(
    desired: &PolicySnapshot,
    reads: &Reads,
    overlay: &LaneView,
    policy: &LinkPolicy,
) -> (Plan, Report) {
    let (made, mut report) = plan(desired, &reads.actual, overlay, policy);
    let Some(reversal) = &reads.reversal else {
        return (made, report);
    };
    let in_flight = overlay.in_flight.iter().map(|change| &change.product);
    let of_others = in_flight.filter(|product| !reversal.has(product));
    let made = made.without(&of_others.cloned().collect());
    let allowed = reads.actual.allowed();
    report.removals = made.deny().intersection(allowed).count();
    (made, report)
}

/// The products of items that cannot be read.
fn products(unreadable: &[UnreadableItem]) -> BTreeSet<ProductId> {
    let products = unreadable.iter().filter_map(UnreadableItem::product);
    products.cloned().collect()
}

impl<'a> Draft<'a> {
    /// Computes the plan from what was read.
    pub fn new(goal: Goal<'a>, reads: Reads) -> Self {
        let staying = reads.quarantined.iter();
        let staying = staying.filter(|change| !goal.lifted.contains(&change.product));
        let overlay = LaneView {
            unreadable: products(&reads.unreadable),
            ..(reads.before.state).view(staying.map(Quarantined::change).collect())
        };
        let desired = match &reads.reversal {
            Some(reversal) => {
                let in_flight = overlay.in_flight.iter();
                let in_flight = in_flight.map(|change| (&change.product, change.action));
                Cow::Owned(reversal.lists(&reads.actual, in_flight))
            }
            None => Cow::Borrowed(&goal.desired.policy),
        };
        let (plan, report) = planned(&desired, &reads, &overlay, goal.policy);
        Self {
            goal,
            desired,
            reads,
            overlay,
            plan,
            report,
            changes: None,
        }
    }

    /// True if the last changes of the lane's products are needed: something is to be changed.
    pub fn needs_changes(&self) -> bool {
        !self.plan.is_empty()
    }

    /// Takes the last changes of the lane's products into account: a product whose item cannot be
    /// read is left alone, because no change of it can be claimed.
    #[must_use]
    pub fn with_changes(mut self, changes: Found<LastChange>) -> Self {
        self.changes = Some(changes.items);
        if changes.unreadable.is_empty() {
            return self;
        }
        self.overlay
            .unreadable
            .extend(products(&changes.unreadable));
        self.reads.unreadable.extend(changes.unreadable);
        (self.plan, self.report) =
            planned(&self.desired, &self.reads, &self.overlay, self.goal.policy);
        self
    }

    /// The products whose listings are needed.
    pub fn in_question(&self) -> BTreeSet<ProductId> {
        if self.goal.link.live_check == LiveCheck::Off || self.goal.rollback {
            return BTreeSet::new();
        }
        in_question(&self.plan, &self.reads.actual)
    }

    /// Removes what is not live, before guards and decision.
    #[must_use]
    pub fn checked(mut self, answers: &Answers) -> Self {
        let (check, now) = (self.goal.link.live_check, self.reads.at);
        let actual = &self.reads.actual;
        (self.plan, self.report) = only_live(self.plan, self.report, actual, answers, check, now);
        self
    }

    /// The run whose record contains the plan of the current grant.
    pub fn approved_run(&self) -> Option<RunId> {
        self.grant().map(|grant| grant.run)
    }

    /// The runs whose records contain the rollbacks that were executed, the oldest first.
    pub fn restored_runs(&self) -> Vec<RunId> {
        let restored = self.reads.link_state.rollbacks();
        restored.map(|restored| restored.run).collect()
    }

    /// The run that may have overridden the freeze of the link. As long as its plan is what would
    /// be planned without the freeze, the next run, which overrides nothing, does not halt it.
    pub fn overriding_run(&self) -> Option<RunId> {
        let Lane { state, open } = &self.reads.before;
        let is_busy = is_busy(state, open);
        state
            .planned_run()
            .filter(|_| self.goal.policy.frozen && is_busy)
    }

    /// The run of the committed plan, if the course depends on that plan.
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

    /// Computes the observation from everything that was read.
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
            reversal,
            unreadable,
            ..
        } = self.reads;
        Observation {
            lane: self.goal.link.lane_of(self.goal.experience),
            at,
            before,
            unreadable,
            changes: self.changes,
            actual,
            first_policy,
            reversal,
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
            desired: &self.desired,
            link: policy,
            renewed: lifted && !plan.is_empty(),
        }
    }

    /// What would be planned without the freeze, if the committed plan's run has overridden it.
    fn thawed(&self, records: &Records) -> Option<(Plan, LinkPolicy)> {
        let Goal {
            link,
            experience,
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
        let (plan, _) = plan(&self.desired, &self.reads.actual, &self.overlay, &thawed);
        Some((plan, thawed))
    }

    fn is_lifted(&self, change: &Quarantined) -> bool {
        self.goal.lifted.contains(&change.product) && self.plan.contains(&change.change())
    }

    fn quarantine(&self) -> Quarantine {
        let is_wanted = |change: &Quarantined| {
            let standing = |policy: &PolicySnapshot| policy.standing(&change.product);
            let (desired, actual) = (&self.desired, &self.reads.actual);
            LinkPolicy::wanted(standing(desired), standing(actual)) == Some(change.action)
        };
        let mut sorted = Quarantine::default();
        for change in &self.reads.quarantined {
            if self.is_lifted(change) {
                sorted.lifted.push(change.clone());
            } else if self.goal.lifted.contains(&change.product) || !is_wanted(change) {
                // A change that should be tried again and is not in the plan loses its dead letter
                // now. If it stayed in quarantine and were wanted again, no replay would find it.
                sorted.released.push(change.clone());
            } else {
                sorted.wanted.push(change.clone());
            }
        }
        sorted.wanted.extend(sorted.lifted.iter().cloned());
        sorted
    }

    /// The grant, unless its plan was committed and the lane has come to rest since then: an
    /// approval is used once.
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
        // If everything that is left of it has been tried and fails, it is done. A change that arrives
        // after the block has not been tried.
        let failed = state.block.as_ref().is_some_and(|block| {
            let mut open = before.open.iter();
            block.reason == BlockReason::ChangeSetFailed
                && !is_announced(state)
                && open.all(|change| change.claimed_at <= block.since)
        });
        let tried = |grant: &Grant| state.planned_run() >= Some(grant.executed);
        let is_over = failed && self.grant().is_some_and(tried);
        let approved = records.approved.as_ref();
        let undo = approved.and_then(|record| record.hold.as_ref());
        let undo = undo.and_then(Hold::undo);
        let rollback = undo.filter(|_| !is_over);
        // Who approved a rollback has not approved a plan that the management experience asks for once that rollback is over.
        let approved = approved.filter(|_| undo.is_some() == self.goal.rollback);
        let approved = approved.map(LinkRecord::shown);
        let restored = records.restored.iter().map(LinkRecord::shown);
        let restored = restored.reduce(|earlier, later| earlier.then(&later));
        let open = before.open.iter();
        let open = open.filter(|open| open.action == Action::Deny);
        let open = open.map(|open| open.product.clone()).collect();
        let case = Case {
            plan: &self.plan,
            actual,
            open: &open,
            first_policy: self.reads.first_policy == Some(true),
            oddities: &desired.conditions,
            management_allowed: self.desired.allowed_count(),
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
            // What was shown of a rollback may have become unnecessary, and the lane may still have to be halted.
            approved: case.is_approved()
                || (self.goal.rollback && self.plan.is_empty() && approved.is_some()),
            removals: case.removals(),
            rollback,
            restored,
        }
    }
}
