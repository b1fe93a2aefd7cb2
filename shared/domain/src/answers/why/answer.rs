//! The question, and the answers as they are sent.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::approval::Ask;
use crate::guard::reason::HoldReason;
use crate::ids::{AccountId, ChangeSetId, ExperienceId, MemberName, ProductId, RunId};
use crate::lane::BlockReason;
use crate::link::Mode;
use crate::plan::Reason;
use crate::policy::{Action, Standing};
use crate::wire::Scope;

/// Products that are answered at once at most.
pub const MOST_PRODUCTS: usize = 2_000;

/// How far an open change has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Its message is on its way.
    Sent,
    /// It is claimed, and waits for its change set.
    Waiting,
    /// Its change set is starting or under way.
    InFlight,
}

/// Why a product stands as it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Why {
    /// It stands as the management experience wants it. What is known of how it came to.
    InSync {
        /// Since when, if pmp-sync did it or found it so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Time>"))]
        since: Option<Timestamp>,
        /// The run that wanted it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<RunId>,
        /// The change set that did it; none if it stood so already.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        change_set: Option<ChangeSetId>,
    },
    /// Its change is under way.
    Open {
        /// What is being done to it.
        action: Action,
        /// How far it has come.
        stage: Stage,
        /// Since when it has come that far.
        #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
        since: Timestamp,
        /// The run that wants it.
        run: RunId,
        /// The change set, once known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        change_set: Option<ChangeSetId>,
        /// The service was busy: no change set is started before this.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Time>"))]
        not_before: Option<Timestamp>,
    },
    /// The plan that it is in is held.
    Held {
        /// Why.
        reasons: Vec<HoldReason>,
        /// The run that made the plan; none if the next run would be the first to hold it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<RunId>,
        /// Since when.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Time>"))]
        since: Option<Timestamp>,
        /// The command that releases it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        command: Option<String>,
        /// Who has rejected it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rejected: Option<Ask>,
    },
    /// The link never touches it.
    Excluded,
    /// The link never denies it.
    Protected,
    /// The link only observes.
    Observed,
    /// The link only allows.
    Additive,
    /// AWS Marketplace does not have it.
    NotLive,
    /// Whether AWS Marketplace has it is not known yet.
    LiveUnknown,
    /// Its change failed by itself.
    Quarantined {
        /// What was to be done to it.
        action: Action,
        /// The service's error code.
        error_code: String,
        /// The service's own words.
        error_message: String,
        /// The change set in which it failed alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        change_set: Option<ChangeSetId>,
        /// The run that wanted it.
        run: RunId,
        /// Since when.
        #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
        since: Timestamp,
    },
    /// The lane is blocked.
    Blocked {
        /// Why.
        reason: BlockReason,
        /// What the service said, or which thing is concerned.
        detail: String,
        /// Since when.
        #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
        since: Timestamp,
    },
    /// It is suspended.
    Suspended {
        /// Who suspended it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// Since when.
        #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
        since: Timestamp,
    },
    /// The link is frozen.
    Frozen {
        /// Since when, if a run has seen it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Time>"))]
        since: Option<Timestamp>,
    },
    /// The plan leaves it alone for any other reason.
    LeftAlone {
        /// Why.
        reason: Reason,
    },
    /// The link cannot be looked at.
    Failing {
        /// The stable code.
        code: String,
        /// What is wrong.
        message: String,
        /// What to do about it.
        remedy: String,
    },
    /// A newer plan took the place of its change.
    Superseded {
        /// The run whose change it was.
        run: RunId,
        /// The run whose plan took its place, if it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<RunId>,
        /// Since when.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Time>"))]
        since: Option<Timestamp>,
    },
    /// The next run plans it.
    Planned,
}

/// What an answer amounts to; the worst of several counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing is to be done.
    InSync,
    /// It differs: it is under way, planned, or left alone.
    Differs,
    /// It differs, and waits for approval.
    Held,
    /// It differs, and something has failed.
    Fails,
}

impl Why {
    /// What it amounts to.
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::InSync { .. } => Verdict::InSync,
            Self::Held { .. } => Verdict::Held,
            Self::Failing { .. } | Self::Quarantined { .. } | Self::Blocked { .. } => {
                Verdict::Fails
            }
            Self::Open { .. }
            | Self::Excluded
            | Self::Protected
            | Self::Observed
            | Self::Additive
            | Self::NotLive
            | Self::LiveUnknown
            | Self::Suspended { .. }
            | Self::Frozen { .. }
            | Self::LeftAlone { .. }
            | Self::Superseded { .. }
            | Self::Planned => Verdict::Differs,
        }
    }

    /// Since when it is so, if that is known.
    pub fn since(&self) -> Option<Timestamp> {
        match self {
            Self::InSync { since, .. }
            | Self::Held { since, .. }
            | Self::Frozen { since }
            | Self::Superseded { since, .. } => *since,
            Self::Open { since, .. }
            | Self::Quarantined { since, .. }
            | Self::Blocked { since, .. }
            | Self::Suspended { since, .. } => Some(*since),
            Self::Excluded
            | Self::Protected
            | Self::Observed
            | Self::Additive
            | Self::NotLive
            | Self::LiveUnknown
            | Self::LeftAlone { .. }
            | Self::Failing { .. }
            | Self::Planned => None,
        }
    }
}

/// The question.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhyRequest {
    /// On which member experiences.
    #[serde(default)]
    pub scope: Scope,
    /// The products, [`MOST_PRODUCTS`](super::MOST_PRODUCTS) at most.
    #[serde(default)]
    pub products: Vec<ProductId>,
}

/// The answer for one product on one member experience.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WhyAnswer {
    /// The product.
    pub product: ProductId,
    /// Where it stands in the management experience.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired: Option<Standing>,
    /// Where it stands in the member's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<Standing>,
    /// What is to be done to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<Action>,
    /// Why it stands so.
    pub why: Why,
    /// Since when an outside edit of it has been seen, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Time>"))]
    pub edited_since: Option<Timestamp>,
}

/// The answers for one member experience.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WhyLink {
    /// The member.
    pub member: MemberName,
    /// Its account.
    pub account: AccountId,
    /// Its experience; none of a `*` link that cannot be looked at.
    pub experience: Option<ExperienceId>,
    /// The experience that it follows.
    pub management_experience: ExperienceId,
    /// How far the link may go.
    pub mode: Mode,
    /// One for each product, in the order in which they were asked for.
    pub answers: Vec<WhyAnswer>,
}

/// The answers for every member experience.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WhyReport {
    /// The schema of the release that made it.
    pub schema: u32,
    /// The version of the configuration that it went by.
    pub config_version: u64,
    /// The member experiences, in the order of the configuration.
    pub links: Vec<WhyLink>,
}
