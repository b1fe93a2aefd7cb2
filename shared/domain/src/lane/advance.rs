//! What a lane does next: decided from what the ledger says, before anything is read from the
//! service, and then from the member's real policy.

use jiff::Timestamp;

use super::bisect::FailedAlone;
use super::member::Sifted;
use super::ticks::{patience, restart_at, within};
use super::{Block, LaneState, OpenChange, Phase, counts, elapsed, later};
use crate::batch::{BATCH, Counts, is_worthwhile};
use crate::ids::RunId;
use crate::policy::{Action, PolicySnapshot};

/// How long the oldest claimed change waits for the rest of its plan, in seconds.
pub const MOST_WAIT: i64 = 5;

/// How long a lane on which everything claimed has failed alone waits for the rest of its plan, in
/// seconds, before it is blocked.
const MOST_EXPECTED: i64 = 300;

/// The next step of a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing is open. Lane Settled is to be announced for this run, if there is one.
    Rest(Option<RunId>),
    /// Blocked, suspended, in flight with a live Tick, or with nothing left but what the member's own rules
    /// forbid: others will wake it.
    Stay,
    /// Whether the change set was started is not known. Send Tick `number`, due at `due`.
    Guard {
        /// The number of the live Tick.
        number: u64,
        /// When it is due.
        due: Timestamp,
    },
    /// These were claimed under an older run than the lane's plan: close them as superseded.
    Supersede(Vec<OpenChange>),
    /// These failed by themselves while others of their kind succeeded: quarantine them.
    Quarantine(Vec<FailedAlone>),
    /// Everything that is left has failed alone.
    Block(Block),
    /// Nothing can be started before `until`: a Tick is to be due then.
    Wait {
        /// The moment.
        until: Timestamp,
    },
    /// Read the member's policy and choose from these, which are in their order.
    Choose(Vec<OpenChange>),
}

/// What is still to be done of the committed plan, claimed or announced.
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

/// The next step of a lane, by its state and its claimed changes. `timeout` is the worker
/// function's in seconds.
pub fn next(state: &LaneState, open: &[OpenChange], timeout: i64, now: Timestamp) -> Next {
    match state.phase {
        Phase::Blocked | Phase::Suspended | Phase::InFlight => return Next::Stay,
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
    // While announced changes are still on their way the lane has not settled.
    let settled = planned.totals.less(planned.taken) == Counts::default();
    if mine.is_empty() {
        if let (Some(block), Some(first)) = (
            state.hopeless(1, now),
            alone.iter().map(|change| change.claimed_at).min(),
        ) {
            let until = later(first, MOST_EXPECTED);
            // One that is still on its way may succeed, and show that the others failed by themselves.
            return if settled || until <= now {
                Next::Block(block)
            } else {
                Next::Wait { until }
            };
        }
        if !kept.is_empty() {
            // It has not settled, and starts nothing before the limit lets it, or the rules are others.
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
    // A bisect goes on at once: it has nothing to wait for.
    if claimed.iter().any(|change| state.bisect.is_suspect(change)) {
        return true;
    }
    #[expect(clippy::cast_precision_loss, reason = "a handful of seconds")]
    let patient = MOST_WAIT as f64;
    // What the member's rules keep back is not waited for.
    let room = state.room(now);
    let claimed_now = counts(claimed.iter().map(|change| change.action));
    is_worthwhile(claimed_now.at_most(room), outstanding.at_most(room))
        || claimed
            .iter()
            .any(|change| elapsed(change.claimed_at, now) >= patient)
}

/// What was chosen, given the member's real policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// What goes into the change set, in its order; empty if it should wait for more.
    pub batch: Vec<OpenChange>,
    /// What holds already, and is closed once the intent is written.
    pub holding: Vec<OpenChange>,
}

/// Chooses from the claimed changes, which are in their order: at most 50 of each kind, and no more than
/// the member's rules leave room for.
///
/// `actual` is the member's real policy, overlaid with the batch that has just ended.
pub fn choose(
    state: &LaneState,
    claimed: &[OpenChange],
    actual: &PolicySnapshot,
    now: Timestamp,
) -> Choice {
    let (holding, rest): (Vec<_>, Vec<_>) = claimed
        .iter()
        .cloned()
        .partition(|change| actual.standing(&change.product) == change.action.outcome());
    let left = outstanding(state, claimed).less(counts(holding.iter().map(|change| change.action)));
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
