//! Ends runs: adds the outcomes of links, and ends older runs.

use std::collections::BTreeMap;

use pmp_sync_domain::error::{FaultRecord, RunError, ServiceError};
use pmp_sync_domain::ids::{LaneId, RunId};
use pmp_sync_domain::ports::{Bus, Clock, Inbox, WriteRuns};
use pmp_sync_domain::records::{LinkRecord, RunRecord, UnreadableItem, Warning};
use pmp_sync_domain::run::{LaneEnd, LinkStatus, RunStatus, Totals};
use pmp_sync_domain::sync_state::SyncState;

use super::notify::announce_end;
use super::retry::retry_failed;
use crate::context::Context;
use crate::reconcile::outcome::LinkOutcome;

/// Lanes that are done, with how they ended, by run.
pub(crate) type Ends = BTreeMap<RunId, Vec<(LaneId, LaneEnd)>>;

/// Adds the outcomes to the run, sends retries of those that failed, and ends the older runs for which
/// that was the last lane.
pub(crate) async fn add_outcomes<L: WriteRuns, A, M, O: Bus + Inbox, S: Clock>(
    context: &Context<L, A, M, O, S>,
    record: &mut RunRecord,
    outcomes: Vec<LinkOutcome>,
) -> Result<(), RunError> {
    retry_failed(context, record, &outcomes).await;
    let mut done = Ends::new();
    for outcome in outcomes {
        count(&mut record.totals, &outcome);
        let unchecked = outcome.record.unchecked;
        if unchecked > 0 {
            tracing::warn!(run = %record.run, lane = outcome.lane.as_ref().map(tracing::field::display), unchecked, "products are allowed although AWS Marketplace does not list them, or could not be asked");
        }
        warn_of(record, &outcome);
        let end = outcome.end();
        let Some(lane) = outcome.lane else { continue };
        if outcome.quarantined > 0 {
            record.keeps_quarantined(&lane, outcome.quarantined);
        }
        if matches!(
            outcome.record.status,
            LinkStatus::Committed | LinkStatus::Underway
        ) {
            record.opened(&lane);
        }
        for run in outcome.done.into_iter().filter(|run| *run != record.run) {
            done.entry(run).or_default().push((lane.clone(), end));
        }
    }
    Ok(end_lanes(context, done).await?)
}

/// Adds what the run has to tell besides the record of the link. An item that cannot be read may be
/// the very record of the link.
fn warn_of(record: &mut RunRecord, outcome: &LinkOutcome) {
    let LinkRecord {
        member,
        status,
        fault,
        ..
    } = &outcome.record;
    let is_told =
        |fault: &&FaultRecord| *status == LinkStatus::NoTargets || fault.is_unreadable_item();
    let of_items = outcome
        .unreadable
        .iter()
        .map(|item| item.error.item_fault());
    for fault in fault.iter().filter(is_told).cloned().chain(of_items) {
        record.warn(Warning::new(Some(member), fault));
    }
}

/// Adds items that could not be read, and that belong to no member alone.
pub(crate) fn warn_of_items<'a>(
    record: &mut RunRecord,
    items: impl IntoIterator<Item = &'a UnreadableItem>,
) {
    for item in items {
        tracing::error!(run = %record.run, code = item.error.item_fault().code, error = %item.error, "an item of the ledger cannot be read");
        record.warn(Warning::new(None, item.error.item_fault()));
    }
}

fn count(totals: &mut Totals, outcome: &LinkOutcome) {
    let status = outcome.record.status;
    let is_served = !matches!(
        status,
        LinkStatus::Removed | LinkStatus::LeftOut | LinkStatus::NoTargets
    );
    totals.links += usize::from(is_served);
    totals.messages += outcome.messages;
    // What is held contributes no changes.
    let plan = outcome.record.plan();
    totals.allow += plan.allow().len();
    totals.deny += plan.deny().len();
    // What waits for approval is counted besides what became of the rest.
    let is_answer = matches!(status, LinkStatus::Rejected | LinkStatus::Refused);
    let is_held = outcome.record.is_held() || is_answer;
    totals.held += usize::from(is_held);
    match status {
        LinkStatus::InSync => {
            totals.in_sync += 1;
            let differs = outcome.record.left_state() == SyncState::Differs;
            totals.differing += usize::from(differs);
        }
        LinkStatus::Committed => totals.committed += 1,
        LinkStatus::Underway => totals.underway += 1,
        LinkStatus::Failed => totals.failed += 1,
        LinkStatus::Suspended => totals.suspended += 1,
        LinkStatus::Removed => totals.removed += 1,
        LinkStatus::NoTargets => totals.no_targets += 1,
        LinkStatus::LeftOut | LinkStatus::Held | LinkStatus::Rejected | LinkStatus::Refused => {}
    }
}

/// Ends the work of lanes for the runs that waited for them.
pub(crate) async fn end_lanes<L: WriteRuns, A, M, O: Bus, S: Clock>(
    context: &Context<L, A, M, O, S>,
    done: Ends,
) -> Result<(), ServiceError> {
    for (run, lanes) in done {
        let before = match context.ledger.run(run).await {
            Ok(Some(before)) => before,
            Ok(None) => continue,
            // The next run reports it.
            Err(error) if error.is_unreadable() => {
                tracing::error!(%run, code = "PMS-4004", %error, "the end of a lane's work for a run cannot be recorded");
                continue;
            }
            Err(error) => return Err(error),
        };
        let after = lanes.iter().fold(before.clone(), |record, (lane, end)| {
            record.without(lane, *end, context.now())
        });
        if after != before {
            put_run(context, &after).await?;
        }
    }
    Ok(())
}

/// Ends a run whose links were all observed, as far as possible.
pub(crate) async fn finish_run<L: WriteRuns, A, M, O: Bus, S: Clock>(
    context: &Context<L, A, M, O, S>,
    mut record: RunRecord,
) -> Result<(), RunError> {
    record.cursor = Vec::new();
    record.planned_at = Some(context.now());
    let record = record.concluded(context.now());
    Ok(put_run(context, &record).await?)
}

/// Ends a run that failed as a whole.
pub(crate) async fn fail_run<L: WriteRuns, A, M, O, S: Clock>(
    context: &Context<L, A, M, O, S>,
    mut record: RunRecord,
    error: &RunError,
) -> Result<(), RunError> {
    tracing::error!(run = %record.run, code = error.code(), %error, "the run has failed");
    record.fault = Some(error.record());
    record.status = RunStatus::Failed;
    record.planned_at = Some(context.now());
    record.completed_at = Some(context.now());
    Ok(context.ledger.put_run(&record).await?)
}

/// Writes a run, and announces its end if it has ended.
pub(crate) async fn put_run<L: WriteRuns, A, M, O: Bus, S>(
    context: &Context<L, A, M, O, S>,
    record: &RunRecord,
) -> Result<(), ServiceError> {
    let record = RunRecord {
        unannounced: record.has_news(),
        ..record.clone()
    };
    context.ledger.put_run(&record).await?;
    if record.status.is_final() {
        tracing::info!(run = %record.run, status = record.status.as_str(), totals = ?record.totals, "the run has ended");
        announce_end(&context.ledger, &context.outbox, &record).await;
    }
    Ok(())
}
