//! Experiences that a `*` link leaves out, as the producer's answers show them.

use serde::{Deserialize, Serialize};

use crate::error::FaultRecord;
use crate::ids::{AccountId, ExperienceId, MemberName};
use crate::sources::Sources;

/// A member experience that a `*` link leaves out because of other links.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LeftOutLink {
    /// The member's name in the configuration.
    pub member: MemberName,
    /// The member account.
    pub account: AccountId,
    /// The experience that is left out.
    pub experience: ExperienceId,
    /// The management experiences that the other experiences of the link follow.
    #[serde(flatten)]
    pub sources: Sources,
    /// Why it is left out.
    pub fault: FaultRecord,
}
