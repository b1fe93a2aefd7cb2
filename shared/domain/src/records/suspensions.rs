//! The suspensions of operators.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{ExperienceId, LaneId, MemberName};
use crate::lane::Suspension;

/// The ledger's item of suspensions. Lanes carry marks of their own, which the worker sees. A run
/// brings the marks in line with this item.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Suspensions {
    /// Schema number of the release that wrote it.
    pub schema: u32,
    /// Number of writes. Each write is conditioned on the number that was read.
    pub rev: u64,
    /// The suspension of everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all: Option<Suspension>,
    /// Suspended members.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub members: BTreeMap<MemberName, Suspension>,
    /// Suspended links, by member experience.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub links: BTreeMap<ExperienceId, Suspension>,
}

impl Suspensions {
    /// The suspension that applies to a lane.
    pub fn holds(&self, member: &MemberName, lane: &LaneId) -> Option<&Suspension> {
        self.all
            .as_ref()
            .or_else(|| self.members.get(member))
            .or_else(|| self.links.get(&lane.experience))
    }
}
