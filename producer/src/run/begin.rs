//! Opens a run with its record and configuration, closes what earlier runs have left behind, and has
//! its links reconciled.

use std::collections::BTreeSet;
use std::str::FromStr as _;

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::error::RunError;
use pmp_sync_domain::ids::{LaneId, ProductId, RunId};
use pmp_sync_domain::ports::{Bus, Clock, Lanes, Members, Receipts, WriteRuns};
use pmp_sync_domain::reconcile::is_busy;
use pmp_sync_domain::records::{Found, Request, RunRecord, overridden};
use pmp_sync_domain::run::{LaneEnd, RunStatus};
use pmp_sync_domain::time::elapsed;
use pmp_sync_domain::wire::Scope;

use super::finish::{fail_run, put_run, warn_of_items};
use super::notify::announce_end;
use super::work::work_through;
use crate::context::{Context, Ledger, Marketplace, Outbox, System};
use crate::receipts::Asked;
use crate::setup::Setup;

/// The most unfinished runs that one run handles. The next run continues with the others.
const UNFINISHED: u16 = 200;
/// After this time the continuation of a run is no longer expected, in seconds.
const LOST: f64 = 3.0 * 3600.0;

/// Opens a run for these requests, with their receipts and its configuration. Returns none if there is no
/// configuration; the run is then recorded as failed.
pub(crate) async fn open_run<L: WriteRuns + Receipts, A, M, O, S: System>(
    context: &Context<L, A, M, O, S>,
    asked: &[Asked],
    scopes: Vec<Scope>,
    requests: Vec<Request>,
) -> Result<Option<(RunRecord, Setup)>, RunError> {
    let now = context.now();
    let run = context.ledger.next_run(now, context.system.bits()).await?;
    for asked in asked {
        asked.accept(&context.ledger, run, now).await?;
    }
    let mut record = RunRecord::new(run, 0, scopes, now);
    record.requests = requests;
    match Setup::read(&context.ledger).await {
        Ok(setup) => {
            record.config_version = setup.version;
            Ok(Some((record, setup)))
        }
        Err(error) if error.is_passing() => Err(error),
        Err(error) => fail_run(context, record, &error).await.map(|()| None),
    }
}

/// Begins a run for the requests, and reconciles the links that the scopes cover. If it is done with them, returns the
/// products that it found.
pub(crate) async fn begin_run<L: Ledger, A: Marketplace, M: Members, O: Outbox, S: System>(
    context: &Context<L, A, M, O, S>,
    asked: &[Asked],
    scopes: Vec<Scope>,
    requests: Vec<Request>,
    deadline: Timestamp,
) -> Result<Option<BTreeSet<ProductId>>, RunError> {
    let Some((mut record, mut setup)) = open_run(context, asked, scopes, requests).await? else {
        return Ok(None);
    };
    let run = record.run;
    setup.overridden = overridden(&record.requests);
    tracing::info!(%run, config_version = setup.version, requests = ?record.requests, "the run begins");
    context.ledger.put_run(&record).await?;
    let older = close_interrupted(context, run).await?;
    warn_of_items(&mut record, &older.unreadable);
    end_forgotten(context, run, &older.items, &setup).await?;
    let links = (0..setup.config.links.len()).collect();
    work_through(context, record, &setup, links, deadline).await
}

/// Announces the ends of runs that ended without an announcement, and closes interrupted runs. Runs
/// are serial, so an older run that is still planning and has no continuation in the inbox was
/// interrupted. This run serves its requests. Its committed plans stay those of the lanes. Returns
/// the runs that had not ended. A run that cannot be read stays as it is.
pub(crate) async fn close_interrupted<L: WriteRuns, A, M, O: Bus, S: Clock>(
    context: &Context<L, A, M, O, S>,
    run: RunId,
) -> Result<Found<RunRecord>, RunError> {
    let unfinished = context.ledger.unfinished_runs(UNFINISHED).await?;
    for record in &unfinished.items {
        announce_end(&context.ledger, &context.outbox, record).await;
    }
    for older in &unfinished.items {
        let lost = elapsed(older.started_at, context.now()) > LOST;
        if older.run >= run
            || older.status != RunStatus::Planning
            || !(older.cursor.is_empty() || lost)
        {
            continue;
        }
        tracing::warn!(%run, interrupted = %older.run, "an interrupted run is superseded");
        let mut older = older.clone();
        older.status = RunStatus::Superseded;
        older.completed_at = Some(context.now());
        put_run(context, &older).await?;
    }
    Ok(unfinished)
}

/// Ends runs that wait for a lane without reason: the invocation that took the lane over, or
/// stamped it, was interrupted before it recorded the end; or the lane rests and its link was
/// removed.
async fn end_forgotten<L: Lanes + WriteRuns, A, M, O: Bus, S: Clock>(
    context: &Context<L, A, M, O, S>,
    run: RunId,
    unfinished: &[RunRecord],
    setup: &Setup,
) -> Result<(), RunError> {
    let applying = unfinished
        .iter()
        .filter(|older| older.run < run && older.status == RunStatus::Applying);
    for older in applying {
        let mut after = older.clone();
        for lane in older
            .open
            .iter()
            .filter_map(|text| LaneId::from_str(text).ok())
        {
            let state = match context.ledger.state(&lane).await {
                Ok(state) => state,
                // Nobody knows how it goes on, and the run says so. This run reports the lane.
                Err(error) if error.is_unreadable() => {
                    after = after.without(&lane, LaneEnd::NotSeen, context.now());
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let waits = state.planned_run() == Some(older.run) || state.joined.contains(&older.run);
            let end = if state.planned_run() > Some(older.run) && !waits {
                LaneEnd::Superseded
            } else if !waits || (!setup.serves(&lane) && !is_busy(&state, &[])) {
                LaneEnd::Rests { quarantined: 0 }
            } else {
                continue;
            };
            tracing::warn!(run = %older.run, %lane, ?end, "the missed end of a lane's work for a run is recorded");
            after = after.without(&lane, end, context.now());
        }
        if after != *older {
            put_run(context, &after).await?;
        }
    }
    Ok(())
}
