//! How removals and lengths are kept and counted over 24 hours.

use super::super::memory::{MOST_REMOVALS, MOST_SIZES};
use super::*;
use crate::records::Removal;

#[test]
fn a_link_state_stays_small_and_keeps_the_size_at_the_beginning_of_the_window() {
    let mut link_state = LinkState::default();
    for minute in 0..5_000 {
        let now = at(minute * 60);
        link_state.sized(usize::try_from(minute).unwrap(), now);
        link_state.taking_away(BTreeSet::from([product(1)]), now);
    }
    assert!(link_state.sizes.len() <= MOST_SIZES);
    assert!(link_state.removals.len() <= 24 * 60 + 1);
    let now = at(4_999 * 60);
    // One size for each minute is more than are kept: half an hour more or less.
    let began = 4_999 - 24 * 60;
    let (known, _) = link_state.size_at_window(1, now);
    assert!((began - 30..=began).contains(&known), "{known} for {began}");
    link_state.sized(7, at(10 * WINDOW));
    let (known, since) = link_state.size_at_window(1, at(10 * WINDOW));
    assert_eq!((known, since), (4_999, at(9 * WINDOW)));
    assert_eq!(link_state.sizes.len(), 2);
}

#[test]
fn what_is_older_than_the_window_is_dropped_except_the_length_when_it_began() {
    let mut link_state = LinkState::default();
    for (allowed, seconds) in [(5, -10), (6, 0), (7, 10)] {
        link_state.sized(allowed, at(seconds));
    }
    link_state.taking_away(products(0..1), at(0));
    link_state.taking_away(products(1..2), at(1));
    link_state.sized(7, at(WINDOW));
    let sizes: Vec<_> = link_state.sizes.iter().map(|size| size.allowed).collect();
    assert_eq!(sizes, [6, 7]);
    let removals: Vec<_> = link_state.removals.iter().map(|one| one.at).collect();
    assert_eq!(removals, [at(1)]);
    assert_eq!(link_state.size_at_window(1, at(WINDOW)), (6, at(0)));
}

#[test]
fn of_too_many_lengths_the_one_that_covers_the_least_time_is_dropped() {
    let mut link_state = LinkState::default();
    let mut now = 0;
    for number in 0..=MOST_SIZES {
        link_state.sized(number, at(now));
        assert_eq!(link_state.sizes.len(), MOST_SIZES.min(number + 1));
        // Number 71 stands for ten minutes with its neighbours, every other for eleven or more.
        now += match number {
            39 => 60,
            70 | 71 => 300,
            _ => 600,
        };
    }
    let sizes: Vec<_> = link_state.sizes.iter().map(|size| size.allowed).collect();
    let expected: Vec<_> = (0..=MOST_SIZES).filter(|number| *number != 71).collect();
    assert_eq!(sizes, expected);
}

#[test]
fn removals_count_from_when_they_were_last_seen_under_way() {
    let mut link_state = LinkState::default();
    link_state.taking_away(BTreeSet::new(), at(0));
    assert_eq!(link_state, LinkState::default(), "nothing is no removal");
    link_state.taking_away(products(0..2), at(0));
    link_state.looked(|_| false, at(50));
    link_state.taking_away(products(2..4), at(60));
    link_state.looked(|one| *one == product(2), at(100));
    let removals = link_state.removals.iter();
    let removals: Vec<_> = removals.map(|one| (one.at, one.products.clone())).collect();
    assert_eq!(
        removals,
        [(at(50), products(0..2)), (at(100), products(2..4))]
    );
    assert_eq!(link_state.taking, products(2..3));
}

#[test]
fn removals_that_are_only_counted_count_for_a_day_as_well() {
    let mut setting = Setting::new(1_000, 5);
    assert_eq!(setting.held_by(), NOTHING);
    setting.link_state.removals = vec![Removal {
        at: at(-60),
        products: BTreeSet::new(),
        beyond: 60,
    }];
    let reasons = setting.case().part().reasons;
    let counts = reasons.iter().map(|reason| match reason {
        HoldReason::Removals { count, .. } | HoldReason::MostRemovals { count, .. } => *count,
        other => panic!("{other:?}"),
    });
    assert_eq!(counts.collect::<Vec<_>>(), [65, 65]);
    let end = 86_400 - 60;
    for (seconds, beyond) in [(0, 60), (end - 1, 60), (end, 0), (end + 1, 0)] {
        let counted = setting.link_state.removed_beyond(at(seconds));
        assert_eq!(counted, beyond, "{seconds}");
    }
    // Those of a later plan are added to them.
    setting.link_state.taking_away(products(0..1), at(0));
    assert_eq!(setting.link_state.removed_beyond(at(0)), 60);
    assert_eq!(setting.link_state.removals.len(), 2);
}

#[test]
fn of_those_that_are_only_counted_the_newest_are_under_way() {
    let removal = |seconds, beyond| Removal {
        at: at(seconds),
        products: BTreeSet::new(),
        beyond,
    };
    let mut state = LinkState {
        removals: vec![removal(1, 5), removal(2, 4)],
        taking_beyond: 3,
        ..LinkState::default()
    };
    state.looked(|_| false, at(9));
    let expected = [removal(1, 5), removal(2, 1), removal(9, 3)];
    assert_eq!(state.removals, expected);
    // With nothing under way nothing changes.
    state.looked(|_| false, at(10));
    assert_eq!(state.removals, expected);
    assert_eq!(state.taking_beyond, 0);
}

#[test]
fn so_many_times_of_removals_are_kept_apart_and_no_removal_is_forgotten() {
    let mut state = LinkState::default();
    for number in 0..MOST_REMOVALS + 2 {
        let seconds = i64::try_from(number).unwrap();
        state.taking_away(products(number..number + 1), at(seconds));
        assert_eq!(state.removals.len(), (number + 1).min(MOST_REMOVALS));
    }
    assert_eq!(state.removals[0].at, at(2), "the later time");
    assert_eq!(state.removals[0].products, products(0..3));
    assert_eq!(state.removed(at(300)).len(), MOST_REMOVALS + 2);
}
