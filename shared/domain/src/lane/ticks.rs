//! Ticks: the delayed messages that keep a busy lane going when nothing else arrives. A lane has
//! one live Tick, told by its number; every other is dropped, whatever is duplicated.

use jiff::Timestamp;

use super::{LaneState, MOST_WAIT, OpenChange, Phase, elapsed, later};

/// SQS delays a message by at most 15 minutes (SQS quotas), in whole seconds.
pub const MOST_TICK_DELAY: i64 = 900;

/// How long the Tick that guards a step of the worker itself waits, in seconds. The step ends in an
/// intent with a Tick of its own; this one is for a worker that dies before.
const GUARD: i64 = 15;

/// A Tick is sent before its number is written, so one that lives may be ahead of the state; one that
/// is this far ahead was never sent by a worker.
const MOST_AHEAD: u64 = 1_000;

/// What to do with a Tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnTick {
    /// It is not the live one.
    Drop,
    /// The lane is at rest, or waits for a person: the chain ends here.
    End,
    /// Send Tick `number`, due at `due`; make it the live one; then work.
    Renew {
        /// The next number.
        number: u64,
        /// When it is due.
        due: Timestamp,
    },
}

/// What to do with Tick `number`. `open` are the lane's claimed changes, `timeout` is the worker
/// function's in seconds.
pub fn on_tick(
    state: &LaneState,
    open: &[OpenChange],
    number: u64,
    timeout: i64,
    now: Timestamp,
) -> OnTick {
    if number < state.tick || number > state.tick.saturating_add(MOST_AHEAD) {
        return OnTick::Drop;
    }
    let due = match state.phase {
        Phase::Blocked | Phase::Suspended => return OnTick::End,
        Phase::Idle if open.is_empty() => return OnTick::End,
        // Nothing of it may be started: looked at again when the limit lets it, or when others wake it.
        Phase::Idle if state.sift(open.to_vec(), now).free.is_empty() => {
            match state.frees_at(now) {
                Some(at) => at,
                None => return OnTick::End,
            }
        }
        Phase::Idle => state
            .not_before
            .filter(|at| *at > now)
            .unwrap_or_else(|| later(now, GUARD)),
        Phase::Starting => restart_at(state, timeout, now),
        Phase::InFlight => later_tick(state, now),
    };
    OnTick::Renew {
        number: number + 1,
        due: within(now, due),
    }
}

/// When the first Tick of a change set is due that is about to be started: at about 0.9 of the time
/// that the last one took, in whole seconds, which is what SQS can delay.
pub fn first_tick(state: &LaneState, now: Timestamp) -> Timestamp {
    let seconds = state
        .last_duration_seconds
        .map_or(1, |last| (i64::from(last) * 9 + 9).div_euclid(10));
    within(now, later(now, seconds))
}

/// When the next Tick of a change set in flight is due: after a quarter of its age.
pub fn later_tick(state: &LaneState, now: Timestamp) -> Timestamp {
    let age = state
        .intent
        .as_ref()
        .map_or(0.0, |intent| elapsed(intent.at, now));
    // Whole seconds; an age is far below what a float of this size holds exactly.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "bounded by MOST_TICK_DELAY right here"
    )]
    let seconds = (age / 4.0).ceil().clamp(1.0, 900.0) as i64;
    within(now, later(now, seconds))
}

/// When an intent of which nobody knows whether it was started may be started again: once the
/// invocation that wrote it cannot be running any more.
pub(super) fn restart_at(state: &LaneState, timeout: i64, now: Timestamp) -> Timestamp {
    let written = state.intent.as_ref().map_or(now, |intent| intent.at);
    within(now, later(written, timeout + 1))
}

/// True once it may be started again.
pub fn restart_is_due(state: &LaneState, timeout: i64, now: Timestamp) -> bool {
    state
        .intent
        .as_ref()
        .is_some_and(|intent| later(intent.at, timeout) < now)
}

/// When a lane that waits for the rest of a plan's changes looks again.
pub(super) fn patience(open: &[OpenChange], now: Timestamp) -> Timestamp {
    let oldest = open
        .iter()
        .map(|change| change.claimed_at)
        .min()
        .unwrap_or(now);
    within(now, later(oldest, MOST_WAIT))
}

pub(super) fn within(now: Timestamp, at: Timestamp) -> Timestamp {
    at.clamp(later(now, 1), later(now, MOST_TICK_DELAY))
}
