//! Names of products are looked up after a scheduled run, and never in its way.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

mod fakes;

use std::sync::{Arc, Mutex};

use futures::executor::block_on;
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::delivery::Disposition;
use pmp_sync_domain::error::Kind;
use pmp_sync_domain::ids::ProductId;
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::records::Listing;
use pmp_sync_domain::time::later;
use pmp_sync_fakes::{Fate, ItemKey, World};
use pmp_sync_producer::dispatch;

use crate::fakes::{Producer, SCHEDULED, account, experience, producer};

const REQUESTED: &str = r#"{"source":"pmp-sync","detail-type":"Sync Requested","detail":{}}"#;
const DAY: i64 = 24 * 3600;

fn product(text: &str) -> ProductId {
    ProductId::new(text).unwrap()
}

fn products(prefix: &str, count: usize) -> Vec<ProductId> {
    (0..count)
        .map(|number| product(&format!("prod-{prefix}{number:04}")))
        .collect()
}

struct Setting {
    world: World,
    producer: Producer,
    /// Operation and thing of each call.
    calls: Arc<Mutex<Vec<(String, String)>>>,
}

impl Setting {
    /// The management experience allows `wanted` products, and the member what it is given. New products
    /// are allowed without asking whether they are live.
    fn new(wanted: usize, member: &[ProductId]) -> Self {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let world = World::new(start, 7, 20);
        world.experiences(|experiences| {
            let wanted = PolicySnapshot::new(products("p", wanted), []);
            experiences.add(&account('1'), &experience("exp-m"), wanted);
            let before = PolicySnapshot::new(member.to_vec(), []);
            experiences.add(&account('2'), &experience("exp-2"), before);
        });
        world.open_member(&account('2'), "external-2");
        let account_id = account('2');
        world.ledger(|ledger| {
            ledger.configs.push(format!(
                r#"
schema = 1
[[member]]
name = "m2"
account = "{account_id}"
external_id = "external-2"
[[link]]
management_experience = "exp-m"
member = "m2"
member_experience = "exp-2"
live_check = "off"
guard = {{ exempt = ["first-mirror"] }}
"#
            ));
        });
        let calls: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
        let setting = Self {
            producer: producer(&world, &account('1')),
            world,
            calls,
        };
        setting.fail_none();
        setting
    }

    /// Decides the fate of each call, which is recorded.
    fn decide(&self, mut fate: impl FnMut(&str, &str) -> Fate + Send + 'static) {
        let calls = Arc::clone(&self.calls);
        self.world.failing(|failing| {
            failing.decide_by(move |call| {
                let recorded = (call.operation.to_owned(), call.thing.to_owned());
                calls.lock().unwrap().push(recorded);
                fate(call.operation, call.thing)
            });
        });
    }

    fn fail_none(&self) {
        self.decide(|_, _| Fate::Go);
    }

    /// Serves a message. The invocation has so many seconds. Returns the calls.
    fn serve(&self, body: &str, seconds: i64) -> Vec<(String, String)> {
        self.world.request(body);
        let records = self.world.receive_requests(720);
        let deadline = later(self.world.time(), seconds);
        self.calls.lock().unwrap().clear();
        let dispositions = block_on(dispatch(&self.producer, &records, deadline));
        self.world.settle_requests(&records, &dispositions);
        assert_eq!(dispositions, [Disposition::Acknowledge]);
        self.calls.lock().unwrap().clone()
    }

    fn schedule(&self) -> Vec<(String, String)> {
        self.serve(SCHEDULED, 900)
    }

    fn named(&self) -> usize {
        self.world.ledger(|ledger| {
            let records = ledger.live.values();
            records.filter(|record| record.name().is_some()).count()
        })
    }

    fn pass(&self, seconds: i64) {
        self.world.advance_to(later(self.world.time(), seconds));
    }
}

fn asked(calls: &[(String, String)]) -> usize {
    let asked = calls
        .iter()
        .filter(|(operation, _)| operation == "GetProduct");
    asked.count()
}

/// The calls of a run until all its changes are sent are the same, whether or not names are missing.
#[test]
fn names_are_looked_up_when_everything_of_the_run_is_done() {
    let setting = Setting::new(300, &products("old", 3));
    let calls = setting.schedule();
    let first = calls
        .iter()
        .position(|(operation, _)| operation == "GetProduct");
    let first = first.expect("names are looked up");
    let last_of_run = calls.iter().rposition(|(operation, thing)| {
        let is_of_names = matches!(thing.as_str(), "live" | "inbox");
        operation != "GetProduct" && !is_of_names
    });
    assert!(last_of_run.unwrap() < first, "the run is done before");
    // A run that was requested makes the same calls, and looks up no name.
    let other = Setting::new(300, &products("old", 3));
    let without = other.serve(REQUESTED, 900);
    assert_eq!(asked(&without), 0);
    let of_run = &calls[..without.len()];
    assert_eq!(of_run, without, "in the same order");
    let sent = |calls: &[(String, String)]| {
        calls
            .iter()
            .filter(|(of, _)| of == "SendMessageBatch")
            .count()
    };
    assert_eq!(sent(of_run), sent(&calls));
    assert!(sent(&calls) > 0, "{calls:?}");
}

#[test]
fn each_scheduled_run_looks_up_a_bounded_number_until_all_are_known() {
    let setting = Setting::new(250, &products("old", 3));
    for (asked_now, named) in [(100, 100), (100, 200), (53, 253), (0, 253)] {
        assert_eq!(asked(&setting.schedule()), asked_now);
        assert_eq!(setting.named(), named);
        setting.pass(3600);
    }
    // They are looked up again after a week.
    setting.pass(8 * DAY);
    assert_eq!(asked(&setting.schedule()), 100);
}

#[test]
fn a_message_that_waits_ends_the_look_ups() {
    let setting = Setting::new(50, &[]);
    let (world, mut count) = (setting.world.clone(), 0);
    setting.decide(move |operation, _| {
        if operation == "GetProduct" {
            count += 1;
        }
        // Whether one waits is not known then, which counts as if one did.
        if operation == "GetQueueAttributes" && count >= 2 {
            return Fate::Refuse(Kind::Retryable);
        }
        Fate::Go
    });
    assert_eq!(
        asked(&setting.schedule()),
        5,
        "the inbox is looked at every second"
    );
    setting.fail_none();
    // One that waits before the first look-up.
    setting.pass(3600);
    world.request(SCHEDULED);
    let records = world.receive_requests(720);
    world.request(REQUESTED);
    let deadline = later(world.time(), 900);
    setting.calls.lock().unwrap().clear();
    block_on(dispatch(&setting.producer, &records, deadline));
    assert_eq!(asked(&setting.calls.lock().unwrap()), 0);
}

#[test]
fn no_time_is_taken_that_the_next_invocation_needs() {
    let setting = Setting::new(50, &[]);
    assert_eq!(asked(&setting.serve(SCHEDULED, 46)), 50);
    let setting = Setting::new(50, &[]);
    // The run itself is handed on then, and is not done.
    assert_eq!(asked(&setting.serve(SCHEDULED, 44)), 0);
}

#[test]
fn what_fails_is_remembered_and_delays_no_other() {
    let setting = Setting::new(10, &[]);
    let fail = |bad: &'static [&'static str], kind| {
        setting.decide(move |operation, thing| {
            if operation == "GetProduct" && bad.contains(&thing) {
                Fate::Refuse(kind)
            } else {
                Fate::Go
            }
        });
    };
    fail(&["prod-p0000", "prod-p0001"], Kind::Retryable);
    assert_eq!(asked(&setting.schedule()), 10);
    assert_eq!(setting.named(), 8);
    setting.pass(3600);
    assert_eq!(
        asked(&setting.schedule()),
        0,
        "they are not asked for every hour"
    );
    setting.fail_none();
    setting.pass(6 * 3600);
    assert_eq!(asked(&setting.schedule()), 2);
    assert_eq!(setting.named(), 10);
    // A service that is down is asked three times.
    let down = Setting::new(10, &[]);
    down.decide(|operation, _| match operation {
        "GetProduct" => Fate::Refuse(Kind::Retryable),
        _ => Fate::Go,
    });
    assert_eq!(asked(&down.schedule()), 3);
    // One that denies access is asked once.
    let denied = Setting::new(10, &[]);
    denied.decide(|operation, _| match operation {
        "GetProduct" => Fate::Refuse(Kind::Denied),
        _ => Fate::Go,
    });
    assert_eq!(asked(&denied.schedule()), 1);
    denied.fail_none();
    denied.pass(3600);
    assert_eq!(
        asked(&denied.schedule()),
        10,
        "nothing is held against the products"
    );
}

#[test]
fn a_product_that_leaves_aws_marketplace_keeps_its_name() {
    let setting = Setting::new(2, &[]);
    setting.schedule();
    assert_eq!(setting.named(), 2);
    setting.world.set_live(&product("prod-p0001"), false);
    setting.pass(8 * DAY);
    assert_eq!(asked(&setting.schedule()), 2);
    assert_eq!(setting.named(), 2);
    let gone = setting
        .world
        .ledger(|ledger| ledger.live[&product("prod-p0001")].clone());
    assert_eq!(gone.listing, Listing::NotLive);
}

#[test]
fn a_record_of_a_newer_release_is_left_alone() {
    let setting = Setting::new(3, &[]);
    setting.schedule();
    let newer = ItemKey::Live(product("prod-p0000"));
    setting.world.ledger(|ledger| ledger.newer.insert(newer));
    setting.pass(8 * DAY);
    assert_eq!(asked(&setting.schedule()), 2);
}
