//! Sends retries of the links that could not be served, and hands those that are due to the inbox. If
//! one cannot be sent, the next run tries the links again.

use std::collections::BTreeSet;

use pmp_sync_domain::delivery::{Disposition, Record};
use pmp_sync_domain::error::{MayPass, RunError, ServiceError};
use pmp_sync_domain::ids::MemberName;
use pmp_sync_domain::ports::{Clock, Inbox, ReadRuns};
use pmp_sync_domain::records::RunRecord;
use pmp_sync_domain::retry::{Attempt, Missed, long_denied, retries};
use pmp_sync_domain::time::later;
use pmp_sync_domain::wire::{LinkRetry, Trigger};

use crate::context::Context;
use crate::reconcile::outcome::LinkOutcome;

/// The runs that are compared: those of the last minutes, however many requests there are.
pub(crate) const COMPARED: u16 = 50;

/// Sends retries of the links that this invocation of a run could not serve.
pub(crate) async fn retry_failed<L: ReadRuns, A, M, O: Inbox, S: Clock>(
    context: &Context<L, A, M, O, S>,
    record: &mut RunRecord,
    outcomes: &[LinkOutcome],
) {
    let missed: Vec<_> = outcomes.iter().filter_map(|o| o.missed.clone()).collect();
    if missed.is_empty() {
        return;
    }
    record.deny_access(denied(&missed));
    let id = format!("{}-{}", record.run, record.continued);
    let attempt = Attempt {
        id: &id,
        run: Some(record.run),
        requests: &record.requests,
        at: record.started_at,
    };
    let sent = retry_missed(context, attempt, &missed).await;
    for (retry, delay) in sent {
        record.will_retry(&retry, later(context.now(), i64::from(delay)));
    }
}

/// Sends retries of what an attempt has missed. Returns those that were sent, each with its delay in seconds.
pub(crate) async fn retry_missed<L: ReadRuns, A, M, O: Inbox, S: Clock>(
    context: &Context<L, A, M, O, S>,
    attempt: Attempt<'_>,
    missed: &[Missed],
) -> Vec<(LinkRetry, u16)> {
    let mut sent = Vec::new();
    if missed.is_empty() {
        return sent;
    }
    let long = match denied_for_long(context, attempt, missed).await {
        Ok(long) => long,
        Err(error) => {
            tracing::warn!(%error, "whether access has been denied for long is not known");
            BTreeSet::new()
        }
    };
    for (retry, delay) in retries(attempt, missed, &long) {
        let LinkRetry { id, number, .. } = &retry;
        match context.outbox.retry_after(&retry, delay).await {
            Ok(()) => {
                tracing::info!(id, number, delay, scope = ?retry.scope, "links are tried again soon");
                sent.push((retry, delay));
            }
            Err(error) => {
                tracing::warn!(id, number, %error, "a retry could not be sent; the next run tries its links again");
            }
        }
    }
    sent
}

fn denied(missed: &[Missed]) -> impl Iterator<Item = &MemberName> {
    let denied = missed.iter().filter(|link| link.why == MayPass::Denied);
    denied.map(|link| &link.member)
}

async fn denied_for_long<L: ReadRuns, A, M, O, S: Clock>(
    context: &Context<L, A, M, O, S>,
    attempt: Attempt<'_>,
    missed: &[Missed],
) -> Result<BTreeSet<MemberName>, ServiceError> {
    let members: BTreeSet<_> = denied(missed).cloned().collect();
    if members.is_empty() {
        return Ok(members);
    }
    let mut runs = context.ledger.newest_runs(COMPARED).await?.items;
    runs.retain(|run| Some(run.run) != attempt.run);
    Ok(long_denied(&members, &runs, context.now()))
}

/// The retries of a batch, if it comes from the queue of retries.
pub(crate) fn scheduled(records: &[Record]) -> Option<Vec<LinkRetry>> {
    let retries = records
        .iter()
        .map(|record| match Trigger::parse(&record.body) {
            Ok(Trigger::RetryScheduled(retry)) => Some(retry),
            _ => None,
        });
    retries.collect()
}

/// Hands a batch of the queue of retries to the inbox. That queue has no order, so each message is
/// for itself.
pub(crate) async fn hand_over_all<L, A, M, O: Inbox, S>(
    context: &Context<L, A, M, O, S>,
    retries: &[LinkRetry],
) -> Vec<Disposition> {
    let mut handed = Vec::with_capacity(retries.len());
    for retry in retries {
        handed.push(match hand_over(context, retry).await {
            Ok(()) => Disposition::Acknowledge,
            Err(error) => {
                tracing::error!(id = retry.id, code = error.code(), %error, "a retry could not be handed to the inbox and will come again");
                Disposition::Retry
            }
        });
    }
    handed
}

/// Hands a retry that is due to the inbox.
pub(crate) async fn hand_over<L, A, M, O: Inbox, S>(
    context: &Context<L, A, M, O, S>,
    retry: &LinkRetry,
) -> Result<(), RunError> {
    Ok(context.outbox.retry(retry).await?)
}
