//! The operator's suspensions: while it is on, no change set is started; those in flight are left to end.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{ExperienceId, LaneId, MemberName};

/// Who suspended something, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Suspension {
    /// Who, as far as the command knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Since when.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub since: Timestamp,
}

/// The ledger's item of what is suspended. Lanes carry a mark of their own, which the worker sees; a
/// run brings the marks in line with this.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Suspensions {
    /// The schema of the release that wrote it.
    pub schema: u32,
    /// Counts the writes.
    pub rev: u64,
    /// Everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all: Option<Suspension>,
    /// Members.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub members: BTreeMap<MemberName, Suspension>,
    /// Links, by their member experience.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub links: BTreeMap<ExperienceId, Suspension>,
}

impl Suspensions {
    /// The suspension that holds a lane, if one does.
    pub fn holds(&self, member: &MemberName, lane: &LaneId) -> Option<&Suspension> {
        self.all
            .as_ref()
            .or_else(|| self.members.get(member))
            .or_else(|| self.links.get(&lane.experience))
    }
}
