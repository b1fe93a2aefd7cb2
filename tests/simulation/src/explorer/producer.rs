//! The producer's way with one lane, over the scheduler: look, decide, commit, send, mark as sent; the
//! same decisions of the domain in the same order as producer/src/{inspect,link,send}.rs, without
//! what only the producer itself ever reads (runs, configuration, the management experience).

use std::collections::{BTreeMap, BTreeSet};

use pmp_sync_domain::ids::{LaneId, PolicyId, RunId};
use pmp_sync_domain::lane::{Counts, LaneState, Planned, Rejected};
use pmp_sync_domain::link::LinkPolicy;
use pmp_sync_domain::plan::{Plan, plan};
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::ports::{Clock as _, Lanes as _, ReadCatalog as _, Result, SendTicks as _};
use pmp_sync_domain::reconcile::{Course, PlanOnLane};
use pmp_sync_domain::try_transition::{Transited, try_transition};
use pmp_sync_domain::wire::{ChangeMessage, TickMessage};

use super::ports::ExplorerPorts;

/// What one run is to do.
#[derive(Debug, Clone)]
pub(super) struct Errand {
    pub(super) run: RunId,
    pub(super) lane: LaneId,
    pub(super) policy: PolicyId,
    pub(super) desired: PolicySnapshot,
    /// The plans of older runs.
    pub(super) plans: BTreeMap<RunId, Plan>,
}

impl Errand {
    /// Serves the lane. An error is a run that failed: the next one begins anew.
    pub(super) async fn serve(&self, ports: &ExplorerPorts) -> Result<()> {
        let link = LinkPolicy::default();
        loop {
            let read = ports.state(&self.lane).await?;
            let open = ports.open(&self.lane).await?;
            let actual = ports.policy(&self.policy).await?;
            let (plan, _) = plan(&self.desired, &actual, &read.view(Vec::new()), &link);
            let question = PlanOnLane {
                plan: &plan,
                state: &read,
                open: &open,
                committed: read.planned_run().and_then(|run| self.plans.get(&run)),
                desired: &self.desired,
                link: &link,
                renewed: false,
            };
            let done = match question.course(ports.now()) {
                Course::InSync => {
                    let (seq, planned) = (read.seq, read.planned_run());
                    let stamped = self.try_transition(ports, read, |state| {
                        if (state.seq, state.planned_run()) == (seq, planned) {
                            Ok(state.in_sync(true, ports.now()))
                        } else {
                            Err(Rejected::Seq)
                        }
                    });
                    stamped.await?;
                    true
                }
                Course::Underway(planned) => {
                    let joined =
                        self.try_transition(ports, read, |state| state.joined(self.run, planned));
                    joined.await?.is_some()
                }
                Course::Commit => {
                    ports.keep(self.run, &plan).await?;
                    let committed = self.commit(ports, &read, &plan).await?;
                    if committed {
                        self.send(ports, &read, &plan).await?;
                    }
                    committed
                }
            };
            if done {
                return Ok(());
            }
        }
    }

    async fn try_transition(
        &self,
        ports: &ExplorerPorts,
        state: LaneState,
        transition: impl Fn(&LaneState) -> Result<LaneState, Rejected> + Send + Sync,
    ) -> Result<Option<Transited>> {
        try_transition(ports, ports, &self.lane, state, transition).await
    }

    async fn commit(&self, ports: &ExplorerPorts, read: &LaneState, plan: &Plan) -> Result<bool> {
        let planned = Planned {
            run: self.run,
            hash: plan.hash(),
            totals: Counts {
                allow: plan.allow().len(),
                deny: plan.deny().len(),
            },
            taken: Counts::default(),
            creates_policy: false,
            sent: false,
            proved: BTreeSet::new(),
            at: ports.now(),
        };
        let stored = self.try_transition(ports, read.clone(), |state| {
            if state.phase != read.phase || state.seq != read.seq || state.intent != read.intent {
                return Err(Rejected::Phase);
            }
            state.committed(planned.clone())
        });
        if stored.await?.is_some() {
            return Ok(true);
        }
        // Written after all, if the answer to the first attempt was lost.
        let state = ports.state(&self.lane).await?;
        Ok(state
            .planned
            .is_some_and(|now| (now.run, now.hash) == (planned.run, planned.hash)))
    }

    async fn send(&self, ports: &ExplorerPorts, read: &LaneState, plan: &Plan) -> Result<()> {
        if plan.is_empty() {
            let tick = TickMessage::new(&self.lane, read.tick);
            ports.tick(&tick, 0).await?;
        }
        for (change, ordinal) in plan.in_sending_order().into_iter().zip(0_u32..) {
            let message = ChangeMessage {
                run: self.run,
                account: self.lane.account.clone(),
                experience: self.lane.experience.clone(),
                product: change.product,
                action: change.action,
                ordinal,
            };
            ports.send(message).await?;
        }
        let state = ports.state(&self.lane).await?;
        let marked = self.try_transition(ports, state, |state| state.sent(self.run));
        marked.await?;
        Ok(())
    }
}
