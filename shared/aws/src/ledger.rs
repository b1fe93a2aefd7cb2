//! The ledger: one DynamoDB table. docs/ledger.md lists its items, [`crate::keys`] their keys.
//!
//! A state is written on condition that nothing was written since it was read. Fields that this
//! release does not know are kept.

mod acts;
mod claims;
mod edits;
mod health;
mod lanes;
mod link_states;
mod links;
mod live;
mod onboarding;
mod operator;
mod product_requests;
mod receipts;
mod request_answers;
mod runs;
mod sets;

pub use self::acts::Operations;

pub use self::health::TableHealth;

use std::collections::HashMap;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use pmp_sync_domain::SCHEMA;
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ports::Result;
use pmp_sync_domain::records::{Found, UnreadableItem};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::keys::{PK, SK};
use crate::service_error;

/// An item in the form of the SDK.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// The most pages of one query that are read: each has up to 1 MB.
const MOST_PAGES: usize = 100;
/// Writes of single items that are made concurrently.
const WRITES_AT_ONCE: usize = 16;

/// A client of the table.
#[derive(Debug, Clone)]
pub struct Ledger {
    client: Client,
    table: String,
    retention_days: u32,
}

impl Ledger {
    /// `table` is a name or an ARN. Runs and the records of change sets expire after
    /// `retention_days`.
    pub fn new(config: &SdkConfig, table: impl Into<String>, retention_days: u32) -> Self {
        Self {
            client: Client::new(config),
            table: table.into(),
            retention_days,
        }
    }

    async fn get(&self, pk: &str, sk: &str) -> Result<Option<Item>> {
        self.client
            .get_item()
            .table_name(&self.table)
            .key(PK, text(pk))
            .key(SK, text(sk))
            .consistent_read(true)
            .send()
            .await
            .map(|answer| answer.item)
            .map_err(|error| service_error("GetItem", thing(pk, sk), &error))
    }

    async fn put(
        &self,
        pk: &str,
        sk: &str,
        record: &impl Serialize,
        expires_at: Option<i64>,
    ) -> Result<()> {
        let item = to_item("PutItem", pk, sk, record)?;
        self.put_item(pk, sk, item, expires_at).await
    }

    async fn put_item(
        &self,
        pk: &str,
        sk: &str,
        mut item: Item,
        expires_at: Option<i64>,
    ) -> Result<()> {
        if let Some(at) = expires_at {
            item.insert(
                crate::keys::EXPIRES_AT.to_owned(),
                AttributeValue::N(at.to_string()),
            );
        }
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(NOT_NEWER)
            .expression_attribute_names("#schema", SCHEMA_FIELD)
            .expression_attribute_values(":schema", schema())
            .send()
            .await
            .map(drop)
            .map_err(|error| kept_unread(service_error("PutItem", thing(pk, sk), &error)))
    }

    /// Writes a record whose `rev` is one more than that of the item it replaces, on condition that
    /// the item is unchanged since it was read. Without an item that `rev` is 0.
    async fn put_rev(&self, pk: &str, sk: &str, record: &impl Serialize, rev: u64) -> Result<()> {
        let item = to_item("PutItem", pk, sk, record)?;
        let call = self.client.put_item().table_name(&self.table);
        let call = call.set_item(Some(item));
        let call = if rev == 0 {
            call.condition_expression("attribute_not_exists(pk)")
        } else {
            call.condition_expression("#rev = :rev")
                .expression_attribute_names("#rev", "rev")
                .expression_attribute_values(":rev", AttributeValue::N(rev.to_string()))
        };
        let sent = call.send().await.map(drop);
        sent.map_err(|error| service_error("PutItem", thing(pk, sk), &error))
    }

    /// Reads every item of a partition whose sort key is between `from` and `to`.
    async fn between(&self, pk: &str, from: &str, to: &str) -> Result<Vec<Item>> {
        let query = self.client.query();
        let query = query
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":pk", text(pk))
            .expression_attribute_values(":from", text(from))
            .expression_attribute_values(":to", text(to));
        self.all(query, pk).await
    }

    /// Reads every item that a query of a partition finds, with strong consistency.
    async fn all(&self, query: QueryFluentBuilder, pk: &str) -> Result<Vec<Item>> {
        let query = query.table_name(&self.table).consistent_read(true);
        let mut items = Vec::new();
        let mut start = None;
        for _ in 0..MOST_PAGES {
            let page = query.clone().set_exclusive_start_key(start);
            let page = page.send().await;
            let page = page.map_err(|error| service_error("Query", pk, &error))?;
            items.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(items);
            }
        }
        let words = "it has more than 100 MB of such items";
        Err(ServiceError::new("Query", pk, Kind::Refused, words))
    }

    /// When an item that is written at `now` may be removed, in seconds since 1970.
    fn expiry(&self, now: jiff::Timestamp) -> i64 {
        now.as_second()
            .saturating_add(i64::from(self.retention_days) * 86_400)
    }
}

/// The attribute with the schema number of an item.
const SCHEMA_FIELD: &str = "schema";
/// The condition of every write that is not conditioned on what was read: an item of a newer
/// schema is never overwritten.
const NOT_NEWER: &str = "attribute_not_exists(#schema) OR #schema <= :schema";

/// The schema number of this release.
fn schema() -> AttributeValue {
    AttributeValue::N(SCHEMA.to_string())
}

/// The error of a write whose only condition is [`NOT_NEWER`].
fn kept_unread(error: ServiceError) -> ServiceError {
    if error.kind != Kind::Conflict {
        return error;
    }
    let words = "a newer release wrote it, and it is not overwritten";
    ServiceError::new(error.operation, error.thing, Kind::Unreadable, words)
}

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

fn thing(pk: &str, sk: &str) -> String {
    format!("{pk} {sk}")
}

fn to_item(operation: &'static str, pk: &str, sk: &str, record: &impl Serialize) -> Result<Item> {
    let mut item: Item = serde_dynamo::to_item(record).map_err(|error| {
        ServiceError::new(operation, thing(pk, sk), Kind::Refused, error.to_string())
    })?;
    // Every reader treats an absent field like an empty one.
    item.retain(|_, value| !matches!(value, AttributeValue::Null(_)));
    item.insert(PK.to_owned(), text(pk));
    item.insert(SK.to_owned(), text(sk));
    Ok(item)
}

/// Refuses an item of a newer schema, which this release could misunderstand.
fn check_schema(operation: &'static str, item: &Item) -> Result<()> {
    let number = item
        .get(SCHEMA_FIELD)
        .and_then(|value| value.as_n().ok())
        .and_then(|n| n.parse::<u32>().ok());
    match number.filter(|number| *number > SCHEMA) {
        Some(number) => {
            let words = format!("it has schema {number}; this release understands {SCHEMA}");
            let kind = Kind::Unreadable;
            Err(ServiceError::new(operation, thing_of(item), kind, words))
        }
        None => Ok(()),
    }
}

/// The keys of an item.
fn thing_of(item: &Item) -> String {
    let name = |key: &str| {
        item.get(key)
            .and_then(|value| value.as_s().ok())
            .cloned()
            .unwrap_or_default()
    };
    thing(&name(PK), &name(SK))
}

/// Reads an item. Fails with [`Kind::Unreadable`] if this release cannot.
fn from_item<T: DeserializeOwned>(operation: &'static str, item: Item) -> Result<T> {
    check_schema(operation, &item)?;
    let thing = thing_of(&item);
    serde_dynamo::from_item(item)
        .map_err(|error| ServiceError::new(operation, thing, Kind::Unreadable, error.to_string()))
}

/// Reads the items of a query. Those that cannot be read hide no others.
fn from_items<T: DeserializeOwned>(operation: &'static str, items: Vec<Item>) -> Found<T> {
    let read = |item: Item| {
        let key = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
        let about = match (key(PK), key(SK)) {
            (Some(pk), Some(sk)) => crate::keys::about(pk, sk),
            _ => None,
        };
        from_item(operation, item).map_err(|error| UnreadableItem { error, about })
    };
    items.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests;
