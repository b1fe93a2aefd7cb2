//! What many member experiences report at once is told as one, and nothing is lost when it is interrupted.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

mod fakes;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::executor::block_on;
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::delivery::Disposition;
use pmp_sync_domain::error::Kind;
use pmp_sync_domain::ids::ProductId;
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::time::later;
use pmp_sync_fakes::{Fate, World};
use pmp_sync_producer::dispatch;
use serde_json::Value;

use crate::fakes::{Producer, SCHEDULED, account, experience, producer};

fn products(count: usize) -> Vec<ProductId> {
    (0..count)
        .map(|number| format!("prod-{number:04}").parse().unwrap())
        .collect()
}

/// Some experiences of one member, each of which would lose many products.
struct Setting {
    world: World,
    producer: Producer,
}

impl Setting {
    fn new(links: usize) -> Self {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let world = World::new(start, 7, 20);
        let mut config = format!(
            "schema = 1\n[[member]]\nname = \"emea\"\naccount = \"{}\"\nexternal_id = \"external-2\"\n",
            account('2')
        );
        world.experiences(|experiences| {
            let wanted = PolicySnapshot::new(products(1), []);
            experiences.add(&account('1'), &experience("exp-m"), wanted);
            for link in 0..links {
                let id = format!("exp-{link}");
                let before = PolicySnapshot::new(products(100), []);
                experiences.add(&account('2'), &experience(&id), before);
                let _ = write!(
 config,
                    "[[link]]\nmanagement_experience = \"exp-m\"\nmember = \"emea\"\nmember_experience = \"{id}\"\n"
                );
            }
        });
        world.open_member(&account('2'), "external-2");
        world.ledger(|ledger| ledger.configs.push(config));
        Self {
            producer: producer(&world, &account('1')),
            world,
        }
    }

    fn run(&self) {
        self.world.request(SCHEDULED);
        let records = self.world.receive_requests(720);
        let deadline = later(self.world.time(), 600);
        let dispositions = block_on(dispatch(&self.producer, &records, deadline));
        self.world.settle_requests(&records, &dispositions);
        assert_eq!(dispositions, [Disposition::Acknowledge]);
        self.world.advance_to(later(self.world.time(), 3_600));
    }

    fn heard(&self, name: &str) -> Vec<Value> {
        let events = self.world.events().into_iter();
        let events = events.filter(|(_, detail_type, _)| *detail_type == name);
        events.map(|(_, _, detail)| detail).collect()
    }
}

#[test]
fn many_holds_of_one_cause_are_one_digest_and_each_is_on_the_bus() {
    let setting = Setting::new(30);
    setting.run();
    let digests = setting.heard("Digest");
    assert_eq!(digests.len(), 1, "{digests:?}");
    assert_eq!(digests[0]["event"], "Held");
    assert_eq!(
        (&digests[0]["count"], &digests[0]["members"]),
        (&30.into(), &1.into())
    );
    let held = setting.heard("Held");
    assert_eq!(held.len(), 30);
    for held in &held {
        assert_eq!(held["digest"], digests[0]["id"]);
    }
    // Nothing is told again.
    setting.run();
    assert_eq!(setting.world.events().len(), 31);
}

#[test]
fn two_holds_are_told_one_by_one() {
    let setting = Setting::new(2);
    setting.run();
    assert_eq!(setting.heard("Digest").len(), 0);
    let held = setting.heard("Held");
    assert_eq!(held.len(), 2);
    assert!(held.iter().all(|held| held.get("digest").is_none()));
}

#[test]
fn a_bus_that_breaks_down_between_loses_nothing() {
    for accepted in 0..9 {
        let setting = Setting::new(8);
        let count = AtomicUsize::new(0);
        setting.world.failing(|failing| {
            failing.decide_by(move |call| {
                let is_put = call.operation == "PutEvents";
                if is_put && count.fetch_add(1, Ordering::Relaxed) >= accepted {
                    Fate::Refuse(Kind::Retryable)
                } else {
                    Fate::Go
                }
            });
        });
        setting.run();
        setting
            .world
            .failing(|failing| failing.decide_by(|_| Fate::Go));
        setting.run();
        let told: BTreeSet<_> = setting
            .heard("Digest")
            .iter()
            .flat_map(|digest| digest["announcements"].as_array().unwrap().clone())
            .map(|one| one["id"].as_str().unwrap().to_owned())
            .collect();
        let held = setting.heard("Held");
        let ids: BTreeSet<_> = held
            .iter()
            .map(|held| held["id"].as_str().unwrap())
            .collect();
        assert_eq!(ids.len(), 8, "after {accepted}");
        for held in &held {
            let id = held["id"].as_str().unwrap();
            assert!(
                held.get("digest").is_none() || told.contains(id),
                "{id} is told to nobody"
            );
        }
        // What the bus had accepted does not come again.
        assert_eq!(held.len(), 8, "after {accepted}");
    }
}
