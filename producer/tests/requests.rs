//! Procurement requests are announced once each, also after interruptions.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

mod fakes;

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::delivery::{Disposition, Record};
use pmp_sync_domain::error::Kind;
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::records::{ProductRequest, RequestState};
use pmp_sync_domain::wire::events::ProductRequested;
use pmp_sync_domain::wire::{Event, PRODUCT_REQUESTED, product_request_received};
use pmp_sync_fakes::{ItemKey, World};
use pmp_sync_producer::dispatch;

use crate::fakes::{Producer, SCHEDULED, account, experience, producer};

const CONFIG: &str = r#"
schema = 1
[[member]]
name = "one"
account = "222222222222"
external_id = "external-1"
[[member]]
name = "two"
account = "333333333333"
external_id = "external-2"
[[link]]
management_experience = "exp-m"
member = "one"
member_experience = "exp-1"
"#;

struct Setting {
    world: World,
    producer: Producer,
}

impl Setting {
    fn new() -> Self {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let world = World::new(start, 7, 20);
        world.experiences(|all| {
            all.add(
                &account('1'),
                &experience("exp-m"),
                PolicySnapshot::default(),
            );
            all.add(
                &account('2'),
                &experience("exp-1"),
                PolicySnapshot::default(),
            );
        });
        world.open_member(&account('2'), "external-1");
        world.open_member(&account('3'), "external-2");
        world.ledger(|ledger| ledger.configs.push(CONFIG.to_owned()));
        Self {
            producer: producer(&world, &account('1')),
            world,
        }
    }

    fn add(&self, of: char, id: &str, state: RequestState) {
        let now = self.world.time();
        let request = ProductRequest {
            schema: 1,
            rev: 1,
            account: account(of),
            request: id.parse().unwrap(),
            state,
            product: "prod-1".parse().unwrap(),
            title: Some("Example Database".to_owned()),
            manufacturer: None,
            experience: experience(if of == '2' { "exp-1" } else { "exp-2" }),
            requester: None,
            requested_at: Some(now),
            expires_at: None,
            ended_at: None,
            recorded_at: now,
            announced_at: None,
        };
        let key = (request.account.clone(), request.request.clone());
        self.world
            .ledger(|ledger| ledger.product_requests.insert(key, request));
    }

    fn serve(&self, body: &str) -> Vec<Disposition> {
        self.world.request(body);
        let records: Vec<Record> = self.world.receive_requests(300);
        let served = dispatch(&self.producer, &records, Timestamp::MAX);
        let dispositions = futures::executor::block_on(served);
        self.world.settle_requests(&records, &dispositions);
        dispositions
    }

    fn hint(&self) -> Vec<Disposition> {
        self.serve(&body(&product_request_received(&account('2'))))
    }

    fn announced(&self) -> Vec<ProductRequested> {
        let events = self.world.events().into_iter();
        let announced = events.filter(|(_, kind, _)| *kind == PRODUCT_REQUESTED);
        announced
            .map(|(_, _, detail)| serde_json::from_value(detail).unwrap())
            .collect()
    }

    fn ids(&self) -> Vec<String> {
        let announced = self.announced().into_iter();
        announced.map(|detail| detail.id).collect()
    }
}

fn body((source, kind, detail): &Event) -> String {
    serde_json::json!({ "source": source, "detail-type": kind, "detail": detail }).to_string()
}

#[test]
fn each_open_request_is_announced_once_with_how_often_the_product_is_asked_for() {
    let setting = Setting::new();
    setting.add('2', "pr-1", RequestState::Open);
    setting.add('3', "pr-1", RequestState::Open);
    setting.add('3', "pr-2", RequestState::Declined);
    assert_eq!(setting.hint(), [Disposition::Acknowledge]);
    let told = setting.announced();
    assert_eq!(setting.ids(), ["222222222222/pr-1", "333333333333/pr-1"]);
    assert_eq!((told[0].requests, told[0].members), (2, 2));
    assert_eq!(told[0].management_experience, Some(experience("exp-m")));
    assert_eq!(told[1].management_experience, None, "no link covers it");
    setting.hint();
    setting.serve(SCHEDULED);
    assert_eq!(setting.ids().len(), 2, "nothing is announced again");
}

#[test]
fn without_a_hint_the_next_run_announces() {
    let setting = Setting::new();
    setting.add('2', "pr-1", RequestState::Open);
    setting.serve(SCHEDULED);
    assert_eq!(setting.ids(), ["222222222222/pr-1"]);
}

/// The bus does not take it, or the mark cannot be written: then it comes once more, with the same id.
#[test]
fn what_was_interrupted_is_announced_by_the_next_run() {
    let setting = Setting::new();
    setting.add('2', "pr-1", RequestState::Open);
    setting
        .world
        .failing(|failing| failing.fail_next("PutEvents", 1, Kind::Retryable));
    assert_eq!(setting.hint(), [Disposition::Acknowledge]);
    assert!(setting.ids().is_empty());
    setting
        .world
        .failing(|failing| failing.fail_next("UpdateItem", 1, Kind::Retryable));
    setting.hint();
    setting.hint();
    setting.hint();
    assert_eq!(setting.ids(), ["222222222222/pr-1"; 2]);
}

#[test]
fn a_request_that_a_newer_release_wrote_is_reported_and_hides_no_other() {
    let setting = Setting::new();
    setting.add('2', "pr-1", RequestState::Open);
    setting.add('2', "pr-2", RequestState::Open);
    let key = ItemKey::ProductRequest(account('2'), "pr-1".parse().unwrap());
    setting.world.ledger(|ledger| ledger.newer.insert(key));
    setting.serve(SCHEDULED);
    assert_eq!(setting.ids(), ["222222222222/pr-2"]);
    let runs = setting
        .world
        .ledger(|ledger| ledger.runs.values().cloned().collect::<Vec<_>>());
    let warnings: Vec<_> = runs.iter().flat_map(|run| &run.warnings).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
}

/// Requests are beside the point of a run: it is served although they cannot be read.
#[test]
fn a_run_ends_although_requests_cannot_be_read() {
    let setting = Setting::new();
    setting.add('2', "pr-1", RequestState::Open);
    setting.world.failing(|failing| {
        failing.decide_by(|call| {
            if call.thing == "product requests" {
                return pmp_sync_fakes::Fate::Refuse(Kind::Denied);
            }
            pmp_sync_fakes::Fate::Go
        });
    });
    assert_eq!(setting.serve(SCHEDULED), [Disposition::Acknowledge]);
    let runs = setting
        .world
        .ledger(|ledger| ledger.runs.values().cloned().collect::<Vec<_>>());
    assert_eq!(runs.len(), 1);
    assert!(runs[0].status.is_final(), "{:?}", runs[0].status);
}
