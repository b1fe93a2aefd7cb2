//! The states of a procurement request: of its events, and of its item in the ledger.

use serde::{Deserialize, Serialize};

use crate::closed_list::closed_list;

/// The state of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RequestState {
    /// It waits for an answer in the member's console.
    Open,
    /// It expired without an answer.
    Expired,
    /// The user withdrew it.
    Cancelled,
    /// An administrator of the member declined it.
    Declined,
    /// An administrator of the member approved it.
    Approved,
}

closed_list!(RequestState, "state of a request", {
    Open => "open",
    Expired => "expired",
    Cancelled => "cancelled",
    Declined => "declined",
    Approved => "approved",
});
