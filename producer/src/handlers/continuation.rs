//! The rest of a run that did not fit into one invocation.

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::error::RunError;
use pmp_sync_domain::ports::Members;
use pmp_sync_domain::records::overridden;
use pmp_sync_domain::wire::Continuation;

use crate::context::{Context, Ledger, Marketplace, Outbox, System};
use crate::run::finish::fail_run;
use crate::run::work::{hand_on, work_through};
use crate::setup::Setup;

/// Continues the run, with the configuration with which it began.
pub(crate) async fn handle<L: Ledger, A: Marketplace, M: Members, O: Outbox, S: System>(
    context: &Context<L, A, M, O, S>,
    rest: Continuation,
    deadline: Timestamp,
) -> Result<(), RunError> {
    let ledger = &context.ledger;
    let Some(record) = ledger.run(rest.run).await? else {
        tracing::warn!(run = %rest.run, "an expired run is not continued");
        return Ok(());
    };
    if record.planned_at.is_some() {
        return Ok(());
    }
    if rest.number < record.continued {
        // The run has been handed on since. The message of that is sent again, because it may not
        // have arrived; if it has, it is the same one to the queue, or does nothing.
        return hand_on(context, &record).await;
    }
    let Some(stored) = ledger.config_version(rest.config_version).await? else {
        return fail_run(context, record, &RunError::NoConfig).await;
    };
    match Setup::of(ledger, &stored).await {
        Ok(setup) => {
            let setup = Setup {
                overridden: overridden(&record.requests),
                ..setup
            };
            work_through(context, record, &setup, rest.links, deadline).await
        }
        Err(RunError::Ledger(error)) => Err(RunError::Ledger(error)),
        Err(error) => fail_run(context, record, &error).await,
    }
}
