//! Writes to a lane, and records of it, other than a plan.

use pmp_sync_domain::error::{LinkError, ServiceError};
use pmp_sync_domain::ids::{LaneId, RunId};
use pmp_sync_domain::lane::{LaneState, Quarantined, Rejected, Suspension};
use pmp_sync_domain::ports::{Clock, Lanes, WriteRuns};
use pmp_sync_domain::reconcile::Observation;
use pmp_sync_domain::records::{LinkRecord, LinkState};
use pmp_sync_domain::try_transition::try_transition;

/// The runs that wait for the lane's committed plan.
pub(crate) fn waiting(state: &LaneState) -> Vec<RunId> {
    state
        .planned_run()
        .into_iter()
        .chain(state.joined.iter().copied())
        .collect()
}

/// Brings the lane's own mark in line with the operator's suspension.
pub(crate) async fn mark_suspension<L: Lanes, K: Clock>(
    ledger: &L,
    clock: &K,
    seen: &Observation,
    suspension: Option<&Suspension>,
) -> Result<(), LinkError> {
    let marked =
        try_transition(
            ledger,
            clock,
            &seen.lane,
            seen.state().clone(),
            |state| match suspension {
                Some(suspension) => state.suspended(suspension.clone()),
                None => state.resumed(),
            },
        );
    marked.await.map(drop).map_err(LinkError::Ledger)
}

/// Adds the run to those that wait for the committed plan. Returns false if another plan was
/// committed.
pub(crate) async fn join<L: Lanes, K: Clock>(
    ledger: &L,
    clock: &K,
    seen: &Observation,
    run: RunId,
    planned: RunId,
) -> Result<bool, LinkError> {
    let state = seen.state().clone();
    let joined = try_transition(ledger, clock, &seen.lane, state, |state| {
        state.joined(run, planned)
    });
    let joined = joined.await.map_err(LinkError::Ledger)?;
    Ok(joined.is_some())
}

/// Stamps a lane at rest, which is in sync if `equal`. Returns the runs that waited for it.
pub(crate) async fn mark_rest<L: Lanes, K: Clock>(
    ledger: &L,
    clock: &K,
    seen: &Observation,
    equal: bool,
) -> Result<Vec<RunId>, LinkError> {
    let (state, now) = (seen.state().clone(), clock.now());
    let read = (state.seq, state.planned_run());
    let stamped = try_transition(ledger, clock, &seen.lane, state, |state| {
        if (state.seq, state.planned_run()) == read {
            Ok(state.in_sync(equal, now))
        } else {
            Err(Rejected::Seq)
        }
    });
    let stamped = stamped.await.map_err(LinkError::Ledger)?;
    Ok(stamped
        .map(|stamped| waiting(&stamped.before))
        .unwrap_or_default())
}

/// Releases changes from quarantine: a change that is not wanted, so that it is tried if it is
/// wanted again, or a replayed change, which is tried now.
pub(crate) async fn release<L: WriteRuns, K: Clock>(
    ledger: &L,
    clock: &K,
    lane: &LaneId,
    changes: &[Quarantined],
) -> Result<(), LinkError> {
    for change in changes {
        tracing::info!(%lane, product = %change.product, action = %change.action, "the change is no longer quarantined");
        let released = ledger.release(lane, change, clock.now()).await;
        released.map_err(LinkError::Ledger)?;
    }
    Ok(())
}

/// Lists the lane among those that were ever planned for. Without its entry nobody would announce the end of what is announced of it if
/// its link is removed from the configuration.
async fn register<L: WriteRuns>(
    ledger: &L,
    lane: &LaneId,
    record: &LinkRecord,
) -> Result<(), ServiceError> {
    match ledger.register(lane, record).await {
        // It is listed, and the next run reports that its entry cannot be read.
        Err(error) if error.is_unreadable() => {
            tracing::error!(%lane, code = "PMS-4004", %error, "the entry of a lane is left as it is");
            Ok(())
        }
        registered => registered,
    }
}

/// Lists the lane before a link state is written of which something is to be announced.
pub(crate) async fn register_news<L: WriteRuns>(
    ledger: &L,
    lane: &LaneId,
    next: &LinkState,
    record: &LinkRecord,
) -> Result<(), LinkError> {
    if next.notices.pending.is_empty() {
        return Ok(());
    }
    let registered = register(ledger, lane, record).await;
    registered.map_err(LinkError::Ledger)
}

/// Writes the record of a link in a run.
pub(crate) async fn keep<L: WriteRuns>(
    ledger: &L,
    lane: &LaneId,
    record: &LinkRecord,
) -> Result<(), ServiceError> {
    register(ledger, lane, record).await?;
    ledger.put_link(record).await
}
