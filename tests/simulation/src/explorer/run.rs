//! A run on the one lane of a small world: the real producer's `reconcile`. Only what workers see or change
//! waits for the scheduler; what the producer alone ever reads (configuration, runs, link states) is
//! answered at once, and is as if nothing were remembered.

use std::collections::{BTreeMap, BTreeSet};

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::error::LinkError;
use pmp_sync_domain::experience::{Experience, Status};
use pmp_sync_domain::guard::{Guard, GuardName};
use pmp_sync_domain::ids::{
    AccountId, ExperienceId, ExternalId, LaneId, MemberName, PolicyId, ProductId, RunId,
};
use pmp_sync_domain::lane::{LaneState, OpenChange, Quarantined};
use pmp_sync_domain::link::{Link, LinkPolicy, LiveCheck, Member, STALE_AFTER_HOURS, Target};
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::ports::{
    Lanes, NotSent, Products, ReadCatalog, ReadRuns, Result, SendChanges, SendTicks as _,
    StoredConfig, WriteRuns,
};
use pmp_sync_domain::reconcile::{DesiredState, Goal};
use pmp_sync_domain::records::{
    DeadLetterRecord, Found, LaneEntry, LastChange, LinkRecord, LinkState, LiveRecord, RunRecord,
    SeenList, SetRecord, Suspensions,
};
use pmp_sync_domain::run::LinkStatus;
use pmp_sync_domain::sources::Conflict;
use pmp_sync_domain::wire::{ChangeMessage, TickMessage};
use pmp_sync_producer::{CachedListings, Context, ReconcileRequest, Unannounced, reconcile};

use super::ports::ExplorerPorts;

/// What one run wants of the lane.
#[derive(Debug, Clone)]
pub(super) struct LaneRun {
    pub(super) run: RunId,
    pub(super) lane: LaneId,
    pub(super) member: MemberName,
    pub(super) policy: PolicyId,
    pub(super) desired: PolicySnapshot,
    /// The plans of older runs.
    pub(super) plans: BTreeMap<RunId, Plan>,
}

impl LaneRun {
    /// Reconciles the lane. A run that fails leaves it to the next one, which begins anew.
    pub(super) async fn reconcile(
        self,
        ports: ExplorerPorts,
    ) -> std::result::Result<(), LinkError> {
        let desired = DesiredState::alone(self.desired.clone());
        let (run, link) = (self.run, self.link());
        let world = LaneOfRun { of: self, ports };
        let request = ReconcileRequest {
            run,
            goal: Goal {
                link: &link,
                policy: &LinkPolicy::default(),
                experience: &world.of.lane.experience,
                desired: &desired,
                lifted: &BTreeSet::new(),
                rollback: false,
                suspension: None,
            },
        };
        let context = Context {
            ledger: world.clone(),
            marketplace: (),
            members: (),
            outbox: world.ports.clone(),
            system: world.ports.clone(),
            unannounced: Unannounced::default(),
        };
        let listings = CachedListings(&context.ledger);
        let outcome = reconcile(&context, &request, &listings, &world).await?;
        if outcome.is_failed() {
            return Err(LinkError::Contended(world.of.lane.to_string()));
        }
        Ok(())
    }

    fn link(&self) -> Link {
        Link {
            sources: self.lane.experience.clone().into(),
            conflict: Conflict::default(),
            member: Member {
                name: self.member.clone(),
                account: self.lane.account.clone(),
                external_id: ExternalId::generate(0),
                role: None,
                queue: None,
            },
            target: Target::One(self.lane.experience.clone()),
            policy: LinkPolicy::default(),
            guard: Guard {
                exempt: BTreeSet::from([GuardName::FirstMirror]),
                ..Guard::default()
            },
            live_check: LiveCheck::Off,
            stale_after_hours: STALE_AFTER_HOURS,
        }
    }

    fn record(&self, run: RunId, plan: &Plan) -> LinkRecord {
        LinkRecord {
            invalid: pmp_sync_domain::plan::InvalidProducts::default(),
            schema: pmp_sync_domain::SCHEMA,
            run,
            member: self.member.clone(),
            account: self.lane.account.clone(),
            lane: Some(self.lane.clone()),
            sources: self.lane.experience.clone().into(),
            mode: self.link().policy.mode,
            status: LinkStatus::Committed,
            plan_hash: Some(plan.hash()),
            allow: plan.allow().iter().cloned().collect(),
            deny: plan.deny().iter().cloned().collect(),
            removals: 0,
            left_alone: Vec::new(),
            contradictory: Vec::new(),
            edited: Vec::new(),
            edited_since: None,
            fault: None,
            hold: None,
            approval: None,
            unchecked: 0,
            at: Timestamp::UNIX_EPOCH,
            held: pmp_sync_domain::records::HeldPart::default(),
        }
    }
}

/// The lane, its queue and its experience, as the run reaches them.
#[derive(Clone)]
struct LaneOfRun {
    of: LaneRun,
    ports: ExplorerPorts,
}

impl Lanes for LaneOfRun {
    async fn state(&self, lane: &LaneId) -> Result<LaneState> {
        self.ports.state(lane).await
    }
    async fn open(&self, lane: &LaneId) -> Result<Found<OpenChange>> {
        self.ports.open(lane).await
    }
    async fn quarantined(&self, lane: &LaneId) -> Result<Found<Quarantined>> {
        self.ports.quarantined(lane).await
    }
    async fn store(&self, lane: &LaneId, rev: u64, next: &LaneState) -> Result<()> {
        self.ports.store(lane, rev, next).await
    }
}

impl ReadCatalog for LaneOfRun {
    /// Nobody edits it in a small world.
    async fn experience(&self, id: &ExperienceId) -> Result<Experience> {
        Ok(Experience {
            id: id.clone(),
            name: String::new(),
            status: Status::Enabled,
            archived: false,
            policy: Some(self.of.policy.clone()),
        })
    }
    async fn policy(&self, id: &PolicyId) -> Result<PolicySnapshot> {
        self.ports.policy(id).await
    }
    async fn experiences(&self) -> Result<Vec<ExperienceId>> {
        Ok(vec![self.of.lane.experience.clone()])
    }
}

impl SendChanges for LaneOfRun {
    /// One message after the other: each may arrive before the next is sent.
    async fn send(&self, changes: &[ChangeMessage]) -> std::result::Result<(), NotSent> {
        for (place, change) in changes.iter().enumerate() {
            let sent = self.ports.send(change.clone()).await;
            sent.map_err(|error| NotSent {
                count: changes.len() - place,
                error,
            })?;
        }
        Ok(())
    }
    async fn wake(&self, tick: &TickMessage) -> Result<()> {
        self.ports.tick(tick, 0).await
    }
}

impl Products for LaneOfRun {
    async fn products(&self, _: &LaneId) -> Result<Found<LastChange>> {
        Ok(Found::default())
    }
    async fn seen_list(&self, _: &LaneId) -> Result<Option<SeenList>> {
        Ok(None)
    }
}

impl ReadRuns for LaneOfRun {
    async fn config(&self) -> Result<Option<StoredConfig>> {
        Ok(None)
    }
    async fn config_version(&self, _: u64) -> Result<Option<StoredConfig>> {
        Ok(None)
    }
    async fn suspensions(&self) -> Result<Suspensions> {
        Ok(Suspensions::default())
    }
    async fn lanes(&self) -> Result<Found<LaneEntry>> {
        Ok(Found::default())
    }
    async fn newest_runs(&self, _: u16) -> Result<Found<RunRecord>> {
        Ok(Found::default())
    }
    async fn unfinished_runs(&self, _: u16) -> Result<Found<RunRecord>> {
        Ok(Found::default())
    }
    async fn run(&self, _: RunId) -> Result<Option<RunRecord>> {
        Ok(None)
    }
    async fn link(&self, run: RunId, _: &LaneId) -> Result<Option<LinkRecord>> {
        let plan = self.of.plans.get(&run);
        Ok(plan.map(|plan| self.of.record(run, plan)))
    }
    async fn link_state(&self, _: &LaneId) -> Result<LinkState> {
        Ok(LinkState::default())
    }
    async fn lists(&self, _: RunId, _: &LaneId) -> Result<Option<PolicySnapshot>> {
        Ok(None)
    }
    async fn sets_since(&self, _: &LaneId, _: RunId, _: usize) -> Result<Found<SetRecord>> {
        Ok(Found::default())
    }
    async fn live(&self, _: &BTreeSet<ProductId>) -> Result<Found<LiveRecord>> {
        Ok(Found::default())
    }
}

impl WriteRuns for LaneOfRun {
    async fn next_run(&self, _: Timestamp, _: u128) -> Result<RunId> {
        Ok(self.of.run)
    }
    async fn put_run(&self, _: &RunRecord) -> Result<()> {
        Ok(())
    }
    /// Of a plan that is to be committed it is a step of its own: the plan is on record before it is the
    /// lane's.
    async fn put_link(&self, link: &LinkRecord) -> Result<()> {
        if link.status == LinkStatus::Committed {
            self.ports.keep(link.run, &link.shown()).await
        } else {
            Ok(())
        }
    }
    async fn void_failure(&self, _: RunId, _: &AccountId) -> Result<()> {
        Ok(())
    }
    async fn put_link_state(&self, _: &LaneId, _: &LinkState) -> Result<()> {
        Ok(())
    }
    async fn put_lists(
        &self,
        _: RunId,
        _: &LaneId,
        _: &PolicySnapshot,
        _: Timestamp,
    ) -> Result<()> {
        Ok(())
    }
    async fn put_seen_list(&self, _: &LaneId, _: &SeenList) -> Result<()> {
        Ok(())
    }
    async fn put_live(&self, _: &LiveRecord) -> Result<()> {
        Ok(())
    }
    async fn release(&self, _: &LaneId, _: &Quarantined, _: Timestamp) -> Result<()> {
        Ok(())
    }
    async fn put_dead_letter(&self, _: RunId, _: &DeadLetterRecord) -> Result<()> {
        Ok(())
    }
    async fn register(&self, _: &LaneId, _: &LinkRecord) -> Result<()> {
        Ok(())
    }
}
