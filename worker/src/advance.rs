//! Advances a lane: reads its state, takes the next step, and repeats until the lane has to wait.
//! docs/lane-protocol.md has the rules. The order of the calls here is part of them.

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::error::{Kind, ServiceError, UNREADABLE_ITEM};
use pmp_sync_domain::ids::{ChangeSetId, ChangeSetName, LaneId, RunId};
use pmp_sync_domain::lane::{
    LaneState, Next, OnTick, OpenChange, Phase, next, on_tick, restart_is_due,
};
use pmp_sync_domain::ports::Closing;
use pmp_sync_domain::time::elapsed;

use crate::context::{Catalog, Context, Ledger, Outbox, System};
use crate::member_rules::apply_member_rules;
use crate::others::notice_others;
use crate::settle::{quarantine, settle};
use crate::start::{find_again, start_again, start_batch};
use crate::steps::{Step, announce_settled, close, send_tick, transition};

/// Steps of one invocation on one lane. A settle and the next start are three steps. More than a
/// few rounds mean that other writers are faster each time; the message is better delivered again.
const MOST_STEPS: usize = 12;
/// The time that must be left of an invocation for another step, in seconds. An interrupted step is
/// safe, but continues only when its message is delivered again.
const ROOM: f64 = 10.0;
/// A Tick that is due this much later than needed is accepted, in seconds, because SQS delays by
/// whole seconds.
const TICK_SLACK: i64 = 1;
/// When to announce again what the bus did not accept, in seconds.
const ANNOUNCE_AGAIN: i64 = 60;

/// What the messages of a lane say, apart from changes.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    /// The highest Tick number.
    pub(crate) tick: Option<u64>,
    /// Change sets of pmp-sync on the experience that have ended, of any installation.
    pub(crate) ended: Vec<(ChangeSetName, ChangeSetId)>,
}

/// Advances the lane as far as possible. `ended` are change sets with names of pmp-sync that are
/// reported to have ended. `live_tick` is true if the live Tick is among the
/// messages. `succeeded` is set once a successor of it has been sent. The invocation ends at `deadline`.
pub async fn advance<L: Ledger, C: Catalog, O: Outbox, S: System>(
    context: &Context<L, C, O, S>,
    lane: &LaneId,
    ended: &[(ChangeSetName, ChangeSetId)],
    live_tick: bool,
    succeeded: &mut bool,
    deadline: Timestamp,
) -> Step<()> {
    // What was just applied: the policy may not show it yet.
    let mut applied = Vec::new();
    // Whether the lane was blocked before this invocation.
    let mut was_blocked = None;
    for _ in 0..MOST_STEPS {
        if elapsed(context.now(), deadline) < ROOM {
            let words = "the invocation has no time left for another step";
            let error = ServiceError::new("advance", lane.to_string(), Kind::Retryable, words);
            return Err(error);
        }
        let state = context.ledger.state(lane).await?;
        was_blocked.get_or_insert(state.phase == Phase::Blocked);
        let Some(state) = apply_member_rules(context, lane, state).await? else {
            continue;
        };
        let Some(state) = notice_others(context, lane, state, ended).await? else {
            continue;
        };
        // By the whole name: an event of an earlier installation has the number of an intent, too.
        let ours = state.change_set_name(&lane.experience);
        let ended = ended
            .iter()
            .find(|(name, _)| Some(name) == ours.as_ref())
            .map(|(_, id)| id.clone());
        match state.phase {
            Phase::InFlight if live_tick || ended.is_some() => {
                match settle(context, lane, &state).await? {
                    Some(changes) => applied = changes,
                    None => return Ok(()),
                }
                continue;
            }
            // The event arrived before the invocation that started the change set recorded its
            // id. Its name alone is no proof.
            Phase::Starting if ended.is_some() && find_again(context, lane, &state).await? => {
                continue;
            }
            Phase::Starting if live_tick => {
                if restart_is_due(&state, context.member.timeout_seconds, context.now()) {
                    start_again(context, lane, &state).await?;
                }
                return Ok(());
            }
            _ => {}
        }
        if state.phase == Phase::Blocked && was_blocked == Some(false) {
            // The producer announces the block now, and not in the next run.
            was_blocked = Some(true);
            let _put = announce_settled(context, lane, state.planned_run()).await;
        }
        let open = match state.phase {
            Phase::Idle => read_open(context, lane).await?,
            _ => Vec::new(),
        };
        match next(&state, &open, context.member.timeout_seconds, context.now()) {
            Next::Stay | Next::Rest(None) => return Ok(()),
            Next::Rest(Some(run)) => {
                tracing::info!(%lane, %run, "the lane has settled");
                return settled(context, lane, state, run).await;
            }
            Next::Guard { number, due } => return send_tick(context, lane, number, due).await,
            Next::Supersede(void) => close(context, lane, &void, Closing::Superseded).await?,
            Next::Quarantine(failed) => {
                if !quarantine(context, lane, state, &failed).await? {
                    return Ok(());
                }
            }
            Next::Block(block) => {
                tracing::error!(%lane, reason = %block.reason, detail = block.detail, "the lane is blocked");
                let (seq, planned) = (state.seq, state.planned_run());
                transition(context, lane, state, |state| {
                    state.blocked(seq, planned, block.clone())
                })
                .await?;
            }
            Next::Retry => {
                let now = context.now();
                tracing::info!(%lane, retries = state.retries, "the lane was denied access, and tries again");
                transition(context, lane, state, |state| state.retried(now)).await?;
            }
            Next::Wait { until } => {
                if wait(context, lane, state, until, succeeded).await? {
                    return Ok(());
                }
            }
            Next::Choose(claimed) => {
                if start_batch(context, lane, state, (&claimed, &open), &applied).await? {
                    return Ok(());
                }
            }
        }
    }
    Err(ServiceError::new(
        "advance",
        lane.to_string(),
        Kind::Conflict,
        "the lane did not come to rest within one invocation",
    ))
}

/// The claimed changes of the lane. One that cannot be read stays as it is: the lane moves on
/// without it, and the producer reports it.
async fn read_open<L: Ledger, C, O, S>(
    context: &Context<L, C, O, S>,
    lane: &LaneId,
) -> Step<Vec<OpenChange>> {
    let open = context.ledger.open(lane).await?;
    for item in &open.unreadable {
        tracing::error!(%lane, code = UNREADABLE_ITEM, error = %item.error, "a claimed change is left as it is");
    }
    Ok(open.items)
}

/// Sends the successor of the live Tick before any work. Returns true if this Tick is the live
/// one; any other Tick drives nothing. `succeeded` is set once the successor has been sent.
pub(crate) async fn renew<L: Ledger, C: Catalog, O: Outbox, S: System>(
    context: &Context<L, C, O, S>,
    lane: &LaneId,
    number: u64,
    succeeded: &mut bool,
) -> Step<bool> {
    let state = context.ledger.state(lane).await?;
    let open = match state.phase {
        Phase::Idle if number >= state.tick => read_open(context, lane).await?,
        _ => Vec::new(),
    };
    match on_tick(
        &state,
        &open,
        number,
        context.member.timeout_seconds,
        context.now(),
    ) {
        OnTick::Drop => {
            tracing::debug!(%lane, number, live = state.tick, "a tick that is not the live one");
            Ok(false)
        }
        OnTick::End => Ok(false),
        OnTick::Renew { number: next, due } => {
            send_tick(context, lane, next, due).await?;
            *succeeded = true;
            let renewed = transition(context, lane, state, |state| state.ticked(next, due)).await?;
            Ok(renewed.is_some())
        }
    }
}

/// Announces that the lane has settled, and records that. An event that cannot be put holds back no
/// message: the lane stays without the mark, and whatever wakes it next announces it again. If a
/// later try may succeed, that is a Tick with the current number, as a run would send it.
async fn settled<L: Ledger, C: Catalog, O: Outbox, S: System>(
    context: &Context<L, C, O, S>,
    lane: &LaneId,
    state: LaneState,
    run: RunId,
) -> Step<()> {
    let Err(error) = announce_settled(context, lane, Some(run)).await else {
        transition(context, lane, state, |state| Ok(state.announced(run))).await?;
        return Ok(());
    };
    if matches!(error.kind, Kind::Retryable | Kind::Throttled) {
        let due = pmp_sync_domain::time::later(context.now(), ANNOUNCE_AGAIN);
        if let Err(error) = send_tick(context, lane, state.tick, due).await {
            tracing::warn!(%lane, %error, "the lane is not woken to announce it again");
        }
    }
    Ok(())
}

/// Ensures that a Tick is due when the lane can continue. Returns true if there is one. `succeeded` is set
/// once it has been sent.
async fn wait<L: Ledger, C: Catalog, O: Outbox, S: System>(
    context: &Context<L, C, O, S>,
    lane: &LaneId,
    state: LaneState,
    until: Timestamp,
    succeeded: &mut bool,
) -> Step<bool> {
    let now = context.now();
    let good_enough = pmp_sync_domain::time::later(until, TICK_SLACK);
    if state
        .tick_at
        .is_some_and(|at| at > now && at <= good_enough)
    {
        return Ok(true);
    }
    let number = state.tick + 1;
    send_tick(context, lane, number, until).await?;
    // If the write fails, a Tick that has come would be renewed beside this one.
    *succeeded = true;
    Ok(
        transition(context, lane, state, |state| state.ticked(number, until))
            .await?
            .is_some(),
    )
}
