//! A worker that is denied access for a moment.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

mod system;

use pmp_sync_domain::error::Kind;
use pmp_sync_domain::lane::{BlockReason, Phase};
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::wire::{BLOCKED, RECOVERED};

use crate::system::{System, products};

fn told(system: &System, what: &str) -> usize {
    let events = system.world.events();
    events.iter().filter(|(_, kind, _)| *kind == what).count()
}

fn denied(times: u64) -> System {
    let system = System::new(products("p", 3), []);
    system
        .world
        .failing(|failing| failing.fail_next("StartChangeSet", times, Kind::Denied));
    system.sync();
    system
}

/// No other run is needed: the block is announced at once, and the lane goes on after a minute.
#[test]
fn a_lane_that_is_denied_access_once_is_in_sync_within_two_minutes() {
    let system = denied(1);
    let began = system.world.time();
    system.rest_until(|system| told(system, BLOCKED) == 1);
    assert_eq!(system.world.time().duration_since(began).as_secs(), 0);
    let all = PolicySnapshot::new(products("p", 3), []);
    system.rest_until(|system| ['2', '3'].iter().all(|of| system.policy(*of) == all));
    let seconds = system.world.time().duration_since(began).as_secs();
    assert!(seconds <= 120, "{seconds}");
    system.rest();
    assert_eq!((told(&system, BLOCKED), told(&system, RECOVERED)), (1, 1));
}

/// It tries three times by itself, and then waits for the next run.
#[test]
fn a_lane_that_stays_denied_tries_three_times_and_no_more() {
    let system = denied(1_000);
    let began = system.world.time();
    system.rest();
    let seconds = system.world.time().duration_since(began).as_secs();
    assert!((1_260..1_400).contains(&seconds), "{seconds}");
    for member in ['2', '3'] {
        let state = system.state(member);
        assert_eq!(state.phase, Phase::Blocked);
        let block = state.block.unwrap();
        assert_eq!(block.reason, BlockReason::AccessDenied);
        assert_eq!((state.retry_at, state.retries), (None, 3));
    }
    let calls = system
        .world
        .failing(|failing| failing.calls("StartChangeSet"));
    assert_eq!(calls, 8, "four for each lane");
    assert_eq!(told(&system, BLOCKED), 2, "once for each lane");
}
