//! The changes of a lane: claimed, in an intent, or quarantined.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::batch::Counts;
use crate::ids::{ChangeSetId, ChangeSetName, ProductId, RunId};
use crate::policy::{Action, ProductChange};
use crate::time::later;

/// How far the service's clock may be behind the worker's, in seconds.
const MOST_SKEW: i64 = 300;

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

/// A change set that will be started, or was. Token, name and changes, in their order, determine the
/// whole request, so that it can be repeated byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// `ClientRequestToken`.
    pub token: String,
    /// The name of the change set. None in an intent of an earlier release: its name follows from
    /// the lane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<ChangeSetName>,
    /// When it was written, or last tried again.
    pub at: Timestamp,
    /// When it was written, if it was tried again since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_at: Option<Timestamp>,
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

    /// True if this intent may have started the change set: it was not started before the intent
    /// was written, and has exactly its content. The name is not enough, because an earlier
    /// installation may have given it, or somebody by hand.
    pub fn is_started_by(&self, set: &NamedSet) -> bool {
        let earliest = later(self.written_at.unwrap_or(self.at), -MOST_SKEW);
        let mine = SetContent {
            allow: self.products(Action::Allow).cloned().collect(),
            deny: self.products(Action::Deny).cloned().collect(),
            creates_policy: self.creates_policy,
            is_more: false,
        };
        set.started.is_none_or(|started| started >= earliest)
            && set.content.as_ref().is_none_or(|content| *content == mine)
    }
}

/// A change set of the service that was found by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedSet {
    /// Its id.
    pub id: ChangeSetId,
    /// When it was started by the service's clock, if the service reports it.
    pub started: Option<Timestamp>,
    /// What it changes, if the service reports it.
    pub content: Option<SetContent>,
}

/// A change set of the service in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartedSet {
    /// Its id.
    pub id: ChangeSetId,
    /// Its name.
    pub name: String,
    /// When it was started by the service's clock, if the service reports it.
    pub started: Option<Timestamp>,
}

/// What a change set changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SetContent {
    /// The products that it allows.
    pub allow: BTreeSet<ProductId>,
    /// The products that it denies.
    pub deny: BTreeSet<ProductId>,
    /// True if it creates a procurement policy.
    pub creates_policy: bool,
    /// True if it contains anything else.
    pub is_more: bool,
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
