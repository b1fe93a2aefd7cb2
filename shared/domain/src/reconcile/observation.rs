//! An observation of a lane: what was read, and what follows from it.
//!
//! Reads depend on each other: the plan decides whether a listing or an earlier plan must be read.
//! After each stage a [`Draft`](super::Draft) says what to read next. At the end it becomes an [`Observation`].

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::course::Course;
use crate::approval::Undo;
use crate::guard::HoldReason;
use crate::ids::{LaneId, ProductId, RunId};
use crate::lane::{LaneState, Quarantined};
use crate::plan::{Plan, Reason, Report};
use crate::policy::PolicySnapshot;
use crate::ports::Lane;
use crate::records::{LastChange, LinkRecord, LinkState, RunRecord, UnreadableItem};
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

/// Records of earlier runs, each read only if a [`Draft`](super::Draft) asks for it.
#[derive(Debug, Clone, Default)]
pub struct Records {
    /// The record of the lane in the run whose hold was approved.
    pub approved: Option<LinkRecord>,
    /// The records of the lane in the runs whose holds were approved before and are not done, the oldest first.
    pub approved_before: Vec<LinkRecord>,
    /// The record of the lane in the run that has overridden the freeze, and shows what is held since.
    pub held: Option<LinkRecord>,
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
    /// The reasons why a part of the plan needs approval. Empty if none does.
    pub reasons: Vec<HoldReason>,
    /// The part of the plan that was approved.
    pub approved: Plan,
    /// The runs whose holds were approved before the last one, and of which something is left to do.
    pub going_on: BTreeSet<RunId>,
    /// True if a rollback was approved and has nothing that was not shown.
    pub is_covered: bool,
    /// What was taken back: the rollbacks that were executed or approved.
    pub restored: Option<Plan>,
    /// What is to be taken back, if a rollback was approved and is not done.
    pub rollback: Option<Undo>,
    /// The removals of the plan that pass without an approval.
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
    /// The changes that the link wants and that may be made: those that were approved, and those that no guard
    /// objects to.
    pub plan: Plan,
    /// The changes that the link wants and that wait for approval.
    pub held: Plan,
    /// What the plan leaves alone, and why.
    pub report: Report,
    /// Quarantined changes.
    pub quarantine: Quarantine,
    /// The verdict of the guards.
    pub guards: GuardVerdict,
    /// What the plan requires of the lane.
    pub course: Course,
}

impl Observation {
    /// Every change that the link wants, whether it is held or not.
    pub fn wanted(&self) -> Plan {
        self.plan.clone().then(&self.held)
    }

    /// Number of the removals among these denies.
    pub fn removals_of(&self, plan: &Plan) -> usize {
        plan.deny().intersection(self.actual.allowed()).count()
    }

    /// True if something waits for approval, or would if something changed.
    pub fn is_held(&self) -> bool {
        !self.guards.reasons.is_empty()
    }

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
        self.course == Course::InSync && !self.is_held() && self.is_whole()
    }

    /// True if something is held, and the lane continues with the earlier plan.
    pub fn goes_on_while_held(&self) -> bool {
        self.is_held() && matches!(self.course, Course::Underway(_))
    }

    /// The lane's state.
    pub fn state(&self) -> &LaneState {
        &self.before.state
    }
}
