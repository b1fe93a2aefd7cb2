//! The operators' answers to procurement requests. Only the operator's command writes them.

use pmp_sync_domain::ids::AccountId;
use pmp_sync_domain::ports::{ReadAnswers, Result};
use pmp_sync_domain::records::{DroppedRequests, Found, RequestAnswer};

use super::{Ledger, from_item, from_items};
use crate::keys::{self, DROPPED, REQUEST_ANSWERS};

impl ReadAnswers for Ledger {
    async fn request_answers(&self) -> Result<Found<RequestAnswer>> {
        // Accounts are digits only.
        let items = self.between(REQUEST_ANSWERS, "0", ":").await?;
        Ok(from_items("Query", items))
    }

    async fn dropped_product_requests(&self, account: &AccountId) -> Result<DroppedRequests> {
        match self.get(&keys::product_requests(account), DROPPED).await? {
            Some(item) => from_item("GetItem", item),
            None => Ok(DroppedRequests::default()),
        }
    }
}

impl Ledger {
    /// Records an answer in place of an earlier one.
    pub async fn put_request_answer(&self, answer: &RequestAnswer) -> Result<()> {
        let sk = keys::request_answer(&answer.account, &answer.request);
        let expires_at = answer.forgotten_at().as_second();
        self.put(REQUEST_ANSWERS, &sk, answer, Some(expires_at))
            .await
    }
}
