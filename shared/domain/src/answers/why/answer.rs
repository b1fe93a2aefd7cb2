//! The question, and the answers in the form in which they are sent.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::answers::left_out::LeftOutLink;
use crate::approval::Ask;
use crate::error::FaultRecord;
use crate::guard::reason::HoldReason;
use crate::hint::Hint;
use crate::ids::{AccountId, ChangeSetId, ExperienceId, MemberName, ProductId, RunId};
use crate::lane::{BlockReason, OtherInstallation};
use crate::link::Mode;
use crate::plan::{InvalidProducts, Reason};
use crate::policy::{Action, Standing};
use crate::sources::{SourceStanding, Sources};
use crate::sync_state::{SyncState, Verdict};
use crate::wire::Scope;

/// The most products in one question.
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

/// The reason for the state of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Why {
    /// It is as the management experience wants it, with what is known of the change that made it
    /// so.
    InSync {
        /// Since when, if pmp-sync changed it or found it so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Time>"))]
        since: Option<Timestamp>,
        /// The run that planned the change.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<RunId>,
        /// The change set that changed it. None if it was so already.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        change_set: Option<ChangeSetId>,
    },
    /// Its change is under way.
    Open {
        /// Allow or deny.
        action: Action,
        /// How far the change has come.
        stage: Stage,
        /// When it reached that stage.
        #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
        since: Timestamp,
        /// The run that planned the change.
        run: RunId,
        /// Id of its change set, once known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        change_set: Option<ChangeSetId>,
        /// The lane backs off: no change set starts before this.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Time>"))]
        not_before: Option<Timestamp>,
    },
    /// The plan that contains it is held.
    Held {
        /// The typed reason.
        reasons: Vec<HoldReason>,
        /// The run whose record shows the plan. None if the next run would be the first to hold it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<RunId>,
        /// When it began, if that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Time>"))]
        since: Option<Timestamp>,
        /// The command that approves the plan.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        approve: Option<Hint>,
        /// Who has rejected it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rejected: Option<Ask>,
    },
    /// Its change was rejected individually.
    Quarantined {
        /// Allow or deny.
        action: Action,
        /// The service's error code.
        error_code: String,
        /// The service's error message.
        error_message: String,
        /// The change set in which it failed alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        change_set: Option<ChangeSetId>,
        /// The run that planned the change.
        run: RunId,
        /// When it began, if that is known.
        #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
        since: Timestamp,
    },
    /// The lane is blocked.
    Blocked {
        /// The typed reason.
        reason: BlockReason,
        /// What the service said, or which thing is concerned.
        detail: String,
        /// When it began, if that is known.
        #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
        since: Timestamp,
    },
    /// The lane is suspended.
    Suspended {
        /// ARN of the operator who suspended it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// When it began, if that is known.
        #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
        since: Timestamp,
    },
    /// The plan leaves it alone.
    LeftAlone {
        /// Why the plan leaves it alone.
        reason: Reason,
        /// When a run first saw it frozen.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Time>"))]
        since: Option<Timestamp>,
    },
    /// The link cannot be observed.
    Failing(FaultRecord),
    /// The link is held without a plan: its management experience cannot be trusted.
    Untrusted(FaultRecord),
    /// A newer plan replaced its change.
    Superseded {
        /// The run whose change it was.
        run: RunId,
        /// The run whose plan replaced it, if it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<RunId>,
        /// When it began, if that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Time>"))]
        since: Option<Timestamp>,
    },
    /// The next run plans it.
    Planned,
}

impl Why {
    /// The state of the product.
    pub fn state(&self) -> SyncState {
        match self {
            Self::InSync { .. } => SyncState::InSync,
            Self::Open { .. } => SyncState::Underway,
            Self::Held { .. } | Self::Untrusted(_) => SyncState::Held,
            Self::Quarantined { .. } => SyncState::Quarantined,
            Self::Blocked { .. } => SyncState::Blocked,
            Self::Suspended { .. } => SyncState::Suspended,
            Self::LeftAlone { reason, .. } => reason.state(),
            Self::Failing(_) => SyncState::Unreachable,
            Self::Superseded { .. } | Self::Planned => SyncState::Planned,
        }
    }

    /// The severity of the answer.
    pub fn verdict(&self) -> Verdict {
        self.state().verdict()
    }

    /// When the state began, if that is known.
    pub fn since(&self) -> Option<Timestamp> {
        match self {
            Self::InSync { since, .. }
            | Self::Held { since, .. }
            | Self::LeftAlone { since, .. }
            | Self::Superseded { since, .. } => *since,
            Self::Open { since, .. }
            | Self::Quarantined { since, .. }
            | Self::Blocked { since, .. }
            | Self::Suspended { since, .. } => Some(*since),
            Self::Failing(_) | Self::Untrusted(_) | Self::Planned => None,
        }
    }
}

/// The request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhyRequest {
    /// The member experiences that the question covers.
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
    /// Its id in AWS Marketplace.
    pub product: ProductId,
    /// Its standing in the management experience, or in the union of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired: Option<Standing>,
    /// Its standing in the member experience.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<Standing>,
    /// The change that it needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<Action>,
    /// The explanation.
    pub why: Why,
    /// When an outside edit of it was first seen, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Time>"))]
    pub edited_since: Option<Timestamp>,
    /// True if somebody else has changed it, and no run has seen that yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub edited_unseen: bool,
    /// The management experiences of the link that list it, and how. Empty if the link follows one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listed_by: Vec<SourceStanding>,
}

/// The answers for one member experience.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WhyLink {
    /// The member's name in the configuration.
    pub member: MemberName,
    /// The member account.
    pub account: AccountId,
    /// Its experience. None for a `*` link that cannot be observed.
    pub experience: Option<ExperienceId>,
    /// The management experiences that it follows.
    #[serde(flatten)]
    pub sources: Sources,
    /// How far the link may go.
    pub mode: Mode,
    /// The state of the experience as a whole. None from a producer of an earlier release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<SyncState>,
    /// One answer for each product, in the order of the question. Empty if the link covers no experience.
    pub answers: Vec<WhyAnswer>,
    /// Why it covers none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultRecord>,
    /// Another installation of pmp-sync that changes the same experience.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_installation: Option<OtherInstallation>,
    /// Products that differ and whose ids are not valid, so that they cannot be asked for.
    #[serde(default, skip_serializing_if = "InvalidProducts::is_empty")]
    pub invalid: InvalidProducts,
}

/// The answers for every member experience.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WhyReport {
    /// Schema number of the release that made it.
    pub schema: u32,
    /// The version of the configuration that was used.
    pub config_version: u64,
    /// The member experiences, in the order of the configuration.
    pub links: Vec<WhyLink>,
    /// Experiences that `*` leaves out. They follow nothing, so there are no answers for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOutLink>,
}
