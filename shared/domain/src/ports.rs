//! The ports: what the producer and the worker need of the world, as traits. Reading and writing
//! are apart: what plans holds nothing that could change an experience.
//!
//! shared/aws has the adapters to AWS, shared/fakes stateful fakes.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::drift::LastChange;
use crate::error::ServiceError;
use crate::experience::Experience;
use crate::guard::LinkState;
use crate::ids::{ChangeSetId, ChangeSetName, ExperienceId, LaneId, PolicyId, ProductId, RunId};
use crate::lane::{
    Failed, FailedAlone, Intent, LaneState, OpenChange, Quarantined, SetRecord, Suspensions,
};
use crate::link::Member;
use crate::live::{Answers, LiveRecord};
use crate::message::{ChangeMessage, Continuation, Event, TickMessage};
use crate::policy::PolicySnapshot;
use crate::run::{DeadLetterRecord, LaneEntry, LinkRecord, RunRecord};

/// The outcome of a call through a port.
pub type Result<T, E = ServiceError> = std::result::Result<T, E>;

/// The present moment.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Random numbers.
pub trait Entropy: Send + Sync {
    /// 128 random bits.
    fn bits(&self) -> u128;
}

/// Experiences and policies of one organization, to be read.
pub trait ReadCatalog: Send + Sync {
    /// An experience.
    fn experience(&self, id: &ExperienceId) -> impl Future<Output = Result<Experience>> + Send;
    /// The lists of a procurement policy.
    fn policy(&self, id: &PolicyId) -> impl Future<Output = Result<PolicySnapshot>> + Send;
    /// The ids of the organization's experiences, archived and disabled ones included.
    fn experiences(&self) -> impl Future<Output = Result<Vec<ExperienceId>>> + Send;
}

/// AWS Marketplace, asked about its products. Whoever implements it keeps to the service's rate.
pub trait Discovery: Send + Sync {
    /// True if the product is live. [`Kind::Refused`] is about this product alone; any other failure
    /// says that nobody can be asked for now.
    ///
    /// [`Kind::Refused`]: crate::error::Kind::Refused
    fn is_live(&self, product: &ProductId) -> impl Future<Output = Result<bool>> + Send;
}

/// What a change set came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeSetStatus {
    /// PREPARING or APPLYING.
    Underway,
    /// SUCCEEDED; whole seconds from its start to its end, if the service tells.
    Succeeded(Option<u32>),
    /// FAILED because of what it contains.
    Failed(Failed),
    /// FAILED because of the service.
    ServerFault(String),
    /// CANCELLED.
    Cancelled,
}

/// Change sets on the member experience: the only way to change it.
pub trait ChangeSets: Send + Sync {
    /// Starts the change set of an intent. Repeated with the same intent it is the same one.
    fn start(
        &self,
        name: &ChangeSetName,
        intent: &Intent,
    ) -> impl Future<Output = Result<ChangeSetId>> + Send;
    /// How a change set stands.
    fn status(&self, id: &ChangeSetId) -> impl Future<Output = Result<ChangeSetStatus>> + Send;
    /// The change set of that name on the experience, if there is one.
    fn find(
        &self,
        name: &ChangeSetName,
    ) -> impl Future<Output = Result<Option<ChangeSetId>>> + Send;
}

/// How a change was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Closing {
    /// A change set applied it.
    Applied,
    /// The experience had it already.
    Holding,
    /// A newer plan took its place.
    Superseded,
}

impl Closing {
    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Holding => "holding",
            Self::Superseded => "superseded",
        }
    }
}

/// A lane as the ledger has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lane {
    /// Its state; that of a lane never heard of is the default one.
    pub state: LaneState,
    /// Its claimed changes.
    pub open: Vec<OpenChange>,
}

/// The lanes of the ledger.
pub trait Lanes: Send + Sync {
    /// The state of a lane, read with strong consistency; the default state if there is none.
    fn state(&self, lane: &LaneId) -> impl Future<Output = Result<LaneState>> + Send;
    /// The claimed changes of a lane, read with strong consistency.
    fn open(&self, lane: &LaneId) -> impl Future<Output = Result<Vec<OpenChange>>> + Send;
    /// The quarantined changes of a lane, read with strong consistency.
    fn quarantined(&self, lane: &LaneId) -> impl Future<Output = Result<Vec<Quarantined>>> + Send;
    /// Writes `next` with `rev + 1` on condition that the item still has `rev`. [`Kind::Conflict`]
    /// if it has not.
    ///
    /// [`Kind::Conflict`]: crate::error::Kind::Conflict
    fn store(
        &self,
        lane: &LaneId,
        rev: u64,
        next: &LaneState,
    ) -> impl Future<Output = Result<()>> + Send;
}

/// The products of the lanes, as the worker has written them.
pub trait Products: Send + Sync {
    /// The last change of every product that was ever changed on a lane, read with strong consistency.
    fn products(&self, lane: &LaneId) -> impl Future<Output = Result<Vec<LastChange>>> + Send;
}

/// The changes of the ledger, as the worker writes them.
pub trait Claims: Close {
    /// Claims a change, unless the product has been claimed under this run or a newer one. True if
    /// it was claimed by this call.
    fn claim(
        &self,
        change: &ChangeMessage,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool>> + Send;
    /// Sets a claimed change quarantined, if its item still has that run. True if it is quarantined now; false
    /// if it has been closed, or claimed anew.
    fn quarantine(
        &self,
        lane: &LaneId,
        failed: &FailedAlone,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool>> + Send;
    /// Writes down what became of a change set. Repeated for the same one it is the same record.
    fn keep_set(
        &self,
        lane: &LaneId,
        record: &SetRecord,
    ) -> impl Future<Output = Result<()>> + Send;
}

/// What was done with which change set, to be read.
pub trait ReadSets: Send + Sync {
    /// The change sets of a lane that have ended, the oldest first; of one run only, if it is given. Read
    /// with strong consistency.
    fn sets(
        &self,
        lane: &LaneId,
        run: Option<RunId>,
    ) -> impl Future<Output = Result<Vec<SetRecord>>> + Send;
}

/// Closing claimed changes, as the worker does, and the producer for lanes that nobody serves any more.
pub trait Close: Send + Sync {
    /// Closes changes, each only if it is claimed and its item still has the run given.
    fn close(
        &self,
        lane: &LaneId,
        changes: &[(ProductId, RunId)],
        closing: Closing,
        change_set: Option<&ChangeSetId>,
        now: Timestamp,
    ) -> impl Future<Output = Result<()>> + Send;
}

/// A version of the configuration, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredConfig {
    /// Its number, from 1.
    pub version: u64,
    /// The TOML text.
    pub text: String,
}

/// The runs of the ledger, to be read.
pub trait ReadRuns: Send + Sync {
    /// The newest configuration.
    fn config(&self) -> impl Future<Output = Result<Option<StoredConfig>>> + Send;
    /// A certain version of the configuration.
    fn config_version(
        &self,
        version: u64,
    ) -> impl Future<Output = Result<Option<StoredConfig>>> + Send;
    /// What is suspended; nothing if nothing ever was.
    fn suspensions(&self) -> impl Future<Output = Result<Suspensions>> + Send;
    /// Every lane that was ever planned for.
    fn lanes(&self) -> impl Future<Output = Result<Vec<LaneEntry>>> + Send;
    /// The newest runs, the newest first.
    fn newest_runs(&self, most: u16) -> impl Future<Output = Result<Vec<RunRecord>>> + Send;
    /// The runs that have not ended, the oldest first; however many have ended since.
    fn unfinished_runs(&self, most: u16) -> impl Future<Output = Result<Vec<RunRecord>>> + Send;
    /// A run.
    fn run(&self, run: RunId) -> impl Future<Output = Result<Option<RunRecord>>> + Send;
    /// What a run planned for a lane.
    fn link(
        &self,
        run: RunId,
        lane: &LaneId,
    ) -> impl Future<Output = Result<Option<LinkRecord>>> + Send;
    /// What is remembered of a link; an empty link state if there is none.
    fn link_state(&self, lane: &LaneId) -> impl Future<Output = Result<LinkState>> + Send;
    /// The member's lists as they were before a run denied anything there, if it did.
    fn lists(
        &self,
        run: RunId,
        lane: &LaneId,
    ) -> impl Future<Output = Result<Option<PolicySnapshot>>> + Send;
    /// What AWS Marketplace has said of these products, as far as it was asked.
    fn live(&self, products: &BTreeSet<ProductId>) -> impl Future<Output = Result<Answers>> + Send;
}

/// The runs of the ledger, as the producer writes them.
pub trait WriteRuns: ReadRuns {
    /// A new run id, after every one that was given out before.
    fn next_run(&self, now: Timestamp, random: u128) -> impl Future<Output = Result<RunId>> + Send;
    /// Writes a run as it stands now.
    fn put_run(&self, run: &RunRecord) -> impl Future<Output = Result<()>> + Send;
    /// Writes what a run planned for a link.
    fn put_link(&self, link: &LinkRecord) -> impl Future<Output = Result<()>> + Send;
    /// Writes `link state` with `rev + 1` on condition that the item still has its `rev`. [`Kind::Conflict`]
    /// if it has not.
    ///
    /// [`Kind::Conflict`]: crate::error::Kind::Conflict
    fn put_link_state(
        &self,
        lane: &LaneId,
        link_state: &LinkState,
    ) -> impl Future<Output = Result<()>> + Send;
    /// Keeps the member's lists as they are before the run denies anything there. What is kept already
    /// stays as it is: the run may go on in another invocation.
    fn put_lists(
        &self,
        run: RunId,
        lane: &LaneId,
        lists: &PolicySnapshot,
        now: Timestamp,
    ) -> impl Future<Output = Result<()>> + Send;
    /// Keeps what AWS Marketplace has said of a product.
    fn put_live(&self, record: &LiveRecord) -> impl Future<Output = Result<()>> + Send;
    /// Takes a change out of quarantine, if it still is the one that was read: something else is wanted.
    fn release(
        &self,
        lane: &LaneId,
        quarantined: &Quarantined,
        now: Timestamp,
    ) -> impl Future<Output = Result<()>> + Send;
    /// Writes down what became of a dead letter.
    fn put_dead_letter(
        &self,
        run: RunId,
        record: &DeadLetterRecord,
    ) -> impl Future<Output = Result<()>> + Send;
    /// Makes a lane known, so that it is found without its configuration.
    fn register(&self, lane: &LaneId, link: &LinkRecord)
    -> impl Future<Output = Result<()>> + Send;
}

/// The changes queue of a member, as the producer sends to it.
pub trait SendChanges: Send + Sync {
    /// Sends every change, in batches. The places of those that were not taken, with the last reason.
    fn send(&self, changes: &[ChangeMessage]) -> impl Future<Output = Result<(), NotSent>> + Send;
    /// Sends a Tick without a delay.
    fn wake(&self, tick: &TickMessage) -> impl Future<Output = Result<()>> + Send;
}

/// Messages that a queue did not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotSent {
    /// How many.
    pub count: usize,
    /// Why the last of them was not.
    pub error: ServiceError,
}

/// The changes queue of a member, as its worker sends to it.
pub trait SendTicks: Send + Sync {
    /// Sends a Tick that arrives after `delay_seconds` (0 to 900).
    fn tick(
        &self,
        tick: &TickMessage,
        delay_seconds: u16,
    ) -> impl Future<Output = Result<()>> + Send;
}

/// A message of a dead-letter queue, hidden from others for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The queue's id of it.
    pub id: String,
    /// By which it is deleted.
    pub receipt: String,
    /// Its body.
    pub body: String,
    /// What was said when it was dead-lettered; empty if the queue moved it by itself.
    pub attributes: BTreeMap<String, String>,
}

/// A member's dead-letter queue, as the producer reads it.
pub trait DeadLetterBox: Send + Sync {
    /// Receives up to `most` messages, hidden from others for a few minutes.
    fn dead_letters(&self, most: usize) -> impl Future<Output = Result<Vec<DeadLetter>>> + Send;
    /// Deletes one for good.
    fn delete_dead_letter(&self, letter: &DeadLetter) -> impl Future<Output = Result<()>> + Send;
    /// Makes one visible again at once.
    fn put_dead_letter_back(&self, letter: &DeadLetter) -> impl Future<Output = Result<()>> + Send;
}

/// How many messages a queue has, as far as it knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Depth {
    /// Those that wait.
    pub waiting: u64,
    /// Those that somebody has received and not deleted.
    pub in_flight: u64,
    /// Those that are not to be received yet.
    pub delayed: u64,
}

impl Depth {
    /// All of them.
    pub fn total(self) -> u64 {
        self.waiting
            .saturating_add(self.in_flight)
            .saturating_add(self.delayed)
    }
}

/// A member's queues, looked at without an effect.
pub trait LookAtQueues: Send + Sync {
    /// How many messages its changes queue has.
    fn changes_depth(&self) -> impl Future<Output = Result<Depth>> + Send;
    /// How many messages its dead-letter queue has.
    fn dead_letters_depth(&self) -> impl Future<Output = Result<Depth>> + Send;
    /// Receives a dead letter without hiding it from anybody. True if there was one; that there was none
    /// says nothing, because not every host of the queue is asked.
    fn glance(&self) -> impl Future<Output = Result<bool>> + Send;
}

/// A dead-letter queue.
pub trait DeadLetters: Send + Sync {
    /// Puts a message there, with attributes that say why.
    fn dead_letter(
        &self,
        body: &str,
        attributes: &BTreeMap<&'static str, String>,
    ) -> impl Future<Output = Result<()>> + Send;
}

/// The event bus of pmp-sync.
pub trait Bus: Send + Sync {
    /// Puts an event on it.
    fn put(&self, event: Event) -> impl Future<Output = Result<()>> + Send;
}

/// The producer's own inbox.
pub trait Inbox: Send + Sync {
    /// Puts the rest of a run there.
    fn go_on(&self, rest: &Continuation) -> impl Future<Output = Result<()>> + Send;
}

/// The way into the members' accounts.
pub trait Members: Send + Sync {
    /// What is reached there.
    type Connection: ReadCatalog + SendChanges + DeadLetterBox + LookAtQueues;
    /// Assumes the member's role.
    fn connect(&self, member: &Member) -> impl Future<Output = Result<Self::Connection>> + Send;
}
