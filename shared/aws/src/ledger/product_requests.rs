//! Procurement requests: one item each, in a partition of the member's own.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Select};
use jiff::Timestamp;
use pmp_sync_domain::error::Kind;
use pmp_sync_domain::ids::{AccountId, ProductRequestId};
use pmp_sync_domain::ports::{AnnounceRequests, ProductRequests, Result};
use pmp_sync_domain::records::{Found, MOST_REQUESTS, ProductRequest, RequestCounts, RequestState};

use super::{
    Item, Ledger, MOST_PAGES, NOT_NEWER, SCHEMA_FIELD, from_item, from_items, kept_unread, schema,
    text, thing, to_item,
};
use crate::keys::{self, DROPPED, EXPIRES_AT, OPEN_INDEX, OPEN_RANK, PK, SK};
use crate::service_error;

/// The field that the producer writes.
const ANNOUNCED_AT: &str = "announced_at";
/// Sort keys of requests: they begin with a letter, a digit or one of `-_.:`.
const REQUESTS: [&str; 2] = ["-", "~"];

/// Reads the items of an account's requests.
fn requests_of(account: &AccountId, items: Vec<Item>) -> Found<ProductRequest> {
    let Found { items, unreadable } = from_items::<ProductRequest>("Query", items);
    let items = items.into_iter().map(|request| request.read_from(account));
    Found {
        items: items.collect(),
        unreadable,
    }
}

impl Ledger {
    /// Counts what a query finds, up to the bound of what is kept.
    async fn count(&self, query: QueryFluentBuilder, pk: &str) -> Result<usize> {
        let query = query
            .table_name(&self.table)
            .consistent_read(true)
            .select(Select::Count);
        let (mut count, mut start) = (0, None);
        for _ in 0..MOST_PAGES {
            let page = query.clone().set_exclusive_start_key(start).send().await;
            let page = page.map_err(|error| service_error("Query", pk, &error))?;
            count += usize::try_from(page.count).unwrap_or_default();
            start = page.last_evaluated_key;
            if start.is_none() || count > MOST_REQUESTS {
                break;
            }
        }
        Ok(count)
    }

    /// A query for the requests that wait for an answer.
    fn waiting(&self, pk: &str, now: Timestamp) -> QueryFluentBuilder {
        let [from, to] = keys::waiting_ranks(now);
        self.client
            .query()
            .index_name(OPEN_INDEX)
            .key_condition_expression("pk = :pk AND open_rank BETWEEN :from AND :to")
            .expression_attribute_values(":pk", text(pk))
            .expression_attribute_values(":from", text(from))
            .expression_attribute_values(":to", text(to))
    }

    /// Reads every request of an account, open or not.
    pub async fn product_requests(&self, account: &AccountId) -> Result<Found<ProductRequest>> {
        let [from, to] = REQUESTS;
        let items = self
            .between(&keys::product_requests(account), from, to)
            .await?;
        Ok(requests_of(account, items))
    }
}

impl ProductRequests for Ledger {
    async fn product_request(
        &self,
        account: &AccountId,
        request: &ProductRequestId,
    ) -> Result<Option<ProductRequest>> {
        let pk = keys::product_requests(account);
        let item = self.get(&pk, request.as_str()).await?;
        let read = |item| Ok(from_item::<ProductRequest>("GetItem", item)?.read_from(account));
        item.map(read).transpose()
    }

    async fn count_product_requests(
        &self,
        account: &AccountId,
        now: Timestamp,
    ) -> Result<RequestCounts> {
        let pk = keys::product_requests(account);
        let [from, to] = REQUESTS;
        let all = self
            .client
            .query()
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":pk", text(&pk))
            .expression_attribute_values(":from", text(from))
            .expression_attribute_values(":to", text(to));
        Ok(RequestCounts {
            open: self.count(self.waiting(&pk, now), &pk).await?,
            kept: self.count(all, &pk).await?,
        })
    }

    /// It uses `UpdateItem`, the only write that a member's role permits. Fields that this release does
    /// not know, and the mark of the producer, are kept.
    async fn put_product_request(&self, request: &ProductRequest) -> Result<()> {
        let pk = keys::product_requests(&request.account);
        let sk = request.request.as_str();
        let next = ProductRequest {
            rev: request.rev + 1,
            ..request.clone()
        };
        let mut item = to_item("UpdateItem", &pk, sk, &next)?;
        let expires_at = next.forgotten_at().as_second().to_string();
        item.insert(EXPIRES_AT.to_owned(), AttributeValue::N(expires_at));
        let is_open = next.state == RequestState::Open;
        if is_open {
            let rank = keys::waiting_rank(next.open_until(), &next.request);
            item.insert(OPEN_RANK.to_owned(), text(rank));
        }
        let is_written = |name: &str| name != PK && name != SK && name != ANNOUNCED_AT;
        item.retain(|name, _| is_written(name));
        let mut fields: Vec<_> = item.into_iter().collect();
        fields.sort_by(|(one, _), (other, _)| one.cmp(other));
        let set = fields.iter().map(|(name, _)| format!("#{name} = :{name}"));
        let mut expression = format!("SET {}", set.collect::<Vec<_>>().join(", "));
        if !is_open {
            expression.push_str(" REMOVE ");
            expression.push_str(OPEN_RANK);
        }
        let condition = if request.rev == 0 {
            "attribute_not_exists(pk)"
        } else {
            "#rev = :read_rev"
        };
        let mut call = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(PK, text(&pk))
            .key(SK, text(sk))
            .update_expression(expression)
            .condition_expression(condition);
        if request.rev > 0 {
            let rev = AttributeValue::N(request.rev.to_string());
            call = call.expression_attribute_values(":read_rev", rev);
        }
        for (name, value) in fields {
            call = call
                .expression_attribute_values(format!(":{name}"), value)
                .expression_attribute_names(format!("#{name}"), name);
        }
        let sent = call.send().await.map(drop);
        sent.map_err(|error| service_error("UpdateItem", thing(&pk, sk), &error))
    }

    async fn drop_product_request(&self, account: &AccountId, now: Timestamp) -> Result<()> {
        let pk = keys::product_requests(account);
        let sent = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(PK, text(&pk))
            .key(SK, text(DROPPED))
            .update_expression("SET #schema = :schema, last_at = :now ADD dropped :one")
            .condition_expression(NOT_NEWER)
            .expression_attribute_names("#schema", SCHEMA_FIELD)
            .expression_attribute_values(":schema", schema())
            .expression_attribute_values(":now", text(now.to_string()))
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .send()
            .await
            .map(drop);
        sent.map_err(|error| kept_unread(service_error("UpdateItem", thing(&pk, DROPPED), &error)))
    }
}

impl AnnounceRequests for Ledger {
    async fn open_product_requests(
        &self,
        account: &AccountId,
        now: Timestamp,
    ) -> Result<Found<ProductRequest>> {
        let pk = keys::product_requests(account);
        let items = self.all(self.waiting(&pk, now), &pk).await?;
        Ok(requests_of(account, items))
    }

    async fn announced_product_request(
        &self,
        request: &ProductRequest,
        now: Timestamp,
    ) -> Result<()> {
        let pk = keys::product_requests(&request.account);
        let sk = request.request.as_str();
        let sent = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(PK, text(&pk))
            .key(SK, text(sk))
            .update_expression("SET announced_at = :now")
            .condition_expression(format!("attribute_exists(pk) AND ({NOT_NEWER})"))
            .expression_attribute_names("#schema", SCHEMA_FIELD)
            .expression_attribute_values(":schema", schema())
            .expression_attribute_values(":now", text(now.to_string()))
            .send()
            .await
            .map(drop)
            .map_err(|error| service_error("UpdateItem", thing(&pk, sk), &error));
        match sent {
            // It has expired meanwhile, or a newer release has written it, which announces it.
            Err(error) if error.kind == Kind::Conflict => Ok(()),
            sent => sent,
        }
    }
}
