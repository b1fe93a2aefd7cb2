//! The world: everything that the fakes share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use jiff::{SignedDuration, Timestamp};
use pmp_sync_domain::delivery::{Disposition, Record};
use pmp_sync_domain::ids::{AccountId, ProductId, RunId};
use pmp_sync_domain::ports::{
    Bus, Clock, DeadLetter, DeadLetters, Discovery, Entropy, Inbox, PublishReport, Result,
};
use pmp_sync_domain::product::ProductDetails;
use pmp_sync_domain::time::later;
use pmp_sync_domain::wire::{
    Continuation, Event, LANE_SETTLED, LinkRetry, PRODUCT_REQUEST_RECEIVED,
};

use crate::experiences::Experiences;
use crate::fail::{Effect, Failing};
use crate::fifo::{FifoQueue, Taken};
use crate::ledger::MemoryLedger;
use crate::limits;
use crate::queue::Queue;

/// A retry that was to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentRetry {
    /// The message.
    pub retry: LinkRetry,
    /// Its delay, in seconds.
    pub delay: i64,
    /// When it is delivered.
    pub due: Timestamp,
    /// True if the queue has it.
    pub arrived: bool,
}

/// The state that all handles on a world share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) now: Timestamp,
    pub(crate) random: u128,
    pub(crate) experiences: Experiences,
    pub(crate) ledger: MemoryLedger,
    /// The changes queue of each member account.
    pub(crate) changes: BTreeMap<AccountId, Queue>,
    /// The producer's inbox.
    pub(crate) requests: FifoQueue,
    /// Retries that wait.
    pub(crate) retries: Queue,
    /// Every retry that was to be sent, with its delay, and whether it was.
    retries_sent: Vec<SentRetry>,
    /// The number of the last continuation of each run that was sent.
    handed_on: BTreeMap<RunId, u32>,
    /// The dead-letter queue of each member account. Each letter has the time when it is visible
    /// again.
    pub(crate) boxes: BTreeMap<AccountId, Vec<(Timestamp, DeadLetter)>>,
    pub(crate) dead_lettered: u64,
    /// Member accounts that cannot be reached for now.
    pub(crate) closed: BTreeSet<AccountId>,
    /// Messages that the producer dead-lettered, with their attributes.
    pub(crate) dead: Vec<(String, BTreeMap<String, String>)>,
    /// That queue is FIFO: the ids of the messages that it has taken.
    dead_ids: Taken,
    /// Everything that was put on the bus.
    pub(crate) events: Vec<Event>,
    /// Products that AWS Marketplace does not have.
    pub(crate) not_live: BTreeSet<ProductId>,
    /// True if the report is to be published, and the pages that were.
    publishes: bool,
    published: Vec<String>,
    idle_look_ups: u32,
    most_idle_look_ups: u32,
    /// The external id that each reachable account requires.
    pub(crate) doors: BTreeMap<AccountId, String>,
    pub(crate) failing: Failing,
}

impl Inner {
    /// Counts look-ups in a row that are made although a message waits and no run is being planned: they are
    /// for names alone, and should give way.
    fn count_idle_look_up(&mut self) {
        let last = self.ledger.runs.values().next_back();
        let is_planning = last.is_some_and(|run| run.planned_at.is_none());
        if !is_planning && self.requests.is_anything_waiting(self.now) {
            self.idle_look_ups += 1;
            self.most_idle_look_ups = self.most_idle_look_ups.max(self.idle_look_ups);
        } else {
            self.idle_look_ups = 0;
        }
    }
}

/// A handle on a world. Clones are handles on the same world.
#[derive(Debug, Clone)]
pub struct World(Arc<Mutex<Inner>>);

impl World {
    /// Creates an empty world at `now`, whose change sets take `change_set_seconds`.
    pub fn new(now: Timestamp, seed: u64, change_set_seconds: i64) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            now,
            random: u128::from(seed) | 1,
            experiences: Experiences::new(SignedDuration::from_secs(change_set_seconds)),
            ledger: MemoryLedger::default(),
            changes: BTreeMap::new(),
            requests: FifoQueue::default(),
            retries: Queue::default(),
            retries_sent: Vec::new(),
            handed_on: BTreeMap::new(),
            boxes: BTreeMap::new(),
            dead_lettered: 0,
            closed: BTreeSet::new(),
            dead: Vec::new(),
            dead_ids: Taken::default(),
            events: Vec::new(),
            not_live: BTreeSet::new(),
            publishes: false,
            published: Vec::new(),
            idle_look_ups: 0,
            most_idle_look_ups: 0,
            doors: BTreeMap::new(),
            failing: Failing::default(),
        })))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the last continuation of each run that was sent.
    pub fn handed_on(&self) -> BTreeMap<RunId, u32> {
        self.lock().handed_on.clone()
    }

    /// Opens a member account: creates its queue, and makes its role assumable with this external
    /// id.
    pub fn open_member(&self, account: &AccountId, external_id: &str) {
        let mut inner = self.lock();
        inner.doors.insert(account.clone(), external_id.to_owned());
        inner.changes.entry(account.clone()).or_default();
    }

    /// Moves the clock to `to`, if that is later, and applies finished change sets.
    pub fn advance_to(&self, to: Timestamp) {
        let mut inner = self.lock();
        inner.now = inner.now.max(to);
        let now = inner.now;
        inner.experiences.settle(now);
    }

    /// Sets the clock to an earlier or later time, without applying change sets.
    pub fn set_time(&self, to: Timestamp) {
        self.lock().now = to;
    }

    /// The current time of this world.
    pub fn time(&self) -> Timestamp {
        self.lock().now
    }

    /// The most products in a row that were looked up for their names alone while a message waited in the inbox.
    pub fn most_idle_look_ups(&self) -> u32 {
        self.lock().most_idle_look_ups
    }

    /// Accesses the experiences.
    pub fn experiences<T>(&self, work: impl FnOnce(&mut Experiences) -> T) -> T {
        work(&mut self.lock().experiences)
    }

    /// Accesses the ledger.
    pub fn ledger<T>(&self, work: impl FnOnce(&mut MemoryLedger) -> T) -> T {
        work(&mut self.lock().ledger)
    }

    /// Accesses the changes queue of a member.
    pub fn changes<T>(&self, account: &AccountId, work: impl FnOnce(&mut Queue) -> T) -> T {
        work(self.lock().changes.entry(account.clone()).or_default())
    }

    /// Accesses the failures.
    pub fn failing<T>(&self, work: impl FnOnce(&mut Failing) -> T) -> T {
        work(&mut self.lock().failing)
    }

    /// Puts an event into the producer's inbox. Returns its body, with the id of the event.
    pub fn request(&self, body: impl AsRef<str>) -> String {
        let mut inner = self.lock();
        let now = inner.now;
        inner.requests.send_event(body.as_ref(), now)
    }

    /// Delivers a batch of the producer's inbox, and hides it for `hidden` seconds.
    pub fn receive_requests(&self, hidden: i64) -> Vec<Record> {
        let mut inner = self.lock();
        let now = inner.now;
        inner.requests.receive(now, hidden)
    }

    /// Deletes what was acknowledged of a batch of the producer's inbox. Returns true if that is
    /// all of it.
    pub fn settle_requests(&self, records: &[Record], dispositions: &[Disposition]) -> bool {
        let mut inner = self.lock();
        let (now, mut all) = (inner.now, true);
        for (place, record) in records.iter().enumerate() {
            if dispositions.get(place) == Some(&Disposition::Acknowledge) {
                inner.requests.delete(&record.receipt, now);
            } else {
                all = false;
            }
        }
        all
    }

    /// Accesses the producer's inbox.
    pub fn inbox<T>(&self, work: impl FnOnce(&mut FifoQueue) -> T) -> T {
        work(&mut self.lock().requests)
    }

    /// Every retry that was to be sent.
    pub fn retries_sent(&self) -> Vec<SentRetry> {
        self.lock().retries_sent.clone()
    }

    /// Accesses the queue of retries.
    pub fn retries<T>(&self, work: impl FnOnce(&mut Queue) -> T) -> T {
        work(&mut self.lock().retries)
    }

    /// The messages that the producer dead-lettered, with their attributes.
    pub fn dead(&self) -> Vec<(String, BTreeMap<String, String>)> {
        self.lock().dead.clone()
    }

    /// Everything that was put on the bus.
    pub fn events(&self) -> Vec<Event> {
        self.lock().events.clone()
    }

    /// The dead letters of a member account: bodies with their attributes.
    pub fn dead_of(&self, account: &AccountId) -> Vec<(String, BTreeMap<String, String>)> {
        let inner = self.lock();
        let boxes = inner.boxes.get(account).into_iter().flatten();
        boxes
            .map(|(_, letter)| (letter.body.clone(), letter.attributes.clone()))
            .collect()
    }

    /// Accesses the dead letters of a member account, each with the time when it is visible.
    pub fn letters_of<T>(
        &self,
        account: &AccountId,
        work: impl FnOnce(&mut Vec<(Timestamp, DeadLetter)>) -> T,
    ) -> T {
        work(self.lock().boxes.entry(account.clone()).or_default())
    }

    /// Makes a member account reachable or unreachable.
    pub fn set_reachable(&self, account: &AccountId, reachable: bool) {
        let mut inner = self.lock();
        if reachable {
            inner.closed.remove(account);
        } else {
            inner.closed.insert(account.clone());
        }
    }

    /// Sets whether AWS Marketplace has a product. By default it has every product.
    pub fn set_live(&self, product: &ProductId, live: bool) {
        let mut inner = self.lock();
        if live {
            inner.not_live.remove(product);
        } else {
            inner.not_live.insert(product.clone());
        }
    }

    /// Counts a call, yields if calls are interleaved, and fails it if it should fail.
    pub(crate) async fn call(&self, operation: &'static str, thing: &str) -> Result<Effect> {
        let interleaved = self.lock().failing.interleaved;
        if interleaved {
            give_way().await;
        }
        self.lock().failing.call(operation, thing)
    }
}

/// Is pending once, so that the test decides when the task continues.
async fn give_way() {
    let mut given = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut given, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        self.time()
    }
}

impl Entropy for World {
    fn bits(&self) -> u128 {
        // SplitMix64 twice: any sequence works if it is the same each time.
        let mut inner = self.lock();
        let mut draw = || {
            inner.random = inner.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = u64::try_from(inner.random & u128::from(u64::MAX)).unwrap_or_default();
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            u128::from(z ^ (z >> 31))
        };
        (draw() << 64) | draw()
    }
}

impl Bus for World {
    async fn put(&self, event: Event) -> Result<()> {
        let effect = self.call("PutEvents", event.1).await?;
        let bytes = event.0.len() + event.1.len() + limits::size(&event.2);
        limits::check("PutEvents", event.1, bytes, limits::MOST_EVENT)?;
        let mut inner = self.lock();
        let (source, detail_type, detail) = &event;
        // What the rule of the bus passes to the inbox.
        if [LANE_SETTLED, PRODUCT_REQUEST_RECEIVED].contains(detail_type) {
            let body = serde_json::json!({ "source": source, "detail-type": detail_type, "detail": detail });
            let now = inner.now;
            inner.requests.send_event(&body.to_string(), now);
        }
        inner.events.push(event);
        effect.answer(())
    }
}

impl World {
    /// Has the report published from now on, or not any more.
    pub fn set_publishing(&self, publishes: bool) {
        self.lock().publishes = publishes;
    }

    /// The pages that were published.
    pub fn published(&self) -> Vec<String> {
        self.lock().published.clone()
    }
}

impl PublishReport for World {
    fn publishes_for(&self) -> Option<String> {
        self.lock().publishes.then(|| "pmp-sync".to_owned())
    }

    async fn publish(&self, page: String) -> Result<()> {
        let effect = self.call("PutObject", "report").await?;
        self.lock().published.push(page);
        effect.answer(())
    }
}

impl Discovery for World {
    async fn product(&self, product: &ProductId) -> Result<Option<ProductDetails>> {
        let effect = self.call("GetProduct", product.as_str()).await?;
        self.lock().count_idle_look_up();
        let is_live = !self.lock().not_live.contains(product);
        let details = is_live.then(|| ProductDetails {
            name: format!("Product {product}"),
            ..ProductDetails::default()
        });
        effect.answer(details)
    }
}

impl Inbox for World {
    async fn go_on(&self, rest: &Continuation) -> Result<()> {
        let effect = self.call("SendMessage", "inbox").await?;
        let body = rest.to_body();
        limits::check("SendMessage", "inbox", body.len(), limits::MOST_MESSAGE)?;
        {
            let mut inner = self.lock();
            let now = inner.now;
            let id = rest.deduplication_id();
            inner.requests.send(body, &id, now);
            inner.handed_on.insert(rest.run, rest.number);
        }
        effect.answer(())
    }

    async fn retry_after(&self, retry: &LinkRetry, delay_seconds: u16) -> Result<()> {
        let effect = self.call("SendMessage", "retries").await;
        {
            let mut inner = self.lock();
            let due = later(inner.now, i64::from(delay_seconds));
            inner.retries_sent.push(SentRetry {
                retry: retry.clone(),
                delay: i64::from(delay_seconds),
                due,
                arrived: effect.is_ok(),
            });
        }
        let effect = effect?;
        let body = retry.to_scheduled();
        limits::check("SendMessage", "retries", body.len(), limits::MOST_MESSAGE)?;
        {
            let mut inner = self.lock();
            let due = later(inner.now, i64::from(delay_seconds));
            inner.retries.push(body, due);
        }
        effect.answer(())
    }

    async fn retry(&self, retry: &LinkRetry) -> Result<()> {
        let effect = self.call("SendMessage", "inbox").await?;
        let body = retry.to_due();
        limits::check("SendMessage", "inbox", body.len(), limits::MOST_MESSAGE)?;
        {
            let mut inner = self.lock();
            let now = inner.now;
            inner.requests.send(body, &retry.id, now);
        }
        effect.answer(())
    }

    async fn is_anything_waiting(&self) -> Result<bool> {
        let effect = self.call("GetQueueAttributes", "inbox").await?;
        let mut inner = self.lock();
        let is_waiting = inner.requests.is_anything_waiting(inner.now);
        if !is_waiting {
            inner.idle_look_ups = 0;
        }
        effect.answer(is_waiting)
    }

    async fn return_after(&self, records: &[Record], seconds: u32) -> Result<()> {
        let effect = self.call("ChangeMessageVisibilityBatch", "inbox").await?;
        {
            let mut inner = self.lock();
            let now = inner.now;
            for record in records {
                let seconds = i64::from(seconds);
                inner.requests.return_after(&record.receipt, seconds, now);
            }
        }
        effect.answer(())
    }
}

pub(crate) fn owned(attributes: &BTreeMap<&'static str, String>) -> BTreeMap<String, String> {
    let owned = |(name, value): (&&str, &String)| ((*name).to_owned(), value.clone());
    attributes.iter().map(owned).collect()
}

impl DeadLetters for World {
    async fn dead_letter(
        &self,
        body: &str,
        attributes: &BTreeMap<&'static str, String>,
    ) -> Result<()> {
        let effect = self.call("SendMessage", "dead letters").await?;
        limits::check_letter(body, attributes)?;
        {
            let mut inner = self.lock();
            let now = inner.now;
            let id = attributes.get("message_id").map_or("", String::as_str);
            if inner.dead_ids.take(id, now) {
                inner.dead.push((body.to_owned(), owned(attributes)));
            }
        }
        effect.answer(())
    }
}
