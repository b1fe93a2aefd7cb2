//! Why a plan leaves a product alone.

use serde::{Deserialize, Serialize};

use crate::closed_list::closed_list;

/// Why a product that differs is left as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The link only observes.
    Observe,
    /// The link only allows.
    Additive,
    /// The link never denies this product.
    Protected,
    /// The link never touches this product.
    Excluded,
    /// Its change was rejected individually, and its message is in the dead-letter queue.
    Quarantined,
    /// The link is frozen.
    Frozen,
    /// AWS Marketplace does not list it, or no longer lists it, and the link requires that.
    NotLive,
    /// It is unknown whether AWS Marketplace lists it, and the link requires that.
    LiveUnknown,
    /// The member's own rules forbid it.
    MemberRules,
    /// Its item in the ledger cannot be read.
    UnreadableItem,
    /// Its id is not valid, so no change of it can be sent.
    InvalidId,
}

closed_list!(Reason, "reason", {
    Observe => "observe",
    Additive => "additive",
    Protected => "protected",
    Excluded => "excluded",
    Quarantined => "quarantined",
    Frozen => "frozen",
    NotLive => "not-live",
    LiveUnknown => "live-unknown",
    MemberRules => "member-rules",
    UnreadableItem => "unreadable-item",
    InvalidId => "invalid-id",
});

impl Reason {
    /// What it says, for people.
    pub fn explanation(self) -> &'static str {
        match self {
            Self::Observe => "the link only observes",
            Self::Additive => "the link only allows",
            Self::Protected => "protected: the link never denies it",
            Self::Excluded => "excluded: the link never touches it",
            Self::Quarantined => "quarantined: its change was rejected individually",
            Self::Frozen => "the link is frozen",
            Self::NotLive => "AWS Marketplace does not list it, and the link requires that",
            Self::LiveUnknown => "it is not known yet whether AWS Marketplace lists it",
            Self::MemberRules => "the member's own rules forbid it",
            Self::UnreadableItem => "its item in the ledger cannot be read (PMS-4004)",
            Self::InvalidId => "its id is not valid, so it cannot be changed",
        }
    }

    /// What to do about it.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Observe => "nothing, or give the link another mode in the configuration",
            Self::Additive => "nothing, or give the link the mode `mirror` in the configuration",
            Self::Protected => "nothing, or take it out of `protect` in the configuration",
            Self::Excluded => "nothing, or take it out of `exclude` in the configuration",
            Self::Quarantined => "fix the cause, then replay it",
            Self::Frozen => "nothing, or unfreeze the link in the configuration",
            Self::NotLive => {
                "take it out of the management experience, or give the link `live_check = \"warn\"` if it is sold by private offer"
            }
            Self::LiveUnknown => "nothing: a later run asks again",
            Self::MemberRules => "nothing, or have the member change the parameters of its stack",
            Self::UnreadableItem => "bring every stack to the newest release that is in use",
            Self::InvalidId => "correct the id in the experience that lists it",
        }
    }
}
