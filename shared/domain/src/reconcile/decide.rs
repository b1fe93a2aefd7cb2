//! The decision on one lane.

use super::course::Course;
use super::goal::Goal;
use super::observation::Observation;
use crate::ids::RunId;
use crate::run::LinkStatus;

/// What becomes of a lane. That a hold ends is no decision of its own: whatever else is decided ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The lane's own mark of the operator's suspension is brought in line first.
    MarkSuspension,
    /// An approved rollback to the lists before this run is not done: whoever was to send it may have been
    /// cut off, and nothing else is planned for the lane before it is.
    ResumeRollback(RunId),
    /// The lane is suspended and differs: the plan is told, and nothing is done.
    Suspended,
    /// A guard holds the plan. Meanwhile the lane is served as if nothing were to be changed.
    Hold {
        /// What that asks of the lane.
        meanwhile: Course,
    },
    /// The rollback that was approved has changes that were not shown.
    RefuseRollback,
    /// The run has committed another plan here, in an invocation that was cut off: that one is on record,
    /// and only a newer run can take its place.
    AnothersPlan,
    /// The lane has what it is to have, as far as the link goes.
    InSync,
    /// The lane works on this very plan, committed under that run.
    Underway(RunId),
    /// The plan is committed to the lane, and sent.
    Commit,
}

impl Decision {
    /// As what a run records it.
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

/// What `run` does with the lane; the first that applies.
pub fn decide(goal: &Goal<'_>, seen: &Observation, run: RunId) -> Decision {
    if seen.state().suspension.is_some() != goal.suspension.is_some() {
        return Decision::MarkSuspension;
    }
    match seen.guards.rollback {
        Some(before) if !goal.rollback => Decision::ResumeRollback(before),
        _ => decide_plan(goal, seen, Some(run)),
    }
}

/// The same once the lane's mark is in line and no rollback is to be resumed: for whoever only looks, and
/// so is no run.
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
