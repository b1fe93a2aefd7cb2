//! Items that a newer release wrote: this one can neither read nor overwrite them.

use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ids::{LaneId, ProductId, RunId};
use pmp_sync_domain::ports::Result;
use pmp_sync_domain::records::UnreadableItem;

use super::MemoryLedger;

/// An item of the ledger, by its kind and place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ItemKey {
    /// The state of a lane.
    LaneState(LaneId),
    /// The last change of a product on a lane.
    Product(LaneId, ProductId),
    /// The record of a change set.
    Set(LaneId, u64),
    /// A link state.
    LinkState(LaneId),
    /// The entry of a lane in the list of lanes.
    LaneEntry(LaneId),
    /// A run.
    Run(RunId),
    /// The record of a link in a run.
    Link(RunId, LaneId),
    /// The member's lists before a run.
    Lists(RunId, LaneId),
    /// The listing of a product.
    Live(ProductId),
    /// The number of the newest configuration.
    Config,
    /// A version of the configuration.
    ConfigVersion(u64),
    /// The suspensions.
    Suspensions,
    /// The last run id that was assigned.
    LastRun,
    /// The receipt of a request.
    Receipt(String),
}

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
        let product = match key {
            ItemKey::Product(_, product) | ItemKey::Live(product) => Some(product.clone()),
            _ => None,
        };
        match self.check("Query", key) {
            Ok(()) => Ok(item),
            Err(error) => Err(UnreadableItem { error, product }),
        }
    }
}
