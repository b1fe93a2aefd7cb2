//! Which experiences `*` covers: none that is followed, and none that a link names.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

mod fakes;

use std::collections::BTreeSet;

use futures::executor::block_on;
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::answers::plan::PreviewDecision;
use pmp_sync_domain::delivery::Disposition;
use pmp_sync_domain::ids::ProductId;
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::records::LinkRecord;
use pmp_sync_domain::run::LinkStatus;
use pmp_sync_domain::time::later;
use pmp_sync_domain::wire::{Scope, WorkerMessage};
use pmp_sync_fakes::World;
use pmp_sync_producer::{dispatch, queries};

use crate::fakes::{Producer, SCHEDULED, account, experience, producer};

/// The management organization is a member as well, and two of its experiences are followed.
const CONFIG: &str = r#"
schema = 1
[[member]]
name = "hq"
account = "111111111111"
external_id = "external-1"
[[member]]
name = "two"
account = "222222222222"
external_id = "external-2"
[[link]]
management_experience = "exp-a"
member = "hq"
member_experience = "*"
guard = { exempt = ["first-mirror"] }
[[link]]
management_experience = "exp-b"
member = "two"
member_experience = "*"
guard = { exempt = ["first-mirror"] }
"#;

fn list(product: &str) -> PolicySnapshot {
    PolicySnapshot::new([ProductId::new(product).unwrap()], [])
}

struct Setting {
    world: World,
    producer: Producer,
}

impl Setting {
    fn new(config: &str, experiences: &[(char, &str)]) -> Self {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let world = World::new(start, 7, 20);
        world.experiences(|all| {
            for (digit, id) in experiences {
                all.add(&account(*digit), &experience(id), list(id));
            }
        });
        for digit in ['1', '2'] {
            world.open_member(&account(digit), &format!("external-{digit}"));
        }
        world.ledger(|ledger| ledger.configs.push(config.to_owned()));
        let producer = producer(&world, &account('1'));
        Self { world, producer }
    }

    fn handle(&self, body: &str) {
        self.world.request(body);
        let records = self.world.receive_requests(720);
        let deadline = later(self.world.time(), 900);
        let done = block_on(dispatch(&self.producer, &records, deadline));
        self.world.settle_requests(&records, &done);
        assert_eq!(done, [Disposition::Acknowledge]);
    }

    /// The experiences of the member for which changes were sent.
    fn sent_to(&self, digit: char) -> BTreeSet<String> {
        let now = self.world.time();
        let changes = |queue: &mut pmp_sync_fakes::Queue| queue.take(now, 1000);
        let taken = self.world.changes(&account(digit), changes);
        let of = |body: &str| match WorkerMessage::parse(body).unwrap() {
            WorkerMessage::Change(change) => Some(change.lane().experience.to_string()),
            _ => None,
        };
        taken.iter().filter_map(|one| of(&one.body)).collect()
    }

    /// The conditions of links of which `*` leaves something out.
    fn left_out(&self) -> Vec<String> {
        let links = self.links().into_iter();
        let left_out = links.filter(|link| link.status == LinkStatus::LeftOut);
        let faults = left_out.filter_map(|link| link.fault);
        let told = faults.map(|fault| format!("{} {}", fault.code, fault.message));
        told.collect()
    }

    fn links(&self) -> Vec<LinkRecord> {
        self.world
            .ledger(|ledger| ledger.links.values().cloned().collect())
    }
}

fn set(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(ToString::to_string).collect()
}

#[test]
fn a_star_leaves_out_each_experience_that_is_followed() {
    let experiences = [
        ('1', "exp-a"),
        ('1', "exp-b"),
        ('1', "exp-1"),
        ('2', "exp-2"),
    ];
    let setting = Setting::new(CONFIG, &experiences);
    setting.handle(SCHEDULED);
    assert_eq!(setting.sent_to('1'), set(&["exp-1"]));
    assert_eq!(setting.sent_to('2'), set(&["exp-2"]));
    for source in ["exp-a", "exp-b"] {
        let lane = format!("111111111111/{source}").parse().unwrap();
        let is_planned = setting
            .world
            .ledger(|ledger| ledger.lanes.contains_key(&lane));
        assert!(!is_planned, "{source} is the list that others follow");
    }
    // The run and its preview say so, with the path, and nothing has failed.
    let told: Vec<_> = setting.left_out();
    assert_eq!(
        told,
        [
            ("exp-a", "exp-a -> exp-a".to_owned()),
            ("exp-b", "exp-a -> exp-b -> two *".to_owned())
        ]
        .map(|(id, path)| format!(
            "PMS-2007 `*` leaves out {id}, which another link follows or names: {path}"
        ))
    );
    let run = setting.world.ledger(|ledger| {
        let runs = ledger.runs.values();
        runs.last().cloned().unwrap()
    });
    assert_eq!((run.totals.links, run.totals.failed), (2, 0));
    let preview = block_on(queries::plan(&setting.producer, &Scope::default())).unwrap();
    let decisions: Vec<_> = preview
        .links
        .iter()
        .map(|link| (link.experience.as_ref().unwrap().as_str(), link.decision))
        .filter(|(_, decision)| *decision == PreviewDecision::LeftOut)
        .collect();
    assert_eq!(
        decisions,
        [
            ("exp-a", PreviewDecision::LeftOut),
            ("exp-b", PreviewDecision::LeftOut)
        ]
    );
}

/// The lane that was planned for under an earlier configuration is not served because it settles.
#[test]
fn a_lane_whose_experience_is_followed_now_is_not_served_any_more() {
    let before = CONFIG.replace("\"exp-b\"", "\"exp-a\"");
    let experiences = [('1', "exp-a"), ('1', "exp-b"), ('2', "exp-2")];
    let setting = Setting::new(&before, &experiences);
    setting.handle(SCHEDULED);
    assert_eq!(setting.sent_to('1'), set(&["exp-b"]));
    setting
        .world
        .ledger(|ledger| ledger.configs.push(CONFIG.to_owned()));
    setting.handle(
        r#"{"source":"pmp-sync.worker","detail-type":"Lane Settled","account":"111111111111","detail":{"account":"111111111111","experience":"exp-b"}}"#,
    );
    setting.handle(SCHEDULED);
    assert_eq!(setting.sent_to('1'), set(&[]));
    let open = setting
        .world
        .ledger(|ledger| ledger.lanes[&"111111111111/exp-b".parse().unwrap()].clone());
    assert_eq!(
        open.planned.map(|planned| planned.totals.total()),
        Some(0),
        "what was planned is closed"
    );
    assert!(!setting.links().is_empty());
}

#[test]
fn a_star_leaves_out_what_a_link_of_another_member_names() {
    let named = CONFIG.replace(
        "member = \"two\"\nmember_experience = \"*\"",
        "member = \"two\"\nmember_experience = \"exp-1\"",
    );
    let experiences = [
        ('1', "exp-a"),
        ('1', "exp-b"),
        ('1', "exp-1"),
        ('1', "exp-3"),
    ];
    let setting = Setting::new(&named, &experiences);
    setting.handle(SCHEDULED);
    assert_eq!(setting.sent_to('1'), set(&["exp-3"]));
    assert!(
        setting.left_out().contains(
            &"PMS-2007 `*` leaves out exp-1, which another link follows or names: exp-b -> exp-1"
                .to_owned()
        )
    );
}
