//! Receipts: each request of the inbox is served once, however often it is delivered.
//!
//! A receipt names the run that serves a request. It is written before that run begins. A request
//! that is delivered again is served if its run is past its links; otherwise it gets another run,
//! and the interrupted one is superseded.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use pmp_sync_domain::delivery::Record;
use pmp_sync_domain::error::{ServiceError, UNREADABLE_ITEM};
use pmp_sync_domain::ids::RunId;
use pmp_sync_domain::ports::{ReadRuns, Receipts};
use pmp_sync_domain::records::{Receipt, RunRecord};
use pmp_sync_domain::time::elapsed;
use pmp_sync_domain::{SCHEMA, Timestamp};

/// After this many runs that did not get to their end, a request is given up.
const MOST_ATTEMPTS: u32 = 5;
/// A request is given up only if it was delivered for the first time longer ago than this, in
/// seconds.
const PATIENCE: f64 = 1800.0;
/// The longest id of an event that is used. Those of EventBridge have 36 characters.
const MOST_ID: usize = 64;

/// A request of the inbox, before it is served.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// The key of its receipt.
    key: String,
    /// The receipt of an earlier delivery.
    before: Option<Receipt>,
    /// The run that tried to serve it then, if it was begun.
    pub(crate) interrupted: Option<RunRecord>,
    /// True if its receipt cannot be read.
    is_unreadable: bool,
}

impl Asked {
    /// A request with the id of its event. An event may arrive as two messages. A message that is
    /// no event counts by its own id.
    pub(crate) fn new(record: &Record, event: Option<&str>) -> Self {
        let key = match event.filter(|id| !id.is_empty() && id.len() <= MOST_ID) {
            Some(id) => format!("event:{id}"),
            None => format!("message:{}", record.id),
        };
        Self {
            key,
            before: None,
            interrupted: None,
            is_unreadable: false,
        }
    }

    /// True if both are the same request.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.key == other.key
    }

    /// Reads what is known of the requests.
    pub(crate) async fn look_up<'a, L: ReadRuns + Receipts>(
        ledger: &L,
        requests: impl IntoIterator<Item = &'a mut Self>,
    ) -> Result<(), ServiceError> {
        let mut requests: Vec<_> = requests.into_iter().collect();
        let keys: BTreeSet<_> = requests.iter().map(|asked| asked.key.clone()).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let mut runs = BTreeMap::new();
        let found = ledger.receipts(&keys).await?;
        for item in &found.unreadable {
            tracing::error!(code = UNREADABLE_ITEM, error = %item.error, "the receipt of a request cannot be read, and the request is served without one");
            let of_key = requests.iter_mut();
            for asked in of_key.filter(|asked| item.request() == Some(asked.key.as_str())) {
                asked.is_unreadable = true;
            }
        }
        for receipt in found.items {
            let run = match runs.entry(receipt.run) {
                Entry::Occupied(known) => known.into_mut(),
                // Without its run, which cannot be read, the request gets another one.
                Entry::Vacant(place) => place.insert(match ledger.run(receipt.run).await {
                    Err(error) if error.is_unreadable() => None,
                    run => run?,
                }),
            };
            let of_key = requests.iter_mut();
            for asked in of_key.filter(|asked| asked.key == receipt.request) {
                asked.interrupted.clone_from(run);
                asked.before = Some(receipt.clone());
            }
        }
        Ok(())
    }

    /// True if runs have tried to serve it so often, and for so long, that another one would be of
    /// no use.
    pub(crate) fn is_given_up(&self, record: &Record, now: Timestamp) -> bool {
        let attempts = self.before.as_ref().map_or(0, |before| before.attempts);
        let first = record.first_delivered.unwrap_or(now);
        attempts >= MOST_ATTEMPTS && elapsed(first, now) > PATIENCE
    }

    /// Writes its receipt for a run that is about to begin.
    pub(crate) async fn accept<L: Receipts>(
        &self,
        ledger: &L,
        run: RunId,
        at: Timestamp,
    ) -> Result<(), ServiceError> {
        if self.is_unreadable {
            return Ok(());
        }
        let before = self.before.as_ref();
        let receipt = Receipt {
            schema: SCHEMA,
            request: self.key.clone(),
            run,
            attempts: before.map_or(0, |before| before.attempts).saturating_add(1),
            at,
        };
        let before = before.map(|before| before.run);
        ledger.put_receipt(&receipt, before).await
    }
}
