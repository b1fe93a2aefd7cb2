//! Procurement requests that a worker has recorded: they are announced at once. If that fails, the
//! next run announces them.

use pmp_sync_domain::error::RunError;
use pmp_sync_domain::ports::{AnnounceRequests, Bus, Clock, ReadRuns};

use crate::context::Context;
use crate::requests::{announce_open, read_open};
use crate::setup::Setup;

/// Announces what waits for an answer and was never announced.
pub(crate) async fn handle<L: ReadRuns + AnnounceRequests, A, M, O: Bus, S: Clock>(
    context: &Context<L, A, M, O, S>,
) -> Result<(), RunError> {
    let setup = match Setup::read(&context.ledger).await {
        Ok(setup) => setup,
        Err(error) if error.is_passing() => return Err(error),
        Err(error) => {
            tracing::error!(code = error.code(), %error, "procurement requests cannot be announced");
            return Ok(());
        }
    };
    let open = read_open(context, &setup.config).await;
    for item in &open.unreadable {
        tracing::error!(code = item.error.item_fault().code, error = %item.error, "a procurement request cannot be read");
    }
    announce_open(context, &setup, &open).await;
    Ok(())
}
