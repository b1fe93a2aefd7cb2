//! A link: one management experience kept on one member experience, and how.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::guard::Guard;
use crate::ids::{AccountId, ExperienceId, ExternalId, LaneId, MemberName, ProductId};
use crate::live::LiveCheck;

/// How far a link may go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The member's lists follow the management experience: products are allowed and denied.
    #[default]
    Mirror,
    /// Products are only ever allowed.
    Additive,
    /// Nothing is changed; differences are reported.
    Observe,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Mirror => "mirror",
            Self::Additive => "additive",
            Self::Observe => "observe",
        })
    }
}

/// What a link may do to which products: the part of a link that a plan needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkPolicy {
    /// How far the link may go.
    pub mode: Mode,
    /// Products that are never denied.
    pub protect: BTreeSet<ProductId>,
    /// Products that are never touched.
    pub exclude: BTreeSet<ProductId>,
    /// True while nothing may change, whatever differs.
    pub frozen: bool,
}

/// Which member experiences a link is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// One, named.
    One(ExperienceId),
    /// Every live one of the member that no other link names: `*`.
    EveryLive,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(experience) => experience.fmt(f),
            Self::EveryLive => f.pad("*"),
        }
    }
}

/// A member organization, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name in commands and reports.
    pub name: MemberName,
    /// The member account, where its worker runs.
    pub account: AccountId,
    /// What its roles ask for.
    pub external_id: ExternalId,
    /// ARN of the role that the producer assumes, when it does not follow from account and stack name.
    pub role: Option<String>,
    /// URL of the changes queue, when it does not follow from account and stack name.
    pub queue: Option<String>,
}

/// One link of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The experience that is mirrored.
    pub management_experience: ExperienceId,
    /// The member that follows.
    pub member: Member,
    /// Its experience or experiences.
    pub target: Target,
    /// How far the link may go.
    pub policy: LinkPolicy,
    /// What a plan must not exceed.
    pub guard: Guard,
    /// Whether products have to be live before they are allowed.
    pub live_check: LiveCheck,
    /// After how many hours without being in sync somebody is told.
    pub stale_after_hours: u32,
}

impl Link {
    /// The lane of this link on one of the member's experiences.
    pub fn lane_of(&self, experience: &ExperienceId) -> LaneId {
        LaneId {
            account: self.member.account.clone(),
            experience: experience.clone(),
        }
    }

    /// The lane of this link, if it names its experience.
    pub fn lane(&self) -> Option<LaneId> {
        match &self.target {
            Target::One(experience) => Some(self.lane_of(experience)),
            Target::EveryLive => None,
        }
    }
}
