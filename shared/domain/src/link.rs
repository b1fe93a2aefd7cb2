//! A link: one management experience that a member experience follows, and how.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::closed_list::closed_list;
use crate::guard::limits::Guard;
use crate::ids::{AccountId, ExperienceId, ExternalId, LaneId, MemberName, ProductId};
use crate::sources::{Conflict, Sources};

/// Default number of hours after which a link that is not in sync is stale.
pub const STALE_AFTER_HOURS: u32 = 24;

/// The largest configurable number of hours: a year.
pub const MOST_STALE_AFTER_HOURS: u32 = 8_760;

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

closed_list!(Mode, "mode", {
    Mirror => "mirror",
    Additive => "additive",
    Observe => "observe",
});

/// What a link does with a product that AWS Marketplace does not list, or for which it cannot be
/// asked. A product that is sold by private offer may not be listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum LiveCheck {
    /// The product is not allowed until AWS Marketplace lists it.
    Require,
    /// The product is allowed, and the run counts it as unchecked.
    #[default]
    Warn,
    /// AWS Marketplace is not asked.
    Off,
}

closed_list!(LiveCheck, "live check", {
    Require => "require",
    Warn => "warn",
    Off => "off",
});

impl Mode {
    /// True if the link changes anything; then the member's lists are expected to follow.
    pub fn acts(self) -> bool {
        match self {
            Self::Mirror | Self::Additive => true,
            Self::Observe => false,
        }
    }

    /// True if the link may deny products.
    pub fn denies(self) -> bool {
        match self {
            Self::Mirror => true,
            Self::Additive | Self::Observe => false,
        }
    }
}

/// True if a link is expected to be in sync. If it is not for long, it is announced as stale.
pub fn is_expected_in_sync(mode: Mode, is_frozen: bool, is_suspended: bool) -> bool {
    mode.acts() && !is_frozen && !is_suspended
}

/// What a link may do to which products. A plan needs only this part of a link.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkPolicy {
    /// What the link may do to which products.
    pub mode: Mode,
    /// Products that are never denied.
    pub protect: BTreeSet<ProductId>,
    /// Products that are never touched.
    pub exclude: BTreeSet<ProductId>,
    /// True if nothing may change, whatever differs.
    pub frozen: bool,
}

/// The member experiences that a link covers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// One experience.
    One(ExperienceId),
    /// `*`: every live experience of the member that no link names or follows.
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
    /// The external id that its roles require.
    pub external_id: ExternalId,
    /// ARN of the role that the producer assumes. None if it follows from account and stack name.
    pub role: Option<String>,
    /// URL of the changes queue. None if it follows from account and stack name.
    pub queue: Option<String>,
}

/// One link of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The management experiences that the member follows.
    pub sources: Sources,
    /// What applies to a product that one of them allows and another denies.
    pub conflict: Conflict,
    /// The member that follows.
    pub member: Member,
    /// The member experiences that it covers.
    pub target: Target,
    /// What the link may do to which products.
    pub policy: LinkPolicy,
    /// Limits and exemptions of the guards.
    pub guard: Guard,
    /// Whether products must be live before they are allowed.
    pub live_check: LiveCheck,
    /// Hours out of sync after which the link is announced as stale.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn each_mode_acts_and_denies_no_more_than_it_may() {
        for mode in Mode::ALL {
            let (acts, denies) = match mode {
                Mode::Mirror => (true, true),
                Mode::Additive => (true, false),
                Mode::Observe => (false, false),
            };
            assert_eq!((mode.acts(), mode.denies()), (acts, denies), "{mode}");
            for (is_frozen, is_suspended) in [(false, false), (true, false), (false, true)] {
                let expected = acts && !is_frozen && !is_suspended;
                assert_eq!(is_expected_in_sync(mode, is_frozen, is_suspended), expected);
            }
        }
    }

    #[test]
    fn a_link_to_one_experience_has_one_lane_and_a_star_has_none_of_its_own() {
        let config = Config::parse(include_str!("../fixtures/config-1.toml")).unwrap();
        let [one, star] = config.links.as_slice() else {
            panic!("{:?}", config.links)
        };
        let lane = one.lane().map(|lane| lane.to_string());
        assert_eq!(lane.as_deref(), Some("222222222222/exp-9d1kq27hs0abc"));
        assert_eq!(star.lane(), None);
        let lane = star.lane_of(&"exp-1".parse().unwrap()).to_string();
        assert_eq!(lane, "333333333333/exp-1");
    }
}
