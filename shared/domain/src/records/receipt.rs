//! Receipts: which run serves a request of the inbox.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::RunId;

/// How long a receipt is kept, in seconds: longer than any queue or bus delivers a message again.
const KEPT: i64 = 15 * 24 * 3600;

/// The ledger's item of a request. It is written before the run of the request begins, so a request
/// that is delivered again is recognized.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Schema number of the release that wrote it.
    pub schema: u32,
    /// The key of the request.
    pub request: String,
    /// The run that serves it, or tried to.
    pub run: RunId,
    /// How many runs have tried to serve it.
    pub attempts: u32,
    /// When the run was assigned.
    pub at: Timestamp,
}

impl Receipt {
    /// When the ledger may forget it.
    pub fn forgotten_at(&self) -> Timestamp {
        crate::time::later(self.at, KEPT)
    }
}
