//! STATE and the claimed changes of a lane.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use pmp_sync_domain::ids::{LaneId, ProductId, RunId};
use pmp_sync_domain::lane::{LaneState, OpenChange, Quarantined};
use pmp_sync_domain::policy::Action;
use pmp_sync_domain::ports::{Lanes, Products, Result};
use pmp_sync_domain::records::{Found, LastChange, SeenList};
use serde::Deserialize;

use super::{Item, Ledger, from_item, from_items, text, to_item};
use crate::keys::{self, OPEN_INDEX, OPEN_PREFIX, PK, QUARANTINE_PREFIX, SEEN_LISTS, SK, STATE};
use crate::service_error;

/// The optional fields of a state, which an update must remove by name.
const OPTIONAL: [&str; 20] = [
    "intent",
    "change_set",
    "planned",
    "joined",
    "tick_at",
    "not_before",
    "bisect",
    "suspension",
    "member",
    "denied",
    "other",
    "block",
    "retry_at",
    "retries",
    "announced",
    "last_attempt",
    "last_success",
    "last_in_sync",
    "last_duration_seconds",
    "updated_at",
];

/// The item of a claimed change.
#[derive(Deserialize)]
struct ProductItem {
    product: ProductId,
    action: Action,
    run: RunId,
    ordinal: u32,
    claimed_at: Timestamp,
}

/// The update that writes a state. It sets the fields that the state has, removes those that it
/// lacks, and keeps those that a newer release added.
pub(super) struct StateUpdate {
    pub(super) expression: String,
    pub(super) names: Vec<(String, String)>,
    pub(super) values: Vec<(String, AttributeValue)>,
}

pub(super) fn state_update(lane: &LaneId, rev: u64, next: &LaneState) -> Result<StateUpdate> {
    let next = LaneState {
        rev: rev + 1,
        ..next.clone()
    };
    let item: Item = to_item("UpdateItem", &keys::lane(lane), STATE, &next)?;
    let mut fields: Vec<_> = item
        .into_iter()
        .filter(|(name, _)| name != PK && name != SK)
        .collect();
    fields.sort_by(|(one, _), (other, _)| one.cmp(other));
    let absent: Vec<_> = OPTIONAL
        .iter()
        .filter(|name| !fields.iter().any(|(field, _)| field == *name))
        .collect();
    let set: Vec<_> = fields
        .iter()
        .map(|(name, _)| format!("#{name} = :{name}"))
        .collect();
    let mut expression = format!("SET {}", set.join(", "));
    if !absent.is_empty() {
        let remove: Vec<_> = absent.iter().map(|name| format!("#{name}")).collect();
        expression.push_str(" REMOVE ");
        expression.push_str(&remove.join(", "));
    }
    let known = fields
        .iter()
        .map(|(name, _)| name.as_str())
        .chain(absent.into_iter().copied());
    let names = known
        .map(|name| (format!("#{name}"), name.to_owned()))
        .collect();
    let values = fields
        .into_iter()
        .map(|(name, value)| (format!(":{name}"), value))
        .collect();
    Ok(StateUpdate {
        expression,
        names,
        values,
    })
}

impl Ledger {
    /// Reads the product items of a lane whose rank begins with `prefix`.
    async fn ranked(&self, lane: &LaneId, prefix: &str) -> Result<Vec<Item>> {
        let pk = keys::lane(lane);
        let query = self.client.query().index_name(OPEN_INDEX);
        let query = query
            .key_condition_expression("pk = :pk AND begins_with(open_rank, :prefix)")
            .expression_attribute_values(":pk", text(&pk))
            .expression_attribute_values(":prefix", text(prefix));
        self.all(query, &pk).await
    }
}

impl Products for Ledger {
    async fn products(&self, lane: &LaneId) -> Result<Found<LastChange>> {
        let [from, to] = keys::PRODUCTS;
        let items = self.between(&keys::lane(lane), from, to).await?;
        Ok(from_items("Query", items))
    }

    async fn seen_list(&self, lane: &LaneId) -> Result<Option<SeenList>> {
        let item = self.get(SEEN_LISTS, &keys::lane_entry(lane)).await?;
        item.map(|item| from_item("GetItem", item)).transpose()
    }
}

impl Lanes for Ledger {
    async fn state(&self, lane: &LaneId) -> Result<LaneState> {
        match self.get(&keys::lane(lane), STATE).await? {
            Some(item) => from_item("GetItem", item),
            None => Ok(LaneState::default()),
        }
    }

    async fn open(&self, lane: &LaneId) -> Result<Found<OpenChange>> {
        let items = self.ranked(lane, OPEN_PREFIX).await?;
        let Found { items, unreadable } = from_items("Query", items);
        let change = |item| {
            let ProductItem {
                product,
                action,
                run,
                ordinal,
                claimed_at,
            } = item;
            OpenChange {
                product,
                action,
                run,
                ordinal,
                claimed_at,
            }
        };
        Ok(Found {
            items: items.into_iter().map(change).collect(),
            unreadable,
        })
    }

    async fn quarantined(&self, lane: &LaneId) -> Result<Found<Quarantined>> {
        let items = self.ranked(lane, QUARANTINE_PREFIX).await?;
        Ok(from_items("Query", items))
    }

    async fn store(&self, lane: &LaneId, rev: u64, next: &LaneState) -> Result<()> {
        let update = state_update(lane, rev, next)?;
        let condition = if rev == 0 {
            "attribute_not_exists(pk)"
        } else {
            "#rev = :read_rev"
        };
        let mut call = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(PK, text(keys::lane(lane)))
            .key(SK, text(STATE))
            .update_expression(update.expression)
            .set_expression_attribute_names(Some(update.names.into_iter().collect()))
            .set_expression_attribute_values(Some(update.values.into_iter().collect()))
            .condition_expression(condition);
        if rev > 0 {
            call =
                call.expression_attribute_values(":read_rev", AttributeValue::N(rev.to_string()));
        }
        call.send()
            .await
            .map(drop)
            .map_err(|error| service_error("UpdateItem", lane.to_string(), &error))
    }
}
