//! The place of an item in the ledger.

use pmp_sync_domain::ids::{AccountId, LaneId, ProductId, ProductRequestId, RunId};

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
    /// The member's list as a run last saw it.
    SeenList(LaneId),
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
    /// A procurement request of a member account.
    ProductRequest(AccountId, ProductRequestId),
}
