//! Change sets with names of pmp-sync that the lane did not start: of an earlier installation with
//! the same experience, of a second one, and copies of a name.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

mod harness;

use pmp_sync_domain::error::Kind;
use pmp_sync_domain::ids::{ChangeSetId, ChangeSetName, InstallationId, ProductId};
use pmp_sync_domain::lane::{ChangeError, Failed, Phase};
use pmp_sync_domain::policy::{Action, PolicySnapshot};
use pmp_sync_domain::ports::ChangeSetStatus;
use pmp_sync_domain::time::later;
use pmp_sync_fakes::ChangeSetRecord;

use crate::harness::{Lane, products, run};

/// A change set of an hour ago.
fn old(lane: &Lane, name: String, changes: &[ProductId], status: ChangeSetStatus) {
    let started = later(lane.world.time(), -3600);
    lane.world.experiences(|all| {
        all.add_set(ChangeSetRecord {
            id: ChangeSetId::new("old1").unwrap(),
            name,
            token: "foreign".to_owned(),
            experience: lane.id.experience.clone(),
            changes: changes
                .iter()
                .map(|product| (product.clone(), Action::Allow))
                .collect(),
            creates_policy: false,
            started,
            ends: later(started, 20),
            status: Some(status),
        });
    });
}

fn ended(lane: &Lane, name: &str, id: &str) {
    lane.push(&format!(
        r#"{{"source":"aws.marketplacecatalog","detail-type":"Change Set Succeeded","detail":{{"ChangeSetId":"{id}","ChangeSetName":"{name}"}}}}"#
    ));
}

/// pmp-sync was destroyed and deployed again, so the lane counts from 1 again. Its first call is not
/// answered, and it looks for its change set by name.
#[test]
fn a_success_of_an_earlier_installation_is_not_taken_for_ones_own() {
    let lane = Lane::new(PolicySnapshot::default());
    let allow = products("a", 3);
    let name = "pmp-sync:exp-1:1".to_owned();
    let succeeded = ChangeSetStatus::Succeeded(Some(20));
    old(&lane, name.clone(), &allow, succeeded);
    lane.world
        .failing(|failing| failing.fail_next("StartChangeSet", 1, Kind::Retryable));
    let plan = lane.commit(run(1), &allow, &[]);
    lane.send(run(1), &plan);
    ended(&lane, &name, "old1");
    lane.drive(1);
    assert_eq!(lane.policy(), PolicySnapshot::new(allow, []));
    assert_eq!(lane.sets().len(), 2);
    let record = &lane.records(None)[0];
    assert_ne!(record.change_set.as_str(), "old1");
}

#[test]
fn no_product_is_blamed_for_a_failure_of_an_earlier_installation() {
    let lane = Lane::new(PolicySnapshot::default());
    let allow = products("a", 1);
    let failed = ChangeSetStatus::Failed(Failed {
        errors: vec![ChangeError {
            action: Action::Allow,
            code: "INVALID_PRODUCT".to_owned(),
            message: "of long ago".to_owned(),
        }],
        description: None,
    });
    old(&lane, "pmp-sync:exp-1:1".to_owned(), &allow, failed);
    lane.world
        .failing(|failing| failing.fail_next("StartChangeSet", 1, Kind::Locked));
    let plan = lane.commit(run(1), &allow, &[]);
    lane.send(run(1), &plan);
    lane.drive(1);
    assert_eq!(lane.policy(), PolicySnapshot::new(allow, []));
    assert_eq!(lane.state().phase, Phase::Idle);
}

/// Somebody starts a change set with the name of the intent, while the lane does not know whether its
/// own was started. It is neither adopted by its name nor by its event.
#[test]
fn a_change_set_with_the_name_and_other_content_is_not_adopted() {
    let lane = Lane::new(PolicySnapshot::default());
    let allow = products("a", 2);
    lane.world
        .failing(|failing| failing.fail_next("StartChangeSet", 1, Kind::Retryable));
    let plan = lane.commit(run(1), &allow, &[]);
    lane.send(run(1), &plan);
    let mut copied = false;
    lane.drive_with(1, || {
        let state = lane.state();
        if copied || state.phase != Phase::Starting {
            return;
        }
        copied = true;
        let name = state.change_set_name(&lane.id.experience).unwrap();
        let now = lane.world.time();
        lane.world.experiences(|all| {
            all.add_set(ChangeSetRecord {
                id: ChangeSetId::new("copy1").unwrap(),
                name: name.to_string(),
                token: "foreign".to_owned(),
                experience: lane.id.experience.clone(),
                changes: Vec::new(),
                creates_policy: false,
                started: now,
                ends: now,
                status: Some(ChangeSetStatus::Succeeded(Some(0))),
            });
        });
        ended(&lane, &name.to_string(), "copy1");
    });
    assert!(copied);
    assert_eq!(lane.policy(), PolicySnapshot::new(allow, []));
    assert_ne!(lane.records(None)[0].change_set.as_str(), "copy1");
}

/// Both installations change the same experience. The lane says so, whether it hears of it by an event
/// or by the list of change sets.
#[test]
fn another_installation_on_the_experience_is_recorded() {
    let other = InstallationId::of_ledger("another");
    let by_event = Lane::new(PolicySnapshot::default());
    let name = ChangeSetName::new(by_event.id.experience.clone(), 9, other.clone(), 1).to_string();
    let plan = by_event.commit(run(1), &products("a", 1), &[]);
    by_event.send(run(1), &plan);
    by_event.drive(1);
    assert_eq!(by_event.state().other, None);
    ended(&by_event, &name, "other1");
    by_event.drive(1);
    let seen = by_event.state().other.unwrap();
    assert_eq!(
        (seen.installation, seen.change_set.as_str()),
        (other.clone(), "other1")
    );

    let by_list = Lane::new(PolicySnapshot::default());
    old(
        &by_list,
        name,
        &products("b", 1),
        ChangeSetStatus::Succeeded(None),
    );
    let plan = by_list.commit(run(1), &products("a", 1), &[]);
    by_list.send(run(1), &plan);
    by_list.drive(1);
    let seen = by_list.state().other.unwrap();
    assert_eq!(seen.installation, other);
    assert!(seen.is_active(by_list.world.time()));
    assert!(!seen.is_active(later(by_list.world.time(), 86_400)));
}

/// The list is only for the report: its failure delays nothing.
#[test]
fn a_list_of_change_sets_that_cannot_be_read_holds_nothing_back() {
    let lane = Lane::new(PolicySnapshot::default());
    lane.world
        .failing(|failing| failing.fail_next("ListChangeSets", 9, Kind::Denied));
    let plan = lane.commit(run(1), &products("a", 1), &[]);
    lane.send(run(1), &plan);
    lane.drive(1);
    assert_eq!(lane.policy(), PolicySnapshot::new(products("a", 1), []));
}
