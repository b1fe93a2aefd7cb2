//! What is known of a member account before it is configured: the external id that its roles
//! require, and the experience that was created for it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::SCHEMA;
use crate::ids::{AccountId, ExperienceId, ExternalId};

/// The ledger's item of a member account that is being onboarded, or has been.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Onboarding {
    /// Schema number of the release that wrote it.
    pub schema: u32,
    /// The member account.
    pub account: AccountId,
    /// The external id of both of the member's stacks and of the configuration. It never changes,
    /// because roles that require another one would admit nobody.
    pub external_id: ExternalId,
    /// The member experience, once one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experience: Option<ExperienceId>,
    /// When the item was created.
    pub created_at: Timestamp,
    /// When the item was last written.
    pub updated_at: Timestamp,
}

impl Onboarding {
    /// A new item of an account.
    pub fn new(account: AccountId, external_id: ExternalId, now: Timestamp) -> Self {
        Self {
            schema: SCHEMA,
            account,
            external_id,
            experience: None,
            created_at: now,
            updated_at: now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_external_id_has_every_bit_and_is_one() {
        let id = ExternalId::generate(0x2a);
        assert_eq!(id.as_str(), format!("{:0>32}", "2a"));
        assert_eq!(ExternalId::new(id.as_str()), Ok(id));
        let longest = ExternalId::generate(u128::MAX);
        assert_eq!(longest.as_str(), "f".repeat(32));
    }
}
