//! The suspensions of operators.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{ExperienceId, LaneId, MemberName};
use crate::lane::Suspension;
use crate::text::beginning;

/// The most suspensions at a time: they are one item of the ledger.
pub const MOST_SUSPENSIONS: usize = 300;
/// The most bytes of the operator's name in a suspension.
const MOST_BY: usize = 1_000;

/// Suspending what was asked for would make more suspensions than one item has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there would be {0} suspensions, and at most {MOST_SUSPENSIONS} are kept")]
pub struct TooManySuspensions(pub usize);

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
    /// Suspends members and links, or everything if there are none. What is suspended already keeps
    /// its operator and time.
    pub fn suspend(
        &mut self,
        members: &[MemberName],
        links: &[ExperienceId],
        suspension: &Suspension,
    ) -> Result<(), TooManySuspensions> {
        let by = suspension.by.as_deref();
        let suspension = Suspension {
            by: by.map(|by| beginning(by, MOST_BY).to_owned()),
            since: suspension.since,
        };
        let mut next = self.clone();
        if members.is_empty() && links.is_empty() {
            next.all.get_or_insert_with(|| suspension.clone());
        }
        for member in members {
            let entry = next.members.entry(member.clone());
            entry.or_insert_with(|| suspension.clone());
        }
        for link in links {
            let entry = next.links.entry(link.clone());
            entry.or_insert_with(|| suspension.clone());
        }
        // Everything can always be suspended.
        let count = |of: &Self| of.members.len() + of.links.len();
        if count(&next) > MOST_SUSPENSIONS.max(count(self)) {
            return Err(TooManySuspensions(count(&next)));
        }
        *self = next;
        Ok(())
    }

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
