//! What an operator has stopped.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{ExperienceId, LaneId, MemberName};
use crate::lane::Stop;

/// The ledger's item of what is stopped. Lanes carry a mark of their own, which the worker sees; a
/// run brings the marks in line with this.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Brake {
    /// The schema of the release that wrote it.
    pub schema: u32,
    /// Counts the writes.
    pub rev: u64,
    /// Everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all: Option<Stop>,
    /// Members.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub members: BTreeMap<MemberName, Stop>,
    /// Links, by their member experience.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub links: BTreeMap<ExperienceId, Stop>,
}

impl Brake {
    /// The stop that holds a lane, if one does.
    pub fn holds(&self, member: &MemberName, lane: &LaneId) -> Option<&Stop> {
        self.all
            .as_ref()
            .or_else(|| self.members.get(member))
            .or_else(|| self.links.get(&lane.experience))
    }
}
