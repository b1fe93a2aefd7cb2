//! Outside edits: products that stand otherwise than pmp-sync left them. Pure.
//!
//! The lane keeps the last change of each product that it ever changed, and how it ended. A product on
//! which a change was applied (or was found to hold already) and which stands otherwise now was changed
//! by somebody else. Who has edited what is not known to the service; since when is the first run that
//! saw it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{ChangeSetId, ProductId, RunId};
use crate::lane::{LaneState, elapsed};
use crate::plan::{Plan, Report};
use crate::policy::{Action, PolicySnapshot};

/// How long after a change has ended a difference is not told as an outside edit, in seconds: the lists
/// may have been read before the change set took effect, or the catalog may still show them as they
/// were, and the clocks of two accounts are not quite the same.
pub const SETTLING: f64 = 60.0;

/// Outside edits of one link whose beginning is remembered; of more of them only how many.
pub const MOST_EDITED: usize = 1_000;

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
    fn ended_at(&self) -> Timestamp {
        self.closed_at.unwrap_or(self.claimed_at)
    }
}

/// What is compared.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// The last changes of the lane's products.
    pub changes: &'a [LastChange],
    /// The member's lists.
    pub actual: &'a PolicySnapshot,
    /// The lane, as it was read before the lists.
    pub state: &'a LaneState,
    /// The plan that follows from the lists.
    pub plan: &'a Plan,
    /// What the plan leaves alone.
    pub report: &'a Report,
    /// When the look began.
    pub at: Timestamp,
}

impl Look<'_> {
    /// The products that somebody else has changed: the last change of each was done, and it stands
    /// otherwise now. One that is in sync all the same concerns nobody, and one that a change set of
    /// ours may just be changing is not told.
    pub fn edits(&self) -> BTreeSet<ProductId> {
        let left_alone = self.report.left_alone.iter();
        let left_alone: BTreeSet<_> = left_alone.map(|left| &left.product).collect();
        let differs = |product: &ProductId| {
            self.plan.allow().contains(product)
                || self.plan.deny().contains(product)
                || left_alone.contains(product)
        };
        let in_flight = self.state.intent.iter().flat_map(|intent| &intent.changes);
        let in_flight: BTreeSet<_> = in_flight.map(|change| &change.product).collect();
        let is_edited = |change: &&LastChange| {
            change.is_done()
                && self.actual.standing(&change.product) != change.action.outcome()
                && differs(&change.product)
                && !in_flight.contains(&change.product)
                && elapsed(change.ended_at(), self.at) >= SETTLING
        };
        let edited = self.changes.iter().filter(is_edited);
        edited.map(|change| change.product.clone()).collect()
    }
}

/// Outside edits, and since when each has been seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edited {
    /// The products, each with the first run that saw it as it is.
    pub since: BTreeMap<ProductId, Timestamp>,
}

impl Edited {
    /// These edits, seen at `now`; `before` tells which were seen earlier. What is not an edit any more
    /// is forgotten, so that it begins anew should it become one again.
    pub fn new(
        edits: BTreeSet<ProductId>,
        before: &BTreeMap<ProductId, Timestamp>,
        now: Timestamp,
    ) -> Self {
        let since = edits.into_iter().map(|product| {
            let since = before.get(&product).copied().unwrap_or(now);
            (product, since)
        });
        Self {
            since: since.collect(),
        }
    }

    /// What is remembered of them, the oldest first, and how many there are beyond.
    pub fn kept(&self) -> (BTreeMap<ProductId, Timestamp>, usize) {
        let beyond = self.since.len().saturating_sub(MOST_EDITED);
        let mut oldest: Vec<_> = self.since.iter().collect();
        oldest.sort_by_key(|(_, since)| **since);
        let kept = oldest.into_iter().take(MOST_EDITED);
        let kept = kept.map(|(product, since)| (product.clone(), *since));
        (kept.collect(), beyond)
    }

    /// Since when the first of them has been seen.
    pub fn first(&self) -> Option<Timestamp> {
        self.since.values().min().copied()
    }

    /// The products.
    pub fn products(&self) -> Vec<ProductId> {
        self.since.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests;
