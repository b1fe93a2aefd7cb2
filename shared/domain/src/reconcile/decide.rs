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
    /// Hold the plan, because of a guard. Meanwhile the lane is served as if its plan were empty.
    Hold {
        /// What an empty plan requires of the lane.
        meanwhile: Course,
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
    /// The status in the record of the run.
    pub fn status(&self) -> LinkStatus {
        match self {
            Self::MarkSuspension | Self::Suspended => LinkStatus::Suspended,
            Self::Hold { .. } => LinkStatus::Held,
            Self::RefuseRollback => LinkStatus::Refused,
            Self::AnothersPlan => LinkStatus::Failed,
            Self::InSync => LinkStatus::InSync,
            Self::Underway(_) | Self::ResumeRollback(_) => LinkStatus::Underway,
            Self::Commit => LinkStatus::Committed,
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
    if goal.suspension.is_some() && seen.course != Course::InSync {
        return Decision::Suspended;
    }
    let planned = seen.state().planned.as_ref();
    let own = planned.filter(|planned| Some(planned.run) == run);
    if !seen.guards.reasons.is_empty() {
        if own.is_some_and(|planned| planned.totals.total() > 0) {
            return Decision::AnothersPlan;
        }
        let meanwhile = seen.meanwhile.clone();
        return Decision::Hold { meanwhile };
    }
    match seen.course {
        Course::InSync => Decision::InSync,
        Course::Underway(run) => Decision::Underway(run),
        Course::Commit if goal.rollback && !seen.guards.approved => Decision::RefuseRollback,
        Course::Commit if own.is_some_and(|planned| planned.hash != seen.plan.hash()) => {
            Decision::AnothersPlan
        }
        Course::Commit => Decision::Commit,
    }
}

#[cfg(test)]
mod tests;
