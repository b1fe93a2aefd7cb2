//! The world: everything that the fakes share.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use jiff::{SignedDuration, Timestamp};
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::experience::Experience;
use pmp_sync_domain::ids::{AccountId, ExperienceId, PolicyId, ProductId};
use pmp_sync_domain::link::Member;
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::ports::{
    Bus, Clock, DeadLetter, DeadLetterBox, DeadLetters, Depth, Discovery, Entropy, Inbox,
    LookAtQueues, Members, NotSent, ReadCatalog, Result, SendChanges, SendTicks,
};
use pmp_sync_domain::wire::{ChangeMessage, Continuation, Event, TickMessage};

use crate::catalog::{Experiences, OrgCatalog};
use crate::fail::{Effect, Failing};
use crate::ledger::MemoryLedger;
use crate::queue::Queue;

/// The state that all handles on a world share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) now: Timestamp,
    pub(crate) random: u128,
    pub(crate) experiences: Experiences,
    pub(crate) ledger: MemoryLedger,
    /// The changes queue of each member account.
    pub(crate) changes: BTreeMap<AccountId, Queue>,
    /// The producer's inbox: bodies, in order.
    pub(crate) requests: VecDeque<String>,
    /// The dead-letter queue of each member account. Each letter has the time when it is visible
    /// again.
    pub(crate) boxes: BTreeMap<AccountId, Vec<(Timestamp, DeadLetter)>>,
    pub(crate) dead_lettered: u64,
    /// Member accounts that cannot be reached for now.
    pub(crate) closed: BTreeSet<AccountId>,
    /// Messages that the producer dead-lettered, with their attributes.
    pub(crate) dead: Vec<(String, BTreeMap<String, String>)>,
    /// Everything that was put on the bus.
    pub(crate) events: Vec<Event>,
    /// Products that AWS Marketplace does not have.
    pub(crate) not_live: BTreeSet<ProductId>,
    /// The external id that each reachable account requires.
    pub(crate) doors: BTreeMap<AccountId, String>,
    pub(crate) failing: Failing,
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
            requests: VecDeque::new(),
            boxes: BTreeMap::new(),
            dead_lettered: 0,
            closed: BTreeSet::new(),
            dead: Vec::new(),
            events: Vec::new(),
            not_live: BTreeSet::new(),
            doors: BTreeMap::new(),
            failing: Failing::default(),
        })))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Puts a body into the producer's inbox.
    pub fn request(&self, body: impl Into<String>) {
        self.lock().requests.push_back(body.into());
    }

    /// Takes up to ten bodies from the producer's inbox.
    pub fn take_requests(&self) -> Vec<String> {
        let mut inner = self.lock();
        let count = inner.requests.len().min(10);
        inner.requests.drain(..count).collect()
    }

    /// Accesses the producer's inbox.
    pub fn inbox<T>(&self, work: impl FnOnce(&mut VecDeque<String>) -> T) -> T {
        work(&mut self.lock().requests)
    }

    /// The messages that the producer dead-lettered, with their attributes.
    pub fn dead(&self) -> Vec<(String, BTreeMap<String, String>)> {
        self.lock().dead.clone()
    }

    /// Everything that was put on the bus.
    pub fn events(&self) -> Vec<Event> {
        self.lock().events.clone()
    }

    /// The catalog as the organization of `account` sees it.
    pub fn catalog(&self, account: &AccountId) -> OrgCatalog {
        OrgCatalog {
            world: self.clone(),
            account: account.clone(),
            producer: false,
        }
    }

    /// Like [`Self::catalog`], for the producer: what it reads is remembered.
    pub fn observed_catalog(&self, account: &AccountId) -> OrgCatalog {
        OrgCatalog {
            producer: true,
            ..self.catalog(account)
        }
    }

    /// The worker's side of a member account: its queue and its dead-letter queue.
    pub fn member(&self, account: &AccountId) -> MemberSide {
        MemberSide {
            world: self.clone(),
            account: account.clone(),
        }
    }

    /// The dead letters of a member account: bodies with their attributes.
    pub fn dead_of(&self, account: &AccountId) -> Vec<(String, BTreeMap<String, String>)> {
        let inner = self.lock();
        let boxes = inner.boxes.get(account).into_iter().flatten();
        boxes
            .map(|(_, letter)| (letter.body.clone(), letter.attributes.clone()))
            .collect()
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
        let mut inner = self.lock();
        let (source, detail_type, detail) = &event;
        if *detail_type == pmp_sync_domain::wire::LANE_SETTLED {
            let body = serde_json::json!({ "source": source, "detail-type": detail_type, "detail": detail });
            inner.requests.push_back(body.to_string());
        }
        inner.events.push(event);
        effect.answer(())
    }
}

impl Discovery for World {
    async fn is_live(&self, product: &ProductId) -> Result<bool> {
        let effect = self.call("GetProduct", product.as_str()).await?;
        effect.answer(!self.lock().not_live.contains(product))
    }
}

impl Inbox for World {
    async fn go_on(&self, rest: &Continuation) -> Result<()> {
        let effect = self.call("SendMessage", "inbox").await?;
        self.request(rest.to_body());
        effect.answer(())
    }
}

fn owned(attributes: &BTreeMap<&'static str, String>) -> BTreeMap<String, String> {
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
        self.lock().dead.push((body.to_owned(), owned(attributes)));
        effect.answer(())
    }
}

/// The worker's side of a member account.
#[derive(Debug, Clone)]
pub struct MemberSide {
    world: World,
    account: AccountId,
}

impl DeadLetters for MemberSide {
    async fn dead_letter(
        &self,
        body: &str,
        attributes: &BTreeMap<&'static str, String>,
    ) -> Result<()> {
        let effect = self.world.call("SendMessage", "dead letters").await?;
        let mut inner = self.world.lock();
        inner.dead_lettered += 1;
        let (now, number) = (inner.now, inner.dead_lettered);
        let letter = DeadLetter {
            id: format!("dead-{number}"),
            receipt: format!("receipt-{number}"),
            body: body.to_owned(),
            attributes: owned(attributes),
        };
        let letters = inner.boxes.entry(self.account.clone()).or_default();
        letters.push((now, letter));
        effect.answer(())
    }
}

impl Bus for MemberSide {
    async fn put(&self, event: Event) -> Result<()> {
        self.world.put(event).await
    }
}

impl SendTicks for MemberSide {
    async fn tick(&self, tick: &TickMessage, delay_seconds: u16) -> Result<()> {
        let effect = self.world.call("SendMessage", "tick").await?;
        let mut inner = self.world.lock();
        let due = pmp_sync_domain::time::later(inner.now, i64::from(delay_seconds));
        let queue = inner.changes.entry(tick.account.clone()).or_default();
        queue.push(tick.to_body(), due);
        effect.answer(())
    }
}

impl Members for World {
    type Connection = MemberAccess;

    async fn connect(&self, member: &Member) -> Result<MemberAccess> {
        let thing = format!("the role of {}", member.account);
        let effect = self.call("AssumeRole", &thing).await?;
        let (closed, allowed) = {
            let inner = self.lock();
            let door = inner.doors.get(&member.account);
            (
                inner.closed.contains(&member.account),
                door.is_some_and(|id| id == member.external_id.as_str()),
            )
        };
        if closed {
            let words = "the account does not answer";
            return Err(ServiceError::new(
                "AssumeRole",
                thing,
                Kind::Retryable,
                words,
            ));
        }
        if !allowed {
            let words = "not authorized to perform sts:AssumeRole";
            return Err(ServiceError::new("AssumeRole", thing, Kind::Denied, words));
        }
        effect.answer(MemberAccess {
            catalog: self.observed_catalog(&member.account),
        })
    }
}

/// What the producer reaches in a member account.
#[derive(Debug, Clone)]
pub struct MemberAccess {
    catalog: OrgCatalog,
}

impl ReadCatalog for MemberAccess {
    async fn experience(&self, id: &ExperienceId) -> Result<Experience> {
        self.catalog.experience(id).await
    }
    async fn policy(&self, id: &PolicyId) -> Result<PolicySnapshot> {
        self.catalog.policy(id).await
    }
    async fn experiences(&self) -> Result<Vec<ExperienceId>> {
        self.catalog.experiences().await
    }
}

impl SendChanges for MemberAccess {
    async fn send(&self, changes: &[ChangeMessage]) -> Result<(), NotSent> {
        let world = &self.catalog.world;
        for (sent, change) in changes.iter().enumerate() {
            let not_sent = |error| NotSent {
                count: changes.len() - sent,
                error,
            };
            let call = world.call("SendMessageBatch", change.product.as_str());
            let effect = call.await.map_err(not_sent)?;
            {
                let mut inner = world.lock();
                let now = inner.now;
                let queue = inner.changes.entry(change.account.clone()).or_default();
                queue.push(change.to_body(), now);
            }
            effect.answer(()).map_err(not_sent)?;
        }
        Ok(())
    }

    async fn wake(&self, tick: &TickMessage) -> Result<()> {
        let side = self.catalog.world.member(&self.catalog.account);
        side.tick(tick, 0).await
    }
}

impl LookAtQueues for MemberAccess {
    async fn changes_depth(&self) -> Result<Depth> {
        let world = &self.catalog.world;
        let effect = world.call("GetQueueAttributes", "changes").await?;
        let inner = world.lock();
        let queue = inner.changes.get(&self.catalog.account);
        let waiting = queue.map_or(0, Queue::len);
        effect.answer(Depth {
            waiting: u64::try_from(waiting).unwrap_or(u64::MAX),
            ..Depth::default()
        })
    }

    async fn dead_letters_depth(&self) -> Result<Depth> {
        let world = &self.catalog.world;
        let effect = world.call("GetQueueAttributes", "dead letters").await?;
        let inner = world.lock();
        let now = inner.now;
        let letters = inner.boxes.get(&self.catalog.account);
        let letters = letters.map(Vec::as_slice).unwrap_or_default();
        let visible = letters.iter().filter(|(at, _)| *at <= now).count();
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        effect.answer(Depth {
            waiting: number(visible),
            in_flight: number(letters.len() - visible),
            delayed: 0,
        })
    }

    async fn glance(&self) -> Result<bool> {
        let world = &self.catalog.world;
        let effect = world.call("ReceiveMessage", "a dead letter").await?;
        let inner = world.lock();
        let letters = inner.boxes.get(&self.catalog.account);
        let mut letters = letters.into_iter().flatten();
        let seen = letters.any(|(at, _)| *at <= inner.now);
        effect.answer(seen)
    }
}

/// How long a received dead letter is hidden, in seconds.
const HIDDEN: i64 = 180;

impl DeadLetterBox for MemberAccess {
    async fn dead_letters(&self, most: usize) -> Result<Vec<DeadLetter>> {
        let effect = self.catalog.world.call("ReceiveMessage", "dead letters");
        let effect = effect.await?;
        let mut inner = self.catalog.world.lock();
        let now = inner.now;
        let letters = inner.boxes.entry(self.catalog.account.clone()).or_default();
        let visible = letters.iter_mut().filter(|(at, _)| *at <= now).take(most);
        let received = visible
            .map(|(at, letter)| {
                *at = pmp_sync_domain::time::later(now, HIDDEN);
                letter.clone()
            })
            .collect();
        effect.answer(received)
    }

    async fn delete_dead_letter(&self, letter: &DeadLetter) -> Result<()> {
        let effect = self.catalog.world.call("DeleteMessage", &letter.id).await?;
        let mut inner = self.catalog.world.lock();
        if let Some(letters) = inner.boxes.get_mut(&self.catalog.account) {
            letters.retain(|(_, kept)| kept.receipt != letter.receipt);
        }
        effect.answer(())
    }

    async fn put_dead_letter_back(&self, letter: &DeadLetter) -> Result<()> {
        let call = self
            .catalog
            .world
            .call("ChangeMessageVisibility", &letter.id);
        let effect = call.await?;
        let mut inner = self.catalog.world.lock();
        let now = inner.now;
        let letters = inner.boxes.entry(self.catalog.account.clone()).or_default();
        let same = letters
            .iter_mut()
            .filter(|(_, kept)| kept.receipt == letter.receipt);
        same.for_each(|(at, _)| *at = now);
        effect.answer(())
    }
}
