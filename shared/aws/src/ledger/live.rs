//! Listings: what AWS Marketplace has said of products.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::types::KeysAndAttributes;
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ids::ProductId;
use pmp_sync_domain::ports::Result;
use pmp_sync_domain::records::{Found, LiveRecord};

use super::{Item, Ledger, from_items, text};
use crate::keys::{LIVE, PK, SK};
use crate::service_error;

/// Keys in one `BatchGetItem` (DynamoDB reference).
const KEYS: usize = 100;
/// How often a key is requested that a successful batch left out: the SDK retries calls, not keys.
const ASKINGS: u32 = 5;
/// The wait before the second request. It doubles for each further one.
const FIRST_WAIT: Duration = Duration::from_millis(50);

impl Ledger {
    /// Reads every stored listing, for who looks for a product by its name.
    pub async fn listings(&self) -> Result<Found<LiveRecord>> {
        // Ids are visible ASCII.
        let items = self.between(LIVE, "!", "~").await?;
        Ok(from_items("Query", items))
    }

    pub(super) async fn live_of(
        &self,
        products: &BTreeSet<ProductId>,
    ) -> Result<Found<LiveRecord>> {
        let keys: Vec<_> = products
            .iter()
            .map(|product| (LIVE.to_owned(), product.to_string()))
            .collect();
        let mut items = Vec::new();
        for chunk in keys.chunks(KEYS) {
            items.extend(self.get_all(LIVE, chunk).await?);
        }
        Ok(from_items("BatchGetItem", items))
    }

    /// Reads up to 100 items by their keys, with strong consistency.
    pub(super) async fn get_all(
        &self,
        of: &'static str,
        keys: &[(String, String)],
    ) -> Result<Vec<Item>> {
        let failed = |kind, words: &dyn std::fmt::Display| {
            ServiceError::new("BatchGetItem", of, kind, words.to_string())
        };
        let key = |(pk, sk): &(String, String)| {
            HashMap::from([(PK.to_owned(), text(pk)), (SK.to_owned(), text(sk))])
        };
        let keys = KeysAndAttributes::builder()
            .set_keys(Some(keys.iter().map(key).collect()))
            .consistent_read(true)
            .build()
            .map_err(|error| failed(Kind::Refused, &error))?;
        let mut wanted = HashMap::from([(self.table.clone(), keys)]);
        let mut items = Vec::new();
        for asking in 0..ASKINGS {
            if asking > 0 {
                tokio::time::sleep(FIRST_WAIT * 2_u32.pow(asking - 1)).await;
            }
            let call = self.client.batch_get_item();
            let answer = call.set_request_items(Some(wanted)).send().await;
            let answer = answer.map_err(|error| service_error("BatchGetItem", of, &error))?;
            items.extend(
                answer
                    .responses
                    .into_iter()
                    .flatten()
                    .flat_map(|(_, of)| of),
            );
            wanted = answer.unprocessed_keys.unwrap_or_default();
            if wanted.is_empty() {
                return Ok(items);
            }
        }
        Err(failed(
            Kind::Throttled,
            &"some keys stayed unprocessed at each attempt",
        ))
    }

    pub(super) async fn store_live(&self, record: &LiveRecord) -> Result<()> {
        let expires_at = Some(record.expires_at().as_second());
        self.put(LIVE, record.product.as_str(), record, expires_at)
            .await
    }
}
