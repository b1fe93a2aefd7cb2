//! The operators' answers to procurement requests. Only the operator's command writes them.

use pmp_sync_domain::ports::Result;
use pmp_sync_domain::records::{Found, RequestAnswer};

use super::{Ledger, from_items};
use crate::keys::{self, REQUEST_ANSWERS};

impl Ledger {
    /// Reads every answer that is on record.
    pub async fn request_answers(&self) -> Result<Found<RequestAnswer>> {
        // Accounts are digits only.
        let items = self.between(REQUEST_ANSWERS, "0", ":").await?;
        Ok(from_items("Query", items))
    }

    /// Records an answer in place of an earlier one.
    pub async fn put_request_answer(&self, answer: &RequestAnswer) -> Result<()> {
        let sk = keys::request_answer(&answer.account, &answer.request);
        let expires_at = answer.forgotten_at().as_second();
        self.put(REQUEST_ANSWERS, &sk, answer, Some(expires_at))
            .await
    }
}
