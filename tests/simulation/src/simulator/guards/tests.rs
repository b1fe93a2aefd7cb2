use pmp_sync_domain::guard::{Guard, Limits};
use pmp_sync_domain::records::{LinkState, Size};

use pmp_sync_domain::ids::AccountId;

use super::*;
use crate::simulator::scene::{HOUR, MINUTE, at};

fn lane() -> LaneId {
    LaneId {
        account: AccountId::new("222222222222").unwrap(),
        experience: ExperienceId::new("exp-2x0").unwrap(),
    }
}

fn lists(count: usize) -> PolicySnapshot {
    let product = |number| ProductId::new(format!("prod-{number:03}")).unwrap();
    PolicySnapshot::new((0..count).map(product), [])
}

fn sized(sizes: &[(i64, usize)]) -> LinkState {
    let size = |&(minute, allowed): &(i64, usize)| Size {
        at: at(minute * MINUTE),
        allowed,
    };
    LinkState {
        sizes: sizes.iter().map(size).collect(),
        ..LinkState::default()
    }
}

/// Half of the list may go, and no more.
fn half() -> Guard {
    Guard {
        limits: Limits {
            removals: 0,
            removals_percent: 51,
            short_list_removals: 0,
            short_list_percent: 51,
            most_removals: 50,
            shrink_percent: 100,
        },
        ..Guard::default()
    }
}

fn known<'a>(guards: &'a Guards, lane: &LaneId) -> &'a LaneGuard {
    guards.lanes.get(lane).unwrap()
}

/// A run that cannot reach the member writes its link's state without having read the list: the window
/// begins with the list as it is when a run reads it first.
#[test]
fn a_run_that_does_not_reach_the_member_has_not_seen_its_list() {
    let world = World::new(at(0), 1, 20);
    let (mut guards, lane) = (Guards::default(), lane());
    guards.edited(&lane, &lists(1), 0);
    guards.wrote_link_state(&world, &lane, &sized(&[])).unwrap();
    guards.edited(&lane, &lists(2), 31 * MINUTE);
    guards
        .wrote_link_state(&world, &lane, &sized(&[(64, 2)]))
        .unwrap();
    assert_eq!(known(&guards, &lane).most(&half(), 70 * MINUTE), 1);
}

/// While a link is suspended no run writes down how long its list is: the window begins with what the last
/// run before has written down, however long ago.
#[test]
fn the_window_begins_with_the_list_as_it_was_last_written_down() {
    let world = World::new(at(0), 1, 20);
    let (mut guards, lane) = (Guards::default(), lane());
    guards.edited(&lane, &lists(8), 0);
    guards
        .wrote_link_state(&world, &lane, &sized(&[(1, 8)]))
        .unwrap();
    guards.edited(&lane, &lists(2), 2 * MINUTE);
    let sizes = sized(&[(1, 8), (40 * 60, 2)]);
    guards.wrote_link_state(&world, &lane, &sizes).unwrap();
    assert_eq!(known(&guards, &lane).most(&half(), 40 * HOUR), 4);
    assert_eq!(known(&guards, &lane).most(&half(), 65 * HOUR), 1);
}

#[test]
fn a_length_that_the_list_never_had_is_found() {
    let world = World::new(at(0), 1, 20);
    let (mut guards, lane) = (Guards::default(), lane());
    guards.edited(&lane, &lists(8), 0);
    let wrong = guards.wrote_link_state(&world, &lane, &sized(&[(1, 7)]));
    assert_eq!(wrong.unwrap_err().invariant, "guarded");
}
