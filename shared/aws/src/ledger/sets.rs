//! Records of change sets: items of the lane's partition, one for each change set that has ended.

use aws_sdk_dynamodb::types::AttributeValue;
use pmp_sync_domain::error::Kind;
use pmp_sync_domain::ids::{LaneId, RunId};
use pmp_sync_domain::ports::{ReadSets, Result};
use pmp_sync_domain::records::{Found, SetRecord};

use super::{Ledger, NOT_NEWER, from_items, text, to_item};
use crate::keys::{self, EXPIRES_AT, PK, SET_PREFIX, SK};
use crate::service_error;

/// Fields that keep their first value: if two workers find the end of a change set, the time of the
/// first counts.
const FIRST: [&str; 2] = ["ended_at", EXPIRES_AT];

/// Records that are read at once where the newest are looked at first.
const SETS_AT_ONCE: usize = 100;

impl Ledger {
    /// Writes the record of a change set. It uses `UpdateItem`, the only write that a member's role
    /// permits.
    pub(super) async fn put_set(&self, lane: &LaneId, record: &SetRecord) -> Result<()> {
        let (pk, sk) = (keys::lane(lane), keys::set(record.seq));
        let mut item = to_item("UpdateItem", &pk, &sk, record)?;
        let expires_at = self.expiry(record.ended_at).to_string();
        item.insert(EXPIRES_AT.to_owned(), AttributeValue::N(expires_at));
        item.retain(|name, _| name != PK && name != SK);
        let mut fields: Vec<_> = item.into_iter().collect();
        fields.sort_by(|(one, _), (other, _)| one.cmp(other));
        let set = fields.iter().map(|(name, _)| {
            if FIRST.contains(&name.as_str()) {
                format!("#{name} = if_not_exists(#{name}, :{name})")
            } else {
                format!("#{name} = :{name}")
            }
        });
        let expression = format!("SET {}", set.collect::<Vec<_>>().join(", "));
        let mut call = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(PK, text(pk))
            .key(SK, text(sk))
            .update_expression(expression)
            .condition_expression(NOT_NEWER);
        for (name, value) in fields {
            call = call
                .expression_attribute_values(format!(":{name}"), value)
                .expression_attribute_names(format!("#{name}"), name);
        }
        let sent = call.send().await.map(drop);
        let sent =
            sent.map_err(|error| service_error("UpdateItem", record.change_set.as_str(), &error));
        match sent {
            // The record is only told. Without it the lane moves on.
            Err(error) if error.kind == Kind::Conflict => {
                tracing::error!(%lane, seq = record.seq, code = "PMS-4004", "the record of a change set is left as a newer release wrote it");
                Ok(())
            }
            sent => sent,
        }
    }
}

impl Ledger {
    /// Reads the newest change sets of a lane, up to and including the first one of a run before `run`,
    /// and at most `most`.
    pub(super) async fn read_sets_since(
        &self,
        lane: &LaneId,
        run: RunId,
        most: usize,
    ) -> Result<Found<SetRecord>> {
        let pk = keys::lane(lane);
        let mut found = Found::default();
        let mut start = None;
        loop {
            let count = found.items.len() + found.unreadable.len();
            let left = most.saturating_sub(count).min(SETS_AT_ONCE);
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .expression_attribute_values(":pk", text(&pk))
                .expression_attribute_values(":prefix", text(SET_PREFIX))
                .scan_index_forward(false)
                .limit(i32::try_from(left).unwrap_or(i32::MAX))
                .consistent_read(true)
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| service_error("Query", &pk, &error))?;
            let read: Found<SetRecord> = from_items("Query", page.items.unwrap_or_default());
            found.unreadable.extend(read.unreadable);
            for set in read.items {
                let is_older = set.run < run;
                found.items.push(set);
                if is_older {
                    return Ok(found);
                }
            }
            start = page.last_evaluated_key;
            if start.is_none() || found.items.len() + found.unreadable.len() >= most {
                return Ok(found);
            }
        }
    }
}

impl ReadSets for Ledger {
    async fn sets(&self, lane: &LaneId, run: Option<RunId>) -> Result<Found<SetRecord>> {
        let pk = keys::lane(lane);
        let query = self.client.query();
        let mut query = query
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", text(&pk))
            .expression_attribute_values(":prefix", text(SET_PREFIX));
        if let Some(run) = run {
            query = query
                .filter_expression("#run = :run")
                .expression_attribute_names("#run", "run")
                .expression_attribute_values(":run", text(run.to_string()));
        }
        Ok(from_items("Query", self.all(query, &pk).await?))
    }
}
