//! The decision on one lane.

use super::course::Course;
use super::goal::Goal;
use super::observation::Observation;
use crate::approval::Undo;
use crate::ids::RunId;
use crate::run::LinkStatus;

/// The decision on a lane. The end of a hold is no decision of its own: every other decision ends
/// it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Bring the lane's mark in line with the suspensions first.
    MarkSuspension,
    /// Resume an approved rollback. The invocation that should send it may have been interrupted, and
    /// nothing else is planned for the lane before it is done.
    ResumeRollback(Undo),
    /// Report the plan, and change nothing: the lane is suspended.
    Suspended,
    /// Hold a part of the plan, because of a guard or a rejection. The lane is served as if the rest were the whole
    /// plan.
    Hold {
        /// What the rest requires of the lane.
        rest: Course,
        /// True if the rest has changes.
        passes: bool,
    },
    /// Refuse the approved rollback, which has changes that were not shown.
    RefuseRollback,
    /// Nothing: this run has committed another plan here, in an interrupted invocation. That plan
    /// is recorded, and only a newer run can replace it.
    AnothersPlan,
    /// Nothing: the lane is in sync, as far as the link goes.
    InSync,
    /// Nothing: the lane already works on this plan, which that run committed.
    Underway(RunId),
    /// Commit the plan to the lane, and send it.
    Commit,
}

impl Decision {
    /// The status in the record of the run. That a part of a plan is held is said by the hold in the record.
    pub fn status(&self) -> LinkStatus {
        match self {
            Self::MarkSuspension | Self::Suspended => LinkStatus::Suspended,
            Self::Commit
            | Self::Hold {
                rest: Course::Commit,
                passes: true,
            } => LinkStatus::Committed,
            Self::Underway(_)
            | Self::ResumeRollback(_)
            | Self::Hold {
                rest: Course::Underway(_),
                passes: true,
            } => LinkStatus::Underway,
            Self::Hold { .. } => LinkStatus::Held,
            Self::RefuseRollback => LinkStatus::Refused,
            Self::AnothersPlan => LinkStatus::Failed,
            Self::InSync => LinkStatus::InSync,
        }
    }
}

/// Decides what `run` does with the lane. The first rule that applies decides.
pub fn decide(goal: &Goal<'_>, seen: &Observation, run: RunId) -> Decision {
    if seen.state().suspension.is_some() != goal.suspension.is_some() {
        return Decision::MarkSuspension;
    }
    match seen.guards.rollback {
        Some(undo) if !goal.rollback => Decision::ResumeRollback(undo),
        _ => decide_plan(goal, seen, Some(run)),
    }
}

/// Like [`decide`], once the lane's mark is in line and no rollback must be resumed. Queries use it
/// directly; they have no run.
pub fn decide_plan(goal: &Goal<'_>, seen: &Observation, run: Option<RunId>) -> Decision {
    if goal.suspension.is_some() && (seen.course != Course::InSync || !seen.held.is_empty()) {
        return Decision::Suspended;
    }
    let planned = seen.state().planned.as_ref();
    let own = planned.filter(|planned| Some(planned.run) == run);
    let is_anothers = own.is_some_and(|planned| planned.hash != seen.plan.hash());
    let commits = seen.course == Course::Commit;
    if commits && goal.rollback && !seen.guards.is_covered {
        return Decision::RefuseRollback;
    }
    if commits && is_anothers {
        return Decision::AnothersPlan;
    }
    if seen.is_held() {
        return Decision::Hold {
            rest: seen.course.clone(),
            passes: !seen.plan.is_empty(),
        };
    }
    match seen.course {
        Course::InSync => Decision::InSync,
        Course::Underway(run) => Decision::Underway(run),
        Course::Commit => Decision::Commit,
    }
}

#[cfg(test)]
mod tests;
