//! Member accounts that are being onboarded. Only the operator's command reads and writes them.

use jiff::Timestamp;
use pmp_sync_domain::error::Kind;
use pmp_sync_domain::ids::{AccountId, ExperienceId, ExternalId};
use pmp_sync_domain::ports::Result;
use pmp_sync_domain::records::{Found, Onboarding};

use super::{Ledger, NOT_NEWER, from_item, from_items, schema, text, to_item};
use crate::keys::{MEMBER, PK, SK};
use crate::service_error;

impl Ledger {
    /// Reads what is known of a member account.
    pub async fn onboarding(&self, account: &AccountId) -> Result<Option<Onboarding>> {
        let item = self.get(MEMBER, account.as_str()).await?;
        item.map(|item| from_item("GetItem", item)).transpose()
    }

    /// Reads every member account that has an item.
    pub async fn onboardings(&self) -> Result<Found<Onboarding>> {
        // Accounts are digits only.
        let items = self.between(MEMBER, "0", ":").await?;
        Ok(from_items("Query", items))
    }

    /// Creates the item of an account with this external id, unless it has one. Returns the stored
    /// item, so that every repetition and every other caller gets the first external id.
    pub async fn begin_onboarding(
        &self,
        account: &AccountId,
        external_id: ExternalId,
        now: Timestamp,
    ) -> Result<Onboarding> {
        if let Some(known) = self.onboarding(account).await? {
            return Ok(known);
        }
        let new = Onboarding::new(account.clone(), external_id, now);
        let made = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(to_item("PutItem", MEMBER, account.as_str(), &new)?))
            .condition_expression("attribute_not_exists(pk)")
            .send()
            .await
            .map_err(|error| service_error("PutItem", thing(account), &error));
        match made {
            Ok(_) => Ok(new),
            // Another caller was faster, or the first answer to this call was lost.
            Err(error) if error.kind == Kind::Conflict => match self.onboarding(account).await? {
                Some(known) => Ok(known),
                None => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// Stores the experience of an account. Fails with [`Kind::Conflict`] if the account has no
    /// item.
    pub async fn set_onboarding_experience(
        &self,
        account: &AccountId,
        experience: &ExperienceId,
        now: Timestamp,
    ) -> Result<()> {
        // An update keeps fields that a newer release has written.
        self.client
            .update_item()
            .table_name(&self.table)
            .key(PK, text(MEMBER))
            .key(SK, text(account.as_str()))
            .update_expression(
                "SET #schema = :schema, #experience = :experience, #updated_at = :now",
            )
            .condition_expression(format!("attribute_exists(pk) AND ({NOT_NEWER})"))
            .expression_attribute_names("#schema", "schema")
            .expression_attribute_names("#experience", "experience")
            .expression_attribute_names("#updated_at", "updated_at")
            .expression_attribute_values(":schema", schema())
            .expression_attribute_values(":experience", text(experience.as_str()))
            .expression_attribute_values(":now", text(now.to_string()))
            .send()
            .await
            .map(drop)
            .map_err(|error| service_error("UpdateItem", thing(account), &error))
    }

    /// Deletes the item of an account. Succeeds if there is none.
    pub async fn forget_onboarding(&self, account: &AccountId) -> Result<()> {
        self.client
            .delete_item()
            .table_name(&self.table)
            .key(PK, text(MEMBER))
            .key(SK, text(account.as_str()))
            .send()
            .await
            .map(drop)
            .map_err(|error| service_error("DeleteItem", thing(account), &error))
    }
}

fn thing(account: &AccountId) -> String {
    format!("what is known of account {account}")
}
