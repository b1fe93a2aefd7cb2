//! Announces the ends of runs: recorded first, then put on the bus. After an interruption the next
//! run repeats it.

use pmp_sync_domain::error::LinkError;
use pmp_sync_domain::ports::{Bus, WriteRuns};
use pmp_sync_domain::records::RunRecord;
use pmp_sync_domain::wire::events::SyncCompleted;

/// Announces the end of a run, if that is still to do.
pub(crate) async fn announce_end<L: WriteRuns, B: Bus>(ledger: &L, bus: &B, record: &RunRecord) {
    let Some(detail) = SyncCompleted::of(record).filter(|_| record.unannounced) else {
        return;
    };
    if let Err(error) = bus.put(detail.event()).await {
        let error = LinkError::Bus(error);
        tracing::error!(run = %record.run, code = error.code(), %error, "the end of the run is left for the next run to announce");
        return;
    }
    let announced = RunRecord {
        unannounced: false,
        ..record.clone()
    };
    if let Err(error) = ledger.put_run(&announced).await {
        tracing::warn!(run = %record.run, %error, "that the end of the run is announced could not be written down, and it is announced once more");
    }
}
