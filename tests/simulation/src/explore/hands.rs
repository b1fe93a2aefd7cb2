//! The ports of a task in a small world: the stateful fakes for the ledger and the catalog, each call
//! through the task's gate. What a task sends lies in the out-tray until the explorer takes it: which
//! message is delivered when, and to whom, is for the explorer to choose.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::experience::Experience;
use pmp_sync_domain::ids::{
    AccountId, ChangeSetId, ChangeSetName, ExperienceId, LaneId, PolicyId, ProductId, RunId,
};
use pmp_sync_domain::lane::{FailedAlone, Intent, LaneState, OpenChange, Quarantined};
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::ports::{
    Bus, ChangeSetStatus, ChangeSets, Claims, Clock, Close, Closing, DeadLetters, Entropy, Lanes,
    ReadCatalog, Result, SendTicks,
};
use pmp_sync_domain::records::SetRecord;
use pmp_sync_domain::time::later;
use pmp_sync_domain::wire::{ChangeMessage, Event, TickMessage};

use super::gate::{Call, Gate};
use super::state::{Body, Letter};
use pmp_sync_fakes::OrgCatalog;
use pmp_sync_fakes::World;

/// What tasks have sent since the explorer looked last.
#[derive(Debug, Default)]
pub(super) struct Tray {
    pub(super) letters: Vec<Letter>,
    /// The runs of Lane Settled.
    pub(super) announced: Vec<RunId>,
    pub(super) plan: Option<(RunId, Plan)>,
    pub(super) dead_lettered: Vec<String>,
}

/// The fakes that tasks work on, one after the other.
#[derive(Clone)]
pub(super) struct Bench {
    pub(super) world: World,
    pub(super) catalog: OrgCatalog,
    pub(super) tray: Arc<Mutex<Tray>>,
}

impl Bench {
    pub(super) fn new(account: &AccountId) -> Self {
        let world = World::new(Timestamp::UNIX_EPOCH, 0, 0);
        Self {
            catalog: world.catalog(account),
            world,
            tray: Arc::default(),
        }
    }

    fn tray<T>(&self, work: impl FnOnce(&mut Tray) -> T) -> T {
        work(&mut self.tray.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes what has been sent.
    pub(super) fn take(&self) -> Tray {
        self.tray(std::mem::take)
    }
}

/// The ports of one task.
#[derive(Clone)]
pub(super) struct Hands {
    pub(super) gate: Gate,
    pub(super) bench: Bench,
    /// Which place the task has: with the intent that the lane is at it makes a token that no other
    /// intent has, because a place has one task at a time and an intent is written once.
    pub(super) place: u64,
}

impl Hands {
    /// Puts a plan on record, as the producer does before it commits.
    pub(super) async fn keep(&self, run: RunId, plan: &Plan) -> Result<()> {
        let effect = || async {
            self.bench
                .tray(|tray| tray.plan = Some((run, plan.clone())));
            Ok(())
        };
        self.gate.call(Call::Keep, effect).await
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
        self.gate.call(call, effect).await
    }

    fn post(&self, letter: Letter) {
        self.bench.tray(|tray| tray.letters.push(letter));
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        self.gate.now()
    }
}

impl Entropy for Hands {
    fn bits(&self) -> u128 {
        // A multiple of a thousand, so that what is put off is put off by the shortest time.
        (u128::from(self.place) * 1_000_000 + u128::from(self.gate.seq()) + 1) * 1_000
    }
}

impl Lanes for Hands {
    async fn state(&self, lane: &LaneId) -> Result<LaneState> {
        let effect = || self.bench.world.state(lane);
        self.gate.call(Call::State, effect).await
    }

    async fn open(&self, lane: &LaneId) -> Result<Vec<OpenChange>> {
        let effect = || self.bench.world.open(lane);
        self.gate.call(Call::Open, effect).await
    }

    async fn quarantined(&self, _: &LaneId) -> Result<Vec<Quarantined>> {
        Ok(Vec::new())
    }

    async fn store(&self, lane: &LaneId, rev: u64, next: &LaneState) -> Result<()> {
        let effect = || self.bench.world.store(lane, rev, next);
        self.gate.call(Call::Store(rev), effect).await
    }
}

impl Close for Hands {
    /// One after the other, as DynamoDB makes them: others may see some closed and others not.
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
            let effect = || self.bench.world.close(lane, one, closing, change_set, now);
            let call = Call::Close(change.0.clone(), change.1);
            self.gate.call(call, effect).await?;
        }
        Ok(())
    }
}

impl Claims for Hands {
    async fn claim(&self, change: &ChangeMessage, now: Timestamp) -> Result<bool> {
        let effect = || self.bench.world.claim(change, now);
        let call = Call::Claim(change.product.clone(), change.run);
        self.gate.call(call, effect).await
    }

    async fn quarantine(
        &self,
        lane: &LaneId,
        failed: &FailedAlone,
        now: Timestamp,
    ) -> Result<bool> {
        let effect = || self.bench.world.quarantine(lane, failed, now);
        self.gate.call(Call::DeadLetter, effect).await
    }

    /// Not a step of its own: no rule reads it, and the next call of a settle frees the lane. So a crash
    /// before that, or its failure, is all that a failure or a crash here could come to.
    async fn keep_set(&self, _: &LaneId, _: &SetRecord) -> Result<()> {
        Ok(())
    }
}

impl ReadCatalog for Hands {
    async fn experience(&self, id: &ExperienceId) -> Result<Experience> {
        let effect = || self.bench.catalog.experience(id);
        self.gate.call(Call::Experience, effect).await
    }

    async fn policy(&self, id: &PolicyId) -> Result<PolicySnapshot> {
        let effect = || self.bench.catalog.policy(id);
        self.gate.call(Call::Policy, effect).await
    }

    async fn experiences(&self) -> Result<Vec<ExperienceId>> {
        self.bench.catalog.experiences().await
    }
}

impl ChangeSets for Hands {
    async fn start(&self, name: &ChangeSetName, intent: &Intent) -> Result<ChangeSetId> {
        let effect = || self.bench.catalog.start(name, intent);
        let call = Call::Start(intent.token.clone(), name.seq);
        self.gate.call(call, effect).await
    }

    async fn status(&self, id: &ChangeSetId) -> Result<ChangeSetStatus> {
        let effect = || self.bench.catalog.status(id);
        self.gate.call(Call::Status(id.clone()), effect).await
    }

    async fn find(&self, name: &ChangeSetName) -> Result<Option<ChangeSetId>> {
        let effect = || self.bench.catalog.find(name);
        self.gate.call(Call::Find(name.seq), effect).await
    }
}

impl SendTicks for Hands {
    /// Due by the time at which it was asked for, so that sending it and moving the clock commute.
    async fn tick(&self, tick: &TickMessage, delay_seconds: u16) -> Result<()> {
        let due = later(self.now(), i64::from(delay_seconds));
        let effect = || async {
            self.post(Letter {
                due,
                body: Body::Tick(tick.number),
            });
            Ok(())
        };
        self.gate.call(Call::Tick(tick.number), effect).await
    }
}

impl DeadLetters for Hands {
    async fn dead_letter(
        &self,
        body: &str,
        attributes: &BTreeMap<&'static str, String>,
    ) -> Result<()> {
        let effect = || async {
            let words = format!("{body} {attributes:?}");
            self.bench.tray(|tray| tray.dead_lettered.push(words));
            Ok(())
        };
        self.gate.call(Call::DeadLetter, effect).await
    }
}

impl Bus for Hands {
    async fn put(&self, event: Event) -> Result<()> {
        let (_, _, detail) = &event;
        let run: Option<RunId> = detail.get("run").and_then(|run| run.as_str()?.parse().ok());
        let effect = || async {
            self.bench.tray(|tray| tray.announced.extend(run));
            Ok(())
        };
        self.gate.call(Call::Announce, effect).await
    }
}

impl pmp_sync_worker::Ports for Hands {
    type Ledger = Self;
    type Catalog = Self;
    type Queue = Self;
    type DeadLetters = Self;
    type Bus = Self;
    type Clock = Self;
    type Entropy = Self;
    fn ledger(&self) -> &Self {
        self
    }
    fn catalog(&self) -> &Self {
        self
    }
    fn queue(&self) -> &Self {
        self
    }
    fn dead_letters(&self) -> &Self {
        self
    }
    fn bus(&self) -> &Self {
        self
    }
    fn clock(&self) -> &Self {
        self
    }
    fn entropy(&self) -> &Self {
        self
    }
}
