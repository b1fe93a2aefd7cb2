//! Guards on short lists, on a member's first mirror, and what counts against the limits of a day.

use std::collections::BTreeSet;

use pmp_sync_domain::policy::{Action, PolicySnapshot};

use super::{allowed, codes, held_after, in_sync};
use crate::system::{CONFIG, System, products};

/// The management experience allows so many products of those that it began with, the last ones.
fn manage(system: &System, of: usize, left: usize) {
    let wanted = products("p", of).into_iter().skip(of - left);
    system.manage(PolicySnapshot::new(wanted, []));
}

/// A run, and the number of products that the first member allows after it.
fn synced(system: &System) -> usize {
    system.sync();
    system.rest();
    allowed(system, '2').len()
}

/// The first member allows products of its own.
fn with_own(count: usize) -> System {
    let system = System::new(products("p", 28), []);
    for product in products("own", count) {
        system.edit_member('2', &product, Action::Allow);
    }
    system
}

#[test]
fn half_of_a_short_list_does_not_go_without_approval() {
    let system = in_sync(20);
    manage(&system, 20, 10);
    let hold = held_after(&system);
    assert_eq!(codes(&hold), ["PMS-7001", "PMS-7003"]);
    let words = hold.reasons[0].to_string();
    assert!(
        words.starts_with("would remove 10 of 20 allowed products within 24 hours"),
        "{words}"
    );
    // Three are few enough.
    manage(&system, 20, 17);
    assert_eq!(synced(&system), 17);
}

#[test]
fn a_first_mirror_that_takes_something_away_waits_and_the_others_are_filled() {
    let system = with_own(10);
    let own: BTreeSet<_> = products("own", 10).into_iter().collect();
    assert_eq!(synced(&system), 38);
    assert!(
        own.is_subset(&allowed(&system, '2')),
        "it keeps what it had"
    );
    assert_eq!(
        allowed(&system, '3').len(),
        28,
        "nothing is taken away there"
    );
    let hold = system.link_state('2').hold.unwrap();
    assert_eq!(codes(&hold), ["PMS-7001", "PMS-7006"]);
    // The hold stays the same until it is approved.
    system.wait(26 * 3600);
    assert_eq!(synced(&system), 38);
    let later = system.link_state('2').hold.unwrap();
    assert_eq!((later.run, codes(&later)), (hold.run, codes(&hold)));
    system.approve('2');
    system.rest();
    assert_eq!(allowed(&system, '2').len(), 28);
    // What was approved does not count against the day.
    system.wait(3600);
    assert_eq!(synced(&system), 28);
    manage(&system, 28, 25);
    assert_eq!(synced(&system), 25);
    manage(&system, 28, 21);
    system.sync();
    system.rest();
    let hold = system.link_state('2').hold.unwrap();
    assert_eq!(codes(&hold), ["PMS-7001"]);
    let words = hold.reasons[0].to_string();
    assert!(
        words.contains("would remove 7 allowed products within 24 hours (4 by this plan, 3 without approval since ")
            && words.ends_with("more than 3, and at least 25 % of the 28 that were allowed when these hours began"),
        "{words}"
    );
}

/// Three removals of 28 were once held as "11, of 8".
#[test]
fn the_first_alignment_of_a_link_that_was_observed_does_not_count_later() {
    let observing = CONFIG.replace("[[link]]", "[[link]]\nmode = \"observe\"");
    let system = with_own(3);
    system.configure(&observing);
    assert_eq!(synced(&system), 3);
    system.configure(CONFIG);
    assert_eq!(synced(&system), 28, "few enough for a link that is known");
    system.wait(3600);
    assert_eq!(synced(&system), 28);
    manage(&system, 28, 25);
    assert_eq!(synced(&system), 25);
    // And it is no way around the limit: these count.
    manage(&system, 28, 22);
    system.wait(3600);
    assert_eq!(synced(&system), 22);
    manage(&system, 28, 19);
    assert_eq!(synced(&system), 22, "nine of 28");
}

#[test]
fn a_reversed_outside_edit_does_not_count_later() {
    let system = in_sync(20);
    manage(&system, 20, 17);
    assert_eq!(synced(&system), 17);
    system.wait(25 * 3600);
    for product in products("p", 3) {
        system.edit_member('2', &product, Action::Allow);
    }
    assert_eq!(allowed(&system, '2').len(), 20);
    assert_eq!(synced(&system), 17);
    system.wait(3600);
    manage(&system, 20, 14);
    assert_eq!(synced(&system), 14, "three, and not six of 20");
    // More at once than a plan may remove is held, whoever allowed it.
    let gone: Vec<_> = products("p", 6);
    system.wait(25 * 3600);
    for product in &gone {
        system.edit_member('2', product, Action::Allow);
    }
    assert_eq!(synced(&system), 20);
    let hold = system.link_state('2').hold.unwrap();
    assert_eq!(codes(&hold), ["PMS-7001"]);
}
