//! Receipts of requests.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use pmp_sync_domain::ids::RunId;
use pmp_sync_domain::ports::{Receipts, Result};
use pmp_sync_domain::records::{Found, Receipt};

use super::{Ledger, from_items, text, to_item};
use crate::keys::{self, EXPIRES_AT, RECEIPT};
use crate::service_error;

impl Receipts for Ledger {
    async fn receipts(&self, requests: &BTreeSet<String>) -> Result<Found<Receipt>> {
        if requests.is_empty() {
            return Ok(Found::default());
        }
        let keys: Vec<_> = requests
            .iter()
            .map(|request| (keys::request(request), RECEIPT.to_owned()))
            .collect();
        let items = self.get_all("the receipts of requests", &keys).await?;
        Ok(from_items("BatchGetItem", items))
    }

    async fn put_receipt(&self, receipt: &Receipt, before: Option<RunId>) -> Result<()> {
        let pk = keys::request(&receipt.request);
        let mut item = to_item("PutItem", &pk, RECEIPT, receipt)?;
        let expires_at = receipt.forgotten_at().as_second().to_string();
        item.insert(EXPIRES_AT.to_owned(), AttributeValue::N(expires_at));
        let call = self.client.put_item().table_name(&self.table);
        let call = call.set_item(Some(item));
        let call = match before {
            Some(before) => call
                .condition_expression("#run = :before")
                .expression_attribute_names("#run", "run")
                .expression_attribute_values(":before", text(before.to_string())),
            None => call.condition_expression("attribute_not_exists(pk)"),
        };
        let sent = call.send().await.map(drop);
        sent.map_err(|error| service_error("PutItem", pk, &error))
    }
}
