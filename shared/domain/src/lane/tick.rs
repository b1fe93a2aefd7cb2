//! Ticks: the delayed messages that advance a busy lane when nothing else arrives. A lane has one
//! live Tick, identified by its number. Every other Tick is dropped, so duplicates do no harm.

use jiff::Timestamp;

use super::change::OpenChange;
use super::state::{LaneState, Phase};
use crate::time::{elapsed, later};

/// The longest time that a claimed change waits for the rest of its plan, in seconds.
pub const MOST_WAIT: i64 = 5;

/// SQS delays a message by at most 15 minutes (SQS quotas), in whole seconds.
pub const MOST_TICK_DELAY: i64 = 900;

/// Delay of the Tick that guards a step of the worker, in seconds. The step ends in an intent with
/// a Tick of its own; this one covers a worker that dies earlier.
const GUARD: i64 = 15;

/// A Tick is sent before its number is written, so a live Tick may be ahead of the state. No worker
/// sends one that is this far ahead.
const MOST_AHEAD: u64 = 1_000;

/// What to do with a Tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnTick {
    /// Drop it: it is not the live one.
    Drop,
    /// End the chain: the lane is at rest, or waits for an operator.
    End,
    /// Send Tick `number`, due at `due`; make it the live one; then work.
    Renew {
        /// Number of the next Tick.
        number: u64,
        /// When it is due.
        due: Timestamp,
    },
}

/// Decides what to do with Tick `number`. `open` are the lane's claimed changes. `timeout` is that
/// of the worker function, in seconds.
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
        // By this clock it came early. It is the one that would wake the lane for its retry.
        Phase::Blocked => match state.retry_at.filter(|at| *at > now) {
            Some(at) => at,
            None => return OnTick::End,
        },
        Phase::Suspended => return OnTick::End,
        Phase::Idle if open.is_empty() => return OnTick::End,
        // Nothing of it may be started. The lane continues when the limit frees, or when something
        // wakes it.
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

/// When the first Tick of a new change set is due: after about 0.9 of the duration of the last one,
/// in whole seconds, because SQS delays by whole seconds.
pub fn first_tick(state: &LaneState, now: Timestamp) -> Timestamp {
    let seconds = state
        .last_duration_seconds
        .map_or(1, |last| (i64::from(last) * 9 + 9).div_euclid(10));
    within(now, later(now, seconds))
}

/// When the next Tick of a change set in flight is due: after a quarter of its age.
pub fn later_tick(state: &LaneState, now: Timestamp) -> Timestamp {
    within(now, later(now, quarter_of_age(state, now)))
}

/// A quarter of the age of the intent, in seconds: 1 at least, and no more than a Tick can be delayed.
fn quarter_of_age(state: &LaneState, now: Timestamp) -> i64 {
    let age = state
        .intent
        .as_ref()
        .map_or(0.0, |intent| elapsed(intent.at, now));
    // Whole seconds. A float represents such an age exactly.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "bounded by MOST_TICK_DELAY right here"
    )]
    let seconds = (age / 4.0).ceil().clamp(1.0, 900.0) as i64;
    seconds
}

/// When an intent that may or may not have been started may be started again: once the invocation
/// that wrote it has certainly ended. Where that was possible before and did not succeed, it is tried
/// again after a quarter of the intent's age: every Tick, whether live or not, has a successor while
/// an intent is starting, and without a delay they would not leave the queue.
pub(super) fn restart_at(state: &LaneState, timeout: i64, now: Timestamp) -> Timestamp {
    let written = state.intent.as_ref().map_or(now, |intent| intent.at);
    let first = later(written, timeout + 1);
    if first > now {
        within(now, first)
    } else {
        within(now, later(now, quarter_of_age(state, now)))
    }
}

/// True once the intent may be started again.
pub fn restart_is_due(state: &LaneState, timeout: i64, now: Timestamp) -> bool {
    state
        .intent
        .as_ref()
        .is_some_and(|intent| later(intent.at, timeout) < now)
}

/// When a lane that waits for the rest of a plan's changes continues.
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
