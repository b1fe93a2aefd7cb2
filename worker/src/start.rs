//! Starts a change set: reads the member's policy, chooses a batch, writes the intent, starts it.
//! The order of the calls is part of the lane protocol.

use pmp_sync_domain::error::Kind;
use pmp_sync_domain::ids::{ChangeSetName, LaneId};
use pmp_sync_domain::lane::{
    BlockReason, Ending, Intent, IntentChange, LaneState, OpenChange, choose, first_tick,
};
use pmp_sync_domain::policy::{PolicySnapshot, ProductChange};
use pmp_sync_domain::ports::Closing;

use crate::context::{Catalog, Context, Ledger, Outbox, System};
use crate::find::find_started;
use crate::others::look_for_others;
use crate::policy::{Reading, block, read_policy};
use crate::steps::{Step, back_off_until, close, send_tick, transition};

/// Chooses a batch from the claimed changes that are free, out of all that are `open`, writes the intent and starts it. Returns true if this invocation is done
/// with the lane, and false if the lane must be read again.
pub(crate) async fn start_batch<L: Ledger, C: Catalog, O: Outbox, S: System>(
    context: &Context<L, C, O, S>,
    lane: &LaneId,
    state: LaneState,
    (claimed, open): (&[OpenChange], &[OpenChange]),
    applied: &[ProductChange],
) -> Step<bool> {
    let Some(planned) = state.planned_run() else {
        return Ok(true);
    };
    let seq = state.seq;
    let Some(state) = look_for_others(context, lane, state).await? else {
        return Ok(false);
    };
    // The look takes time, and what it finds is written to the lane as it is by then. The claimed changes were read before: those
    // that another invocation has taken since would be taken twice.
    if (state.seq, state.planned_run()) != (seq, Some(planned)) {
        return Ok(false);
    }
    let mut creates_policy = false;
    let policy = match read_policy(context, lane, &state).await {
        Reading::Policy(policy) => policy.overlaid(
            applied
                .iter()
                .map(|change| (&change.product, change.action)),
        ),
        // The plan takes this into account, and passed the guards with it.
        Reading::NoPolicy(_) if state.creates_policy() => {
            creates_policy = true;
            PolicySnapshot::default()
        }
        Reading::NoPolicy(block) | Reading::Blocked(block) => {
            tracing::error!(%lane, run = %planned, reason = %block.reason, detail = block.detail, "the lane is blocked");
            let seq = state.seq;
            transition(context, lane, state, |state| {
                state.blocked(seq, Some(planned), block.clone())
            })
            .await?;
            return Ok(false);
        }
        Reading::Later => {
            let until = back_off_until(context, &state);
            transition(context, lane, state, |state| state.back_off(until)).await?;
            return Ok(false);
        }
    };
    let now = context.now();
    let choice = choose(&state, claimed, &policy, now);
    if choice.batch.is_empty() && choice.holding.is_empty() {
        // The number of changes was worth a batch, but with the policy known it is not.
        return Ok(false);
    }
    let random = context.system.bits();
    let name = ChangeSetName::new(
        lane.experience.clone(),
        state.seq + 1,
        context.member.installation.clone(),
        random,
    );
    let intent = Intent {
        token: format!("{random:032x}"),
        name: Some(name),
        at: now,
        written_at: None,
        creates_policy,
        changes: choice
            .batch
            .iter()
            .map(|change| IntentChange {
                product: change.product.clone(),
                action: change.action,
                run: change.run,
                ordinal: change.ordinal,
            })
            .collect(),
    };
    let seq = state.seq;
    let tick_at = first_tick(&state, now);
    let holding = choice.holding.as_slice();
    let intended = transition(context, lane, state, |state| {
        state.intending(seq, planned, intent.clone(), (holding, open), tick_at)
    })
    .await?;
    let state = match intended {
        Some(state) => state,
        // The intent was written if only the answer to the first attempt was lost.
        None => match context.ledger.state(lane).await? {
            state if state.is_at(&intent) => state,
            _ => return Ok(false),
        },
    };
    // Only after the intent: another worker's batch might have been about to change them.
    if !holding.is_empty() {
        close(context, lane, holding, Closing::Holding).await?;
    }
    if intent.changes.is_empty() {
        return Ok(false);
    }
    tracing::info!(%lane, run = %planned, seq = state.seq, allow = intent.counts().allow, deny = intent.counts().deny, holding = holding.len(), "starting a change set");
    send_tick(context, lane, state.tick, tick_at).await?;
    start(context, lane, state, &intent).await
}

/// Sends StartChangeSet with the token and changes of the intent, and records the result.
/// Returns true if a change set is or may be under way, and false if the lane must be read
/// again.
async fn start<L: Ledger, C: Catalog, O: Outbox, S: System>(
    context: &Context<L, C, O, S>,
    lane: &LaneId,
    state: LaneState,
    intent: &Intent,
) -> Step<bool> {
    let seq = state.seq;
    let Some(name) = state.change_set_name(&lane.experience) else {
        return Ok(false);
    };
    let error = match context.catalog.start(&name, intent).await {
        Ok(id) => {
            tracing::info!(%lane, seq, change_set = %id, "the change set is under way");
            transition(context, lane, state, |state| state.started(seq, id.clone())).await?;
            return Ok(true);
        }
        Err(error) => error,
    };
    tracing::warn!(%lane, seq, %error, "the change set was not started");
    let now = context.now();
    let ending = match error.kind {
        // The call may have taken effect: the lane stays at `starting` until a Tick finds out.
        Kind::Retryable | Kind::Conflict => return Ok(true),
        Kind::Locked => {
            if let Some(id) = find_started(context, lane, &state, intent).await? {
                transition(context, lane, state, |state| state.started(seq, id.clone())).await?;
                return Ok(true);
            }
            Ending::BackOff(back_off_until(context, &state))
        }
        Kind::Throttled => Ending::BackOff(back_off_until(context, &state)),
        Kind::Denied => Ending::Blocked(block(BlockReason::AccessDenied, &error, now)),
        Kind::NotFound => Ending::Blocked(block(BlockReason::NotFound, &error, now)),
        Kind::Refused | Kind::Unreadable => {
            Ending::Blocked(block(BlockReason::Refused, &error, now))
        }
    };
    transition(context, lane, state, |state| {
        state.ended(seq, ending.clone(), now)
    })
    .await?;
    Ok(false)
}

/// Looks for the change set of an intent whose id is not recorded, and records it. Returns false if
/// it is not found.
pub(crate) async fn find_again<L: Ledger, C: Catalog, O: Outbox, S: System>(
    context: &Context<L, C, O, S>,
    lane: &LaneId,
    state: &LaneState,
) -> Step<bool> {
    let Some(intent) = &state.intent else {
        return Ok(false);
    };
    let seq = state.seq;
    let Some(id) = find_started(context, lane, state, intent).await? else {
        return Ok(false);
    };
    tracing::info!(%lane, seq, change_set = %id, "the change set was started after all");
    transition(context, lane, state.clone(), |state| {
        state.started(seq, id.clone())
    })
    .await?;
    Ok(true)
}

/// Resolves an intent that may or may not have been started: looks up its change set by name,
/// then starts it again with the same token and changes.
pub(crate) async fn start_again<L: Ledger, C: Catalog, O: Outbox, S: System>(
    context: &Context<L, C, O, S>,
    lane: &LaneId,
    state: &LaneState,
) -> Step<()> {
    let Some(intent) = state.intent.clone() else {
        return Ok(());
    };
    let seq = state.seq;
    if find_again(context, lane, state).await? {
        return Ok(());
    }
    if state.suspension.is_some() || !state.permits(&intent, context.now()) {
        tracing::info!(%lane, seq, "the lane is suspended, or the member's own rules forbid it: the change set is not started");
        let ending = Ending::BackOff(context.now());
        transition(context, lane, state.clone(), |state| {
            state.ended(seq, ending.clone(), context.now())
        })
        .await?;
        return Ok(());
    }
    let (tried, now) = (intent.at, context.now());
    let mine = transition(context, lane, state.clone(), |state| {
        state.restarting(seq, tried, now)
    })
    .await?;
    if let Some(state) = mine {
        tracing::info!(%lane, seq, "starting the change set again");
        start(context, lane, state, &intent).await?;
    }
    Ok(())
}
