//! Transitions of a lane through the ledger: the only code that writes a lane's state.

use crate::error::{Kind, ServiceError};
use crate::ids::LaneId;
use crate::lane::{LaneState, Rejected};
use crate::ports::{Clock, Lanes, Result};

/// How often a transition is computed again because the item was written in between.
const MOST_CONFLICTS: usize = 8;

/// A transition that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transited {
    /// The state before the transition.
    pub before: LaneState,
    /// The state after the transition.
    pub after: LaneState,
}

/// Computes `transition` from `state` as it was read, and writes the result on condition that
/// nothing was written since. On a conflict it reads the state and tries again. Returns none if the
/// state rejects the transition, because another writer was faster.
pub async fn try_transition<L: Lanes, K: Clock>(
    lanes: &L,
    clock: &K,
    lane: &LaneId,
    state: LaneState,
    transition: impl Fn(&LaneState) -> Result<LaneState, Rejected> + Send + Sync,
) -> Result<Option<Transited>> {
    let mut before = state;
    for _ in 0..MOST_CONFLICTS {
        let Ok(mut after) = transition(&before) else {
            return Ok(None);
        };
        after.schema = crate::SCHEMA;
        after.updated_at = Some(clock.now());
        match lanes.store(lane, before.rev, &after).await {
            Ok(()) => {
                after.rev = before.rev + 1;
                return Ok(Some(Transited { before, after }));
            }
            Err(error) if error.kind == Kind::Conflict => before = lanes.state(lane).await?,
            Err(error) => return Err(error),
        }
    }
    Err(ServiceError::new(
        "store",
        lane.to_string(),
        Kind::Conflict,
        "other writers changed the lane at each attempt",
    ))
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Mutex;
    use std::task::{Context, Poll, Waker};

    use jiff::Timestamp;

    use super::*;
    use crate::lane::{OpenChange, Quarantined};
    use crate::records::Found;

    /// One lane. Another writer writes it before each of the first `conflicts` writes.
    #[derive(Default)]
    struct Ledger {
        state: Mutex<LaneState>,
        conflicts: Mutex<usize>,
        /// The `rev` of each attempted write.
        writes: Mutex<Vec<u64>>,
        write_fails: Option<Kind>,
        read_fails: Option<Kind>,
    }

    impl Ledger {
        fn new(conflicts: usize) -> Self {
            Self {
                conflicts: Mutex::new(conflicts),
                ..Self::default()
            }
        }

        fn now(&self) -> LaneState {
            self.state.lock().unwrap().clone()
        }

        fn writes(&self) -> Vec<u64> {
            self.writes.lock().unwrap().clone()
        }
    }

    fn failure(kind: Kind) -> ServiceError {
        ServiceError::new("call", "lane", kind, "as the test wants it")
    }

    impl Lanes for Ledger {
        async fn state(&self, _: &LaneId) -> Result<LaneState> {
            self.read_fails
                .map_or_else(|| Ok(self.now()), |kind| Err(failure(kind)))
        }

        async fn open(&self, _: &LaneId) -> Result<Found<OpenChange>> {
            Ok(Found::default())
        }

        async fn quarantined(&self, _: &LaneId) -> Result<Found<Quarantined>> {
            Ok(Found::default())
        }

        async fn store(&self, _: &LaneId, rev: u64, next: &LaneState) -> Result<()> {
            self.writes.lock().unwrap().push(rev);
            if let Some(kind) = self.write_fails {
                return Err(failure(kind));
            }
            let mut state = self.state.lock().unwrap();
            let mut conflicts = self.conflicts.lock().unwrap();
            if *conflicts > 0 {
                *conflicts -= 1;
                state.rev += 1;
                state.tick += 10;
            }
            if state.rev != rev {
                return Err(failure(Kind::Conflict));
            }
            *state = LaneState {
                rev: rev + 1,
                ..next.clone()
            };
            Ok(())
        }
    }

    fn time() -> Timestamp {
        Timestamp::from_second(1_000).unwrap()
    }

    struct Still;

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            time()
        }
    }

    /// The fake never waits, so the transition does not either.
    fn make(
        ledger: &Ledger,
        state: LaneState,
        transition: impl Fn(&LaneState) -> Result<LaneState, Rejected> + Send + Sync,
    ) -> Result<Option<Transited>> {
        let lane = "222222222222/exp-1".parse().unwrap();
        let made = pin!(try_transition(ledger, &Still, &lane, state, transition));
        match made.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => answer,
            Poll::Pending => panic!("the fake never waits"),
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "it stands for a transition")]
    fn next_tick(state: &LaneState) -> Result<LaneState, Rejected> {
        Ok(LaneState {
            tick: state.tick + 1,
            ..state.clone()
        })
    }

    fn refused_once_ticked(state: &LaneState) -> Result<LaneState, Rejected> {
        if state.tick > 0 {
            return Err(Rejected::Tick);
        }
        next_tick(state)
    }

    #[test]
    fn a_transition_is_written_with_schema_and_time_and_answered_as_it_stands() {
        let ledger = Ledger::default();
        let made = make(&ledger, LaneState::default(), next_tick);
        let Transited { before, after } = made.unwrap().unwrap();
        assert_eq!(before, LaneState::default());
        assert_eq!(after, ledger.now());
        assert_eq!((after.rev, after.tick), (1, 1));
        assert_eq!(after.schema, crate::SCHEMA);
        assert_eq!(after.updated_at, Some(time()));
    }

    #[test]
    fn after_a_conflict_the_transition_is_made_on_what_stands_then() {
        let ledger = Ledger::new(2);
        let made = make(&ledger, LaneState::default(), next_tick);
        let Transited { before, after } = made.unwrap().unwrap();
        assert_eq!((before.rev, before.tick), (2, 20));
        assert_eq!((after.rev, after.tick), (3, 21));
        assert_eq!(after, ledger.now());
        assert_eq!(ledger.writes(), [0, 1, 2]);
    }

    #[test]
    fn a_state_that_was_read_long_ago_is_read_again() {
        let ledger = Ledger::default();
        ledger.state.lock().unwrap().rev = 7;
        let made = make(&ledger, LaneState::default(), next_tick);
        assert_eq!(made.unwrap().unwrap().after.rev, 8);
        assert_eq!(ledger.writes(), [0, 7]);
    }

    #[test]
    fn a_refused_transition_writes_nothing() {
        let ledger = Ledger::default();
        let made = make(&ledger, LaneState::default(), |_| Err(Rejected::Phase));
        assert_eq!(made, Ok(None));
        assert_eq!(ledger.writes(), [] as [u64; 0]);
    }

    #[test]
    fn a_transition_that_is_refused_after_a_conflict_comes_to_nothing() {
        let ledger = Ledger::new(1);
        let made = make(&ledger, LaneState::default(), refused_once_ticked);
        assert_eq!(made, Ok(None));
        assert_eq!(ledger.writes(), [0]);
        assert_eq!((ledger.now().rev, ledger.now().tick), (1, 10));
    }

    #[test]
    fn seven_conflicts_are_outlasted_and_eight_are_an_error() {
        let ledger = Ledger::new(7);
        let made = make(&ledger, LaneState::default(), next_tick);
        assert_eq!(made.unwrap().unwrap().after.rev, 8);
        let ledger = Ledger::new(8);
        let error = make(&ledger, LaneState::default(), next_tick).unwrap_err();
        assert_eq!(error.kind, Kind::Conflict);
        assert!(error.thing.contains("exp-1"), "{error}");
        assert_eq!(ledger.writes().len(), 8);
        assert_eq!(ledger.now().tick, 80);
    }

    #[test]
    fn any_other_failure_of_a_write_is_not_tried_again() {
        for kind in [Kind::Retryable, Kind::Throttled, Kind::Denied] {
            let ledger = Ledger {
                write_fails: Some(kind),
                ..Ledger::default()
            };
            let error = make(&ledger, LaneState::default(), next_tick).unwrap_err();
            assert_eq!(error, failure(kind));
            assert_eq!(ledger.writes().len(), 1);
        }
    }

    #[test]
    fn a_failure_to_read_after_a_conflict_is_told() {
        let ledger = Ledger {
            read_fails: Some(Kind::Retryable),
            ..Ledger::new(1)
        };
        let error = make(&ledger, LaneState::default(), next_tick).unwrap_err();
        assert_eq!(error, failure(Kind::Retryable));
    }
}
