//! Procurement requests.

use jiff::Timestamp;
use pmp_sync_domain::SCHEMA;
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ids::{AccountId, ProductRequestId};
use pmp_sync_domain::ports::{AnnounceRequests, ProductRequests, ReadAnswers, Result};
use pmp_sync_domain::records::{
    DroppedRequests, Found, ProductRequest, RequestAnswer, RequestCounts,
};

use super::ItemKey;
use crate::limits::check_item;
use crate::world::World;

fn key_of(account: &AccountId, request: &ProductRequestId) -> ItemKey {
    ItemKey::ProductRequest(account.clone(), request.clone())
}

impl ProductRequests for World {
    async fn product_request(
        &self,
        account: &AccountId,
        request: &ProductRequestId,
    ) -> Result<Option<ProductRequest>> {
        let effect = self.call("GetItem", request.as_str()).await?;
        let found = self.ledger(|ledger| {
            ledger.check("GetItem", &key_of(account, request))?;
            let key = (account.clone(), request.clone());
            Ok(ledger.product_requests.get(&key).cloned())
        })?;
        effect.answer(found)
    }

    async fn count_product_requests(
        &self,
        account: &AccountId,
        now: Timestamp,
    ) -> Result<RequestCounts> {
        let effect = self.call("Query", "product requests").await?;
        effect.answer(self.ledger(|ledger| {
            let of = ledger.product_requests.values();
            let of: Vec<_> = of.filter(|request| request.account == *account).collect();
            RequestCounts {
                open: of.iter().filter(|request| request.is_open(now)).count(),
                kept: of.len(),
            }
        }))
    }

    async fn put_product_request(&self, request: &ProductRequest) -> Result<()> {
        let effect = self.call("UpdateItem", request.request.as_str()).await?;
        check_item("UpdateItem", request.request.as_str(), request)?;
        self.ledger(|ledger| {
            let newer = ledger
                .newer
                .contains(&key_of(&request.account, &request.request));
            let key = (request.account.clone(), request.request.clone());
            let known = ledger.product_requests.get(&key);
            if newer || known.map_or(0, |known| known.rev) != request.rev {
                let words = "the condition does not hold";
                let thing = request.request.to_string();
                return Err(ServiceError::new(
                    "UpdateItem",
                    thing,
                    Kind::Conflict,
                    words,
                ));
            }
            let next = ProductRequest {
                rev: request.rev + 1,
                announced_at: known.and_then(|known| known.announced_at),
                ..request.clone()
            };
            ledger.product_requests.insert(key, next);
            Ok(())
        })?;
        effect.answer(())
    }

    async fn drop_product_request(&self, account: &AccountId, now: Timestamp) -> Result<()> {
        let effect = self.call("UpdateItem", "dropped requests").await?;
        self.ledger(|ledger| {
            let dropped = ledger.dropped_requests.entry(account.clone()).or_default();
            dropped.schema = SCHEMA;
            dropped.dropped += 1;
            dropped.last_at = Some(now);
        });
        effect.answer(())
    }
}

impl AnnounceRequests for World {
    async fn open_product_requests(
        &self,
        account: &AccountId,
        now: Timestamp,
    ) -> Result<Found<ProductRequest>> {
        let effect = self.call("Query", "product requests").await?;
        effect.answer(self.ledger(|ledger| {
            let of = ledger.product_requests.values();
            let of = of.filter(|request| request.account == *account && request.is_open(now));
            of.map(|request| ledger.read(&key_of(account, &request.request), request.clone()))
                .collect()
        }))
    }

    async fn announced_product_request(
        &self,
        request: &ProductRequest,
        now: Timestamp,
    ) -> Result<()> {
        let effect = self.call("UpdateItem", request.request.as_str()).await?;
        self.ledger(|ledger| {
            if ledger
                .newer
                .contains(&key_of(&request.account, &request.request))
            {
                return;
            }
            let key = (request.account.clone(), request.request.clone());
            if let Some(known) = ledger.product_requests.get_mut(&key) {
                known.announced_at = Some(now);
            }
        });
        effect.answer(())
    }
}

impl ReadAnswers for World {
    async fn request_answers(&self) -> Result<Found<RequestAnswer>> {
        // Operators answer none here.
        let effect = self.call("Query", "request answers").await?;
        effect.answer(Found::default())
    }

    async fn dropped_product_requests(&self, account: &AccountId) -> Result<DroppedRequests> {
        let effect = self.call("GetItem", "dropped requests").await?;
        effect.answer(self.ledger(|ledger| {
            let dropped = ledger.dropped_requests.get(account);
            dropped.cloned().unwrap_or_default()
        }))
    }
}
