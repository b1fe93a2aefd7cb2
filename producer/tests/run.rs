//! The producer over the stateful fakes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

mod fakes;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::delivery::{Disposition, Record};
use pmp_sync_domain::error::Kind;
use pmp_sync_domain::ids::{AccountId, ExperienceId, LaneId, ProductId};
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::records::RunRecord;
use pmp_sync_domain::run::{LinkStatus, RunStatus};
use pmp_sync_domain::time::later;
use pmp_sync_domain::wire::{Scope, WorkerMessage};
use pmp_sync_fakes::{Fate, World};
use pmp_sync_producer::{dispatch, queries};

use crate::fakes::{Producer, producer};

/// The binary is built with the tests, so that the end-to-end tests find it.
const _BINARY: &str = env!("CARGO_BIN_EXE_pmp-sync-producer");

struct Setting {
    world: World,
    producer: Producer,
}

fn account(digit: char) -> AccountId {
    AccountId::new(digit.to_string().repeat(12)).unwrap()
}

fn experience(text: &str) -> ExperienceId {
    ExperienceId::new(text).unwrap()
}

fn products(prefix: &str, count: usize) -> Vec<ProductId> {
    (0..count)
        .map(|number| ProductId::new(format!("prod-{prefix}{number:04}")).unwrap())
        .collect()
}

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
guard = { exempt = ["first-mirror"] }
[[link]]
management_experience = "exp-m"
member = "two"
member_experience = "exp-2"
guard = { exempt = ["first-mirror"] }
"#;

const SCHEDULED: &str =
    r#"{"source":"pmp-sync.schedule","detail-type":"Scheduled Sync","detail":{}}"#;

impl Setting {
    /// The management experience allows 3 products; each member allows one that it does not.
    fn new() -> Self {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let world = World::new(start, 7, 20);
        let before = PolicySnapshot::new(products("old", 1), []);
        world.experiences(|experiences| {
            experiences.add(
                &account('1'),
                &experience("exp-m"),
                PolicySnapshot::new(products("p", 3), []),
            );
            experiences.add(&account('2'), &experience("exp-1"), before.clone());
            experiences.add(&account('3'), &experience("exp-2"), before);
        });
        world.open_member(&account('2'), "external-1");
        world.open_member(&account('3'), "external-2");
        world.ledger(|ledger| ledger.configs.push(CONFIG.to_owned()));
        let producer = producer(&world, &account('1'));
        Self { world, producer }
    }

    fn handle(&self, bodies: &[&str]) -> Vec<Disposition> {
        let deadline = later(self.world.time(), 900);
        self.handle_until(bodies, deadline)
    }

    fn handle_until(&self, bodies: &[&str], deadline: Timestamp) -> Vec<Disposition> {
        let records: Vec<_> = bodies
            .iter()
            .enumerate()
            .map(|(place, body)| Record {
                id: place.to_string(),
                body: (*body).to_owned(),
            })
            .collect();
        futures::executor::block_on(dispatch(&self.producer, &records, deadline))
    }

    fn runs(&self) -> Vec<RunRecord> {
        self.world
            .ledger(|ledger| ledger.runs.values().cloned().collect())
    }

    fn sent(&self, digit: char) -> Vec<(String, String)> {
        let now = self.world.time();
        let taken = self
            .world
            .changes(&account(digit), |queue| queue.take(now, 1000));
        taken
            .iter()
            .filter_map(
                |delivery| match WorkerMessage::parse(&delivery.body).unwrap() {
                    WorkerMessage::Change(change) => {
                        Some((change.action.to_string(), change.product.to_string()))
                    }
                    _ => None,
                },
            )
            .collect()
    }
}

fn expected() -> Vec<(String, String)> {
    let allow = products("p", 3)
        .into_iter()
        .map(|product| ("allow".to_owned(), product.to_string()));
    allow
        .chain([("deny".to_owned(), "prod-old0000".to_owned())])
        .collect()
}

#[test]
fn a_run_commits_and_sends_the_difference_to_every_member() {
    let setting = Setting::new();
    assert_eq!(setting.handle(&[SCHEDULED]), [Disposition::Acknowledge]);
    assert_eq!(
        (setting.sent('2'), setting.sent('3')),
        (expected(), expected())
    );
    let runs = setting.runs();
    assert_eq!(
        (runs.len(), runs[0].status, runs[0].totals.messages),
        (1, RunStatus::Applying, 8)
    );
    let lane = LaneId {
        account: account('2'),
        experience: experience("exp-1"),
    };
    let planned = setting
        .world
        .ledger(|ledger| ledger.lanes[&lane].planned.clone())
        .unwrap();
    assert!(planned.sent && planned.run == runs[0].run);
}

#[test]
fn a_batch_of_requests_becomes_one_run_that_lists_them() {
    let setting = Setting::new();
    let request = |id: &str| {
        format!(
            r#"{{"source":"pmp-sync","detail-type":"Sync Requested","detail":{{"request_id":"{id}"}}}}"#
        )
    };
    setting.handle(&[&request("a"), SCHEDULED, &request("b")]);
    let runs = setting.runs();
    assert_eq!(runs.len(), 1);
    let ids: Vec<_> = runs[0]
        .requests
        .iter()
        .map(|request| request.id.as_deref())
        .collect();
    assert_eq!(ids, [Some("a"), None, Some("b")]);
}

#[test]
fn a_plan_that_is_at_work_is_not_sent_again() {
    let setting = Setting::new();
    setting.handle(&[SCHEDULED]);
    assert_eq!(setting.sent('2').len(), 4);
    setting.handle(&[SCHEDULED]);
    assert!(setting.sent('2').is_empty());
    assert_eq!(setting.runs()[1].totals.underway, 2);
}

#[test]
fn members_that_are_equal_get_nothing_and_are_stamped() {
    let setting = Setting::new();
    for id in ["exp-1", "exp-2"] {
        let equal = PolicySnapshot::new(products("p", 3), []);
        setting.world.experiences(|experiences| {
            experiences.edit(&experience(id), |_, policy| *policy = equal);
        });
    }
    setting.handle(&[SCHEDULED]);
    let run = &setting.runs()[0];
    assert_eq!(
        (run.status, run.totals.in_sync, run.totals.messages),
        (RunStatus::Completed, 2, 0)
    );
    assert!(setting.sent('2').is_empty() && setting.sent('3').is_empty());
    assert_eq!(setting.world.events(), [], "nothing has changed");
}

/// What is announced is found in what a run reads anyway: of a link that cannot be looked at in two reads more.
#[test]
fn looking_for_what_is_to_be_announced_costs_an_idle_run_nothing() {
    let setting = Setting::new();
    for id in ["exp-1", "exp-2"] {
        let equal = PolicySnapshot::new(products("p", 3), []);
        setting.world.experiences(|experiences| {
            experiences.edit(&experience(id), |_, policy| *policy = equal);
        });
    }
    setting.handle(&[SCHEDULED]);
    let calls = |setting: &Setting| {
        let count = |name: &str| setting.world.failing(|failing| failing.calls(name));
        let before = ["GetItem", "PutItem", "PutEvents"].map(count);
        setting.handle(&[SCHEDULED]);
        let after = ["GetItem", "PutItem", "PutEvents"].map(count);
        [0, 1, 2].map(|place| after[place] - before[place])
    };
    let idle = calls(&setting);
    assert_eq!(idle, calls(&setting));
    // Configuration and suspensions, two links with state and link state each; the run when it begins and ends.
    assert_eq!(idle, [6, 2, 0]);
    setting
        .world
        .open_member(&account('2'), "another external id");
    // Its first failure begins to count the hours.
    setting.handle(&[SCHEDULED]);
    // State and link state of the failing one as well; the record of its failure is written.
    assert_eq!(calls(&setting), [6, 3, 0]);
}

#[test]
fn the_failure_of_one_member_is_its_own() {
    let setting = Setting::new();
    setting
        .world
        .open_member(&account('2'), "another external id");
    setting.handle(&[SCHEDULED]);
    assert!(setting.sent('2').is_empty());
    assert_eq!(setting.sent('3'), expected());
    let faults: Vec<_> = setting.world.ledger(|ledger| {
        let failed = ledger
            .links
            .values()
            .filter(|link| link.status == LinkStatus::Failed);
        failed
            .filter_map(|link| link.fault.clone())
            .map(|fault| fault.code)
            .collect()
    });
    assert_eq!(faults, ["PMS-3001"]);
}

#[test]
fn nothing_is_denied_because_the_management_experience_is_empty() {
    let setting = Setting::new();
    let empty = PolicySnapshot::default();
    setting.world.experiences(|experiences| {
        experiences.edit(&experience("exp-m"), |_, policy| *policy = empty);
    });
    setting.handle(&[SCHEDULED]);
    assert!(setting.sent('2').is_empty() && setting.sent('3').is_empty());
    assert_eq!(
        (setting.runs()[0].status, setting.runs()[0].totals.held),
        (RunStatus::Held, 2)
    );
}

#[test]
fn what_is_not_understood_is_dead_lettered_and_the_rest_is_served() {
    let setting = Setting::new();
    assert_eq!(
        setting.handle(&["{", SCHEDULED]),
        [Disposition::Acknowledge; 2]
    );
    assert_eq!(setting.world.dead().len(), 1);
    assert_eq!(setting.sent('2').len(), 4);
}

#[test]
fn a_run_that_has_no_time_left_goes_on_in_another_invocation() {
    let setting = Setting::new();
    let soon = later(setting.world.time(), 10);
    setting.handle_until(&[SCHEDULED], soon);
    assert!(setting.sent('2').is_empty());
    let rest = setting.world.take_requests();
    assert_eq!(rest.len(), 1);
    setting.handle(&[&rest[0]]);
    assert_eq!(
        (setting.sent('2'), setting.sent('3')),
        (expected(), expected())
    );
    assert_eq!(setting.runs().len(), 1, "it is the same run");
    // The continuation, delivered once more, does nothing.
    setting.handle(&[&rest[0]]);
    assert!(setting.sent('2').is_empty());
}

#[test]
fn a_preview_shows_what_a_run_would_send_and_writes_nothing() {
    let setting = Setting::new();
    let before = setting
        .world
        .ledger(|ledger| (ledger.lanes.clone(), ledger.runs.clone()));
    let preview =
        futures::executor::block_on(queries::plan(&setting.producer, &Scope::default())).unwrap();
    let links: Vec<_> = preview
        .links
        .iter()
        .map(|link| (link.allow.len(), link.deny.len(), link.removals))
        .collect();
    assert_eq!(links, [(3, 1, 1), (3, 1, 1)]);
    assert_eq!(
        setting
            .world
            .ledger(|ledger| (ledger.lanes.clone(), ledger.runs.clone())),
        before
    );
    assert!(setting.sent('2').is_empty());
}

#[test]
fn a_plan_that_was_not_sent_whole_is_sent_by_the_next_run() {
    let setting = Setting::new();
    setting
        .world
        .failing(|failing| failing.fail_next("SendMessageBatch", 1, Kind::Retryable));
    setting.handle(&[SCHEDULED]);
    let after_failure = setting.sent('2').len().min(setting.sent('3').len());
    assert_eq!(after_failure, 0);
    setting.handle(&[SCHEDULED]);
    let again = [setting.sent('2'), setting.sent('3')];
    assert!(again.contains(&expected()), "{again:?}");
}

#[test]
fn an_outage_of_the_ledger_leaves_the_request_in_the_inbox() {
    let setting = Setting::new();
    setting
        .world
        .failing(|failing| failing.fail_nth(1, Kind::Retryable));
    assert_eq!(setting.handle(&[SCHEDULED]), [Disposition::Retry]);
}

/// What an idle run costs: whatever else a lane may need is read only when something depends on it.
#[test]
fn an_idle_run_reads_each_lane_once_and_stamps_it() {
    let setting = Setting::new();
    setting.world.experiences(|experiences| {
        for (member, id) in [('2', "exp-1"), ('3', "exp-2")] {
            let wanted = PolicySnapshot::new(products("p", 3), []);
            experiences.add(&account(member), &experience(id), wanted);
        }
    });
    assert_eq!(setting.handle(&[SCHEDULED]), [Disposition::Acknowledge]);
    let calls = Arc::new(Mutex::new(BTreeMap::<_, usize>::new()));
    let counted = Arc::clone(&calls);
    setting.world.failing(|failing| {
        failing.decide_by(move |call| {
            *counted.lock().unwrap().entry(call.operation).or_default() += 1;
            Fate::Go
        });
    });
    assert_eq!(setting.handle(&[SCHEDULED]), [Disposition::Acknowledge]);
    let calls: Vec<_> = calls.lock().unwrap().clone().into_iter().collect();
    // The configuration and the suspensions; of each lane its state and the link state.
    let items = 2 + 2 * 2;
    // The unfinished runs and the known lanes; of each lane its open and its quarantined changes.
    let queries = 2 + 2 * 2;
    let expected = [
        ("AssumeRole", 2),
        ("DescribeEntity", 2 + 2 * 2),
        ("GetItem", items),
        // The run as it begins and as it ends.
        ("PutItem", 2),
        ("Query", queries),
        // The run's id; the stamp of each lane.
        ("UpdateItem", 1 + 2),
    ];
    assert_eq!(calls, expected);
}
