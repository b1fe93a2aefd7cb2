//! The question, and the answers as they are sent.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Why;
use crate::ids::{AccountId, ExperienceId, MemberName, ProductId};
use crate::link::Mode;
use crate::message::Scope;
use crate::policy::{Action, Standing};

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
