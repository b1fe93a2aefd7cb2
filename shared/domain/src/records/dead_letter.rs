//! Records of dead letters that a run looked at.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::closed_list::closed_list;
use crate::ids::{LaneId, MemberName, ProductId, RunId};
use crate::policy::Action;

/// What a run did with a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DeadLetterOutcome {
    /// Its change is wanted and was sent again under the run's plan. Deleted.
    Reissued,
    /// Its change is wanted and already under way. Deleted.
    Underway,
    /// Its change is no longer wanted, or already in place. Deleted.
    Dropped,
    /// An operator discarded it.
    Discarded,
    /// It stays: it is not understood, or its link could not be observed.
    Kept,
}

closed_list!(DeadLetterOutcome, "outcome of a dead letter", {
    Reissued => "reissued",
    Underway => "underway",
    Dropped => "dropped",
    Discarded => "discarded",
    Kept => "kept",
});

/// The ledger's item of a dead letter that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeadLetterRecord {
    /// Schema number of the release that wrote it.
    pub schema: u32,
    /// The queue's id of it.
    pub id: String,
    /// The member in whose queue it was.
    pub member: MemberName,
    /// Its lane, if it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<LaneId>,
    /// Its product, if it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<ProductId>,
    /// Allow or deny, if it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// The run that sent it, if it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_by: Option<RunId>,
    /// Why it is in the dead-letter queue.
    pub reason: String,
    /// All other attributes of the message.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// How many letters of it were in the queue. None are if only the ledger says that its change is
    /// quarantined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub letters: Option<usize>,
    /// What was done with it.
    pub outcome: DeadLetterOutcome,
    /// The reason for the outcome, as a sentence.
    pub why: String,
    /// When the run looked at it.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub at: Timestamp,
}

/// Dead letters that a request left, because it reached a bound of time or number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LettersLeft {
    /// Number of letters that it looked at.
    pub looked_at: usize,
    /// Number of letters that the filter selects, and that it neither listed nor handled.
    pub selected: usize,
    /// True if there may be letters that it did not look at.
    pub unseen: bool,
    /// About how many those are, as the queue counts. None if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<u64>,
}

impl LettersLeft {
    /// What is left of a queue for which there was no time.
    pub fn untouched() -> Self {
        Self {
            unseen: true,
            ..Self::default()
        }
    }

    /// True if nothing is left.
    pub fn is_nothing(&self) -> bool {
        self.selected == 0 && !self.unseen
    }

    /// Adds what is left of another queue.
    pub fn add(&mut self, other: Self) {
        self.looked_at += other.looked_at;
        self.selected += other.selected;
        self.unseen |= other.unseen;
        self.about = match (self.about, other.about) {
            (Some(one), Some(other)) => Some(one.saturating_add(other)),
            (one, other) => one.or(other),
        };
    }
}
