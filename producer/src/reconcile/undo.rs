//! What a rollback returns to: the lists before a run, or the member's lists without what a run has changed.

use std::fmt;

use pmp_sync_domain::approval::Undo;
use pmp_sync_domain::error::{Kind, LinkError, ServiceError};
use pmp_sync_domain::ids::{LaneId, RunId};
use pmp_sync_domain::lane::LaneState;
use pmp_sync_domain::ports::{Lanes, ReadRuns};
use pmp_sync_domain::reconcile::DesiredState;
use pmp_sync_domain::revert::Reversal;
use pmp_sync_domain::run::LinkStatus;

/// The most change sets that are read to find what came after a run: with 100 products each, more than any list changes in a quarter.
const MOST_SETS: usize = 2_000;

/// Why there is nothing to return to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoWayBack {
    /// The lists before the run are not kept.
    NoLists(LaneId, RunId),
    /// The run is not on record for the lane.
    NoRecord(LaneId, RunId),
    /// The run gave the member its first policy. Before, everything was allowed, and no list says that.
    FirstPolicy(LaneId, RunId),
    /// So much has been changed since that it is not looked at.
    TooMuchSince(LaneId, RunId),
}

impl fmt::Display for NoWayBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLists(lane, run) => write!(
                f,
                "no lists of {lane} are kept from before run {run}: it denied nothing there, there was no policy before it, or it has expired"
            ),
            Self::NoRecord(lane, run) => write!(
                f,
                "run {run} changed nothing on {lane}, or its record has expired"
            ),
            Self::FirstPolicy(lane, run) => write!(
                f,
                "run {run} gave {lane} its first policy: before it everything was allowed, and no list says that"
            ),
            Self::TooMuchSince(lane, run) => write!(
                f,
                "more than {MOST_SETS} change sets have ended on {lane} since run {run}"
            ),
        }
    }
}

/// The lists to return to.
pub(crate) async fn desired_of<L: Lanes + ReadRuns>(
    ledger: &L,
    undo: Undo,
    lane: &LaneId,
) -> Result<Result<DesiredState, NoWayBack>, LinkError> {
    match undo {
        Undo::Restore(run) => {
            let lists = ledger.lists(run, lane).await;
            let lists = lists.map_err(LinkError::Ledger)?;
            Ok(lists
                .map(DesiredState::alone)
                .ok_or_else(|| NoWayBack::NoLists(lane.clone(), run)))
        }
        Undo::Revert(run) => {
            let state = ledger.state(lane).await.map_err(LinkError::Ledger)?;
            let found = reversal(ledger, run, lane, &state).await?;
            Ok(found.map(|_| DesiredState::without(run)))
        }
    }
}

/// What was found before may have expired or become unreadable since.
#[expect(clippy::result_large_err, reason = "the error of every step on a link")]
pub(crate) fn must_be_known(found: Result<Reversal, NoWayBack>) -> Result<Reversal, LinkError> {
    found.map_err(|why| {
        let words = why.to_string();
        LinkError::Ledger(ServiceError::new(
            "Query",
            "the change sets",
            Kind::Retryable,
            words,
        ))
    })
}

/// What can be taken back of a run on a lane. The lane was read before.
pub(crate) async fn reversal<L: ReadRuns>(
    ledger: &L,
    run: RunId,
    lane: &LaneId,
    state: &LaneState,
) -> Result<Result<Reversal, NoWayBack>, LinkError> {
    let record = ledger.link(run, lane).await.map_err(LinkError::Ledger)?;
    let Some(record) = record else {
        return Ok(Err(NoWayBack::NoRecord(lane.clone(), run)));
    };
    // The lists before a run are kept when a plan is committed that denies something. A run that found its plan under way has none.
    let commits = matches!(record.status, LinkStatus::Committed | LinkStatus::Failed);
    let denies = commits && !record.plan().deny().is_empty();
    let before = ledger.lists(run, lane).await.map_err(LinkError::Ledger)?;
    if denies && before.is_none() {
        return Ok(Err(NoWayBack::FirstPolicy(lane.clone(), run)));
    }
    let sets = ledger.sets_since(lane, run, MOST_SETS).await;
    let sets = sets.map_err(LinkError::Ledger)?;
    // What it says may have come later.
    if let Some(unreadable) = sets.unreadable.into_iter().next() {
        return Err(LinkError::Ledger(unreadable.error));
    }
    let mut sets = sets.items;
    if sets.len() >= MOST_SETS && sets.last().is_some_and(|set| set.run >= run) {
        return Ok(Err(NoWayBack::TooMuchSince(lane.clone(), run)));
    }
    sets.reverse();
    Ok(Ok(Reversal::of(run, &sets, state, before.as_ref())))
}
