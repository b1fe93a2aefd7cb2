//! Commit, then send: the only way in which a plan reaches a member.

use std::collections::BTreeSet;

use pmp_sync_domain::error::LinkError;
use pmp_sync_domain::ids::{LaneId, RunId};
use pmp_sync_domain::lane::{Counts, LaneState, Planned, Rejected};
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::ports::{Lanes as _, SendChanges};
use pmp_sync_domain::try_transition::try_transition;
use pmp_sync_domain::wire::{ChangeMessage, TickMessage};

use crate::reconcile::observe::Inspection;
use crate::{Ports, Producer};

/// What came of a commit.
#[derive(Debug)]
pub(crate) enum Committed {
    /// The plan is the lane's. The runs that worked on or waited for the one before are given.
    Yes(Vec<RunId>),
    /// The lane is not as it was when the plan was made: look again.
    Stale,
}

/// The runs that wait for what the lane works on.
pub(crate) fn waiting(state: &LaneState) -> Vec<RunId> {
    state
        .planned_run()
        .into_iter()
        .chain(state.joined.iter().copied())
        .collect()
}

impl<P: Ports> Producer<P> {
    /// Rule 3: the plan becomes the lane's, on condition that phase, seq, intent and the mark of the
    /// member's rules are as they were read and that no newer plan is there.
    pub(crate) async fn commit(
        &self,
        run: RunId,
        inspection: &Inspection,
        plan: &Plan,
    ) -> Result<Committed, LinkError> {
        let read = &inspection.before.state;
        let planned = Planned {
            run,
            hash: plan.hash(),
            totals: Counts {
                allow: plan.allow().len(),
                deny: plan.deny().len(),
            },
            taken: Counts::default(),
            creates_policy: inspection.first_policy.is_some() && !plan.is_empty(),
            sent: false,
            proved: BTreeSet::new(),
            at: self.now(),
        };
        let mine = (run, planned.hash.clone());
        let stored = try_transition(
            self.ports.ledger(),
            self.ports.clock(),
            &inspection.lane,
            read.clone(),
            |state| {
                let is_as_read = state.phase == read.phase
                    && state.seq == read.seq
                    && state.intent == read.intent
                    && state.member == read.member;
                if !is_as_read {
                    return Err(Rejected::Phase);
                }
                state.committed(planned.clone())
            },
        )
        .await
        .map_err(LinkError::Ledger)?;
        if let Some(transitioned) = stored {
            return Ok(Committed::Yes(waiting(&transitioned.before)));
        }
        // Written after all, if the answer to the first attempt was lost.
        let state = self.ports.ledger().state(&inspection.lane).await;
        let state = state.map_err(LinkError::Ledger)?;
        let is_mine = state
            .planned
            .is_some_and(|planned| (planned.run, planned.hash) == mine);
        Ok(if is_mine {
            Committed::Yes(waiting(read))
        } else {
            Committed::Stale
        })
    }

    /// Sends the plan's changes and marks it as sent. An empty plan halts the lane: a Tick makes the
    /// worker close what has become void.
    pub(crate) async fn send<C: SendChanges>(
        &self,
        run: RunId,
        lane: &LaneId,
        plan: &Plan,
        state: &LaneState,
        connection: &C,
    ) -> Result<usize, LinkError> {
        let messages: Vec<_> = plan
            .in_sending_order()
            .into_iter()
            .zip(0_u32..)
            .map(|(change, ordinal)| ChangeMessage {
                run,
                account: lane.account.clone(),
                experience: lane.experience.clone(),
                product: change.product,
                action: change.action,
                ordinal,
            })
            .collect();
        if messages.is_empty() {
            self.wake(lane, state, connection).await?;
        } else {
            connection.send(&messages).await.map_err(|error| {
                LinkError::NotSent(lane.account.clone(), error.count, error.error)
            })?;
        }
        let state = self
            .ports
            .ledger()
            .state(lane)
            .await
            .map_err(LinkError::Ledger)?;
        try_transition(
            self.ports.ledger(),
            self.ports.clock(),
            lane,
            state,
            |state| state.sent(run),
        )
        .await
        .map_err(LinkError::Ledger)?;
        Ok(messages.len())
    }

    /// Sends the live Tick once more: never a new chain.
    pub(crate) async fn wake<C: SendChanges>(
        &self,
        lane: &LaneId,
        state: &LaneState,
        connection: &C,
    ) -> Result<(), LinkError> {
        connection
            .wake(&TickMessage::new(lane, state.tick))
            .await
            .map_err(|error| LinkError::NotSent(lane.account.clone(), 1, error))
    }
}
