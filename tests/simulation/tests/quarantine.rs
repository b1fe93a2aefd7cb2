//! Quarantined changes whose dead letters were lost, or of which there are two: the ledger decides.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

mod system;

use pmp_sync_domain::ids::AccountId;
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::records::DeadLetterOutcome;

use crate::system::{System, products};

/// One bad product of five, quarantined on both members.
fn quarantined() -> System {
    let system = System::new(products("p", 5), []);
    system.make_bad("prod-p0003");
    system.sync();
    system.rest();
    assert_eq!(system.dead('2').len(), 1);
    system
}

fn first() -> AccountId {
    AccountId::new("222222222222").unwrap()
}

/// 14 days pass, or somebody purges the queue.
fn lose(system: &System) {
    system.world.letters_of(&first(), Vec::clear);
}

#[test]
fn a_quarantined_change_without_a_letter_is_listed_and_replayed() {
    let system = quarantined();
    lose(&system);
    let list = system.dead_letters();
    let letters: Vec<_> = list
        .letters
        .iter()
        .map(|listed| (listed.letter.letters, listed.letter.outcome))
        .collect();
    let reissued = DeadLetterOutcome::Reissued;
    assert_eq!(letters, [(Some(0), reissued), (Some(1), reissued)]);
    assert_eq!(
        list.letters[0].letter.attributes["error_code"],
        "INVALID_PRODUCT"
    );
    system.make_good("prod-p0003");
    system.replay(r#"{"products":["prod-p0003"]}"#);
    system.rest();
    for member in ['2', '3'] {
        let all = PolicySnapshot::new(products("p", 5), []);
        assert_eq!(system.policy(member), all);
        assert!(system.dead(member).is_empty());
    }
    assert_eq!(system.outcomes(), [reissued; 2]);
}

#[test]
fn a_quarantined_change_without_a_letter_is_discarded() {
    let system = quarantined();
    lose(&system);
    system.make_good("prod-p0003");
    system.discard(r#"{"members":["one"],"reasons":["unreadable"]}"#);
    assert!(system.outcomes().is_empty(), "the filter leaves it alone");
    system.discard(r#"{"members":["one"]}"#);
    assert_eq!(system.outcomes(), [DeadLetterOutcome::Discarded]);
    system.sync();
    system.rest();
    assert_eq!(
        system.policy('2'),
        PolicySnapshot::new(products("p", 5), [])
    );
}

/// What nobody wants any more leaves the quarantine, and a second replay has nothing left.
#[test]
fn a_quarantined_change_without_a_letter_that_is_not_wanted_is_dropped_once() {
    let system = quarantined();
    lose(&system);
    let mut wanted = products("p", 5);
    wanted.retain(|id| id.as_str() != "prod-p0003");
    system.manage(PolicySnapshot::new(wanted, []));
    for _ in 0..2 {
        system.replay(r#"{"members":["one"]}"#);
        system.rest();
    }
    assert_eq!(system.outcomes(), [DeadLetterOutcome::Dropped]);
}

#[test]
fn two_letters_of_one_quarantined_change_are_one_in_the_list_and_are_deleted_together() {
    let system = quarantined();
    system.world.letters_of(&first(), |letters| {
        let mut copy = letters[0].clone();
        copy.1.id = "copy".to_owned();
        copy.1.receipt = "copy".to_owned();
        letters.push(copy);
    });
    let list = system.dead_letters();
    let letters: Vec<_> = list.letters.iter().map(|of| of.letter.letters).collect();
    assert_eq!(letters, [Some(2), Some(1)]);
    system.make_good("prod-p0003");
    system.replay("{}");
    system.rest();
    assert!(system.dead('2').is_empty());
    assert_eq!(system.outcomes().len(), 2, "one for each member");
}
