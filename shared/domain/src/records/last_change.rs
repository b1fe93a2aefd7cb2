//! The last change of a product on a lane.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{ChangeSetId, ProductId, RunId};
use crate::policy::Action;

/// How the last change of a product stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeState {
    /// It is claimed.
    Open,
    /// A change set applied it.
    Applied,
    /// The experience had it already.
    Holding,
    /// A newer plan took its place.
    Superseded,
    /// It failed by itself and is quarantined.
    Quarantined,
}

/// The last change of a product on a lane: the ledger's item of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastChange {
    /// The product.
    pub product: ProductId,
    /// What was to be done to it.
    pub action: Action,
    /// The run that it was claimed under.
    pub run: RunId,
    /// How it stands.
    pub state: ChangeState,
    /// The change set that applied it, or in which it failed alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_set: Option<ChangeSetId>,
    /// When it was claimed.
    pub claimed_at: Timestamp,
    /// When it was closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// When it was quarantined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantined_at: Option<Timestamp>,
    /// The service's error code, if it failed by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// The service's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
}

impl LastChange {
    /// True once its product is known to have stood as it wants.
    pub fn is_done(&self) -> bool {
        match self.state {
            ChangeState::Applied | ChangeState::Holding => true,
            ChangeState::Open | ChangeState::Superseded | ChangeState::Quarantined => false,
        }
    }

    /// When it ended, if it has; that it was claimed, if nobody wrote down when it ended.
    pub(crate) fn ended_at(&self) -> Timestamp {
        self.closed_at.unwrap_or(self.claimed_at)
    }
}
