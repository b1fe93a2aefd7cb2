//! The ledger in memory, with the conditions of the real writes.

mod item_key;
mod lanes;
mod newer;
mod product_requests;
mod runs;

pub use self::item_key::ItemKey;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use pmp_sync_domain::ids::{AccountId, ChangeSetId, LaneId, ProductId, ProductRequestId, RunId};
use pmp_sync_domain::lane::{LaneState, OpenChange, Quarantined};
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::ports::Closing;
use pmp_sync_domain::records::{
    Answers, ChangeState, DeadLetterRecord, DroppedRequests, LaneEntry, LastChange, LinkRecord,
    LinkState, LiveRecord, ProductRequest, Receipt, RunRecord, SeenList, SetRecord, Suspensions,
};

/// The item of one product on one lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemState {
    /// The change in its last claim.
    pub change: OpenChange,
    /// How it was closed. None while it is open or quarantined.
    pub closed: Option<Closing>,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// Why it was quarantined.
    pub quarantined: Option<Quarantined>,
    /// The change set that applied it.
    pub change_set: Option<ChangeSetId>,
}

impl ItemState {
    /// True while it is claimed.
    pub fn is_open(&self) -> bool {
        self.closed.is_none() && self.quarantined.is_none()
    }

    /// The item as readers of the ledger see it.
    pub fn last_change(&self) -> LastChange {
        let quarantined = self.quarantined.as_ref();
        LastChange {
            product: self.change.product.clone(),
            action: self.change.action,
            run: self.change.run,
            state: match (self.closed, quarantined) {
                (_, Some(_)) => ChangeState::Quarantined,
                (None, None) => ChangeState::Open,
                (Some(Closing::Applied), None) => ChangeState::Applied,
                (Some(Closing::Holding), None) => ChangeState::Holding,
                (Some(Closing::Superseded), None) => ChangeState::Superseded,
            },
            change_set: quarantined
                .map(|quarantined| quarantined.change_set.clone())
                .or_else(|| self.change_set.clone()),
            claimed_at: self.change.claimed_at,
            closed_at: self.closed_at,
            quarantined_at: quarantined.map(|quarantined| quarantined.quarantined_at),
            error_code: quarantined.map(|quarantined| quarantined.error_code.clone()),
            error_message: quarantined.map(|quarantined| quarantined.error_message.clone()),
        }
    }
}

/// The ledger in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryLedger {
    /// The states of the lanes.
    pub lanes: BTreeMap<LaneId, LaneState>,
    /// The items of the products.
    pub items: BTreeMap<(LaneId, ProductId), ItemState>,
    /// The change sets that have ended, by lane and number.
    pub sets: BTreeMap<(LaneId, u64), SetRecord>,
    /// The versions of the configuration, from 1.
    pub configs: Vec<String>,
    /// The runs.
    pub runs: BTreeMap<RunId, RunRecord>,
    /// The records of links, by run and lane.
    pub links: BTreeMap<(RunId, String), LinkRecord>,
    /// The lanes that were ever planned for.
    pub entries: BTreeMap<LaneId, LaneEntry>,
    /// The link states.
    pub link_states: BTreeMap<LaneId, LinkState>,
    /// The members' lists before runs.
    pub lists: BTreeMap<(RunId, LaneId), PolicySnapshot>,
    /// The members' lists as runs last saw them.
    pub seen_lists: BTreeMap<LaneId, SeenList>,
    /// The listings of products.
    pub live: Answers,
    /// The suspensions.
    pub suspensions: Suspensions,
    /// The records of dead letters, by run.
    pub dead_letters: Vec<(RunId, DeadLetterRecord)>,
    /// The receipts of requests.
    pub receipts: BTreeMap<String, Receipt>,
    /// The procurement requests.
    pub product_requests: BTreeMap<(AccountId, ProductRequestId), ProductRequest>,
    /// Those for which there was no room, by member account.
    pub dropped_requests: BTreeMap<AccountId, DroppedRequests>,
    /// The last run id that was assigned.
    pub last_run: Option<RunId>,
    /// The items that a newer release wrote: they can be neither read nor overwritten.
    pub newer: BTreeSet<ItemKey>,
    /// Every state that was written since the last time they were taken. None if nobody watches.
    pub watched: Option<Vec<Written>>,
    /// Every link state, and every list for a rollback, that was written since the last time they
    /// were taken. None if nobody watches.
    pub watched_link_states: Option<Vec<Kept>>,
    /// Every listing that was written since the last time they were taken, with the one before. None if
    /// nobody watches.
    pub watched_listings: Option<Vec<(Option<LiveRecord>, LiveRecord)>>,
}

/// Something that the producer wrote about a link.
#[derive(Debug, Clone)]
pub enum Kept {
    /// A link state.
    LinkState(LaneId, Box<LinkState>),
    /// The lists for a rollback to before a run.
    Lists(RunId, LaneId),
}

/// A state of a lane that was written.
#[derive(Debug, Clone)]
pub struct Written {
    /// The lane.
    pub lane: LaneId,
    /// Its state.
    pub state: LaneState,
    /// The record of its plan at that moment, if the plan is a new one.
    pub record: Option<LinkRecord>,
}

impl MemoryLedger {
    /// Writes a lane's state without a condition, with its own `rev`.
    pub fn put_lane(&mut self, lane: &LaneId, state: LaneState) {
        if let Some(watched) = &mut self.watched {
            let run = state.planned_run();
            let known = self.lanes.get(lane).and_then(LaneState::planned_run);
            let record = run
                .filter(|_| run != known)
                .and_then(|run| self.links.get(&(run, lane.to_string())));
            watched.push(Written {
                lane: lane.clone(),
                state: state.clone(),
                record: record.cloned(),
            });
        }
        self.lanes.insert(lane.clone(), state);
    }
}
