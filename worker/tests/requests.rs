//! Procurement requests: each is on record once, in its newest state, however its events arrive.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

mod harness;

use std::collections::BTreeSet;

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::delivery::{Disposition, Record};
use pmp_sync_domain::error::Kind;
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::records::{MOST_OPEN_REQUESTS, ProductRequest, RequestState};
use pmp_sync_domain::wire::{PRODUCT_REQUEST_RECEIVED, ProductRequestEvent};
use pmp_sync_fakes::ItemKey;

use crate::harness::Lane;

fn lane() -> Lane {
    Lane::new(PolicySnapshot::default())
}

fn event(id: &str, state: RequestState, at: &str) -> ProductRequestEvent {
    ProductRequestEvent {
        request: id.parse().unwrap(),
        state,
        at: Some(at.parse().unwrap()),
        product: "prod-1".parse().unwrap(),
        title: Some("Example Database".to_owned()),
        manufacturer: None,
        experience: "exp-of-nobody".parse().unwrap(),
        requester: None,
        expires_at: None,
    }
}

const FIRST: &str = "2025-12-31T23:00:00Z";
const LATER: &str = "2025-12-31T23:30:00Z";

fn requests(lane: &Lane) -> Vec<ProductRequest> {
    lane.world
        .ledger(|ledger| ledger.product_requests.values().cloned().collect())
}

fn hints(lane: &Lane) -> usize {
    let events = lane.world.events();
    let hints = events
        .iter()
        .filter(|(_, kind, _)| *kind == PRODUCT_REQUEST_RECEIVED);
    hints.count()
}

#[test]
fn a_request_is_recorded_once_and_the_producer_is_told_once() {
    let lane = lane();
    for _ in 0..3 {
        lane.push(&event("pr-1", RequestState::Open, FIRST).to_body());
    }
    lane.drive(2);
    let all = requests(&lane);
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].state, all[0].rev), (RequestState::Open, 1));
    assert_eq!(all[0].title.as_deref(), Some("Example Database"));
    assert_eq!(hints(&lane), 1);
    assert_eq!(lane.returned.get(), 0);
}

#[test]
fn an_end_that_arrives_first_is_not_undone_by_the_creation() {
    let lane = lane();
    lane.push(&event("pr-1", RequestState::Declined, LATER).to_body());
    lane.drive(1);
    lane.push(&event("pr-1", RequestState::Open, FIRST).to_body());
    lane.drive(1);
    let all = requests(&lane);
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].state, RequestState::Declined);
    assert_eq!(
        all[0].requested_at,
        Some(FIRST.parse::<Timestamp>().unwrap())
    );
    assert_eq!(hints(&lane), 0, "nobody waits for an answer");
}

/// Two invocations read the request at the same time; the second to write merges anew.
#[test]
fn an_event_is_merged_into_what_another_invocation_wrote_meanwhile() {
    let lane = lane();
    lane.world.failing(|failing| failing.interleave(true));
    let record = |state, at| Record {
        id: format!("{state}"),
        body: event("pr-1", state, at).to_body(),
        ..Record::default()
    };
    let worker = lane.worker.borrow();
    let one = [record(RequestState::Open, FIRST)];
    let other = [record(RequestState::Approved, LATER)];
    let both = futures::future::join(
        pmp_sync_worker::handle(&worker, &one, Timestamp::MAX),
        pmp_sync_worker::handle(&worker, &other, Timestamp::MAX),
    );
    let (one, other) = futures::executor::block_on(both);
    assert_eq!([one, other].concat(), [Disposition::Acknowledge; 2]);
    let all = requests(&lane);
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].state, RequestState::Approved);
    assert_eq!(
        all[0].requested_at,
        Some(FIRST.parse::<Timestamp>().unwrap())
    );
}

#[test]
fn an_event_that_cannot_be_read_is_dead_lettered_with_its_reason() {
    let lane = lane();
    let body = event("pr-1", RequestState::Open, FIRST).to_body();
    lane.push(&body.replace("pr-1", "not an id"));
    lane.push(&body.replace("Example Database", &"x".repeat(501)));
    lane.push(&body.replace("Request Created", "Request Considered"));
    lane.drive(1);
    let letters = lane.world.dead_of(&lane.id.account);
    let reasons: Vec<_> = letters
        .iter()
        .map(|(_, why)| why["reason"].as_str())
        .collect();
    assert_eq!(reasons, ["unreadable", "too-large", "unreadable"]);
    assert!(letters[1].1["detail"].contains("product.title"));
    assert!(requests(&lane).is_empty());
}

#[test]
fn there_is_a_bound_of_open_requests_and_what_is_dropped_is_counted() {
    let lane = lane();
    for number in 0..MOST_OPEN_REQUESTS + 3 {
        let id = format!("pr-{number}");
        lane.push(&event(&id, RequestState::Open, FIRST).to_body());
    }
    lane.drive(1);
    assert_eq!(requests(&lane).len(), MOST_OPEN_REQUESTS);
    let dropped = lane.world.ledger(|ledger| ledger.dropped_requests.clone());
    assert_eq!(dropped[&lane.id.account].dropped, 3);
    assert_eq!(lane.returned.get(), 0);
    // One that ends makes room.
    lane.push(&event("pr-0", RequestState::Cancelled, LATER).to_body());
    lane.drive(1);
    lane.push(&event("pr-new", RequestState::Open, LATER).to_body());
    lane.drive(1);
    let ids: BTreeSet<_> = requests(&lane)
        .iter()
        .map(|known| known.request.to_string())
        .collect();
    assert!(ids.contains("pr-new"));
}

#[test]
fn a_request_that_could_not_be_written_is_written_by_the_next_delivery() {
    for operation in ["GetItem", "Query", "UpdateItem"] {
        let lane = lane();
        lane.world
            .failing(|failing| failing.fail_next(operation, 1, Kind::Retryable));
        lane.push(&event("pr-1", RequestState::Open, FIRST).to_body());
        lane.drive(1);
        assert_eq!(requests(&lane).len(), 1, "{operation}");
        assert_eq!(lane.returned.get(), 1, "{operation}");
    }
    let lane = lane();
    lane.world
        .failing(|failing| failing.lose_next("UpdateItem", 1, Kind::Retryable));
    lane.push(&event("pr-1", RequestState::Open, FIRST).to_body());
    lane.drive(1);
    assert_eq!(requests(&lane)[0].rev, 1);
}

/// Only the message of that request waits; the others and the lanes go on.
#[test]
fn a_request_that_a_newer_release_wrote_holds_up_nothing_else() {
    let lane = lane();
    let key = ItemKey::ProductRequest(lane.id.account.clone(), "pr-1".parse().unwrap());
    lane.world.ledger(|ledger| ledger.newer.insert(key));
    let record = |id: &str| Record {
        id: id.to_owned(),
        body: event(id, RequestState::Open, FIRST).to_body(),
        ..Record::default()
    };
    let records = [record("pr-1"), record("pr-2")];
    let dispositions = lane.handle(&records, Timestamp::MAX);
    assert_eq!(dispositions, [Disposition::Retry, Disposition::Acknowledge]);
    assert_eq!(requests(&lane).len(), 1);
    assert!(lane.world.dead_of(&lane.id.account).is_empty());
}
