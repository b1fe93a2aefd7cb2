//! An observation in progress: what to read next, and what follows from everything that was read.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::course::{Course, PlanOnLane, is_announced, is_busy};
use super::goal::Goal;
use super::observation::{GuardVerdict, Observation, Quarantine, Reads, Records};
use crate::approval::{EarlierGrant, Grant, Hold, Undo};
use crate::guard::{Case, HoldReason, Parted};
use crate::ids::{ProductId, RunId};
use crate::lane::{BlockReason, LaneView, Phase, Quarantined};
use crate::link::{LinkPolicy, LiveCheck};
use crate::listing::{in_question, only_live};
use crate::plan::{Plan, Report, plan};
use crate::policy::{Action, PolicySnapshot};
use crate::ports::Lane;
use crate::records::{Answers, Found, LastChange, LinkRecord, UnreadableItem, overridden};

/// An observation in progress.
#[derive(Debug)]
pub struct Draft<'a> {
    goal: Goal<'a>,
    /// The lists that the member should have.
    desired: Cow<'a, PolicySnapshot>,
    reads: Reads,
    overlay: LaneView,
    made: Made,
    /// What would be planned without the freeze, and what the link may do then. Only if a run may have overridden it.
    thawed: Option<(LinkPolicy, Made)>,
    changes: Option<Vec<LastChange>>,
}

/// A plan with what it leaves alone.
#[derive(Debug)]
struct Made {
    plan: Plan,
    report: Report,
}

/// The plan of a lane in its parts.
struct Parts<'b> {
    parted: Parted,
    /// What the link may do with them.
    policy: &'b LinkPolicy,
}

impl Made {
    /// Computes a plan. A reversal leaves what another run has in flight to end as that run wants it.
    fn new(
        desired: &PolicySnapshot,
        reads: &Reads,
        overlay: &LaneView,
        policy: &LinkPolicy,
    ) -> Self {
        let (made, report) = plan(desired, &reads.actual, overlay, policy);
        let Some(reversal) = &reads.reversal else {
            return Self { plan: made, report };
        };
        let in_flight = overlay.in_flight.iter().map(|change| &change.product);
        let of_others = in_flight.filter(|product| !reversal.has(product));
        let plan = made.without(&of_others.cloned().collect());
        Self { plan, report }
    }

    /// Removes what is not live.
    fn checked(self, goal: &Goal<'_>, reads: &Reads, answers: &Answers) -> Self {
        let (check, now) = (goal.link.live_check, reads.at);
        let (plan, report) = only_live(self.plan, self.report, &reads.actual, answers, check, now);
        Self { plan, report }
    }
}

/// The products of items that cannot be read.
fn products(unreadable: &[UnreadableItem]) -> BTreeSet<ProductId> {
    let products = unreadable.iter().filter_map(UnreadableItem::product);
    products.cloned().collect()
}

/// What the link may do without its freeze. None if it is not frozen, or if no run can have overridden that.
fn thawed_policy(goal: &Goal<'_>, reads: &Reads) -> Option<LinkPolicy> {
    let state = &reads.link_state;
    let is_held = state.hold.as_ref().is_some_and(|hold| hold.overrides);
    let is_granted = state.grant.as_ref().is_some_and(Grant::overrides_any);
    let is_at_work = is_busy(&reads.before.state, &reads.before.open);
    let may_be = is_at_work || is_held || is_granted;
    (goal.policy.frozen && may_be).then(|| LinkPolicy {
        frozen: false,
        ..goal.policy.clone()
    })
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
        let made = Made::new(&desired, &reads, &overlay, goal.policy);
        let thawed = thawed_policy(&goal, &reads).map(|policy| {
            let made = Made::new(&desired, &reads, &overlay, &policy);
            (policy, made)
        });
        Self {
            goal,
            desired,
            reads,
            overlay,
            made,
            thawed,
            changes: None,
        }
    }

    fn thawed_plan(&self) -> Option<&Plan> {
        self.thawed.as_ref().map(|(_, made)| &made.plan)
    }

    /// True if the last changes of the lane's products are needed: something is to be changed.
    pub fn needs_changes(&self) -> bool {
        !self.made.plan.is_empty() || self.thawed_plan().is_some_and(|plan| !plan.is_empty())
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
        let made =
            |policy: &LinkPolicy| Made::new(&self.desired, &self.reads, &self.overlay, policy);
        let thawed = self.thawed.take().map(|(policy, _)| {
            let made = made(&policy);
            (policy, made)
        });
        self.made = made(self.goal.policy);
        self.thawed = thawed;
        self
    }

    /// The products whose listings are needed.
    pub fn in_question(&self) -> BTreeSet<ProductId> {
        if self.goal.link.live_check == LiveCheck::Off || self.goal.rollback {
            return BTreeSet::new();
        }
        let plans = self.thawed_plan().into_iter().chain([&self.made.plan]);
        let all = plans.map(|plan| in_question(plan, &self.reads.actual));
        all.flatten().collect()
    }

    /// Removes what is not live, before guards and decision.
    #[must_use]
    pub fn checked(mut self, answers: &Answers) -> Self {
        self.made = self.made.checked(&self.goal, &self.reads, answers);
        self.thawed = self.thawed.map(|(policy, made)| {
            let made = made.checked(&self.goal, &self.reads, answers);
            (policy, made)
        });
        self
    }

    /// The run whose record contains what the current grant covers.
    pub fn approved_run(&self) -> Option<RunId> {
        self.grant().map(|grant| grant.run)
    }

    /// The runs whose records contain what was approved before the current grant, and goes on, the oldest first.
    pub fn approved_before(&self) -> Vec<RunId> {
        self.grants_before().map(|earlier| earlier.run).collect()
    }

    /// The run that has overridden the freeze of the link, and whose record contains what is held since.
    pub fn held_run(&self) -> Option<RunId> {
        let hold = self.reads.link_state.hold.as_ref();
        let hold = hold.filter(|hold| hold.overrides && self.thawed.is_some());
        hold.map(|hold| hold.run)
    }

    /// The runs whose records contain the rollbacks that were executed, the oldest first.
    pub fn restored_runs(&self) -> Vec<RunId> {
        let restored = self.reads.link_state.rollbacks();
        restored.map(|restored| restored.run).collect()
    }

    /// The run that may have overridden the freeze of the link. As long as its plan is what would
    /// be planned without the freeze, the next run, which overrides nothing, does not halt it.
    pub fn overriding_run(&self) -> Option<RunId> {
        let Lane { state, .. } = &self.reads.before;
        state
            .planned_run()
            .filter(|_| self.goal.policy.frozen && self.is_at_work())
    }

    /// The run of the committed plan, if the course depends on that plan.
    pub fn committed_run(&self, records: &Records) -> Option<RunId> {
        let now = self.reads.at;
        let needs = |plan: &Plan, policy: &LinkPolicy| {
            let on_lane = self.on_lane(plan, policy, None);
            on_lane.needs_committed(now)
        };
        let overridden = self.overriding_plan(records);
        let overridden = overridden.is_some_and(|(plan, policy)| needs(&plan, policy));
        let Parts { parted, policy } = self.parts(records);
        let continues = self.is_begun(records) && self.granted_override(records).is_some();
        let run = self.reads.before.state.planned_run();
        run.filter(|_| overridden || continues || needs(&parted.passing, policy))
    }

    /// Computes the observation from everything that was read.
    pub fn finish(self, records: &Records) -> Observation {
        let Parts { parted, policy } = self.parts(records);
        let committed = records.committed.as_ref();
        let course = |plan: &Plan, policy: &LinkPolicy| {
            let on_lane = self.on_lane(plan, policy, committed);
            on_lane.course(self.reads.at)
        };
        let overridden = self.overriding_plan(records);
        let overridden = overridden.filter(|_| parted.passing.is_empty());
        let course = match overridden.map(|(plan, policy)| course(&plan, policy)) {
            Some(Course::Underway(run)) => Course::Underway(run),
            _ => course(&parted.passing, policy),
        };
        let wanted = parted.passing.clone().then(&parted.held);
        let quarantine = self.quarantine(&wanted);
        let guards = self.guards(&parted, records);
        let Parted { passing, held, .. } = parted;
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
        let mut report = self.made.report;
        report.removals = passing.deny().intersection(actual.allowed()).count();
        let is_planned = |product: &ProductId| {
            [wanted.allow(), wanted.deny()]
                .iter()
                .any(|of| of.contains(product))
        };
        report.left_alone.retain(|left| !is_planned(&left.product));
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
            plan: passing,
            held,
            report,
            quarantine,
            guards,
            course,
        }
    }

    fn on_lane<'b>(
        &'b self,
        plan: &'b Plan,
        policy: &'b LinkPolicy,
        committed: Option<&'b Plan>,
    ) -> PlanOnLane<'b> {
        let is_lifted = |change: &Quarantined| self.is_lifted(change, plan);
        PlanOnLane {
            plan,
            state: &self.reads.before.state,
            open: &self.reads.before.open,
            committed,
            desired: &self.desired,
            link: policy,
            renewed: self.reads.quarantined.iter().any(is_lifted),
        }
    }

    fn is_at_work(&self) -> bool {
        let Lane { state, open } = &self.reads.before;
        is_busy(state, open)
    }

    /// True if the run of the committed plan has overridden the freeze.
    fn has_overridden(&self, records: &Records) -> bool {
        let Goal {
            link, experience, ..
        } = self.goal;
        let requests = records
            .planned
            .as_ref()
            .map(|run| overridden(&run.requests));
        let mut scopes = requests.into_iter().flatten();
        scopes.any(|scope| scope.covers(&link.member.name, experience))
    }

    /// What would be planned without the freeze and without what is held, if the committed plan's run has
    /// overridden it.
    fn overriding_plan(&self, records: &Records) -> Option<(Plan, &LinkPolicy)> {
        let (policy, made) = self.thawed.as_ref()?;
        if !self.has_overridden(records) {
            return None;
        }
        let held = records.held.as_ref().map(LinkRecord::shown);
        let plan = made.plan.minus(&held.unwrap_or_default());
        Some((plan, policy))
    }

    /// What was approved although the link is frozen.
    fn granted_override(&self, records: &Records) -> Option<Plan> {
        let of_last = self.grant().filter(|grant| grant.overrides);
        let last = of_last.and_then(|_| records.approved.as_ref().map(LinkRecord::shown));
        let overriding = |earlier: &&EarlierGrant| earlier.overrides;
        let earlier = self.shown_before(records, overriding);
        earlier.chain(last).reduce(|all, one| all.then(&one))
    }

    /// What was approved before the current grant, and goes on, as far as it is like this.
    fn shown_before<'b>(
        &'b self,
        records: &'b Records,
        like: impl Fn(&&EarlierGrant) -> bool + 'b,
    ) -> impl Iterator<Item = Plan> + 'b {
        let earlier = self.grants_before().filter(like);
        earlier.filter_map(|earlier| {
            let mut all = records.approved_before.iter();
            let record = all.find(|record| record.run == earlier.run);
            record.map(LinkRecord::shown)
        })
    }

    /// What was approved of the management experience's plans, and is not done. Who approved a rollback has approved none of them.
    fn approved(&self, records: &Records) -> Option<Plan> {
        let last = records.approved.as_ref();
        let last = last.filter(|record| undo_of(record).is_none());
        let last = last.map(LinkRecord::shown);
        let earlier = self.shown_before(records, |_| true);
        earlier.chain(last).reduce(|all, one| all.then(&one))
    }

    /// True if the lane works on what was begun although the link is frozen.
    fn is_begun(&self, records: &Records) -> bool {
        let planned = self.reads.before.state.planned_run();
        let is_of_grant = |grant: &Grant| planned >= Some(grant.executed);
        let mut before = self.grants_before();
        let is_of_any = self.grant().is_some_and(is_of_grant)
            || before.any(|earlier| planned >= Some(earlier.executed));
        self.is_at_work() && (self.has_overridden(records) || is_of_any)
    }

    fn is_lifted(&self, change: &Quarantined, plan: &Plan) -> bool {
        self.goal.lifted.contains(&change.product) && plan.contains(&change.change())
    }

    /// The plan in its parts.
    fn parts(&self, records: &Records) -> Parts<'_> {
        let policy = self.goal.policy;
        if self.goal.rollback {
            // No guard judges it. It is always held, and approved as a whole.
            let approved = records.approved.as_ref();
            let approved = approved.filter(|record| undo_of(record).is_some());
            let approved = approved.map(LinkRecord::shown);
            let plan = &self.made.plan;
            let approved = approved.filter(|shown| plan.is_part_of(shown));
            let parted = Parted {
                passing: plan.clone(),
                approved: approved.map(|_| plan.clone()).unwrap_or_default(),
                ..Parted::default()
            };
            return Parts { parted, policy };
        }
        let parted = self.judged(records);
        self.overriding(parted, records)
    }

    /// On a frozen link, adds what a run that has overridden the freeze holds, and what of that was approved.
    fn overriding(&self, parted: Parted, records: &Records) -> Parts<'_> {
        let unchanged = |parted| Parts {
            parted,
            policy: self.goal.policy,
        };
        let Some((policy, made)) = &self.thawed else {
            return unchanged(parted);
        };
        let hold = self.reads.link_state.hold.as_ref();
        let hold = hold
            .filter(|hold| hold.overrides)
            .zip(records.held.as_ref());
        let granted = self.granted_override(records);
        if hold.is_none() && granted.is_none() {
            return unchanged(parted);
        }
        let approved = granted.as_ref().map(|shown| made.plan.common(shown));
        let approved = approved.unwrap_or_default();
        let held = hold.map(|(_, record)| made.plan.minus(&approved).common(&record.shown()));
        let held = held.unwrap_or_default();
        let begun = records.committed.as_ref();
        let begun = begun.filter(|_| granted.is_some() && self.is_begun(records));
        let begun = begun.map(|begun| made.plan.common(begun).minus(&held));
        let mut reasons = parted.reasons;
        if let Some((hold, _)) = hold.filter(|_| !held.is_empty()) {
            let known: Vec<_> = reasons.iter().map(HoldReason::identity).collect();
            let more = hold.reasons.iter();
            let more = more.filter(|reason| !known.contains(&reason.identity()));
            let more: Vec<_> = more.cloned().collect();
            reasons.extend(more);
        }
        let parted = Parted {
            passing: approved.clone().then(&begun.unwrap_or_default()),
            approved,
            held,
            reasons,
        };
        Parts { parted, policy }
    }

    fn quarantine(&self, wanted: &Plan) -> Quarantine {
        let is_wanted = |change: &Quarantined| {
            let standing = |policy: &PolicySnapshot| policy.standing(&change.product);
            let (desired, actual) = (&self.desired, &self.reads.actual);
            LinkPolicy::wanted(standing(desired), standing(actual)) == Some(change.action)
        };
        let mut sorted = Quarantine::default();
        for change in &self.reads.quarantined {
            if self.is_lifted(change, wanted) {
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
        let is_spent = |grant: &Grant| self.is_spent(grant.executed);
        let grant = self.reads.link_state.grant.as_ref();
        grant.filter(|grant| !is_spent(grant))
    }

    /// The grants before that one, of which the same is true.
    fn grants_before(&self) -> impl Iterator<Item = &EarlierGrant> {
        let grant = self.reads.link_state.grant.as_ref();
        let all = grant.into_iter().flat_map(|grant| &grant.before);
        all.filter(|earlier| !self.is_spent(earlier.executed))
    }

    /// True if what that run executed was committed, and the lane has come to rest since then.
    fn is_spent(&self, executed: RunId) -> bool {
        let state = &self.reads.before.state;
        state.planned_run() >= Some(executed) && state.phase != Phase::Blocked && !self.is_at_work()
    }

    fn restored(records: &Records) -> Option<Plan> {
        let restored = records.restored.iter().map(LinkRecord::shown);
        restored.reduce(|earlier, later| earlier.then(&later))
    }

    /// The plan, judged by the guards.
    fn judged(&self, records: &Records) -> Parted {
        let desired = self.goal.desired;
        let approved = self.approved(records);
        let restored = Self::restored(records);
        let open = self.reads.before.open.iter();
        let open = open.filter(|open| open.action == Action::Deny);
        let open = open.map(|open| open.product.clone()).collect();
        let case = Case {
            plan: &self.made.plan,
            actual: &self.reads.actual,
            open: &open,
            first_policy: self.reads.first_policy == Some(true),
            oddities: &desired.conditions,
            management_allowed: self.desired.allowed_count(),
            link_state: &self.reads.link_state,
            approved: approved.as_ref(),
            restored: restored.as_ref(),
            guard: &self.goal.link.guard,
            now: self.reads.at,
        };
        case.part()
    }

    fn guards(&self, parted: &Parted, records: &Records) -> GuardVerdict {
        let Lane { state, open } = &self.reads.before;
        // If everything that is left of it has been tried and fails, it is done. A change that arrives
        // after the block has not been tried.
        let failed = state.block.as_ref().is_some_and(|block| {
            let mut open = open.iter();
            block.reason == BlockReason::ChangeSetFailed
                && !is_announced(state)
                && open.all(|change| change.claimed_at <= block.since)
        });
        let tried = |grant: &Grant| state.planned_run() >= Some(grant.executed);
        let is_over = failed && self.grant().is_some_and(tried);
        let approved = records.approved.as_ref();
        let rollback = approved.filter(|_| !is_over);
        // What was shown of a rollback may have become unnecessary, and the lane may still have to be halted.
        let undone = approved.filter(|record| undo_of(record).is_some());
        let is_covered = undone.is_some_and(|record| parted.passing.is_part_of(&record.shown()));
        let counted = parted.passing.minus(&parted.approved);
        let removals = counted.deny().intersection(self.reads.actual.allowed());
        let goes_on = |record: &&LinkRecord| !parted.approved.common(&record.shown()).is_empty();
        let going_on = records.approved_before.iter().filter(goes_on);
        GuardVerdict {
            going_on: going_on.map(|record| record.run).collect(),
            reasons: parted.reasons.clone(),
            approved: parted.approved.clone(),
            is_covered: self.goal.rollback && is_covered,
            removals: removals.cloned().collect(),
            rollback: rollback.and_then(undo_of),
            restored: Self::restored(records),
        }
    }
}

/// What the plan of a record takes back, if it is a rollback.
fn undo_of(record: &LinkRecord) -> Option<Undo> {
    record.hold.as_ref().and_then(Hold::undo)
}
