//! Commits, then sends: the only way for a plan to reach a member.

use std::collections::BTreeSet;

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::error::LinkError;
use pmp_sync_domain::ids::{LaneId, RunId};
use pmp_sync_domain::lane::{Counts, LaneState, Planned, Rejected};
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::ports::{Clock, Lanes, SendChanges};
use pmp_sync_domain::reconcile::Observation;
use pmp_sync_domain::try_transition::try_transition;
use pmp_sync_domain::wire::{ChangeMessage, TickMessage};

use super::marks::waiting;

/// The result of a commit.
#[derive(Debug)]
pub(crate) enum Committed {
    /// The plan is committed. Contains the runs that worked on or waited for the plan before.
    Yes(Vec<RunId>),
    /// The lane has changed since the plan was made. It must be observed again.
    Stale,
}

/// The committed form of a plan.
pub(crate) fn planned(run: RunId, plan: &Plan, now: Timestamp) -> Planned {
    Planned {
        run,
        hash: plan.hash(),
        totals: Counts {
            allow: plan.allow().len(),
            deny: plan.deny().len(),
        },
        taken: Counts::default(),
        counted: BTreeSet::new(),
        creates_policy: false,
        sent: false,
        proved: BTreeSet::new(),
        at: now,
    }
}

/// Producer rule 3: commits a plan, on condition that phase, seq, intent and the mark of the
/// member's rules are as they were read, and that there is no newer plan.
pub(crate) async fn commit<L: Lanes, K: Clock>(
    ledger: &L,
    clock: &K,
    run: RunId,
    seen: &Observation,
    plan: &Plan,
) -> Result<Committed, LinkError> {
    let read = seen.state();
    let planned = Planned {
        creates_policy: seen.first_policy.is_some() && !plan.is_empty(),
        ..planned(run, plan, clock.now())
    };
    let mine = (run, planned.hash.clone());
    let stored = try_transition(ledger, clock, &seen.lane, read.clone(), |state| {
        let is_as_read = state.phase == read.phase
            && state.seq == read.seq
            && state.intent == read.intent
            && state.member == read.member;
        if !is_as_read {
            return Err(Rejected::Phase);
        }
        state.committed(planned.clone())
    });
    if let Some(stored) = stored.await.map_err(LinkError::Ledger)? {
        return Ok(Committed::Yes(waiting(&stored.before)));
    }
    // The plan was written if only the answer to the first attempt was lost.
    let state = ledger.state(&seen.lane).await.map_err(LinkError::Ledger)?;
    let is_mine = state
        .planned
        .is_some_and(|planned| (planned.run, planned.hash) == mine);
    Ok(if is_mine {
        Committed::Yes(waiting(read))
    } else {
        Committed::Stale
    })
}

/// Sends the plan's changes, and marks the plan as sent. An empty plan halts the lane: a Tick makes
/// the worker close what is void.
pub(crate) async fn send<L: Lanes, K: Clock, C: SendChanges>(
    ledger: &L,
    clock: &K,
    connection: &C,
    run: RunId,
    seen: &Observation,
    plan: &Plan,
) -> Result<usize, LinkError> {
    let lane = &seen.lane;
    let messages: Vec<_> = plan
        .in_sending_order()
        .into_iter()
        .zip(0_u32..)
        .map(|(change, ordinal)| ChangeMessage::new(lane, run, change, ordinal))
        .collect();
    if messages.is_empty() {
        wake(connection, lane, seen.state()).await?;
    } else {
        connection
            .send(&messages)
            .await
            .map_err(|error| LinkError::NotSent(lane.account.clone(), error.count, error.error))?;
    }
    let state = ledger.state(lane).await.map_err(LinkError::Ledger)?;
    try_transition(ledger, clock, lane, state, |state| state.sent(run))
        .await
        .map_err(LinkError::Ledger)?;
    Ok(messages.len())
}

/// Sends the live Tick again, never a new chain.
pub(crate) async fn wake<C: SendChanges>(
    connection: &C,
    lane: &LaneId,
    state: &LaneState,
) -> Result<(), LinkError> {
    connection
        .wake(&TickMessage::new(lane, state.tick))
        .await
        .map_err(|error| LinkError::NotSent(lane.account.clone(), 1, error))
}

/// Wakes a lane at rest on which the member's own rules keep something back, because only its
/// worker knows whether the rules have changed. If the Tick does not arrive, the next run sends it
/// again.
pub(crate) async fn ask_for_rules<C: SendChanges>(connection: &C, seen: &Observation) {
    if !seen.is_kept_back() {
        return;
    }
    if let Err(error) = wake(connection, &seen.lane, seen.state()).await {
        tracing::warn!(lane = %seen.lane, code = error.code(), %error, "the worker could not be asked for the member's rules");
    }
}
