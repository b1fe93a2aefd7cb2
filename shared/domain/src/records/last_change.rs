//! The last change of a product on a lane.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::closed_list::closed_list;
use crate::ids::{ChangeSetId, ProductId, RunId};
use crate::policy::Action;

/// The state of a product's last change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeState {
    /// Claimed and not closed.
    Open,
    /// A change set applied it.
    Applied,
    /// The experience had it already.
    Holding,
    /// A newer plan replaced it.
    Superseded,
    /// It was rejected individually.
    Quarantined,
}

closed_list!(ChangeState, "state of a change", {
    Open => "open",
    Applied => "applied",
    Holding => "holding",
    Superseded => "superseded",
    Quarantined => "quarantined",
});

/// The last change of a product on a lane: the ledger's item of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastChange {
    /// Its id in AWS Marketplace.
    pub product: ProductId,
    /// Allow or deny.
    pub action: Action,
    /// The run that claimed it.
    pub run: RunId,
    /// Its state.
    pub state: ChangeState,
    /// The change set that applied it, or in which it failed alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_set: Option<ChangeSetId>,
    /// When it was claimed.
    pub claimed_at: Timestamp,
    /// When it was closed. None while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// When it was quarantined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantined_at: Option<Timestamp>,
    /// The service's error code, if it was rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// The service's error message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
}

impl LastChange {
    /// True if its product was once known to be in the state that the change wants.
    pub fn is_done(&self) -> bool {
        match self.state {
            ChangeState::Applied | ChangeState::Holding => true,
            ChangeState::Open | ChangeState::Superseded | ChangeState::Quarantined => false,
        }
    }

    /// When it ended, or when it was claimed if the end is not recorded.
    pub(crate) fn ended_at(&self) -> Timestamp {
        self.closed_at.unwrap_or(self.claimed_at)
    }
}
