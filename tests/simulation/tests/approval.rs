//! What an approval does not do: anything that was not shown.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

mod system;

use pmp_sync_domain::approval::Hold;
use pmp_sync_domain::experience::Status;
use pmp_sync_domain::guard::HoldReason;
use pmp_sync_domain::ids::ExperienceId;
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::run::LinkStatus;

use self::system::{System, products};

/// Both members follow a list of 40, of which `gone` are taken away then: that is held.
fn held(gone: usize) -> (System, Hold) {
    let system = System::new(products("p", 40), []);
    system.sync();
    system.rest();
    system.wait(3600);
    let left = products("p", 40).into_iter().skip(gone);
    system.manage(PolicySnapshot::new(left, []));
    system.sync();
    system.rest();
    let hold = system.link_state('2').hold.unwrap();
    (system, hold)
}

/// Why the request of the newest run was refused.
fn refused(system: &System) -> String {
    let record = system.link(system.last_run().run, '2');
    record.approval.unwrap().refused.unwrap()
}

#[test]
fn other_removals_than_those_shown_are_not_made_although_no_guard_holds_them() {
    let (system, hold) = held(11);
    // Those are back, and two others gone.
    let left = products("p", 40).into_iter().take(38);
    system.manage(PolicySnapshot::new(left, []));
    let before = system.policy('2');
    system.approval("Approval", '2', hold.run, Some(&hold.plan_hash));
    system.rest();
    assert_eq!(system.policy('2'), before);
    assert!(refused(&system).contains("was not shown"));
    let record = system.link(system.last_run().run, '2');
    assert_eq!(record.status, LinkStatus::Refused);
    // What needs no approval is for the next run.
    system.sync();
    system.rest();
    assert_eq!(system.policy('2').allowed().len(), 38);
}

#[test]
fn a_state_of_the_management_experience_that_was_not_shown_is_not_accepted() {
    let (system, hold) = held(11);
    let management = ExperienceId::new("exp-m").unwrap();
    system.world.experiences(|experiences| {
        experiences.edit(&management, |experience, policy| {
            experience.status = Status::Disabled;
            *policy = PolicySnapshot::new(products("p", 40).into_iter().skip(12), []);
        });
    });
    system.approval("Approval", '2', hold.run, Some(&hold.plan_hash));
    system.rest();
    // What was approved is done, and nothing else.
    assert_eq!(system.policy('2').allowed().len(), 29);
    let hold = system.link_state('2').hold.unwrap();
    let codes: Vec<_> = hold.reasons.iter().map(HoldReason::code).collect();
    assert_eq!((codes, hold.deny), (vec!["PMS-2003"], 1));
    assert!(system.link_state('2').accepted.is_empty());
    system.approve('2');
    system.rest();
    assert_eq!(system.policy('2').allowed().len(), 28);
    assert!(!system.link_state('2').accepted.is_empty());
}

#[test]
fn a_rollback_leads_nowhere_on_a_link_that_is_frozen_or_only_observes() {
    for more in ["freeze = true", "mode = \"observe\""] {
        let (system, _) = held(11);
        system.approve('2');
        system.rest();
        let run = system
            .run_with(|run| run.requests[0].kind == "approval-requested")
            .run;
        let text = system::CONFIG.replace(
            "experience = \"exp-2\"",
            &format!("experience = \"exp-2\"\n{more}"),
        );
        system.configure(&text);
        system.approval("Restore", '2', run, None);
        system.rest();
        assert!(refused(&system).contains("nothing would go back"));
        assert_eq!(system.link_state('2').restore, None);
    }
}

#[test]
fn there_is_no_rollback_to_before_the_first_policy() {
    let system = System::new(products("p", 20), products("d", 3));
    let member = ExperienceId::new("exp-2").unwrap();
    system.world.experiences(|experiences| {
        experiences.edit(&member, |experience, _| {
            experience.policy = None;
            experience.status = Status::Disabled;
        });
    });
    system.sync();
    system.rest();
    assert_eq!(system.policy('2').denied().len(), 3);
    let run = system.last_full_run().run;
    system.approval("Restore", '2', run, None);
    system.rest();
    assert!(refused(&system).contains("no policy before it"));
}
