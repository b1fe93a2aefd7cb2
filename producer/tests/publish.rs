//! The report is published after a scheduled run, and never in its way.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

mod fakes;

use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use futures::executor::block_on;
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::delivery::Disposition;
use pmp_sync_domain::error::Kind;
use pmp_sync_domain::ids::ProductId;
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::ports::{Clock, Entropy};
use pmp_sync_domain::time::later;
use pmp_sync_fakes::{Fate, World};
use pmp_sync_producer::{Context, Unannounced, dispatch};

use crate::fakes::{Producer, SCHEDULED, account, experience, producer};

const REQUESTED: &str = r#"{"source":"pmp-sync","detail-type":"Sync Requested","detail":{}}"#;

struct Setting {
    world: World,
    producer: Producer,
    /// What was called.
    calls: Arc<Mutex<Vec<String>>>,
}

impl Setting {
    /// A management experience with a product, and so many members without it.
    fn new(members: usize) -> Self {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let world = World::new(start, 7, 20);
        world.experiences(|experiences| {
            let wanted = PolicySnapshot::new([ProductId::new("prod-wanted").unwrap()], []);
            experiences.add(&account('1'), &experience("exp-m"), wanted);
        });
        let mut config = "schema = 1\n".to_owned();
        for member in (b'2'..).take(members).map(char::from) {
            let id = account(member);
            world.experiences(|experiences| {
                let name = format!("exp-{member}");
                experiences.add(&id, &experience(&name), PolicySnapshot::default());
            });
            world.open_member(&id, "external");
            let _ = write!(
                config,
                "[[member]]\nname = \"m{member}\"\naccount = \"{id}\"\nexternal_id = \"external\"\n[[link]]\nmanagement_experience = \"exp-m\"\nmember = \"m{member}\"\nmember_experience = \"exp-{member}\"\n"
            );
        }
        world.ledger(|ledger| ledger.configs.push(config));
        world.set_publishing(true);
        let setting = Self {
            producer: producer(&world, &account('1')),
            world,
            calls: Arc::default(),
        };
        setting.decide(|_, _| Fate::Go);
        setting
    }

    fn decide(&self, mut fate: impl FnMut(&str, &str) -> Fate + Send + 'static) {
        let calls = Arc::clone(&self.calls);
        self.world.failing(|failing| {
            failing.decide_by(move |call| {
                calls.lock().unwrap().push(call.operation.to_owned());
                fate(call.operation, call.thing)
            });
        });
    }

    /// Serves a message, which is always acknowledged. The invocation has so many seconds. Returns how many pages it published.
    fn serve(&self, body: &str, seconds: i64) -> usize {
        self.world.request(body);
        self.serve_next(seconds)
    }

    fn serve_next(&self, seconds: i64) -> usize {
        let before = self.world.published().len();
        let records = self.world.receive_requests(720);
        let deadline = later(self.world.time(), seconds);
        let dispositions = block_on(dispatch(&self.producer, &records, deadline));
        self.world.settle_requests(&records, &dispositions);
        assert_eq!(dispositions, [Disposition::Acknowledge]);
        self.world.published().len() - before
    }
}

/// Time passes while something is called.
struct SlowSystem {
    world: World,
    passed: Arc<AtomicI64>,
}

impl Clock for SlowSystem {
    fn now(&self) -> Timestamp {
        later(self.world.time(), self.passed.load(Ordering::Relaxed))
    }
}

impl Entropy for SlowSystem {
    fn bits(&self) -> u128 {
        self.world.bits()
    }
}

#[test]
fn the_page_is_published_after_scheduled_runs_alone_and_only_if_it_is_asked_for() {
    let setting = Setting::new(2);
    assert_eq!(setting.serve(SCHEDULED, 120), 1);
    let page = setting.world.published().pop().unwrap();
    for told in [
        "<!doctype html>",
        "m2",
        "exp-3",
        "prod-wanted",
        "Product prod-wanted",
    ] {
        assert!(page.to_lowercase().contains(&told.to_lowercase()), "{told}");
    }
    assert_eq!(setting.serve(REQUESTED, 120), 0);
    // Whether it is published or not, a run makes the same calls.
    let of = |publishes: bool| {
        let setting = Setting::new(2);
        setting.world.set_publishing(publishes);
        setting.serve(SCHEDULED, 120);
        setting.calls.lock().unwrap().clone()
    };
    let (with, without) = (of(true), of(false));
    assert!(!without.contains(&"PutObject".to_owned()));
    // What is behind the run are the look-ups of names, which nothing is left for here.
    let of_run = without
        .iter()
        .rposition(|call| call != "GetQueueAttributes" && call != "BatchGetItem");
    let of_run = of_run.map_or(0, |last| last + 1);
    assert_eq!(with[..of_run], without[..of_run]);
}

#[test]
fn a_run_of_several_invocations_publishes_at_its_end() {
    let setting = Setting::new(2);
    // Nothing begins in the last seconds of an invocation.
    assert_eq!(setting.serve(SCHEDULED, 30), 0);
    assert_eq!(setting.serve_next(120), 1);
}

#[test]
fn a_message_that_waits_and_a_page_that_fails_delay_and_fail_nothing() {
    let setting = Setting::new(1);
    for failing in ["PutObject", "GetQueueAttributes"] {
        setting.decide(move |operation, _| {
            if operation == failing {
                Fate::Refuse(Kind::Denied)
            } else {
                Fate::Go
            }
        });
        assert_eq!(setting.serve(SCHEDULED, 120), 0, "{failing}");
    }
    setting.decide(|_, _| Fate::Go);
    setting.world.request(SCHEDULED);
    let records = setting.world.receive_requests(720);
    setting.world.request(REQUESTED);
    let deadline = later(setting.world.time(), 120);
    block_on(dispatch(&setting.producer, &records, deadline));
    assert_eq!(setting.world.published().len(), 0, "a message waits");
    let tries = |calls: &[String]| calls.iter().filter(|call| *call == "PutObject").count();
    assert_eq!(
        tries(&setting.calls.lock().unwrap()),
        1,
        "once, and not again"
    );
}

#[test]
fn the_page_takes_a_bounded_time() {
    assert_eq!(Setting::new(1).serve(SCHEDULED, 61), 1);
    assert_eq!(Setting::new(1).serve(SCHEDULED, 59), 0);
    // The run is quick, and from then on each look at a member takes 20 s.
    let setting = Setting::new(8);
    let (took, mut is_slow) = (Arc::<AtomicI64>::default(), false);
    let passes = Arc::clone(&took);
    setting.decide(move |operation, _| {
        is_slow |= operation == "GetQueueAttributes";
        if is_slow && operation == "AssumeRole" {
            passes.fetch_add(20, Ordering::Relaxed);
        }
        Fate::Go
    });
    let producer = Context {
        ledger: setting.world.clone(),
        marketplace: setting.world.observed_catalog(&account('1')),
        members: setting.world.clone(),
        outbox: setting.world.clone(),
        system: SlowSystem {
            world: setting.world.clone(),
            passed: Arc::clone(&took),
        },
        unannounced: Unannounced::default(),
    };
    setting.world.request(SCHEDULED);
    let records = setting.world.receive_requests(720);
    let deadline = later(setting.world.time(), 900);
    let dispositions = block_on(dispatch(&producer, &records, deadline));
    assert_eq!(dispositions, [Disposition::Acknowledge]);
    assert_eq!(setting.world.published().len(), 0);
    let took = took.load(Ordering::Relaxed);
    assert!((40..=80).contains(&took), "{took} s");
}
