//! The rest of a run that did not fit into one invocation.

use std::collections::BTreeSet;

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::error::RunError;
use pmp_sync_domain::ids::{ProductId, RunId};
use pmp_sync_domain::ports::Members;
use pmp_sync_domain::records::{Request, overridden};
use pmp_sync_domain::wire::Continuation;

use crate::context::{Context, Ledger, Marketplace, Outbox, System};
use crate::handlers::sync::SCHEDULE;
use crate::run::begin::begin_run;
use crate::run::finish::fail_run;
use crate::run::work::{hand_on, work_through};
use crate::setup::Setup;

/// The request of a run that serves what another one has left.
fn instead_of(run: RunId) -> Request {
    Request {
        kind: "continuation".to_owned(),
        id: Some(run.to_string()),
        ..Request::default()
    }
}

/// Continues the run, with the configuration with which it began. If a scheduled run is done by that, returns the
/// products that it found last.
pub(crate) async fn handle<L: Ledger, A: Marketplace, M: Members, O: Outbox, S: System>(
    context: &Context<L, A, M, O, S>,
    rest: Continuation,
    deadline: Timestamp,
) -> Result<Option<BTreeSet<ProductId>>, RunError> {
    let ledger = &context.ledger;
    let record = match ledger.run(rest.run).await {
        Ok(Some(record)) => record,
        Ok(None) => {
            tracing::warn!(run = %rest.run, "an expired run is not continued");
            return Ok(None);
        }
        // The links that are left do not wait for it.
        Err(error) if error.is_unreadable() => {
            tracing::error!(run = %rest.run, code = "PMS-4004", %error, "a run that cannot be read is not continued, and another one serves its scopes");
            let request = vec![instead_of(rest.run)];
            let run = begin_run(context, &[], rest.scopes, request, deadline);
            return run.await.map(|_| None);
        }
        Err(error) => return Err(error.into()),
    };
    if record.planned_at.is_some() {
        return Ok(None);
    }
    if rest.number < record.continued {
        // The run has been handed on since. The message of that is sent again, because it may not
        // have arrived; if it has, it is the same one to the queue, or does nothing.
        return hand_on(context, &record).await.map(|()| None);
    }
    let stored = match ledger.config_version(rest.config_version).await {
        Ok(Some(stored)) => stored,
        Ok(None) => {
            let failed = fail_run(context, record, &RunError::NoConfig);
            return failed.await.map(|()| None);
        }
        Err(error) if error.is_unreadable() => {
            let error = RunError::Ledger(error);
            return fail_run(context, record, &error).await.map(|()| None);
        }
        Err(error) => return Err(error.into()),
    };
    match Setup::of(ledger, &stored).await {
        Ok(setup) => {
            let setup = Setup {
                overridden: overridden(&record.requests),
                ..setup
            };
            let scheduled = record.requests.iter().any(|of| of.kind == SCHEDULE);
            let listed = work_through(context, record, &setup, rest.links, deadline).await?;
            Ok(listed.filter(|_| scheduled))
        }
        Err(error) if error.is_passing() => Err(error),
        Err(error) => fail_run(context, record, &error).await.map(|()| None),
    }
}
