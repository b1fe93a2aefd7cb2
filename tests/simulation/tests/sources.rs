//! A member that follows a base list and a regional one, with producer and worker together.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

mod system;

use pmp_sync_domain::error::Kind;
use pmp_sync_domain::guard::HoldReason;
use pmp_sync_domain::ids::{AccountId, ExperienceId};
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::run::{LinkStatus, RunStatus};
use pmp_sync_fakes::Fate;

use self::system::{CONFIG, System, products};

fn regional() -> ExperienceId {
    "exp-emea".parse().unwrap()
}

/// Both members have the base list of 20 products; the first follows a regional list of 4 as well, of
/// which it denies 2 of the base list.
fn in_sync() -> System {
    let system = System::new(products("base", 20), []);
    let owner = AccountId::new("111111111111").unwrap();
    let lists = PolicySnapshot::new(products("emea", 4), products("base", 2));
    system
        .world
        .experiences(|all| all.add(&owner, &regional(), lists));
    system.configure(&CONFIG.replacen(
        "management_experience = \"exp-m\"",
        "management_experiences = [\"exp-m\", \"exp-emea\"]",
        1,
    ));
    system.sync();
    system.rest();
    system
}

/// How many products each member allows.
fn allowed(system: &System) -> (usize, usize) {
    let of = |member| system.policy(member).allowed().len();
    (of('2'), of('3'))
}

#[test]
fn the_member_gets_both_lists_and_the_other_one_the_base_list_alone() {
    let system = in_sync();
    assert_eq!(allowed(&system), (18 + 4, 20));
    let denied: Vec<_> = system.policy('2').denied().iter().cloned().collect();
    assert_eq!(denied, products("base", 2));
    assert_eq!((system.sets('2'), system.sets('3')), (1, 1));
}

#[test]
fn a_finished_change_set_of_either_reaches_the_member() {
    let system = in_sync();
    for (id, prefix) in [("exp-m", "more"), ("exp-emea", "other")] {
        let id: ExperienceId = id.parse().unwrap();
        let before = allowed(&system).0;
        system.world.experiences(|all| {
            all.edit(&id, |_, policy| {
                let more = policy.allowed().iter().cloned().chain(products(prefix, 1));
                *policy = PolicySnapshot::new(more, policy.denied().iter().cloned());
            });
        });
        system.world.request(
            r#"{"source":"aws.marketplacecatalog","detail-type":"Change Set Succeeded","detail":{"ChangeSetId":"4o6t9xiv1ht9hhy30kp6qi4iu"}}"#,
        );
        system.rest();
        assert_eq!(allowed(&system).0, before + 1, "{id}");
        system.wait(3600);
    }
}

#[test]
fn while_one_cannot_be_read_nothing_is_changed_there_and_then_all_of_it() {
    let system = in_sync();
    system.manage(PolicySnapshot::new(products("base", 21), []));
    system.world.failing(|failing| {
        failing.decide_by(|call| {
            if call.thing.ends_with("emea") {
                Fate::Refuse(Kind::Throttled)
            } else {
                Fate::Go
            }
        });
    });
    system.sync();
    system.rest_until(|system| allowed(system).1 == 21);
    let run = system.last_full_run();
    assert_eq!(system.link(run.run, '2').status, LinkStatus::Failed);
    assert_eq!(allowed(&system), (22, 21), "the regional products stay");
    system
        .world
        .failing(|failing| failing.decide_by(|_| Fate::Go));
    system.sync();
    system.rest();
    assert_eq!(allowed(&system), (23, 21));
}

#[test]
fn one_that_is_emptied_denies_nothing_until_its_plan_is_approved() {
    let system = in_sync();
    system.world.experiences(|all| {
        all.edit(&regional(), |_, policy| *policy = PolicySnapshot::default());
    });
    system.wait(3600);
    system.sync();
    system.rest();
    assert_eq!(system.last_full_run().status, RunStatus::Held);
    let hold = system.link_state('2').hold.unwrap();
    let experience = Some(regional());
    assert_eq!(hold.reasons[0], HoldReason::ManagementEmpty { experience });
    assert_eq!(allowed(&system).0, 22);
    system.approve('2');
    system.rest();
    assert_eq!(allowed(&system).0, 20, "what the base list allows");
}
