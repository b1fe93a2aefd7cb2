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
use pmp_sync_domain::approval::{ApprovalAction, ApprovalRequest};
use pmp_sync_domain::delivery::{Disposition, Record};
use pmp_sync_domain::error::Kind;
use pmp_sync_domain::ids::{LaneId, ProductId};
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::records::RunRecord;
use pmp_sync_domain::run::{LinkStatus, RunStatus};
use pmp_sync_domain::time::{elapsed, later};
use pmp_sync_domain::wire::{Scope, WorkerMessage, approval_requested};
use pmp_sync_fakes::{Fate, World};
use pmp_sync_producer::{dispatch, queries};

use crate::fakes::{Producer, SCHEDULED, account, experience, producer};

/// The binary is built with the tests, so that the end-to-end tests find it.
const _BINARY: &str = env!("CARGO_BIN_EXE_pmp-sync-producer");

struct Setting {
    world: World,
    producer: Producer,
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
        self.handle_until(bodies, 900)
    }

    /// Delivers the requests in one batch, to an invocation that ends in `seconds`.
    fn handle_until(&self, bodies: &[&str], seconds: i64) -> Vec<Disposition> {
        for body in bodies {
            self.world.request(body);
        }
        self.deliver(seconds).1
    }

    /// Delivers the next batch of the inbox.
    fn deliver(&self, seconds: i64) -> (Vec<Record>, Vec<Disposition>) {
        let records = self.world.receive_requests(720);
        let deadline = later(self.world.time(), seconds);
        let dispositions =
            futures::executor::block_on(dispatch(&self.producer, &records, deadline));
        self.world.settle_requests(&records, &dispositions);
        (records, dispositions)
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
    // Configuration and suspensions, two links with state and link state each; the receipt, and the run when it
    // begins and ends.
    assert_eq!(idle, [6, 3, 0]);
    setting
        .world
        .open_member(&account('2'), "another external id");
    // Its first failure begins to count the hours.
    setting.handle(&[SCHEDULED]);
    // State and link state of the failing one as well; the record of its failure is written.
    assert_eq!(calls(&setting), [6, 4, 0]);
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
    setting.handle_until(&[SCHEDULED], 10);
    assert!(setting.sent('2').is_empty());
    let (rest, _) = setting.deliver(900);
    assert_eq!(rest.len(), 1);
    assert_eq!(
        (setting.sent('2'), setting.sent('3')),
        (expected(), expected())
    );
    assert_eq!(setting.runs().len(), 1, "it is the same run");
    // The continuation, delivered once more, does nothing.
    setting.handle(&[&rest[0].body]);
    assert!(setting.sent('2').is_empty());
}

/// The queue knows the deduplication id of a continuation for five minutes.
#[test]
fn an_invocation_that_makes_no_progress_hands_the_run_on_all_the_same() {
    let setting = Setting::new();
    setting.handle_until(&[SCHEDULED], 10);
    for _ in 0..3 {
        let (rest, _) = setting.deliver(10);
        assert_eq!(rest.len(), 1, "the continuation is in the inbox");
    }
    setting.deliver(900);
    assert_eq!(
        (setting.sent('2'), setting.sent('3')),
        (expected(), expected())
    );
    assert_eq!(setting.runs()[0].status, RunStatus::Applying);
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
        .failing(|failing| failing.fail_next("Receipts", 1, Kind::Retryable));
    assert_eq!(setting.handle(&[SCHEDULED]), [Disposition::Retry]);
}

/// An approval of what is held on the first member's experience.
fn approval(setting: &Setting) -> String {
    let lane: LaneId = "222222222222/exp-1".parse().unwrap();
    let hold = setting
        .world
        .ledger(|ledger| ledger.link_states[&lane].hold.clone().unwrap());
    let (source, detail_type, detail) = approval_requested(ApprovalRequest {
        action: ApprovalAction::Approve,
        lane,
        run: hold.run,
        plan_hash: Some(hold.plan_hash),
        request_id: None,
        requester: None,
        account: None,
        reason: None,
    });
    serde_json::json!({ "source": source, "detail-type": detail_type, "detail": detail })
        .to_string()
}

/// A world in which plans are held, with an approval, a schedule and something unreadable in the
/// inbox.
fn held() -> Setting {
    let setting = Setting::new();
    setting.world.experiences(|experiences| {
        experiences.edit(&experience("exp-m"), |_, policy| {
            *policy = PolicySnapshot::default();
        });
    });
    setting.handle(&[SCHEDULED]);
    let approval = approval(&setting);
    for body in [&*approval, "{", SCHEDULED] {
        setting.world.request(body);
    }
    setting
}

/// Delivers until the inbox is empty. Returns the seconds that it took.
fn drain(setting: &Setting) -> f64 {
    let began = setting.world.time();
    for _ in 0..10 {
        let Some(visible) = setting.world.inbox(|inbox| inbox.next_visible()) else {
            return elapsed(began, setting.world.time());
        };
        setting.world.advance_to(visible);
        setting.deliver(120);
    }
    panic!("the inbox is not empty after ten deliveries");
}

#[test]
fn one_failed_call_delays_a_batch_by_seconds_and_each_request_is_served_once() {
    let setting = held();
    let before = setting.world.failing(|failing| failing.total());
    drain(&setting);
    let calls = setting.world.failing(|failing| failing.total()) - before;
    assert!(calls > 20, "{calls}");
    for lost in [false, true] {
        for number in 1..=calls {
            let setting = held();
            setting.world.failing(|failing| {
                let nth = failing.total() + number;
                if lost {
                    failing.lose_nth(nth, Kind::Retryable);
                } else {
                    failing.fail_nth(nth, Kind::Retryable);
                }
            });
            let took = drain(&setting);
            assert!(took <= 30.0, "call {number}, lost {lost}: {took} s");
            let answered = setting.world.ledger(|ledger| {
                let links = ledger.links.values();
                links.filter(|link| link.approval.is_some()).count()
            });
            assert_eq!(answered, 1, "call {number}, lost {lost}");
            let runs = setting.runs();
            let served = |kind: &str| {
                let served = runs.iter().filter(|run| run.planned_at.is_some());
                let of = |run: &&RunRecord| run.requests.iter().any(|of| of.kind == kind);
                served.filter(of).count()
            };
            assert_eq!(
                (served("approval-requested"), served("schedule")),
                (1, 2),
                "call {number}, lost {lost}: {runs:#?}"
            );
            assert_eq!(setting.world.dead().len(), 1, "call {number}, lost {lost}");
        }
    }
}

#[test]
fn a_request_with_an_oversized_field_delays_nothing() {
    let setting = Setting::new();
    let large = serde_json::json!({
        "source": "pmp-sync",
        "detail-type": "Sync Requested",
        "detail": { "override_reason": "r".repeat(420_000) },
    });
    let dispositions = setting.handle(&[&large.to_string(), SCHEDULED]);
    assert_eq!(dispositions, [Disposition::Acknowledge; 2]);
    let dead = setting.world.dead();
    assert_eq!(
        (dead[0].1["code"].as_str(), dead[0].1["reason"].as_str()),
        ("PMS-5005", "too-large")
    );
    assert_eq!(setting.runs().len(), 1);
    assert_eq!(setting.sent('2').len(), 4);
}

#[test]
fn a_dead_letter_that_would_not_fit_with_its_attributes_is_cut() {
    let setting = Setting::new();
    let large = "{".repeat(1_048_576);
    assert_eq!(setting.handle(&[&large]), [Disposition::Acknowledge]);
    let dead = setting.world.dead();
    assert_eq!(dead[0].1["truncated_from"], "1048576");
    assert!(dead[0].0.len() < 1_048_576);
}

#[test]
fn a_request_that_is_delivered_twice_is_served_once() {
    let setting = Setting::new();
    let event = setting.world.request(SCHEDULED);
    setting.deliver(900);
    setting.world.advance_to(later(setting.world.time(), 301));
    setting.world.request(&event);
    assert_eq!(setting.deliver(900).1, [Disposition::Acknowledge]);
    assert_eq!(setting.runs().len(), 1);
    // Twice in one batch.
    let event = setting.world.request(SCHEDULED);
    setting.world.advance_to(later(setting.world.time(), 301));
    setting.world.request(&event);
    assert_eq!(setting.deliver(900).1, [Disposition::Acknowledge; 2]);
    assert_eq!(setting.runs().len(), 2);
}

#[test]
fn a_request_that_no_run_gets_to_the_end_of_is_given_up_with_a_reason() {
    let setting = Setting::new();
    setting
        .world
        .failing(|failing| failing.fail_next("Query", 1_000, Kind::Retryable));
    setting.world.request(SCHEDULED);
    let mut deliveries = 0;
    while let Some(visible) = setting.world.inbox(|inbox| inbox.next_visible()) {
        setting.world.advance_to(visible);
        setting.deliver(120);
        deliveries += 1;
        assert!(deliveries < 100);
    }
    let dead = setting.world.dead();
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].1["code"], "PMS-5004");
    assert!(deliveries > 50, "{deliveries}");
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
    // The unfinished runs and the known lanes; of each lane its open and its quarantined changes; of each member its open
    // procurement requests.
    let queries = 2 + 2 * 2 + 2;
    let expected = [
        ("AssumeRole", 2),
        // Once everything is served: the names that are known.
        ("BatchGetItem", 1),
        // The batch is hidden until the invocation has ended.
        ("ChangeMessageVisibilityBatch", 1),
        ("DescribeEntity", 2 + 2 * 2),
        ("GetItem", items),
        // Whether the inbox waits, before a name is looked up.
        ("GetQueueAttributes", 1),
        // The receipt, and the run as it begins and as it ends.
        ("PutItem", 3),
        ("Query", queries),
        // Those of the batch.
        ("Receipts", 1),
        // The run's id; the stamp of each lane.
        ("UpdateItem", 1 + 2),
    ];
    assert_eq!(calls, expected);
}
