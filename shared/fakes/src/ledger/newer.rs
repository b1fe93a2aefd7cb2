//! Items that a newer release wrote: this one can neither read nor overwrite them.

use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ids::{LaneId, ProductId};
use pmp_sync_domain::ports::Result;
use pmp_sync_domain::records::{About, UnreadableItem};

use super::MemoryLedger;
use super::item_key::ItemKey;

impl MemoryLedger {
    /// Fails if a newer release wrote the item.
    pub(crate) fn check(&self, operation: &'static str, key: &ItemKey) -> Result<()> {
        if !self.newer.contains(key) {
            return Ok(());
        }
        let (kind, thing) = (Kind::Unreadable, format!("{key:?}"));
        let words = "it has schema 999; this release understands 1";
        Err(ServiceError::new(operation, thing, kind, words))
    }

    /// True if a newer release wrote the item of a product.
    pub(crate) fn is_newer(&self, (lane, product): &(LaneId, ProductId)) -> bool {
        let key = ItemKey::Product(lane.clone(), product.clone());
        self.newer.contains(&key)
    }

    /// The item as a query reads it.
    pub(crate) fn read<T>(&self, key: &ItemKey, item: T) -> Result<T, UnreadableItem> {
        let about = match key {
            ItemKey::Product(_, product) | ItemKey::Live(product) => {
                Some(About::Product(product.clone()))
            }
            ItemKey::Receipt(request) => Some(About::Request(request.as_str().into())),
            ItemKey::LaneEntry(lane) => Some(About::Lane(Box::new(lane.clone()))),
            _ => None,
        };
        match self.check("Query", key) {
            Ok(()) => Ok(item),
            Err(error) => Err(UnreadableItem { error, about }),
        }
    }
}
