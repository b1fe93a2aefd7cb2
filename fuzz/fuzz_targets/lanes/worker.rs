//! The real worker's *advance* over one lane in memory. Its calls never wait.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::{Mutex, MutexGuard};
use std::task::{Context as Waiting, Poll, Waker};

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::experience::{Experience, Status};
use pmp_sync_domain::ids::{
    AccountId, ChangeSetId, ChangeSetName, ExperienceId, LaneId, PolicyId, ProductId,
    ProductRequestId, RunId,
};
use pmp_sync_domain::lane::{
    BATCH, Counts, FailedAlone, Intent, LaneState, NamedSet, OpenChange, Quarantined, Rejected,
    StartedSet, counts, first_tick, outstanding,
};
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::ports::{
    Bus, ChangeSetStatus, ChangeSets, Claims, Clock, Close, Closing, DeadLetters, Entropy, Lanes,
    ProductRequests, Quarantining, ReadCatalog, Result, SendTicks,
};
use pmp_sync_domain::records::{Found, ProductRequest, RequestCounts, SetRecord};
use pmp_sync_domain::wire::{ChangeMessage, Event, TickMessage};
use pmp_sync_worker::{Context, Membership, advance};

use crate::{Scene, TIMEOUT};

/// Moves the lane on as far as the worker does in one invocation. False if it did not come to rest.
pub(crate) fn advance_lane(scene: &mut Scene) -> bool {
    let world = Mutex::new(std::mem::take(scene));
    let account = AccountId::new("222222222222").expect("an id");
    let lane = LaneId {
        account: account.clone(),
        experience: ExperienceId::new("exp-1").expect("an id"),
    };
    let ports = Ports(&world);
    let context = Context {
        ledger: ports,
        catalog: ports,
        outbox: ports,
        system: ports,
        member: Membership::new(account, u16::try_from(TIMEOUT).expect("small")),
    };
    let moved = {
        let mut succeeded = false;
        let moving = pin!(advance(&context, &lane, &[], false, &mut succeeded, Timestamp::MAX));
        match moving.poll(&mut Waiting::from_waker(Waker::noop())) {
            Poll::Ready(moved) => moved,
            Poll::Pending => panic!("nothing here waits"),
        }
    };
    *scene = world.into_inner().expect("no panic is caught");
    match moved {
        Ok(()) => true,
        Err(error) => {
            assert_eq!(error.operation, "advance", "{error}");
            false
        }
    }
}

/// The ports of the worker.
#[derive(Clone, Copy)]
struct Ports<'a>(&'a Mutex<Scene>);

impl Ports<'_> {
    fn scene(&self) -> MutexGuard<'_, Scene> {
        self.0.lock().expect("no panic is caught")
    }
}

impl Lanes for Ports<'_> {
    async fn state(&self, _: &LaneId) -> Result<LaneState> {
        Ok(self.scene().lane.clone())
    }

    async fn open(&self, _: &LaneId) -> Result<Found<OpenChange>> {
        let scene = self.scene();
        let open = scene.open();
        let left = outstanding(&scene.lane, &open);
        let counted = counts(open.iter().map(|open| open.action));
        assert_eq!(counted.less(left), Counts::default());
        Ok(open.into())
    }

    async fn quarantined(&self, _: &LaneId) -> Result<Found<Quarantined>> {
        Ok(Found::default())
    }

    async fn store(&self, _: &LaneId, rev: u64, next: &LaneState) -> Result<()> {
        let mut scene = self.scene();
        assert_eq!(rev, scene.lane.rev, "there is one worker");
        let before = &scene.lane;
        if next.seq > before.seq {
            assert_eq!(next.seq, before.seq + 1);
            check_stale(before, next, scene.now);
        }
        scene.write(next.clone());
        Ok(())
    }
}

/// An intent that was made from an older state is rejected.
fn check_stale(before: &LaneState, next: &LaneState, now: Timestamp) {
    if let (Some(intent), Some(run)) = (&next.intent, before.planned_run()) {
        let (seq, due) = (before.seq.wrapping_sub(1), first_tick(before, now));
        let stale = before.intending(seq, run, intent.clone(), (&[], &[]), due);
        assert_eq!(stale, Err(Rejected::Seq));
        assert!(next.is_at(intent));
    }
}

impl Close for Ports<'_> {
    async fn close(
        &self,
        _: &LaneId,
        changes: &[(ProductId, RunId)],
        closing: Closing,
        _: Option<&ChangeSetId>,
        _: Timestamp,
    ) -> Result<()> {
        assert!(!changes.is_empty());
        let mut scene = self.scene();
        for (product, run) in changes {
            let is_older = Some(*run) < scene.lane.planned_run();
            assert_eq!(is_older, closing == Closing::Superseded);
            scene.close(product, *run);
        }
        Ok(())
    }
}

impl Claims for Ports<'_> {
    async fn claim(&self, _: &ChangeMessage, _: Timestamp) -> Result<bool> {
        Ok(false)
    }

    async fn quarantine(
        &self,
        _: &LaneId,
        failed: &FailedAlone,
        _: Timestamp,
    ) -> Result<Quarantining> {
        self.scene()
            .close(&failed.change.product, failed.change.run);
        Ok(Quarantining::Now)
    }

    async fn keep_set(&self, _: &LaneId, _: &SetRecord) -> Result<()> {
        Ok(())
    }
}

impl ReadCatalog for Ports<'_> {
    async fn experience(&self, id: &ExperienceId) -> Result<Experience> {
        Ok(Experience {
            id: id.clone(),
            name: String::new(),
            status: Status::Enabled,
            archived: false,
            policy: PolicyId::new("procpolicy-1").ok(),
        })
    }

    async fn policy(&self, _: &PolicyId) -> Result<PolicySnapshot> {
        Ok(self.scene().policy.clone())
    }

    async fn experiences(&self) -> Result<Vec<ExperienceId>> {
        Ok(Vec::new())
    }
}

/// No procurement request arrives here.
impl ProductRequests for Ports<'_> {
    async fn product_request(
        &self,
        _: &AccountId,
        _: &ProductRequestId,
    ) -> Result<Option<ProductRequest>> {
        Ok(None)
    }

    async fn count_product_requests(&self, _: &AccountId, _: Timestamp) -> Result<RequestCounts> {
        Ok(RequestCounts::default())
    }

    async fn put_product_request(&self, _: &ProductRequest) -> Result<()> {
        Ok(())
    }

    async fn drop_product_request(&self, _: &AccountId, _: Timestamp) -> Result<()> {
        Ok(())
    }
}

impl ChangeSets for Ports<'_> {
    /// The answer is lost: whether the change set is under way is for the steps of the input to say.
    async fn start(&self, name: &ChangeSetName, intent: &Intent) -> Result<ChangeSetId> {
        let scene = self.scene();
        let size = intent.counts();
        assert!(size.allow <= BATCH && size.deny <= BATCH, "{size:?}");
        let mut products = BTreeSet::new();
        for change in &intent.changes {
            assert!(products.insert(&change.product), "{change:?} twice");
            assert_eq!(Some(change.run), scene.lane.planned_run());
            let open = scene.open().into_iter();
            let mut open = open.map(|open| (open.product, open.action, open.run));
            let wanted = (change.product.clone(), change.action, change.run);
            assert!(open.any(|open| open == wanted), "{change:?} is not claimed");
        }
        let words = "the answer is lost";
        let thing = name.to_string();
        Err(ServiceError::new("start", thing, Kind::Retryable, words))
    }

    async fn status(&self, _: &ChangeSetId) -> Result<ChangeSetStatus> {
        Ok(ChangeSetStatus::Underway)
    }

    async fn named(&self, _: &ChangeSetName) -> Result<Vec<NamedSet>> {
        Ok(Vec::new())
    }

    async fn newest(&self, _: &ExperienceId) -> Result<Vec<StartedSet>> {
        Ok(Vec::new())
    }

    async fn changed_by(&self, _: &ChangeSetId) -> Result<BTreeSet<ExperienceId>> {
        Ok(BTreeSet::new())
    }
}

impl SendTicks for Ports<'_> {
    async fn tick(&self, tick: &TickMessage, delay_seconds: u16) -> Result<()> {
        assert!((1..=900).contains(&delay_seconds), "in {delay_seconds} s");
        let live = self.scene().lane.tick;
        assert!(tick.number == live || tick.number == live + 1);
        Ok(())
    }
}

impl DeadLetters for Ports<'_> {
    async fn dead_letter(&self, _: &str, _: &BTreeMap<&'static str, String>) -> Result<()> {
        Ok(())
    }
}

impl Bus for Ports<'_> {
    async fn put(&self, _: Event) -> Result<()> {
        assert_eq!(self.scene().open(), [], "settled with something open");
        Ok(())
    }
}

impl Clock for Ports<'_> {
    fn now(&self) -> Timestamp {
        self.scene().now
    }
}

impl Entropy for Ports<'_> {
    fn bits(&self) -> u128 {
        let scene = self.scene();
        u128::from(scene.serial) << 64 | u128::from(scene.lane.seq)
    }
}
