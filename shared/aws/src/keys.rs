//! The keys and attribute names of the ledger's one table.

use pmp_sync_domain::ids::{LaneId, ProductId, RunId};

/// Partition key.
pub const PK: &str = "pk";
/// Sort key.
pub const SK: &str = "sk";
/// The local secondary index over [`OPEN_RANK`]. Sparse: only claimed changes have the attribute.
pub const OPEN_INDEX: &str = "open";
/// Sort key of the index.
pub const OPEN_RANK: &str = "open_rank";
/// When an item may be removed, in seconds since 1970.
pub const EXPIRES_AT: &str = "expires_at";
/// Sort key of a lane's state.
pub const STATE: &str = "STATE";
/// Partition of the runs.
pub const RUN: &str = "RUN";
/// Sort key of the last run id that was given out. Sorts before every run.
pub const LAST_RUN: &str = "#last";
/// Partition of the configuration.
pub const CONFIG: &str = "CONFIG";
/// Sort key of the number of the newest configuration.
pub const CURRENT: &str = "current";
/// Partition of the lanes that were ever planned for.
pub const LANES: &str = "LANES";
/// Partition of what AWS Marketplace has said of products, by their ids.
pub const LIVE: &str = "LIVE";
/// Partition of what is remembered of the links.
pub const BOOKS: &str = "BOOKS";

/// Partition of the member accounts that are being taken in, or have been.
pub const MEMBER: &str = "MEMBER";

/// What the rank of a claimed change begins with.
pub const OPEN_PREFIX: &str = "O#";

/// What the rank of a quarantined change begins with.
pub const QUARANTINE_PREFIX: &str = "Q#";
/// What the sort key of a change set that has ended begins with.
pub const SET_PREFIX: &str = "SET#";
/// Sort key of what is stopped.
pub const BRAKE: &str = "brake";

/// Partition of a lane. A member's role may touch only those that begin with its own account.
pub fn lane(lane: &LaneId) -> String {
    format!("LANE#{}#{}", lane.account, lane.experience)
}

/// Sort key of a lane in [`LANES`].
pub fn lane_entry(lane: &LaneId) -> String {
    format!("{}#{}", lane.account, lane.experience)
}

/// Sort key of a product on its lane.
pub fn product(product: &ProductId) -> String {
    format!("PRODUCT#{product}")
}

/// Sort key of a change set that has ended, so that they sort as they were started.
pub fn set(seq: u64) -> String {
    format!("{SET_PREFIX}{seq:012}")
}
/// What the sort keys of a lane's products lie between: `$` follows `#`.
pub const PRODUCTS: [&str; 2] = ["PRODUCT#", "PRODUCT$"];

/// The rank of a claimed change: older runs first, then in their order.
pub fn open_rank(run: RunId, ordinal: u32) -> String {
    format!("{OPEN_PREFIX}{run}#{ordinal:06}")
}

/// The rank of a quarantined change.
pub fn quarantine_rank(product: &ProductId) -> String {
    format!("{QUARANTINE_PREFIX}{product}")
}

/// Sort key of a part of the member's lists as they were before a run.
pub fn lists(lane: &LaneId, part: usize) -> String {
    format!("LISTS#{}#{}#{part:04}", lane.account, lane.experience)
}

/// Sort key of what became of a dead letter.
pub fn dead_letter(id: &str) -> String {
    format!("DEAD#{id}")
}

/// Sort key of a version of the configuration.
pub fn config_version(version: u64) -> String {
    format!("v#{version:08}")
}

/// Partition of what a run planned.
pub fn run_links(run: RunId) -> String {
    format!("RUN#{run}")
}
