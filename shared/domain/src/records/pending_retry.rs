//! Retries that a run has sent for links that it could not serve.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::wire::Scope;

/// The most retries that a run keeps. It sends two at once, rarely more. Those beyond come all the same.
pub const MOST_PENDING: usize = 4;

/// A retry that waits until it is due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PendingRetry {
    /// Its number, from 1.
    pub number: u8,
    /// When it is due.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub due: Timestamp,
    /// The links that are tried again.
    pub scope: Scope,
}
