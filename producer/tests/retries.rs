//! Links that could not be served for a reason that may pass are tried again within minutes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

mod fakes;

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::delivery::{Disposition, Record};
use pmp_sync_domain::error::Kind;
use pmp_sync_domain::ids::{AccountId, ProductId};
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::records::RunRecord;
use pmp_sync_domain::run::LinkStatus;
use pmp_sync_domain::time::{elapsed, later};
use pmp_sync_domain::wire::lane_settled;
use pmp_sync_fakes::{Failing, Fate, World};
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
[[link]]
management_experience = "exp-m"
member = "two"
member_experience = "exp-2"
"#;

struct Setting {
    world: World,
    producer: Producer,
}

impl Setting {
    /// The management experience allows a product that neither member has.
    fn new() -> Self {
        Self::with(CONFIG)
    }

    fn with(config: &str) -> Self {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let world = World::new(start, 7, 20);
        let product = ProductId::new("prod-p").unwrap();
        world.experiences(|all| {
            let policy = PolicySnapshot::new([product], []);
            all.add(&account('1'), &experience("exp-m"), policy);
            let empty = PolicySnapshot::default();
            all.add(&account('2'), &experience("exp-1"), empty.clone());
            all.add(&account('3'), &experience("exp-2"), empty);
        });
        world.open_member(&account('2'), "external-1");
        world.open_member(&account('3'), "external-2");
        world.ledger(|ledger| ledger.configs.push(config.to_owned()));
        let producer = producer(&world, &account('1'));
        Self { world, producer }
    }

    fn fail(&self, operation: &str, times: u64, kind: Kind) {
        self.world
            .failing(|failing| failing.fail_next(operation, times, kind));
    }

    fn dispatch(&self, records: &[Record]) -> Vec<Disposition> {
        let deadline = later(self.world.time(), 120);
        futures::executor::block_on(dispatch(&self.producer, records, deadline))
    }

    /// Serves the inbox until it is empty.
    fn serve(&self) {
        while self.world.inbox(|inbox| !inbox.is_empty()) {
            let records = self.world.receive_requests(720);
            assert!(!records.is_empty(), "the inbox waits");
            let dispositions = self.dispatch(&records);
            self.world.settle_requests(&records, &dispositions);
        }
    }

    fn run_on_schedule(&self) {
        self.world.request(SCHEDULED);
        self.serve();
    }

    /// Lets the queue of retries deliver what is due next. Returns after how many seconds.
    fn deliver_retries(&self) -> Option<f64> {
        let now = self.world.time();
        let due = self.world.retries(|queue| queue.next_due())?;
        self.world.advance_to(due);
        let taken = self.world.retries(|queue| queue.take(due, 10));
        let records: Vec<_> = taken
            .iter()
            .map(|delivery| Record {
                id: format!("retry-{}", delivery.id),
                body: delivery.body.clone(),
                ..Record::default()
            })
            .collect();
        let calls = self.world.failing(|failing| failing.total());
        let dispositions = self.dispatch(&records);
        assert_eq!(dispositions, vec![Disposition::Acknowledge; records.len()]);
        // It is handed over, and nothing else: runs are serial.
        let made = self.world.failing(|failing| failing.total()) - calls;
        assert_eq!(made, u64::try_from(records.len()).unwrap());
        self.serve();
        Some(elapsed(now, due))
    }

    fn runs(&self) -> Vec<RunRecord> {
        self.world
            .ledger(|ledger| ledger.runs.values().cloned().collect())
    }

    fn sent(&self, to: &AccountId) -> usize {
        self.world.changes(to, |queue| queue.len())
    }

    /// What is sent to each member: a change, and perhaps a Tick.
    fn is_sent(&self) -> (bool, bool) {
        (self.sent(&account('2')) > 0, self.sent(&account('3')) > 0)
    }

    fn members_of_last_run(&self) -> Vec<String> {
        let runs = self.runs();
        let scopes = runs.last().unwrap().scopes.iter();
        let members = scopes.flat_map(|scope| &scope.members);
        members.map(ToString::to_string).collect()
    }
}

/// The member is read once in a run that has nothing else to read there.
#[test]
fn a_link_that_one_failed_read_stopped_is_served_a_minute_later_and_it_alone() {
    for (operation, kind) in [
        ("AssumeRole", Kind::Retryable),
        ("AssumeRole", Kind::Throttled),
        ("AssumeRole", Kind::Denied),
        ("SendMessageBatch", Kind::Retryable),
        ("SendMessageBatch", Kind::Denied),
    ] {
        let setting = Setting::new();
        setting.fail(operation, 1, kind);
        setting.run_on_schedule();
        let (one, two) = setting.is_sent();
        assert_ne!(one, two, "{operation} {kind:?}: one of them has failed");
        let after = setting.deliver_retries();
        assert_eq!(after, Some(60.0), "{operation} {kind:?}");
        assert_eq!(setting.is_sent(), (true, true), "{operation} {kind:?}");
        let failed = if one { "two" } else { "one" };
        assert_eq!(setting.members_of_last_run(), [failed]);
        let runs = setting.runs();
        let request = &runs[1].requests[0];
        assert_eq!((request.kind.as_str(), request.retry), ("retry", 1));
        assert_eq!(request.id, Some(runs[0].run.to_string()));
        assert_eq!(setting.deliver_retries(), None);
    }
}

#[test]
fn links_whose_management_experience_cannot_be_read_are_served_a_minute_later() {
    let setting = Setting::new();
    setting.fail("DescribeEntity", 1, Kind::Retryable);
    setting.run_on_schedule();
    assert_eq!(setting.is_sent(), (false, false));
    assert_eq!(setting.deliver_retries(), Some(60.0));
    assert_eq!(setting.is_sent(), (true, true));
}

#[test]
fn a_member_whose_experiences_cannot_be_listed_is_served_a_minute_later() {
    let setting = Setting::with(
        &CONFIG.replace("member_experience = \"exp-1\"", "member_experience = \"*\""),
    );
    setting.fail("ListEntities", 1, Kind::Retryable);
    setting.run_on_schedule();
    assert_eq!(setting.is_sent(), (false, true));
    assert_eq!(setting.deliver_retries(), Some(60.0));
    assert_eq!(setting.is_sent(), (true, true));
    assert_eq!(setting.members_of_last_run(), ["one"]);
}

/// The invocation ends after it has recorded the failure of a link, and before it has recorded its run. Then it begins again, and the
/// link is served. Returns the failures that are on record before and after that.
fn interrupted(setting: &Setting, operation: &str) -> (usize, usize) {
    setting.world.request(SCHEDULED);
    let records = setting.world.receive_requests(720);
    let soon = later(setting.world.time(), 10);
    let ended = futures::executor::block_on(dispatch(&setting.producer, &records, soon));
    setting.world.settle_requests(&records, &ended);
    let before = setting.runs();
    let rest = setting.world.receive_requests(720);
    setting.fail(operation, 1, Kind::Retryable);
    setting.dispatch(&rest);
    let failures = || {
        let links = setting.world.ledger(|ledger| ledger.links.clone());
        let links = links.into_values();
        links
            .filter(|link| link.status == LinkStatus::Failed)
            .count()
    };
    let first = failures();
    for run in before {
        setting
            .world
            .ledger(|ledger| ledger.runs.insert(run.run, run));
    }
    setting.dispatch(&rest);
    (first, failures())
}

#[test]
fn a_failure_of_a_whole_link_is_void_once_the_run_reaches_the_link() {
    let setting = Setting::with(
        &CONFIG.replace("member_experience = \"exp-1\"", "member_experience = \"*\""),
    );
    assert_eq!(interrupted(&setting, "ListEntities"), (1, 0));
    assert_eq!(setting.is_sent(), (true, true));
}

/// A lane in sync is not recorded otherwise.
#[test]
fn a_failure_of_a_lane_is_replaced_once_the_run_finds_it_in_sync() {
    let setting = Setting::new();
    let wanted = PolicySnapshot::new([ProductId::new("prod-p").unwrap()], []);
    setting.world.experiences(|all| {
        for id in ["exp-1", "exp-2"] {
            all.edit(&experience(id), |_, policy| policy.clone_from(&wanted));
        }
    });
    assert_eq!(interrupted(&setting, "Query"), (1, 0));
    assert_eq!(setting.is_sent(), (false, false));
}

#[test]
fn a_link_that_keeps_failing_is_tried_three_times_and_then_by_the_next_run() {
    let setting = Setting::new();
    setting.world.set_reachable(&account('2'), false);
    setting.run_on_schedule();
    let delays: Vec<_> = std::iter::from_fn(|| setting.deliver_retries()).collect();
    assert_eq!(delays, [60.0, 300.0, 900.0]);
    assert_eq!(setting.runs().len(), 4);
    // An hour later it begins anew.
    setting.world.advance_to(later(setting.world.time(), 2_340));
    setting.run_on_schedule();
    assert_eq!(setting.world.retries(|queue| queue.len()), 1);
}

#[test]
fn a_member_that_denies_access_for_long_is_not_retried_every_hour() {
    let setting = Setting::new();
    let deny = |failing: &mut Failing| {
        failing.decide_by(|call| {
            if call.operation == "AssumeRole" && call.thing.contains("222222222222") {
                Fate::Refuse(Kind::Denied)
            } else {
                Fate::Go
            }
        });
    };
    setting.world.failing(deny);
    setting.run_on_schedule();
    let delays: Vec<_> = std::iter::from_fn(|| setting.deliver_retries()).collect();
    assert_eq!(delays, [60.0, 300.0, 900.0]);
    for _ in 0..2 {
        setting.world.advance_to(later(setting.world.time(), 3_600));
        setting.run_on_schedule();
        assert_eq!(setting.world.retries(|queue| queue.len()), 0);
    }
}

#[test]
fn a_retry_of_what_a_newer_run_has_served_makes_no_run() {
    let setting = Setting::new();
    setting.fail("AssumeRole", 1, Kind::Retryable);
    setting.run_on_schedule();
    setting.world.advance_to(later(setting.world.time(), 30));
    setting.run_on_schedule();
    assert_eq!(setting.is_sent(), (true, true));
    assert_eq!(setting.deliver_retries(), Some(30.0));
    assert_eq!(setting.runs().len(), 2);
}

#[test]
fn a_settled_lane_that_cannot_be_looked_at_is_looked_at_a_minute_later() {
    for operation in ["AssumeRole", "DescribeEntity"] {
        let setting = Setting::new();
        let lane = "222222222222/exp-1".parse().unwrap();
        let (source, detail_type, detail) = lane_settled(&lane, None);
        setting.fail(operation, 1, Kind::Retryable);
        let event =
            serde_json::json!({ "source": source, "detail-type": detail_type, "detail": detail });
        setting.world.request(event.to_string());
        setting.serve();
        assert_eq!(setting.is_sent(), (false, false), "{operation}");
        assert_eq!(setting.deliver_retries(), Some(60.0), "{operation}");
        assert_eq!(setting.is_sent(), (true, false), "{operation}");
    }
}

#[test]
fn a_retry_that_cannot_be_handed_over_comes_again() {
    let setting = Setting::new();
    setting.fail("AssumeRole", 1, Kind::Retryable);
    setting.run_on_schedule();
    let bodies: Vec<_> = setting.world.retries(|queue| {
        let waiting = queue.waiting();
        waiting.map(|(_, body)| body.to_owned()).collect()
    });
    let record = Record {
        body: bodies[0].clone(),
        ..Record::default()
    };
    setting.fail("SendMessage", 1, Kind::Retryable);
    assert_eq!(
        setting.dispatch(&[record.clone(), record]),
        [Disposition::Retry, Disposition::Acknowledge]
    );
}

#[test]
fn a_message_in_the_queue_of_retries_that_cannot_be_understood_is_dead_lettered() {
    let setting = Setting::new();
    let record = Record {
        body: r#"{"source":"pmp-sync","detail-type":"Retry Scheduled","detail":{"schema":1}}"#
            .to_owned(),
        ..Record::default()
    };
    assert_eq!(setting.dispatch(&[record]), [Disposition::Acknowledge]);
    assert_eq!(setting.world.dead().len(), 1);
}
