//! Dead letters that were looked at.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{LaneId, MemberName, ProductId, RunId};
use crate::policy::Action;

/// What became of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DeadLetterOutcome {
    /// Its change is wanted and has been sent again, under the run's plan. Deleted.
    Reissued,
    /// Its change is wanted, and at work already. Deleted.
    Underway,
    /// Its change is not wanted any more, or is in place. Deleted.
    Dropped,
    /// Somebody had it deleted.
    Discarded,
    /// It stays: it is not understood, or its link could not be looked at.
    Kept,
}

/// The ledger's item of a dead letter that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeadLetterRecord {
    /// The schema of the release that wrote it.
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
    /// What was to be done to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// The run that had sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_by: Option<RunId>,
    /// Why it was dead-lettered.
    pub reason: String,
    /// Everything else that was said then.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// What became of it.
    pub outcome: DeadLetterOutcome,
    /// Why.
    pub why: String,
    /// When.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub at: Timestamp,
}
