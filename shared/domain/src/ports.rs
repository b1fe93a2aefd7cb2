//! The ports: what the producer and the worker need from outside, as traits. Reading and writing
//! are separate, so that code that plans has nothing that could change an experience.
//!
//! shared/aws has the adapters to AWS, shared/fakes stateful fakes.

mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::closed_list::closed_list;
use crate::delivery::record::Record;
use crate::error::ServiceError;
use crate::experience::Experience;
use crate::ids::{
    AccountId, ChangeSetId, ChangeSetName, ExperienceId, LaneId, PolicyId, ProductId,
    ProductRequestId, RunId,
};
use crate::lane::{
    Failed, FailedAlone, Intent, LaneState, NamedSet, OpenChange, Quarantined, StartedSet,
};
use crate::link::Member;
use crate::policy::PolicySnapshot;
use crate::product::ProductDetails;
use crate::records::{
    DeadLetterRecord, Found, LaneEntry, LastChange, LinkRecord, LinkState, LiveRecord,
    ProductRequest, Receipt, RequestCounts, RunRecord, SeenList, SetRecord, Suspensions,
};
use crate::wire::{ChangeMessage, Continuation, Event, LinkRetry, TickMessage};

pub use self::report::{PublishReport, ReadAnswers};

/// The result of a call through a port.
pub type Result<T, E = ServiceError> = std::result::Result<T, E>;

/// A source of the current time.
pub trait Clock: Send + Sync {
    /// The current time.
    fn now(&self) -> Timestamp;
}

/// A source of random numbers.
pub trait Entropy: Send + Sync {
    /// 128 random bits.
    fn bits(&self) -> u128;
}

/// Read access to the experiences and policies of one organization.
pub trait ReadCatalog: Send + Sync {
    /// Reads an experience.
    fn experience(&self, id: &ExperienceId) -> impl Future<Output = Result<Experience>> + Send;
    /// Reads the lists of a procurement policy.
    fn policy(&self, id: &PolicyId) -> impl Future<Output = Result<PolicySnapshot>> + Send;
    /// Lists the ids of the organization's experiences, including archived and disabled ones.
    fn experiences(&self) -> impl Future<Output = Result<Vec<ExperienceId>>> + Send;
}

/// AWS Marketplace's answers about products. An implementation keeps to the rate of the service.
pub trait Discovery: Send + Sync {
    /// The product's name and other words, cleaned and bounded, if it is live; none if AWS Marketplace
    /// does not list it. [`Kind::Refused`] concerns this product alone. Any other error means that the
    /// service cannot be asked for now.
    ///
    /// [`Kind::Refused`]: crate::error::Kind::Refused
    fn product(
        &self,
        product: &ProductId,
    ) -> impl Future<Output = Result<Option<ProductDetails>>> + Send;
}

/// The status of a change set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeSetStatus {
    /// PREPARING or APPLYING.
    Underway,
    /// SUCCEEDED, with the whole seconds from its start to its end if the service reports them.
    Succeeded(Option<u32>),
    /// FAILED because of its content.
    Failed(Failed),
    /// FAILED because of the service.
    ServerFault(String),
    /// CANCELLED.
    Cancelled,
}

/// Change sets on the member experience: the only way to change it.
pub trait ChangeSets: Send + Sync {
    /// Starts the change set of an intent. Another call with the same intent starts no second one.
    fn start(
        &self,
        name: &ChangeSetName,
        intent: &Intent,
    ) -> impl Future<Output = Result<ChangeSetId>> + Send;
    /// Reads the status of a change set.
    fn status(&self, id: &ChangeSetId) -> impl Future<Output = Result<ChangeSetStatus>> + Send;
    /// Finds the change sets with that name on the experience, with their start and content.
    fn named(&self, name: &ChangeSetName) -> impl Future<Output = Result<Vec<NamedSet>>> + Send;
    /// Reads the names of the newest change sets on the experience, whoever started them: at most 20.
    fn newest(
        &self,
        experience: &ExperienceId,
    ) -> impl Future<Output = Result<Vec<StartedSet>>> + Send;
    /// Reads which experiences a change set changes, whoever started it: at most 20, as it has 20 changes.
    fn changed_by(
        &self,
        id: &ChangeSetId,
    ) -> impl Future<Output = Result<BTreeSet<ExperienceId>>> + Send;
}

/// How a claimed change was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Closing {
    /// A change set applied it.
    Applied,
    /// The experience had it already.
    Holding,
    /// A newer plan replaced it.
    Superseded,
}

closed_list!(Closing, "closing", {
    Applied => "applied",
    Holding => "holding",
    Superseded => "superseded",
});

/// A lane in the ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lane {
    /// Its state. A lane without an item has the default state.
    pub state: LaneState,
    /// Claimed changes of the lane.
    pub open: Vec<OpenChange>,
}

/// The lanes of the ledger.
///
/// A read of one item fails with [`Kind::Unreadable`] if this release cannot read it. A query leaves
/// such items out and reports them. A write never overwrites an item of a newer schema: it fails
/// with [`Kind::Unreadable`].
///
/// [`Kind::Unreadable`]: crate::error::Kind::Unreadable
pub trait Lanes: Send + Sync {
    /// Reads the state of a lane with strong consistency. Returns the default state if there is
    /// none.
    fn state(&self, lane: &LaneId) -> impl Future<Output = Result<LaneState>> + Send;
    /// Reads the claimed changes of a lane with strong consistency.
    fn open(&self, lane: &LaneId) -> impl Future<Output = Result<Found<OpenChange>>> + Send;
    /// Reads the quarantined changes of a lane with strong consistency.
    fn quarantined(&self, lane: &LaneId)
    -> impl Future<Output = Result<Found<Quarantined>>> + Send;
    /// Writes `next` with `rev + 1`, on condition that the item still has `rev`. Fails with
    /// [`Kind::Conflict`] if it has not.
    ///
    /// [`Kind::Conflict`]: crate::error::Kind::Conflict
    fn store(
        &self,
        lane: &LaneId,
        rev: u64,
        next: &LaneState,
    ) -> impl Future<Output = Result<()>> + Send;
}

/// Read access to the last change of each product.
pub trait Products: Send + Sync {
    /// Reads the last change of every product that was ever changed on a lane, with strong
    /// consistency.
    fn products(&self, lane: &LaneId) -> impl Future<Output = Result<Found<LastChange>>> + Send;
    /// Reads the member's list as a run last saw it.
    fn seen_list(&self, lane: &LaneId) -> impl Future<Output = Result<Option<SeenList>>> + Send;
}

/// What became of a change that was to be quarantined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quarantining {
    /// It is quarantined by this call.
    Now,
    /// Another call quarantined it at this time.
    Before(Timestamp),
    /// It was closed or claimed again, and is not quarantined.
    Gone,
}

/// The worker's write access to changes.
pub trait Claims: Close {
    /// Claims a change, unless the product was claimed under this run or a newer one. Returns true
    /// if this call claimed it.
    fn claim(
        &self,
        change: &ChangeMessage,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool>> + Send;
    /// Quarantines a claimed change, if its item still has that run.
    fn quarantine(
        &self,
        lane: &LaneId,
        failed: &FailedAlone,
        now: Timestamp,
    ) -> impl Future<Output = Result<Quarantining>> + Send;
    /// Writes the record of a change set. Another call for the same change set writes the same
    /// record.
    fn keep_set(
        &self,
        lane: &LaneId,
        record: &SetRecord,
    ) -> impl Future<Output = Result<()>> + Send;
}

/// Read access to the records of change sets.
pub trait ReadSets: Send + Sync {
    /// Reads the change sets of a lane that have ended, the oldest first, with strong consistency.
    /// With `run`, only those of that run.
    fn sets(
        &self,
        lane: &LaneId,
        run: Option<RunId>,
    ) -> impl Future<Output = Result<Found<SetRecord>>> + Send;
}

/// The procurement requests of one member, for its worker.
pub trait ProductRequests: Send + Sync {
    /// Reads a request with strong consistency.
    fn product_request(
        &self,
        account: &AccountId,
        request: &ProductRequestId,
    ) -> impl Future<Output = Result<Option<ProductRequest>>> + Send;
    /// Counts the requests of an account with strong consistency.
    fn count_product_requests(
        &self,
        account: &AccountId,
        now: Timestamp,
    ) -> impl Future<Output = Result<RequestCounts>> + Send;
    /// Writes a request with `rev + 1`, on condition that the item still has its `rev`. Leaves what is
    /// announced as it is. Fails with [`Kind::Conflict`] if the item has another `rev`.
    ///
    /// [`Kind::Conflict`]: crate::error::Kind::Conflict
    fn put_product_request(
        &self,
        request: &ProductRequest,
    ) -> impl Future<Output = Result<()>> + Send;
    /// Counts a request for which there is no room.
    fn drop_product_request(
        &self,
        account: &AccountId,
        now: Timestamp,
    ) -> impl Future<Output = Result<()>> + Send;
}

/// The procurement requests of all members, for the producer.
pub trait AnnounceRequests: Send + Sync {
    /// Reads the requests of an account that wait for an answer, those that expire first before the
    /// others, with strong consistency.
    fn open_product_requests(
        &self,
        account: &AccountId,
        now: Timestamp,
    ) -> impl Future<Output = Result<Found<ProductRequest>>> + Send;
    /// Records that a request is announced.
    fn announced_product_request(
        &self,
        request: &ProductRequest,
        now: Timestamp,
    ) -> impl Future<Output = Result<()>> + Send;
}

/// Closes claimed changes: for the worker, and for the producer on lanes that no link serves any
/// more.
pub trait Close: Send + Sync {
    /// Closes changes, each only if it is claimed and its item still has the given run.
    fn close(
        &self,
        lane: &LaneId,
        changes: &[(ProductId, RunId)],
        closing: Closing,
        change_set: Option<&ChangeSetId>,
        now: Timestamp,
    ) -> impl Future<Output = Result<()>> + Send;
}

/// A stored version of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredConfig {
    /// Its number, from 1.
    pub version: u64,
    /// The TOML text.
    pub text: String,
}

/// Read access to runs, link states and the configuration.
pub trait ReadRuns: Send + Sync {
    /// Reads the newest configuration.
    fn config(&self) -> impl Future<Output = Result<Option<StoredConfig>>> + Send;
    /// Reads a version of the configuration.
    fn config_version(
        &self,
        version: u64,
    ) -> impl Future<Output = Result<Option<StoredConfig>>> + Send;
    /// Reads the suspensions. Empty if there was never one.
    fn suspensions(&self) -> impl Future<Output = Result<Suspensions>> + Send;
    /// Lists every lane that was ever planned for.
    fn lanes(&self) -> impl Future<Output = Result<Found<LaneEntry>>> + Send;
    /// Reads the newest runs, the newest first.
    fn newest_runs(&self, most: u16) -> impl Future<Output = Result<Found<RunRecord>>> + Send;
    /// Reads the runs that have not ended, the oldest first, however many have ended since.
    fn unfinished_runs(&self, most: u16) -> impl Future<Output = Result<Found<RunRecord>>> + Send;
    /// Reads a run.
    fn run(&self, run: RunId) -> impl Future<Output = Result<Option<RunRecord>>> + Send;
    /// Reads the record of a lane in a run.
    fn link(
        &self,
        run: RunId,
        lane: &LaneId,
    ) -> impl Future<Output = Result<Option<LinkRecord>>> + Send;
    /// Reads a link state. Returns an empty one if there is none.
    fn link_state(&self, lane: &LaneId) -> impl Future<Output = Result<LinkState>> + Send;
    /// Reads the member's lists before a run denied something there, if it did.
    fn lists(
        &self,
        run: RunId,
        lane: &LaneId,
    ) -> impl Future<Output = Result<Option<PolicySnapshot>>> + Send;
    /// Reads the newest change sets of a lane that have ended, the newest first, with strong
    /// consistency: up to and including the first one of a run before `run`, and at most `most`.
    fn sets_since(
        &self,
        lane: &LaneId,
        run: RunId,
        most: usize,
    ) -> impl Future<Output = Result<Found<SetRecord>>> + Send;
    /// Reads the stored listings of these products.
    fn live(
        &self,
        products: &BTreeSet<ProductId>,
    ) -> impl Future<Output = Result<Found<LiveRecord>>> + Send;
}

/// The producer's write access to the ledger.
pub trait WriteRuns: ReadRuns {
    /// Assigns a run id that sorts after every earlier one.
    fn next_run(&self, now: Timestamp, random: u128) -> impl Future<Output = Result<RunId>> + Send;
    /// Writes a run.
    fn put_run(&self, run: &RunRecord) -> impl Future<Output = Result<()>> + Send;
    /// Writes the record of a link in a run.
    fn put_link(&self, link: &LinkRecord) -> impl Future<Output = Result<()>> + Send;
    /// Voids the record that the `*` link of a member failed as a whole in this run, if there is one: an invocation that was
    /// interrupted wrote it, and the run has reached the link since.
    fn void_failure(
        &self,
        run: RunId,
        account: &AccountId,
    ) -> impl Future<Output = Result<()>> + Send;
    /// Writes a link state with `rev + 1`, on condition that the item still has its `rev`. Fails
    /// with [`Kind::Conflict`] if it has not.
    ///
    /// [`Kind::Conflict`]: crate::error::Kind::Conflict
    fn put_link_state(
        &self,
        lane: &LaneId,
        link_state: &LinkState,
    ) -> impl Future<Output = Result<()>> + Send;
    /// Stores the member's lists before the run denies something there. Lists that are stored
    /// already stay unchanged, because a run may continue in another invocation.
    fn put_lists(
        &self,
        run: RunId,
        lane: &LaneId,
        lists: &PolicySnapshot,
        now: Timestamp,
    ) -> impl Future<Output = Result<()>> + Send;
    /// Stores the member's list as a run has seen it.
    fn put_seen_list(
        &self,
        lane: &LaneId,
        list: &SeenList,
    ) -> impl Future<Output = Result<()>> + Send;
    /// Stores the listing of a product.
    fn put_live(&self, record: &LiveRecord) -> impl Future<Output = Result<()>> + Send;
    /// Releases a change from quarantine, if it is still the one that was read.
    fn release(
        &self,
        lane: &LaneId,
        quarantined: &Quarantined,
        now: Timestamp,
    ) -> impl Future<Output = Result<()>> + Send;
    /// Writes the record of a dead letter.
    fn put_dead_letter(
        &self,
        run: RunId,
        record: &DeadLetterRecord,
    ) -> impl Future<Output = Result<()>> + Send;
    /// Adds a lane to the list of lanes, so that it is found without its configuration.
    fn register(&self, lane: &LaneId, link: &LinkRecord)
    -> impl Future<Output = Result<()>> + Send;
}

/// The receipts of requests.
pub trait Receipts: Send + Sync {
    /// Reads the receipts of these requests with strong consistency.
    fn receipts(
        &self,
        requests: &BTreeSet<String>,
    ) -> impl Future<Output = Result<Found<Receipt>>> + Send;
    /// Writes a receipt, on condition that there is none yet, or that the one there has the run
    /// `before`. Fails with [`Kind::Conflict`] otherwise.
    ///
    /// [`Kind::Conflict`]: crate::error::Kind::Conflict
    fn put_receipt(
        &self,
        receipt: &Receipt,
        before: Option<RunId>,
    ) -> impl Future<Output = Result<()>> + Send;
}

/// The producer's side of a member's changes queue.
pub trait SendChanges: Send + Sync {
    /// Sends every change, in batches. The error has the number of those that were not accepted,
    /// with the last reason.
    fn send(&self, changes: &[ChangeMessage]) -> impl Future<Output = Result<(), NotSent>> + Send;
    /// Sends a Tick without a delay.
    fn wake(&self, tick: &TickMessage) -> impl Future<Output = Result<()>> + Send;
}

/// Messages that a queue did not accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotSent {
    /// The number of messages.
    pub count: usize,
    /// Why the last of them was not accepted.
    pub error: ServiceError,
}

/// The worker's side of a member's changes queue.
pub trait SendTicks: Send + Sync {
    /// Sends a Tick that arrives after `delay_seconds` (0 to 900).
    fn tick(
        &self,
        tick: &TickMessage,
        delay_seconds: u16,
    ) -> impl Future<Output = Result<()>> + Send;
}

/// A message of a dead-letter queue. It is hidden from other receivers for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Message id of the queue.
    pub id: String,
    /// Receipt handle, by which it is deleted.
    pub receipt: String,
    /// The original message.
    pub body: String,
    /// The attributes that say why it is there. Empty if native redrive moved it.
    pub attributes: BTreeMap<String, String>,
}

/// How much of a dead-letter queue is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadBounds {
    /// The most messages.
    pub messages: usize,
    /// The most time that it takes, in seconds.
    pub seconds: i64,
}

/// What was received from a dead-letter queue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Received {
    /// The messages, each once.
    pub letters: Vec<DeadLetter>,
    /// True if the queue may have more, because a bound was reached.
    pub cut_off: bool,
}

/// The producer's access to a member's dead-letter queue.
pub trait DeadLetterBox: Send + Sync {
    /// Receives messages until the queue has no more or a bound is reached, and hides them from
    /// other receivers for a few minutes.
    fn dead_letters(&self, bounds: ReadBounds) -> impl Future<Output = Result<Received>> + Send;
    /// Deletes a message permanently.
    fn delete_dead_letter(&self, letter: &DeadLetter) -> impl Future<Output = Result<()>> + Send;
    /// Makes a message visible again at once.
    fn put_dead_letter_back(&self, letter: &DeadLetter) -> impl Future<Output = Result<()>> + Send;
}

/// The approximate number of messages in a queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Depth {
    /// Messages that can be received.
    pub waiting: u64,
    /// Messages that were received and not deleted.
    pub in_flight: u64,
    /// Messages that are delayed.
    pub delayed: u64,
}

impl Depth {
    /// The sum of all messages.
    pub fn total(self) -> u64 {
        self.waiting
            .saturating_add(self.in_flight)
            .saturating_add(self.delayed)
    }
}

/// Read-only access to a member's queues.
pub trait LookAtQueues: Send + Sync {
    /// Reads the depth of its changes queue.
    fn changes_depth(&self) -> impl Future<Output = Result<Depth>> + Send;
    /// Reads the depth of its dead-letter queue.
    fn dead_letters_depth(&self) -> impl Future<Output = Result<Depth>> + Send;
    /// Receives a dead letter without hiding it. Returns true if there was one. False does not mean
    /// that the queue is empty, because not every host of the queue is asked.
    fn glance(&self) -> impl Future<Output = Result<bool>> + Send;
}

/// Write access to a dead-letter queue.
pub trait DeadLetters: Send + Sync {
    /// Sends a message there, with attributes that say why.
    fn dead_letter(
        &self,
        body: &str,
        attributes: &BTreeMap<&'static str, String>,
    ) -> impl Future<Output = Result<()>> + Send;
}

/// The event bus of pmp-sync.
pub trait Bus: Send + Sync {
    /// Puts an event on the bus.
    fn put(&self, event: Event) -> impl Future<Output = Result<()>> + Send;
}

/// The producer's inbox.
pub trait Inbox: Send + Sync {
    /// Sends the rest of a run to the next invocation.
    fn go_on(&self, rest: &Continuation) -> impl Future<Output = Result<()>> + Send;
    /// Sends a retry that arrives in the queue of retries after `delay_seconds` (0 to 900).
    fn retry_after(
        &self,
        retry: &LinkRetry,
        delay_seconds: u16,
    ) -> impl Future<Output = Result<()>> + Send;
    /// Sends a retry that is due to the inbox.
    fn retry(&self, retry: &LinkRetry) -> impl Future<Output = Result<()>> + Send;
    /// True if a message waits to be delivered. Approximate, as queues count.
    fn is_anything_waiting(&self) -> impl Future<Output = Result<bool>> + Send;
    /// Makes delivered messages visible again after `seconds` instead of the queue's visibility
    /// timeout. The group of a FIFO queue waits for all of them.
    fn return_after(
        &self,
        records: &[Record],
        seconds: u32,
    ) -> impl Future<Output = Result<()>> + Send;
}

/// Access to the members' accounts.
pub trait Members: Send + Sync {
    /// What the producer reaches in a member's account.
    type Connection: ReadCatalog + SendChanges + DeadLetterBox + LookAtQueues;
    /// Assumes the member's role.
    fn connect(&self, member: &Member) -> impl Future<Output = Result<Self::Connection>> + Send;
}

#[cfg(test)]
mod tests {
    use super::Depth;

    #[test]
    fn a_queue_has_the_messages_of_every_state() {
        let depth = |waiting, in_flight, delayed| Depth {
            waiting,
            in_flight,
            delayed,
        };
        assert_eq!(depth(1, 20, 300).total(), 321);
        assert_eq!(depth(0, 0, 0).total(), 0);
        assert_eq!(depth(u64::MAX, 1, 1).total(), u64::MAX);
    }
}
