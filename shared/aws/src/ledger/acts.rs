//! What operators did that is no run, in the partition of the edits. Only the operator's command writes and reads it.

use aws_sdk_dynamodb::types::AttributeValue;
use pmp_sync_domain::ports::Result;
use pmp_sync_domain::records::{Found, ListEdit, OperatorAct};

use super::{Item, Ledger, from_items, text};
use crate::keys::{EDITS, SK};
use crate::service_error;

/// The field that only an act has.
pub(super) const ACT: &str = "act";

/// Edits and acts, each in their order.
#[derive(Debug)]
pub struct Operations {
    /// Edits of the lists of management experiences.
    pub edits: Found<ListEdit>,
    /// The other acts.
    pub acts: Found<OperatorAct>,
    /// The key of the last item that was read, if there may be more.
    pub next: Option<String>,
}

impl Ledger {
    /// Writes an act.
    pub async fn put_act(&self, act: &OperatorAct) -> Result<()> {
        let expires_at = act.forgotten_at().as_second();
        self.put(EDITS, act.act.as_str(), act, Some(expires_at))
            .await
    }

    /// Reads the newest edits and acts before a key, the newest first: one page, of up to `most`.
    pub async fn operations_before(&self, before: Option<&str>, most: u16) -> Result<Operations> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .expression_attribute_values(":pk", text(EDITS))
            .scan_index_forward(false)
            .limit(i32::from(most))
            .consistent_read(true);
        let query = match before {
            None => query.key_condition_expression("pk = :pk"),
            Some(before) => query
                .key_condition_expression("pk = :pk AND sk < :before")
                .expression_attribute_values(":before", text(before)),
        };
        let page = query
            .send()
            .await
            .map_err(|error| service_error("Query", "what operators did", &error))?;
        let items = page.items.unwrap_or_default();
        let key = |item: &Item| item.get(SK).and_then(|key| key.as_s().ok()).cloned();
        let next = page
            .last_evaluated_key
            .and_then(|_| items.last().and_then(key));
        let is_act = |item: &Item| matches!(item.get(ACT), Some(AttributeValue::S(_)));
        let (acts, edits): (Vec<_>, Vec<_>) = items.into_iter().partition(is_act);
        Ok(Operations {
            edits: from_items("Query", edits),
            acts: from_items("Query", acts),
            next,
        })
    }
}
