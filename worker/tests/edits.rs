//! Change sets of others: the worker reports the experiences that they have changed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that finds something wrong is to panic"
)]

mod harness;

use futures::executor::block_on;
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::delivery::{Disposition, Record};
use pmp_sync_domain::error::Kind;
use pmp_sync_domain::ids::ChangeSetId;
use pmp_sync_domain::policy::{Action, PolicySnapshot};
use pmp_sync_domain::ports::ChangeSetStatus;
use pmp_sync_fakes::ChangeSetRecord;
use pmp_sync_worker::handle;

use crate::harness::{Lane, product};

/// A lane on whose experience somebody has run a change set of that name.
fn with_a_set(name: &str) -> Lane {
    let lane = Lane::new(PolicySnapshot::default());
    let now = lane.world.time();
    lane.world.experiences(|all| {
        all.add_set(ChangeSetRecord {
            id: "cs-other".parse().unwrap(),
            name: name.to_owned(),
            token: "somebody's".to_owned(),
            experience: lane.id.experience.clone(),
            changes: vec![(product("prod-a"), Action::Allow)],
            creates_policy: false,
            started: now,
            ends: now,
            status: Some(ChangeSetStatus::Succeeded(Some(0))),
        });
    });
    lane
}

fn delivered(lane: &Lane, id: &str, name: &str, how: &str, deliveries: u32) -> Vec<Disposition> {
    let body = format!(
        r#"{{"source":"aws.marketplacecatalog","detail-type":"Change Set {how}","detail":{{"ChangeSetId":"{id}","ChangeSetName":"{name}"}}}}"#
    );
    let record = Record {
        id: "m".to_owned(),
        body,
        deliveries,
        ..Record::default()
    };
    block_on(handle(&lane.worker.borrow(), &[record], Timestamp::MAX))
}

/// The experiences that were reported, each with the change set.
fn reported(lane: &Lane) -> Vec<(String, String)> {
    let events = lane.world.events();
    let edited = events.iter().filter(|(_, what, _)| *what == "Lane Edited");
    edited
        .map(|(_, _, detail)| {
            let text = |field: &str| detail[field].as_str().unwrap().to_owned();
            (text("experience"), text("change_set"))
        })
        .collect()
}

#[test]
fn what_a_change_set_of_somebody_else_has_changed_is_reported() {
    let lane = with_a_set("by hand");
    assert_eq!(
        delivered(&lane, "cs-other", "by hand", "Succeeded", 1),
        [Disposition::Acknowledge]
    );
    let id = ChangeSetId::new("cs-other").unwrap();
    let experience = lane.id.experience.to_string();
    assert_eq!(reported(&lane), [(experience, id.to_string())]);
}

#[test]
fn what_has_changed_nothing_and_what_is_ours_is_not_reported() {
    let lane = with_a_set("by hand");
    for (name, how) in [
        ("by hand", "Failed"),
        ("by hand", "Cancelled"),
        // Two installations that undo each other's changes are not to do so every minute.
        ("pmp-sync:exp-1:7:2scc1-0123456789", "Succeeded"),
        ("pmp-sync:what is this", "Succeeded"),
    ] {
        let ended = delivered(&lane, "cs-other", name, how, 1);
        assert_eq!(ended, [Disposition::Acknowledge], "{name} {how}");
        assert_eq!(reported(&lane), [], "{name} {how}");
    }
}

#[test]
fn what_cannot_be_looked_up_for_now_comes_again_and_not_for_ever() {
    let lane = with_a_set("by hand");
    let fail = |kind| {
        lane.world
            .failing(|failing| failing.fail_next("DescribeChangeSet", 1, kind));
    };
    fail(Kind::Retryable);
    let again = delivered(&lane, "cs-other", "by hand", "Succeeded", 1);
    assert_eq!(again, [Disposition::Retry]);
    fail(Kind::Retryable);
    let last = delivered(&lane, "cs-other", "by hand", "Succeeded", 5);
    assert_eq!(last, [Disposition::Acknowledge]);
    fail(Kind::Denied);
    let denied = delivered(&lane, "cs-other", "by hand", "Succeeded", 1);
    assert_eq!(denied, [Disposition::Acknowledge]);
    let unknown = delivered(&lane, "cs-nobody", "by hand", "Succeeded", 1);
    assert_eq!(unknown, [Disposition::Acknowledge]);
    assert_eq!(reported(&lane), []);
    let again = delivered(&lane, "cs-other", "by hand", "Succeeded", 2);
    assert_eq!(
        (again, reported(&lane).len()),
        (vec![Disposition::Acknowledge], 1)
    );
}
