//! The keys and attribute names of the ledger's one table.

use jiff::Timestamp;
use pmp_sync_domain::ids::{AccountId, LaneId, ProductId, ProductRequestId, RunId};
use pmp_sync_domain::records::About;

/// Attribute name of the partition key.
pub const PK: &str = "pk";
/// Attribute name of the sort key.
pub const SK: &str = "sk";
/// The local secondary index over [`OPEN_RANK`]. It is sparse: only claimed and quarantined
/// changes, and runs that have not ended, have the attribute.
pub const OPEN_INDEX: &str = "open";
/// Sort key of the index.
pub const OPEN_RANK: &str = "open_rank";
/// When DynamoDB may remove an item, in seconds since 1970.
pub const EXPIRES_AT: &str = "expires_at";
/// Sort key of a lane's state.
pub const STATE: &str = "STATE";
/// Partition of the runs.
pub const RUN: &str = "RUN";
/// Sort key of the last run id that was assigned. It sorts before every run.
pub const LAST_RUN: &str = "#last";
/// Partition of the configuration.
pub const CONFIG: &str = "CONFIG";
/// Sort key of the number of the newest configuration.
pub const CURRENT: &str = "current";
/// Partition of the lanes that were ever planned for.
pub const LANES: &str = "LANES";
/// Partition of the listings, by product id.
pub const LIVE: &str = "LIVE";
/// Partition of the link states.
pub const LINK_STATES: &str = "LINK_STATES";

/// Partition of the members' lists as runs last saw them.
pub const SEEN_LISTS: &str = "SEEN_LISTS";

/// Partition of the member accounts that are being onboarded, or have been.
pub const MEMBER: &str = "MEMBER";

/// Partition of the edits of lists by operators.
pub const EDITS: &str = "EDITS";

/// Sort key of the receipt of a request.
pub const RECEIPT: &str = "RECEIPT";

/// Prefix of the partitions of requests.
const REQUEST_PREFIX: &str = "REQUEST#";

/// Partition of a request of the inbox.
pub fn request(request: &str) -> String {
    format!("{REQUEST_PREFIX}{request}")
}

/// Partition of the operators' answers to procurement requests.
pub const REQUEST_ANSWERS: &str = "REQUEST_ANSWERS";

/// Sort key of the count of a member's requests for which there was no room. It sorts before every
/// request.
pub const DROPPED: &str = "#dropped";

/// Prefix of the rank of a procurement request that waits for an answer.
const WAITING_PREFIX: &str = "W#";

/// Partition of the procurement requests of a member account. The member's role may access it.
pub fn product_requests(account: &AccountId) -> String {
    format!("PRODUCT_REQUESTS#{account}")
}

/// Sort key of the answer to a request.
pub fn request_answer(account: &AccountId, request: &ProductRequestId) -> String {
    format!("{account}#{request}")
}

/// The rank of a request that waits for an answer until `until`.
pub fn waiting_rank(until: Timestamp, request: &ProductRequestId) -> String {
    format!("{}{request}", waiting(until))
}

/// The ranks of the requests that wait for an answer at `now`.
pub fn waiting_ranks(now: Timestamp) -> [String; 2] {
    [
        waiting(Timestamp::from_second(now.as_second() + 1).unwrap_or(now)),
        "W$".to_owned(),
    ]
}

fn waiting(until: Timestamp) -> String {
    format!("{WAITING_PREFIX}{:012}#", until.as_second().max(0))
}

/// Prefix of the rank of a claimed change.
pub const OPEN_PREFIX: &str = "O#";

/// Prefix of the rank of a quarantined change.
pub const QUARANTINE_PREFIX: &str = "Q#";
/// Prefix of the sort key of a change set that has ended.
pub const SET_PREFIX: &str = "SET#";
/// Sort key of the suspensions.
pub const SUSPENSIONS: &str = "suspensions";

/// Partition of a lane. A member's role may access only partitions that begin with its own account.
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

/// What an item is about.
pub fn about(partition: &str, sort_key: &str) -> Option<About> {
    if let Some(request) = partition.strip_prefix(REQUEST_PREFIX) {
        return Some(About::Request(request.into()));
    }
    if partition == LANES {
        let lane = sort_key.replacen('#', "/", 1);
        let lane = lane.parse().ok()?;
        return Some(About::Lane(Box::new(lane)));
    }
    let product = match partition {
        LIVE => sort_key,
        _ => sort_key.strip_prefix("PRODUCT#")?,
    };
    ProductId::new(product).ok().map(About::Product)
}

/// Sort key of a change set that has ended. Sort keys have the order in which change sets were
/// started.
pub fn set(seq: u64) -> String {
    format!("{SET_PREFIX}{seq:012}")
}
/// Bounds of the sort keys of a lane's products: `$` follows `#`.
pub const PRODUCTS: [&str; 2] = ["PRODUCT#", "PRODUCT$"];

/// The rank of a claimed change: older runs first, then the sending order of the run.
pub fn open_rank(run: RunId, ordinal: u32) -> String {
    format!("{OPEN_PREFIX}{run}#{ordinal:06}")
}

/// The rank of a quarantined change.
pub fn quarantine_rank(product: &ProductId) -> String {
    format!("{QUARANTINE_PREFIX}{product}")
}

/// Sort key of one part of the member's lists before a run.
pub fn lists(lane: &LaneId, part: usize) -> String {
    format!("LISTS#{}#{}#{part:04}", lane.account, lane.experience)
}

/// Sort key of the record of a dead letter.
pub fn dead_letter(id: &str) -> String {
    format!("DEAD#{id}")
}

/// Prefix of the sort keys of the versions of the configuration.
pub const VERSION_PREFIX: &str = "v#";

/// Sort key of a version of the configuration.
pub fn config_version(version: u64) -> String {
    format!("{VERSION_PREFIX}{version:08}")
}

/// Partition of the records of a run: links, dead letters, lists.
pub fn run_links(run: RunId) -> String {
    format!("RUN#{run}")
}
