//! The suspensions of operators.

use std::collections::BTreeMap;
use std::fmt;

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

/// What one suspension is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspended<'a> {
    /// Everything.
    Everything,
    /// A member, with all its experiences.
    Member(&'a MemberName),
    /// The links to a member experience.
    Link(&'a ExperienceId),
}

impl fmt::Display for Suspended<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("everything"),
            Self::Member(name) => write!(f, "member {name}"),
            Self::Link(experience) => write!(f, "link {experience}"),
        }
    }
}

impl Suspensions {
    /// Each suspension, with what it is of.
    pub fn each(&self) -> impl Iterator<Item = (Suspended<'_>, &Suspension)> {
        let all = self.all.iter().map(|one| (Suspended::Everything, one));
        let members = self.members.iter();
        let members = members.map(|(name, one)| (Suspended::Member(name), one));
        let links = self.links.iter();
        all.chain(members)
            .chain(links.map(|(id, one)| (Suspended::Link(id), one)))
    }

    /// The suspension that applies to a lane.
    pub fn holds(&self, member: &MemberName, lane: &LaneId) -> Option<&Suspension> {
        self.all
            .as_ref()
            .or_else(|| self.members.get(member))
            .or_else(|| self.links.get(&lane.experience))
    }
}
