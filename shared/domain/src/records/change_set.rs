//! What was done with which change set: written down when it has ended, before its lane is freed.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{ChangeSetId, ProductId, RunId};
use crate::lane::LaneState;
use crate::policy::Action;

/// What is kept of the service's words, in characters.
const MOST_WORDS: usize = 500;

/// How a change set ended, by what the service says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SetOutcome {
    /// Every change of it is applied.
    Succeeded,
    /// Nothing is applied, because of what it contained or where.
    Failed,
    /// Nothing is applied, because of the service.
    ServerFault,
    /// An administrator cancelled it; nothing is applied.
    Cancelled,
    /// The service does not know it any more: it may have been applied.
    Vanished,
}

impl SetOutcome {
    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::ServerFault => "server-fault",
            Self::Cancelled => "cancelled",
            Self::Vanished => "vanished",
        }
    }
}

impl fmt::Display for SetOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The record of a change set that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SetRecord {
    /// The schema of the release that wrote it.
    pub schema: u32,
    /// The intent's number on its lane.
    pub seq: u64,
    /// The change set.
    pub change_set: ChangeSetId,
    /// The run whose plan it was of. A newer plan may have been committed before it ended.
    pub run: RunId,
    /// How it ended.
    pub outcome: SetOutcome,
    /// What the service said of it, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The products that it was to allow, in the order of the request.
    #[serde(default)]
    pub allow: Vec<ProductId>,
    /// The products that it was to deny, in the order of the request.
    #[serde(default)]
    pub deny: Vec<ProductId>,
    /// When it was started, or last tried to be.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub started_at: Timestamp,
    /// When the worker found that it had ended.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub ended_at: Timestamp,
}

impl SetRecord {
    /// Of the change set that a lane has in flight; nothing if it has none.
    pub fn of(
        state: &LaneState,
        outcome: SetOutcome,
        detail: Option<&str>,
        now: Timestamp,
    ) -> Option<Self> {
        let intent = state.intent.as_ref()?;
        let products = |action| intent.products(action).cloned().collect();
        let detail = detail.map(|words| words.chars().take(MOST_WORDS).collect());
        Some(Self {
            schema: crate::SCHEMA,
            seq: state.seq,
            change_set: state.change_set.clone()?,
            // An intent holds changes of one plan.
            run: intent.changes.first()?.run,
            outcome,
            detail,
            allow: products(Action::Allow),
            deny: products(Action::Deny),
            started_at: intent.at,
            ended_at: now,
        })
    }
}
