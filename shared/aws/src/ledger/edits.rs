//! Edits of the lists of management experiences. Only the operator's command writes and reads them.

use pmp_sync_domain::ids::EditId;
use pmp_sync_domain::ports::Result;
use pmp_sync_domain::records::{Found, ListEdit};

use super::acts::ACT;
use super::{Ledger, from_item, from_items, text};
use crate::keys::EDITS;
use crate::service_error;

/// The most pages that are read: items have less than 300 KB, and a page has 1 MB.
const MOST_PAGES: u16 = 100;
/// The fewest items of a page: the service counts what the filter leaves out as well.
const PAGE: i32 = 25;

impl Ledger {
    /// Writes an edit. Nobody else writes it.
    pub async fn put_edit(&self, edit: &ListEdit) -> Result<()> {
        let expires_at = edit.forgotten_at().as_second();
        self.put(EDITS, edit.edit.as_str(), edit, Some(expires_at))
            .await
    }

    /// Reads an edit.
    pub async fn edit(&self, edit: &EditId) -> Result<Option<ListEdit>> {
        let item = self.get(EDITS, edit.as_str()).await?;
        item.map(|item| from_item("GetItem", item)).transpose()
    }

    /// Reads up to `most` edits, the newest first.
    pub async fn newest_edits(&self, most: u16) -> Result<Found<ListEdit>> {
        self.edits_beginning("", most).await
    }

    /// Reads up to `most` edits whose ids begin with this, the newest first.
    pub async fn edits_beginning(&self, with: &str, most: u16) -> Result<Found<ListEdit>> {
        let most = usize::from(most);
        let mut items = Vec::new();
        let mut start = None;
        for _ in 0..MOST_PAGES {
            let left = i32::try_from(most.saturating_sub(items.len())).unwrap_or(i32::MAX);
            let left = left.max(PAGE);
            let query = self.client.query().table_name(&self.table);
            // A key condition takes no empty text.
            let query = if with.is_empty() {
                query.key_condition_expression("pk = :pk")
            } else {
                query
                    .key_condition_expression("pk = :pk AND begins_with(sk, :beginning)")
                    .expression_attribute_values(":beginning", text(with))
            };
            let page = query
                // What else operators did is in the same partition.
                .filter_expression("attribute_not_exists(#act)")
                .expression_attribute_names("#act", ACT)
                .expression_attribute_values(":pk", text(EDITS))
                .scan_index_forward(false)
                .limit(left)
                .consistent_read(true)
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| service_error("Query", "the edits", &error))?;
            items.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key;
            if start.is_none() || items.len() >= most {
                break;
            }
        }
        items.truncate(most);
        Ok(from_items("Query", items))
    }
}
