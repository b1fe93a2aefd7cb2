//! The small worlds that a debug build explores to their ends within seconds. The others are explored
//! by `cargo explore`.

use pmp_sync_simulation::explorer::{SmallWorld, explore, worlds};

/// More states than any of them has.
const MOST_STATES: usize = 100_000;

fn holds(world: &SmallWorld) {
    let outcome = explore(world, MOST_STATES);
    assert!(
        outcome.violation.is_none(),
        "{}: {:#?}",
        world.name,
        outcome.violation
    );
    assert!(outcome.complete, "{}: {outcome:?}", world.name);
    assert!(outcome.ends > 0, "{}: {outcome:?}", world.name);
}

#[test]
fn whatever_happens_in_a_small_world_it_comes_to_the_right_end() {
    let small: Vec<_> = worlds().into_iter().filter(|world| world.small).collect();
    assert!(small.len() >= 5);
    small.iter().for_each(holds);
}

#[test]
fn an_exploration_is_the_same_each_time() {
    let plain = worlds().remove(0);
    let (one, other) = (explore(&plain, MOST_STATES), explore(&plain, MOST_STATES));
    assert_eq!(
        (one.states, one.steps, one.ends, one.depth),
        (other.states, other.steps, other.ends, other.depth)
    );
}

#[test]
fn an_exploration_that_is_given_up_does_not_claim_to_be_complete() {
    let plain = worlds().remove(0);
    assert!(!explore(&plain, 10).complete);
}
