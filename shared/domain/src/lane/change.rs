//! The changes of a lane: claimed, in an intent, or quarantined.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::batch::Counts;
use crate::ids::{ChangeSetId, ProductId, RunId};
use crate::policy::{Action, ProductChange};

/// One change of an intent, with the run that it was claimed under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntentChange {
    /// Its id in AWS Marketplace.
    pub product: ProductId,
    /// Allow or deny.
    pub action: Action,
    /// The run that claimed it. The change is closed only while its item still has this run.
    pub run: RunId,
    /// Position in the run's sending order.
    #[serde(default)]
    pub ordinal: u32,
}

/// A change set that will be started, or was. Token and changes, in their order, determine the
/// whole request, so that it can be repeated byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// `ClientRequestToken`.
    pub token: String,
    /// When it was written, or last tried again.
    pub at: Timestamp,
    /// True if the change set also creates the procurement policy.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub creates_policy: bool,
    /// The changes, in the order of the request.
    pub changes: Vec<IntentChange>,
}

impl Intent {
    /// Counts the changes of each kind.
    pub fn counts(&self) -> Counts {
        counts(self.changes.iter().map(|change| change.action))
    }

    /// The products of one kind, in the order of the request.
    pub fn products(&self, action: Action) -> impl Iterator<Item = &ProductId> {
        self.changes
            .iter()
            .filter(move |change| change.action == action)
            .map(|change| &change.product)
    }
}

/// Counts the changes of each kind.
pub fn counts(actions: impl IntoIterator<Item = Action>) -> Counts {
    actions
        .into_iter()
        .fold(Counts::default(), |counts, action| match action {
            Action::Allow => Counts {
                allow: counts.allow + 1,
                ..counts
            },
            Action::Deny => Counts {
                deny: counts.deny + 1,
                ..counts
            },
        })
}

/// A claimed change: the ledger's item of one product on one lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenChange {
    /// Its id in AWS Marketplace.
    pub product: ProductId,
    /// Allow or deny.
    pub action: Action,
    /// The run that claimed it.
    pub run: RunId,
    /// Position in the run's sending order. Lower ones go first.
    pub ordinal: u32,
    /// When it was claimed.
    pub claimed_at: Timestamp,
}

/// A change that was rejected individually. It is not tried again until it is replayed, or until
/// the plan wants something else of its product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// Its id in AWS Marketplace.
    pub product: ProductId,
    /// Allow or deny.
    pub action: Action,
    /// The run that claimed it.
    pub run: RunId,
    /// The service's error code.
    pub error_code: String,
    /// The service's error message.
    pub error_message: String,
    /// The change set in which it failed alone.
    pub change_set: ChangeSetId,
    /// When it was quarantined.
    pub quarantined_at: Timestamp,
}

impl Quarantined {
    /// Product and action of the change.
    pub fn change(&self) -> ProductChange {
        ProductChange {
            product: self.product.clone(),
            action: self.action,
        }
    }
}
