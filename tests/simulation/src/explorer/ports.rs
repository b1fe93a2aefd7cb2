//! The ports of a task in a small world: the stateful fakes for the ledger and the catalog, with
//! each call through the task's scheduler. What a task sends is in the outbox until the explorer
//! takes it. The explorer chooses which message is delivered when, and to whom.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::experience::Experience;
use pmp_sync_domain::ids::{
    AccountId, ChangeSetId, ChangeSetName, ExperienceId, LaneId, PolicyId, ProductId,
    ProductRequestId, RunId,
};
use pmp_sync_domain::lane::{
    FailedAlone, Intent, LaneState, NamedSet, OpenChange, Quarantined, StartedSet,
};
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::ports::{
    Bus, ChangeSetStatus, ChangeSets, Claims, Clock, Close, Closing, DeadLetters, Entropy, Lanes,
    ProductRequests, Quarantining, ReadCatalog, Result, SendTicks,
};
use pmp_sync_domain::records::{Found, ProductRequest, RequestCounts, SetRecord};
use pmp_sync_domain::time::later;
use pmp_sync_domain::wire::{ChangeMessage, Event, TickMessage};

use super::scheduler::{Call, Scheduler};
use super::state::{Body, Letter};
use pmp_sync_fakes::{OrgCatalog, World};

/// What tasks have sent since the explorer last took it.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub(super) letters: Vec<Letter>,
    /// The runs of Lane Settled.
    pub(super) announced: Vec<RunId>,
    pub(super) plan: Option<(RunId, Plan)>,
    pub(super) dead_lettered: Vec<String>,
}

/// The fakes that tasks work on, one after the other.
#[derive(Clone)]
pub(super) struct Fakes {
    pub(super) world: World,
    pub(super) catalog: OrgCatalog,
    pub(super) outbox: Arc<Mutex<Outbox>>,
}

impl Fakes {
    pub(super) fn new(account: &AccountId) -> Self {
        let world = World::new(Timestamp::UNIX_EPOCH, 0, 0);
        Self {
            catalog: world.catalog(account),
            world,
            outbox: Arc::default(),
        }
    }

    fn outbox<T>(&self, work: impl FnOnce(&mut Outbox) -> T) -> T {
        work(&mut self.outbox.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes what has been sent.
    pub(super) fn take(&self) -> Outbox {
        self.outbox(std::mem::take)
    }
}

/// The ports of one task.
#[derive(Clone)]
pub(super) struct ExplorerPorts {
    pub(super) scheduler: Scheduler,
    pub(super) fakes: Fakes,
    /// The place of the task. Together with the lane's intent it makes a unique token, because a
    /// place has one task at a time and an intent is written once.
    pub(super) place: u64,
}

impl ExplorerPorts {
    /// Records a plan, as the producer does before it commits.
    pub(super) async fn keep(&self, run: RunId, plan: &Plan) -> Result<()> {
        let effect = || async {
            self.fakes
                .outbox(|outbox| outbox.plan = Some((run, plan.clone())));
            Ok(())
        };
        self.scheduler.call(Call::Keep, effect).await
    }

    /// Sends a change, as the producer does.
    pub(super) async fn send(&self, change: ChangeMessage) -> Result<()> {
        let (call, now) = (Call::Send(change.product.clone()), self.now());
        let effect = || async {
            self.post(Letter {
                due: now,
                body: Body::Change(change),
            });
            Ok(())
        };
        self.scheduler.call(call, effect).await
    }

    fn post(&self, letter: Letter) {
        self.fakes.outbox(|outbox| outbox.letters.push(letter));
    }
}

impl Clock for ExplorerPorts {
    fn now(&self) -> Timestamp {
        self.scheduler.now()
    }
}

impl Entropy for ExplorerPorts {
    fn bits(&self) -> u128 {
        // A multiple of a thousand, so that a lane backs off by the shortest time.
        (u128::from(self.place) * 1_000_000 + u128::from(self.scheduler.seq()) + 1) * 1_000
    }
}

impl Lanes for ExplorerPorts {
    async fn state(&self, lane: &LaneId) -> Result<LaneState> {
        let effect = || self.fakes.world.state(lane);
        self.scheduler.call(Call::State, effect).await
    }

    async fn open(&self, lane: &LaneId) -> Result<Found<OpenChange>> {
        let effect = async || Ok(self.fakes.world.open(lane).await?.items);
        let open = self.scheduler.call(Call::Open, effect).await?;
        Ok(open.into())
    }

    async fn quarantined(&self, _: &LaneId) -> Result<Found<Quarantined>> {
        Ok(Found::default())
    }

    async fn store(&self, lane: &LaneId, rev: u64, next: &LaneState) -> Result<()> {
        let effect = || self.fakes.world.store(lane, rev, next);
        self.scheduler.call(Call::Store(rev), effect).await
    }
}

impl Close for ExplorerPorts {
    /// One after the other, as in DynamoDB: other tasks may see some closed and others open.
    async fn close(
        &self,
        lane: &LaneId,
        changes: &[(ProductId, RunId)],
        closing: Closing,
        change_set: Option<&ChangeSetId>,
        now: Timestamp,
    ) -> Result<()> {
        for change in changes {
            let one = std::slice::from_ref(change);
            let effect = || self.fakes.world.close(lane, one, closing, change_set, now);
            let call = Call::Close(change.0.clone(), change.1);
            self.scheduler.call(call, effect).await?;
        }
        Ok(())
    }
}

impl Claims for ExplorerPorts {
    async fn claim(&self, change: &ChangeMessage, now: Timestamp) -> Result<bool> {
        let effect = || self.fakes.world.claim(change, now);
        let call = Call::Claim(change.product.clone(), change.run);
        self.scheduler.call(call, effect).await
    }

    async fn quarantine(
        &self,
        lane: &LaneId,
        failed: &FailedAlone,
        now: Timestamp,
    ) -> Result<Quarantining> {
        let effect = || self.fakes.world.quarantine(lane, failed, now);
        self.scheduler.call(Call::DeadLetter, effect).await
    }

    /// Not a step of its own: no rule reads it, and the next call of a settle frees the lane. So a
    /// crash before that call, or its failure, covers every failure or crash here.
    async fn keep_set(&self, _: &LaneId, _: &SetRecord) -> Result<()> {
        Ok(())
    }
}

/// Not a step of its own: no world has procurement requests, and none of them touches a lane.
impl ProductRequests for ExplorerPorts {
    async fn product_request(
        &self,
        account: &AccountId,
        request: &ProductRequestId,
    ) -> Result<Option<ProductRequest>> {
        self.fakes.world.product_request(account, request).await
    }

    async fn count_product_requests(
        &self,
        account: &AccountId,
        now: Timestamp,
    ) -> Result<RequestCounts> {
        self.fakes.world.count_product_requests(account, now).await
    }

    async fn put_product_request(&self, request: &ProductRequest) -> Result<()> {
        self.fakes.world.put_product_request(request).await
    }

    async fn drop_product_request(&self, account: &AccountId, now: Timestamp) -> Result<()> {
        self.fakes.world.drop_product_request(account, now).await
    }
}

impl ReadCatalog for ExplorerPorts {
    async fn experience(&self, id: &ExperienceId) -> Result<Experience> {
        let effect = || self.fakes.catalog.experience(id);
        self.scheduler.call(Call::Experience, effect).await
    }

    async fn policy(&self, id: &PolicyId) -> Result<PolicySnapshot> {
        let effect = || self.fakes.catalog.policy(id);
        self.scheduler.call(Call::Policy, effect).await
    }

    async fn experiences(&self) -> Result<Vec<ExperienceId>> {
        self.fakes.catalog.experiences().await
    }
}

impl ChangeSets for ExplorerPorts {
    async fn start(&self, name: &ChangeSetName, intent: &Intent) -> Result<ChangeSetId> {
        let effect = || self.fakes.catalog.start(name, intent);
        let call = Call::Start(intent.token.clone(), name.seq);
        self.scheduler.call(call, effect).await
    }

    async fn status(&self, id: &ChangeSetId) -> Result<ChangeSetStatus> {
        let effect = || self.fakes.catalog.status(id);
        self.scheduler.call(Call::Status(id.clone()), effect).await
    }

    async fn named(&self, name: &ChangeSetName) -> Result<Vec<NamedSet>> {
        let effect = || self.fakes.catalog.named(name);
        self.scheduler.call(Call::Find(name.seq), effect).await
    }

    /// Not a step of its own: it decides nothing but what is reported.
    async fn newest(&self, experience: &ExperienceId) -> Result<Vec<StartedSet>> {
        self.fakes.catalog.newest(experience).await
    }

    async fn changed_by(&self, id: &ChangeSetId) -> Result<BTreeSet<ExperienceId>> {
        self.fakes.catalog.changed_by(id).await
    }
}

impl SendTicks for ExplorerPorts {
    /// Due relative to the time of the call, so that sending it and moving the clock commute.
    async fn tick(&self, tick: &TickMessage, delay_seconds: u16) -> Result<()> {
        let due = later(self.now(), i64::from(delay_seconds));
        let effect = || async {
            self.post(Letter {
                due,
                body: Body::Tick(tick.number),
            });
            Ok(())
        };
        self.scheduler.call(Call::Tick(tick.number), effect).await
    }
}

impl DeadLetters for ExplorerPorts {
    async fn dead_letter(
        &self,
        body: &str,
        attributes: &BTreeMap<&'static str, String>,
    ) -> Result<()> {
        let effect = || async {
            let words = format!("{body} {attributes:?}");
            self.fakes.outbox(|outbox| outbox.dead_lettered.push(words));
            Ok(())
        };
        self.scheduler.call(Call::DeadLetter, effect).await
    }
}

impl Bus for ExplorerPorts {
    async fn put(&self, event: Event) -> Result<()> {
        let (_, _, detail) = &event;
        let run: Option<RunId> = detail.get("run").and_then(|run| run.as_str()?.parse().ok());
        let effect = || async {
            self.fakes.outbox(|outbox| outbox.announced.extend(run));
            Ok(())
        };
        self.scheduler.call(Call::Announce, effect).await
    }
}
