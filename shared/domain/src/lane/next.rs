//! What a lane does next. The first decision uses the ledger only; the second one uses the member's
//! real policy too.

use jiff::Timestamp;

use super::batch::{BATCH, Counts, is_worthwhile};
use super::bisect::FailedAlone;
use super::change::{OpenChange, counts};
use super::room::Sifted;
use super::state::{Block, LaneState, Phase};
use super::tick::{MOST_WAIT, patience, restart_at, within};
use crate::ids::RunId;
use crate::policy::{Action, PolicySnapshot};
use crate::time::{elapsed, later};

/// If everything claimed has failed alone, the lane waits this long for the rest of its plan before
/// it is blocked, in seconds.
const MOST_EXPECTED: i64 = 300;

/// The next step of a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing is open. If there is a run, announce Lane Settled for it.
    Rest(Option<RunId>),
    /// Do nothing: the lane is blocked and does not try again by itself, suspended, in flight with a live Tick, or has nothing left
    /// but what the member's own rules forbid. A Tick, a message or a run wakes it.
    Stay,
    /// It is unknown whether the change set was started. Send Tick `number`, due at `due`.
    Guard {
        /// The number of the live Tick.
        number: u64,
        /// When it is due.
        due: Timestamp,
    },
    /// Close these as superseded: an older run than that of the lane's plan claimed them.
    Supersede(Vec<OpenChange>),
    /// Quarantine these, and send their dead letters: they failed alone while others of their kind succeeded.
    Quarantine(Vec<FailedAlone>),
    /// Block the lane: everything that is left has failed alone.
    Block(Block),
    /// Unblock the lane: it was denied access, and tries again by itself.
    Retry,
    /// Start nothing before `until`, and make sure that a Tick is due then.
    Wait {
        /// The earliest time for the next step.
        until: Timestamp,
    },
    /// Read the member's policy and choose from these changes, which are in their order.
    Choose(Vec<OpenChange>),
}

/// Counts the changes of the committed plan that are not done: claimed or announced.
pub fn outstanding(state: &LaneState, open: &[OpenChange]) -> Counts {
    let claimed = counts(open.iter().map(|change| change.action));
    let announced = state
        .planned
        .as_ref()
        .map(|planned| planned.totals.less(planned.taken))
        .unwrap_or_default();
    Counts {
        allow: announced.allow.max(claimed.allow),
        deny: announced.deny.max(claimed.deny),
    }
}

/// Decides the next step of a lane from its state and its claimed changes. `timeout` is that of the
/// worker function, in seconds.
pub fn next(state: &LaneState, open: &[OpenChange], timeout: i64, now: Timestamp) -> Next {
    match state.phase {
        Phase::Blocked => {
            return match state.retry_at {
                Some(at) if at <= now => Next::Retry,
                Some(at) => Next::Wait {
                    until: within(now, at),
                },
                None => Next::Stay,
            };
        }
        Phase::Suspended | Phase::InFlight => return Next::Stay,
        Phase::Starting => {
            return Next::Guard {
                number: state.tick,
                due: restart_at(state, timeout, now),
            };
        }
        Phase::Idle => {}
    }
    let Some(planned) = &state.planned else {
        return Next::Rest(None);
    };
    let (mine, others): (Vec<_>, Vec<_>) = open
        .iter()
        .cloned()
        .partition(|change| change.run >= planned.run);
    if !others.is_empty() {
        return Next::Supersede(others);
    }
    let quarantined: Vec<_> = state
        .bisect
        .alone()
        .iter()
        .filter(|failed| planned.proved.contains(&failed.change.action))
        .cloned()
        .collect();
    if !quarantined.is_empty() {
        return Next::Quarantine(quarantined);
    }
    let (alone, mine): (Vec<_>, Vec<_>) = mine
        .into_iter()
        .partition(|change| state.bisect.holds(change));
    let Sifted { free: mine, kept } = state.sift(mine, now);
    // The lane has not settled while announced changes are on their way.
    let settled = planned.totals.less(planned.taken) == Counts::default();
    if mine.is_empty() {
        // Last, because a dead letter of an earlier plan is not to hold back this one.
        let pending = state.bisect.pending_letters();
        if !pending.is_empty() {
            return Next::Quarantine(pending.to_vec());
        }
        if let (Some(block), Some(first)) = (
            state.hopeless(1, now),
            alone.iter().map(|change| change.claimed_at).min(),
        ) {
            let until = later(first, MOST_EXPECTED);
            // A change that is still on its way may succeed, which shows that the others are at
            // fault themselves.
            return if settled || until <= now {
                Next::Block(block)
            } else {
                Next::Wait { until }
            };
        }
        if !kept.is_empty() {
            // It has not settled, and starts nothing before the limit frees or the rules change.
            return match state.frees_at(now) {
                Some(at) => Next::Wait {
                    until: within(now, at),
                },
                None => Next::Stay,
            };
        }
        return Next::Rest(
            (settled && state.announced != Some(planned.run)).then_some(planned.run),
        );
    }
    if let Some(until) = state.not_before.filter(|at| *at > now) {
        return Next::Wait { until };
    }
    if !ready(state, &mine, outstanding(state, &mine), now) {
        return Next::Wait {
            until: patience(&mine, now),
        };
    }
    let mut mine = mine;
    mine.sort_by_key(|change| (change.run, change.ordinal));
    Next::Choose(mine)
}

fn ready(state: &LaneState, claimed: &[OpenChange], outstanding: Counts, now: Timestamp) -> bool {
    // A bisect continues at once: it has nothing to wait for.
    if claimed.iter().any(|change| state.bisect.is_suspect(change)) {
        return true;
    }
    #[expect(clippy::cast_precision_loss, reason = "a handful of seconds")]
    let patient = MOST_WAIT as f64;
    // The lane does not wait for what the member's rules keep back.
    let room = state.room(now);
    let claimed_now = counts(claimed.iter().map(|change| change.action));
    is_worthwhile(claimed_now.at_most(room), outstanding.at_most(room))
        || claimed
            .iter()
            .any(|change| elapsed(change.claimed_at, now) >= patient)
}

/// The most changes that hold already in one choice: the lane remembers them until they are closed.
const MOST_HOLDING: usize = 1000;

/// What was chosen with the member's real policy known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// The changes of the change set, in order. Empty if the lane should wait for more.
    pub batch: Vec<OpenChange>,
    /// Changes that hold already. They are closed once the intent is written.
    pub holding: Vec<OpenChange>,
}

/// Chooses from the claimed changes, which are in their order: at most 50 of each kind, and no more
/// than the member's rules allow.
///
/// `actual` is the member's real policy, overlaid with the batch that just ended.
pub fn choose(
    state: &LaneState,
    claimed: &[OpenChange],
    actual: &PolicySnapshot,
    now: Timestamp,
) -> Choice {
    let (mut holding, rest): (Vec<_>, Vec<_>) = claimed
        .iter()
        .cloned()
        .partition(|change| actual.standing(&change.product) == change.action.outcome());
    let left = outstanding(state, claimed).less(counts(holding.iter().map(|change| change.action)));
    holding.truncate(MOST_HOLDING);
    let batch = if ready(state, &rest, left, now) {
        let room = state.room(now);
        let of = |action, room: usize| {
            let proved = state
                .planned
                .as_ref()
                .is_some_and(|planned| planned.proved.contains(&action));
            state.bisect.pick(action, &rest, BATCH.min(room), proved)
        };
        let mut batch = of(Action::Allow, room.allow);
        batch.extend(of(Action::Deny, room.deny));
        batch
    } else {
        Vec::new()
    };
    Choice { batch, holding }
}
