//! A link that follows a base list and a regional one.

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
use pmp_sync_domain::answers::doctor::DoctorRequest;
use pmp_sync_domain::answers::plan::{PreviewDecision, PreviewLink};
use pmp_sync_domain::answers::report::ReportRequest;
use pmp_sync_domain::answers::why::WhyRequest;
use pmp_sync_domain::delivery::Record;
use pmp_sync_domain::error::Kind;
use pmp_sync_domain::experience::Status;
use pmp_sync_domain::guard::HoldReason;
use pmp_sync_domain::ids::{ExperienceId, LaneId, ProductId};
use pmp_sync_domain::policy::{Action, PolicySnapshot};
use pmp_sync_domain::records::{LinkRecord, LinkState, RunRecord};
use pmp_sync_domain::run::LinkStatus;
use pmp_sync_domain::time::later;
use pmp_sync_domain::wire::{Scope, WorkerMessage};
use pmp_sync_fakes::{Fate, World};
use pmp_sync_producer::{dispatch, queries};

use crate::fakes::{Producer, SCHEDULED, account, experience, producer};

const CONFIG: &str = r#"
schema = 1
[[member]]
name = "one"
account = "222222222222"
external_id = "external-1"
[[link]]
management_experiences = ["exp-base", "exp-emea"]
member = "one"
member_experience = "exp-1"
guard = { exempt = ["first-mirror"] }
[[link]]
management_experience = "exp-base"
member = "one"
member_experience = "exp-2"
guard = { exempt = ["first-mirror"] }
"#;

fn products(texts: &[&str]) -> Vec<ProductId> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn lists(allowed: &[&str], denied: &[&str]) -> PolicySnapshot {
    PolicySnapshot::new(products(allowed), products(denied))
}

fn lane() -> LaneId {
    "222222222222/exp-1".parse().unwrap()
}

struct Setting {
    world: World,
    producer: Producer,
}

impl Setting {
    /// The base list allows `a` to `e` and `both`, the regional one `r` and `s`, and denies `both`. The
    /// member allows all of the base list.
    fn new(config: &str) -> Self {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let world = World::new(start, 7, 20);
        let base = lists(&["a", "b", "c", "d", "e", "both"], &["x"]);
        world.experiences(|all| {
            all.add(&account('1'), &experience("exp-base"), base.clone());
            let regional = lists(&["r", "s"], &["both"]);
            all.add(&account('1'), &experience("exp-emea"), regional);
            all.add(&account('2'), &experience("exp-1"), base.clone());
            all.add(&account('2'), &experience("exp-2"), base);
        });
        world.open_member(&account('2'), "external-1");
        world.ledger(|ledger| ledger.configs.push(config.to_owned()));
        let producer = producer(&world, &account('1'));
        Self { world, producer }
    }

    fn manage(&self, id: &str, edit: impl FnOnce(&mut PolicySnapshot)) {
        self.world
            .experiences(|all| all.edit(&experience(id), |_, policy| edit(policy)));
    }

    /// One scheduled run, and its record.
    fn run(&self) -> RunRecord {
        let runs = self.world.ledger(|ledger| ledger.runs.len());
        let record = Record {
            id: format!("schedule-{runs}"),
            body: SCHEDULED.to_owned(),
            ..Record::default()
        };
        block_on(dispatch(
            &self.producer,
            &[record],
            later(self.world.time(), 900),
        ));
        self.world
            .ledger(|ledger| ledger.runs.values().next_back().cloned().unwrap())
    }

    fn link(&self, run: &RunRecord) -> Option<LinkRecord> {
        let key = (run.run, lane().to_string());
        self.world.ledger(|ledger| ledger.links.get(&key).cloned())
    }

    fn link_state(&self) -> LinkState {
        self.world
            .ledger(|ledger| ledger.link_states.get(&lane()).cloned())
            .unwrap_or_default()
    }

    /// The changes that were sent for a member experience.
    fn sent(&self, id: &str) -> BTreeSet<(Action, String)> {
        let now = self.world.time();
        let taken = self
            .world
            .changes(&account('2'), |queue| queue.take(now, 1_000));
        let changes = taken.iter().filter_map(|delivery| {
            match WorkerMessage::parse(&delivery.body).unwrap() {
                WorkerMessage::Change(change) if change.lane().experience.as_str() == id => {
                    Some((change.action, change.product.to_string()))
                }
                _ => None,
            }
        });
        changes.collect()
    }

    fn plan(&self) -> PreviewLink {
        let preview = block_on(queries::plan(&self.producer, &Scope::default())).unwrap();
        preview.links.into_iter().next().unwrap()
    }

    /// Reads of the experience or of its policy fail.
    fn fail_reads_of(&self, id: &str, kind: Kind) {
        let name = id.replacen("exp-", "", 1);
        self.world.failing(|failing| {
            failing.decide_by(move |call| {
                let is_it = call.operation == "DescribeEntity" && call.thing.ends_with(&name);
                if is_it { Fate::Refuse(kind) } else { Fate::Go }
            });
        });
    }
}

fn changes(allow: &[&str], deny: &[&str]) -> BTreeSet<(Action, String)> {
    let of = |action, texts: &[&str]| -> Vec<_> {
        texts
            .iter()
            .map(|text| (action, (*text).to_owned()))
            .collect()
    };
    let mut all = of(Action::Allow, allow);
    all.extend(of(Action::Deny, deny));
    all.into_iter().collect()
}

#[test]
fn the_member_gets_what_any_of_them_allows_and_a_deny_wins() {
    let setting = Setting::new(CONFIG);
    let run = setting.run();
    assert_eq!((run.totals.links, run.totals.failed), (2, 0));
    assert_eq!(setting.sent("exp-1"), changes(&["r", "s"], &["both"]));
    let record = setting.link(&run).unwrap();
    assert_eq!(record.sources.to_string(), "exp-base, exp-emea");
    // The order makes no difference, nor does what follows the base list alone.
    let other = CONFIG.replace("\"exp-base\", \"exp-emea\"", "\"exp-emea\", \"exp-base\"");
    let setting = Setting::new(&other);
    setting.run();
    assert_eq!(setting.sent("exp-1"), changes(&["r", "s"], &["both"]));
}

#[test]
fn an_allow_wins_where_the_link_says_so() {
    let config = CONFIG.replacen("member =", "conflict = \"allow\"\nmember =", 1);
    let setting = Setting::new(&config);
    setting.run();
    assert_eq!(setting.sent("exp-1"), changes(&["r", "s"], &[]));
}

#[test]
fn one_that_cannot_be_read_stops_the_link_alone_which_is_tried_again() {
    for kind in [Kind::Throttled, Kind::Denied, Kind::Refused] {
        let setting = Setting::new(CONFIG);
        setting.manage("exp-base", |policy| {
            *policy = lists(&["a", "b", "c", "d", "e", "both", "new"], &["x"]);
        });
        setting.fail_reads_of("emea", kind);
        let run = setting.run();
        let record = setting.link(&run).unwrap();
        let expected = if kind == Kind::Throttled {
            LinkStatus::Failed
        } else {
            LinkStatus::Held
        };
        assert_eq!(record.status, expected, "{kind:?}");
        let fault = record.fault.unwrap();
        assert_eq!(fault.code, "PMS-2006");
        assert!(fault.message.contains("exp-emea"), "{}", fault.message);
        let retries = setting.world.retries_sent();
        let scopes: Vec<_> = retries
            .iter()
            .map(|sent| &sent.retry.scope.experiences)
            .collect();
        let is_retried = kind != Kind::Refused;
        assert_eq!(scopes.len(), usize::from(is_retried), "{kind:?}");
        assert!(scopes.iter().all(|of| **of == [experience("exp-1")]));
        let taken = setting.sent("exp-2");
        assert!(taken.contains(&(Action::Allow, "new".to_owned())));
        // The preview says the same as the run.
        let previewed = if kind == Kind::Throttled {
            PreviewDecision::Failed
        } else {
            PreviewDecision::Held
        };
        assert_eq!(setting.plan().decision, previewed, "{kind:?}");
        // Neither half of the lists is planned.
        let lane = setting
            .world
            .ledger(|ledger| ledger.lanes.get(&lane()).cloned());
        assert_eq!(lane.and_then(|state| state.planned), None, "{kind:?}");
    }
}

#[test]
fn of_two_that_cannot_be_read_the_one_that_somebody_has_to_see_to_is_told() {
    let config = CONFIG.replace(
        "\"exp-base\", \"exp-emea\"",
        "\"exp-base\", \"exp-nowhere\"",
    );
    let setting = Setting::new(&config);
    setting.fail_reads_of("base", Kind::Throttled);
    let run = setting.run();
    let record = setting.link(&run).unwrap();
    assert_eq!(record.status, LinkStatus::Held);
    assert_eq!(record.fault.unwrap().code, "PMS-2001");
}

#[test]
fn a_condition_of_one_holds_the_plan_and_names_it() {
    let setting = Setting::new(CONFIG);
    setting.world.experiences(|all| {
        all.edit(&experience("exp-emea"), |of, _| {
            of.status = Status::Disabled;
        });
    });
    let run = setting.run();
    assert_eq!(setting.sent("exp-1"), BTreeSet::new());
    assert_eq!(setting.link(&run).unwrap().status, LinkStatus::Held);
    let hold = setting.link_state().hold.unwrap();
    let experience = Some(experience("exp-emea"));
    let status = "Disabled".to_owned();
    assert_eq!(
        hold.reasons,
        [HoldReason::ManagementDisabled { status, experience }]
    );
    // Another one is another hold.
    setting.world.experiences(|all| {
        all.edit(&crate::experience("exp-emea"), |of, _| {
            of.status = Status::Enabled;
        });
        all.edit(&crate::experience("exp-base"), |of, _| {
            of.status = Status::Disabled;
        });
    });
    setting.run();
    let other = setting.link_state().hold.unwrap();
    assert_eq!(other.plan_hash, hold.plan_hash);
    assert_ne!(other.run, hold.run);
}

#[test]
fn one_that_is_emptied_holds_the_plan_although_little_would_go() {
    let setting = Setting::new(CONFIG);
    setting.world.experiences(|all| {
        let with = lists(&["a", "b", "c", "d", "e", "r", "s"], &["x", "both"]);
        all.edit(&experience("exp-1"), |_, policy| *policy = with);
    });
    setting.run();
    assert_eq!(setting.sent("exp-1"), BTreeSet::new(), "in sync");
    setting.manage("exp-emea", |policy| *policy = PolicySnapshot::default());
    setting.run();
    let hold = setting.link_state().hold.unwrap();
    let experience = Some(experience("exp-emea"));
    assert_eq!(hold.reasons, [HoldReason::ManagementEmpty { experience }]);
    assert_eq!(setting.sent("exp-1"), BTreeSet::new());
}

#[test]
fn sizes_are_those_of_all_together() {
    let setting = Setting::new(CONFIG);
    setting.run();
    assert_eq!(setting.link_state().management_allowed, Some(7));
    // Half of the base list is little of both.
    setting.manage("exp-base", |policy| {
        *policy = lists(&["a", "b", "c"], &["x"]);
    });
    setting
        .world
        .advance_to(later(setting.world.time(), 4 * 3_600));
    setting.run();
    let reasons = setting.link_state().hold.map(|hold| hold.reasons);
    assert_eq!(reasons, None, "5 of 7 are left: less than half is lost");
    assert_eq!(setting.link_state().management_allowed, Some(5));
}

#[test]
fn the_plan_names_who_lists_each_product_and_the_conflicts() {
    let setting = Setting::new(CONFIG);
    let plan = setting.plan();
    assert_eq!(plan.sources.to_string(), "exp-base, exp-emea");
    let told: Vec<_> = plan
        .origins
        .iter()
        .map(|origin| (origin.words(), origin.products.clone()))
        .collect();
    assert_eq!(
        told,
        [
            (
                "allowed by exp-base and denied by exp-emea".to_owned(),
                products(&["both"])
            ),
            ("allowed by exp-emea".to_owned(), products(&["r", "s"])),
        ]
    );
    let conflicts: Vec<_> = plan
        .conflicts
        .iter()
        .map(|of| of.products.clone())
        .collect();
    assert_eq!(conflicts, [products(&["both"])]);
    let preview = block_on(queries::plan(&setting.producer, &Scope::default())).unwrap();
    let alone = &preview.links[1];
    assert!(alone.origins.is_empty() && alone.conflicts.is_empty());
    let json = serde_json::to_value(alone).unwrap();
    assert!(json.get("management_experiences").is_none() && json.get("origins").is_none());
}

#[test]
fn why_names_who_lists_a_product() {
    let setting = Setting::new(CONFIG);
    let request = WhyRequest {
        scope: Scope::default(),
        products: products(&["both", "r", "none"]),
    };
    let answer = block_on(queries::why(&setting.producer, &request)).unwrap();
    let words = |link: usize| -> Vec<_> {
        let answers = answer.links[link].answers.iter();
        answers
            .map(pmp_sync_domain::answers::why::WhyAnswer::words)
            .collect()
    };
    assert_eq!(
        words(0),
        [
            "allowed, should be denied: it differs; allowed by exp-base and denied by exp-emea",
            "unlisted, should be allowed: it differs; allowed by exp-emea",
            "unlisted, in sync",
        ]
    );
    assert_eq!(words(1)[0], "allowed, in sync", "of the base list alone");
}

#[test]
fn report_and_doctor_look_at_each_of_them() {
    let setting = Setting::new(CONFIG);
    let report = block_on(queries::report(
        &setting.producer,
        &ReportRequest::default(),
    ))
    .unwrap();
    let ids: Vec<_> = report
        .management
        .iter()
        .map(|of| of.experience.as_str())
        .collect();
    assert_eq!(ids, ["exp-base", "exp-emea"]);
    let until = later(setting.world.time(), 60);
    let request = DoctorRequest::default();
    let answer = block_on(queries::doctor(&setting.producer, &request, until)).unwrap();
    let ids: Vec<_> = answer.management.iter().map(|of| of.id.as_str()).collect();
    assert_eq!(ids, ["exp-base", "exp-emea"]);
}

#[test]
fn a_star_takes_none_of_what_is_followed() {
    let star = CONFIG.replace("member_experience = \"exp-1\"", "member_experience = \"*\"");
    let setting = Setting::new(&star);
    // The second management experience is visible to the member as well.
    setting
        .world
        .experiences(|all| all.share(&experience("exp-emea"), &account('2')));
    let run = setting.run();
    let lanes: Vec<ExperienceId> = setting.world.ledger(|ledger| {
        let of_run = ledger.links.values().filter(|link| link.run == run.run);
        let served = of_run.filter(|link| link.status != LinkStatus::LeftOut);
        served
            .filter_map(|link| Some(link.lane.as_ref()?.experience.clone()))
            .collect()
    });
    assert!(!lanes.contains(&experience("exp-emea")), "{lanes:?}");
}
