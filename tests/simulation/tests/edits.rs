//! Producer and workers together over the fakes: what somebody edits by hand is told until it is put
//! right, and what pmp-sync does itself is never taken for an edit.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

mod system;

use pmp_sync_domain::ids::{LaneId, ProductId};
use pmp_sync_domain::policy::PolicySnapshot;

use crate::system::{System, product, products};

fn edit(system: &System, lists: PolicySnapshot) {
    let experience = "exp-2".parse().unwrap();
    system.world.experiences(|experiences| {
        experiences.edit(&experience, |_, policy| *policy = lists);
    });
}

fn edited(system: &System) -> Vec<ProductId> {
    let lane: LaneId = "222222222222/exp-2".parse().unwrap();
    system.world.ledger(|ledger| {
        let link_state = ledger.link_states.get(&lane).cloned().unwrap_or_default();
        link_state.edited.into_keys().collect()
    })
}

#[test]
fn an_edit_is_told_by_the_run_that_puts_it_right_and_forgotten_by_the_next() {
    let system = System::new(products("p", 5), []);
    system.sync();
    system.rest();
    system.wait(3_600);
    let mut rest = products("p", 5);
    let taken = rest.remove(2);
    edit(&system, PolicySnapshot::new(rest, [taken.clone()]));
    system.sync();
    let link = system.link(system.last_full_run().run, '2');
    assert_eq!(edited(&system), [taken]);
    assert_eq!(link.edited, edited(&system));
    system.rest();
    assert_eq!(
        system.policy('2'),
        PolicySnapshot::new(products("p", 5), [])
    );
    system.wait(3_600);
    system.sync();
    system.rest();
    assert!(edited(&system).is_empty());
}

/// Each change of the management experience comes while the lanes are still at work on the one before,
/// and runs look at any moment.
#[test]
fn nothing_that_pmp_sync_does_itself_is_taken_for_an_edit() {
    let system = System::new(products("p", 60), []);
    system.make_bad("prod-p0003");
    for round in 0..12_u8 {
        let extra = product(&format!("prod-extra{round}"));
        let keep = products("p", 60 - usize::from(round % 3));
        let denied = (round % 2 == 0).then(|| product("prod-p0059"));
        let allowed = keep.into_iter().chain([extra]);
        system.manage(PolicySnapshot::new(allowed, denied));
        system.sync();
        let until = system.world.time().as_second() + 15 * i64::from(round);
        system.rest_until(|system| system.world.time().as_second() >= until);
        system.sync();
        assert!(edited(&system).is_empty(), "{round}");
    }
    system.rest();
    system.wait(3_600);
    system.sync();
    system.rest();
    let told = system.world.ledger(|ledger| {
        let mut links = ledger.links.values();
        links.any(|link| !link.edited.is_empty())
    });
    assert!(!told);
}
