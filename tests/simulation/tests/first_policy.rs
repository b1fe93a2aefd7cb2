//! Member experiences that have no procurement policy yet.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

mod system;

use pmp_sync_domain::approval::{ApprovalAction, ApprovalRequest};
use pmp_sync_domain::experience::Status;
use pmp_sync_domain::guard::{GuardName, HoldReason};
use pmp_sync_domain::ids::{ExperienceId, LaneId};
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::run::RunStatus;
use pmp_sync_domain::wire::approval_requested;

use self::system::{System, products};

fn lane() -> LaneId {
    "222222222222/exp-2".parse().unwrap()
}

/// The first member's experience has no policy, and this status.
fn without_policy(status: Status) -> System {
    let system = System::new(products("p", 120), products("d", 3));
    let id: ExperienceId = lane().experience;
    system.world.experiences(|experiences| {
        experiences.edit(&id, |experience, _| {
            experience.policy = None;
            experience.status = status;
        });
    });
    system
}

/// Approves what is held for the first member.
fn approve(system: &System) {
    let hold = system
        .world
        .ledger(|ledger| ledger.link_states[&lane()].hold.clone().unwrap());
    let (source, detail_type, detail) = approval_requested(ApprovalRequest {
        action: ApprovalAction::Approve,
        lane: lane(),
        run: hold.run,
        plan_hash: Some(hold.plan_hash),
        request_id: None,
        requester: None,
        account: None,
        reason: None,
    });
    let body =
        serde_json::json!({ "source": source, "detail-type": detail_type, "detail": detail });
    system.world.request(body.to_string());
    system.rest();
}

fn created(system: &System) -> usize {
    system.world.experiences(|experiences| {
        let sets = experiences.change_sets().iter();
        sets.filter(|set| set.creates_policy).count()
    })
}

fn everything() -> PolicySnapshot {
    PolicySnapshot::new(products("p", 120), products("d", 3))
}

#[test]
fn an_experience_that_is_not_live_gets_its_policy_and_its_lists() {
    let system = without_policy(Status::Disabled);
    system.sync();
    system.rest();
    assert_eq!(system.policy('2'), everything());
    // The first of the three that its 120 allows take.
    assert_eq!((created(&system), system.sets('2')), (1, 3));
    assert_eq!(system.last_full_run().status, RunStatus::Completed);
}

#[test]
fn a_live_one_waits_for_approval_and_then_gets_exactly_one_policy() {
    let system = without_policy(Status::Enabled);
    system.sync();
    system.rest();
    assert_eq!(system.sets('2'), 0);
    assert_eq!(system.last_full_run().status, RunStatus::Held);
    let hold = system
        .world
        .ledger(|ledger| ledger.link_states[&lane()].hold.clone().unwrap());
    let guards: Vec<_> = hold.reasons.iter().filter_map(HoldReason::guard).collect();
    assert_eq!(guards, [GuardName::FirstPolicy]);
    // The other member is not concerned.
    assert_eq!(system.policy('3'), everything());

    approve(&system);
    assert_eq!(system.policy('2'), everything());
    assert_eq!((created(&system), system.sets('2')), (1, 3));
    system.sync();
    system.rest();
    assert_eq!(system.last_full_run().status, RunStatus::Completed);
    assert_eq!(system.sets('2'), 3);
}

#[test]
fn a_policy_that_somebody_else_creates_meanwhile_is_filled_and_nothing_is_searched() {
    let system = without_policy(Status::Disabled);
    system.sync();
    system.rest_until(|system| created(system) == 1);
    // Before the change set ends: it will fail, and none of its products is at fault.
    let id = lane().experience;
    system.world.experiences(|experiences| {
        experiences.edit(&id, |experience, policy| {
            experience.policy = "procpolicy-2".parse().ok();
            *policy = PolicySnapshot::new(products("p", 1), []);
        });
    });
    system.rest();
    assert_eq!(system.policy('2'), everything());
    assert_eq!(created(&system), 1);
    assert_eq!(system.sets('2'), 4);
    assert!(system.dead('2').is_empty());
}

#[test]
fn a_bad_product_among_the_first_is_quarantined_and_the_others_get_in() {
    let system = without_policy(Status::Disabled);
    system.make_bad("prod-p0003");
    system.sync();
    system.rest();
    let mut rest = products("p", 120);
    rest.retain(|product| product.as_str() != "prod-p0003");
    assert_eq!(
        system.policy('2'),
        PolicySnapshot::new(rest, products("d", 3))
    );
    assert_eq!(system.dead('2').len(), 1);
}
