//! Records of change sets. Each is written when its change set has ended, before the lane is freed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::closed_list::closed_list;
use crate::ids::{ChangeSetId, ProductId, RunId};
use crate::lane::LaneState;
use crate::policy::Action;

/// Limit for the service's message, in characters.
const MOST_WORDS: usize = 500;

/// How a change set ended, as the service reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SetOutcome {
    /// Every change was applied.
    Succeeded,
    /// Nothing was applied, because of its content or its target.
    Failed,
    /// Nothing was applied, because of a fault of the service.
    ServerFault,
    /// An administrator cancelled it; nothing was applied.
    Cancelled,
    /// The service no longer knows it. It may have been applied.
    Vanished,
}

closed_list!(SetOutcome, "outcome of a change set", {
    Succeeded => "succeeded",
    Failed => "failed",
    ServerFault => "server-fault",
    Cancelled => "cancelled",
    Vanished => "vanished",
});

/// The record of a change set that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SetRecord {
    /// Schema number of the release that wrote it.
    pub schema: u32,
    /// Number of its intent on the lane.
    pub seq: u64,
    /// Id of the change set.
    pub change_set: ChangeSetId,
    /// The run whose plan it belonged to. A newer plan may have been committed before it ended.
    pub run: RunId,
    /// The result.
    pub outcome: SetOutcome,
    /// The service's message, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Products to allow, in the order of the request.
    #[serde(default)]
    pub allow: Vec<ProductId>,
    /// Products to deny, in the order of the request.
    #[serde(default)]
    pub deny: Vec<ProductId>,
    /// When it was started, or last tried.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub started_at: Timestamp,
    /// When the worker found that it had ended.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub ended_at: Timestamp,
}

impl SetRecord {
    /// The record of the change set that a lane has in flight. None if it has none.
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
            // All changes of an intent belong to one plan.
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
