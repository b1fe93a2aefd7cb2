//! Links to every live experience of a member that has none.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

mod fakes;

use futures::executor::block_on;
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::answers::doctor::DoctorRequest;
use pmp_sync_domain::answers::plan::PreviewDecision;
use pmp_sync_domain::delivery::{Disposition, Record};
use pmp_sync_domain::ids::MemberName;
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::records::RunRecord;
use pmp_sync_domain::run::{LinkStatus, RunStatus};
use pmp_sync_domain::time::later;
use pmp_sync_domain::wire::Scope;
use pmp_sync_fakes::World;
use pmp_sync_producer::{dispatch, queries};

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
member_experience = "*"
[[link]]
management_experience = "exp-m"
member = "two"
member_experience = "exp-2"
"#;

/// Member one has no experience, and member two is in sync.
fn setting() -> (World, Producer) {
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let world = World::new(start, 7, 20);
    let lists = || PolicySnapshot::new(["prod-a".parse().unwrap()], []);
    world.experiences(|experiences| {
        experiences.add(&account('1'), &experience("exp-m"), lists());
        experiences.add(&account('3'), &experience("exp-2"), lists());
    });
    world.open_member(&account('2'), "external-1");
    world.open_member(&account('3'), "external-2");
    world.ledger(|ledger| ledger.configs.push(CONFIG.to_owned()));
    let producer = producer(&world, &account('1'));
    (world, producer)
}

fn run(world: &World, producer: &Producer, body: &str) -> RunRecord {
    let records = [Record {
        id: "m".to_owned(),
        body: body.to_owned(),
        receipt: String::new(),
        deliveries: 1,
        first_delivered: None,
    }];
    let deadline = later(world.time(), 900);
    let dispositions = block_on(dispatch(producer, &records, deadline));
    assert_eq!(dispositions, [Disposition::Acknowledge]);
    world.ledger(|ledger| ledger.runs.values().next_back().cloned().unwrap())
}

#[test]
fn a_link_without_targets_is_a_warning_of_the_run_and_stops_nothing() {
    let (world, producer) = setting();
    let record = run(&world, &producer, SCHEDULED);
    assert_eq!(record.status, RunStatus::Completed);
    assert_eq!(
        (
            record.totals.links,
            record.totals.no_targets,
            record.totals.in_sync
        ),
        (1, 1, 1)
    );
    let [warning] = &record.warnings[..] else {
        panic!("{:?}", record.warnings);
    };
    assert_eq!(warning.fault.code, "PMS-3007");
    assert_eq!(warning.member.as_ref().map(MemberName::as_str), Some("one"));
    let key = (record.run, "222222222222/*".to_owned());
    let link = world.ledger(|ledger| ledger.links[&key].clone());
    assert_eq!(link.status, LinkStatus::NoTargets);
}

#[test]
fn a_plan_and_the_doctor_tell_of_a_link_without_targets() {
    let (_, producer) = setting();
    let preview = block_on(queries::plan(&producer, &Scope::default())).unwrap();
    assert_eq!(preview.links[0].decision, PreviewDecision::NoTargets);
    assert_eq!(preview.links[0].fault.as_ref().unwrap().code, "PMS-3007");
    assert_eq!(preview.links[1].decision, PreviewDecision::InSync);

    let until = "2026-01-01T01:00:00Z".parse().unwrap();
    let answer = block_on(queries::doctor(&producer, &DoctorRequest::default(), until)).unwrap();
    let warning = answer.members[0].links[0].warning.as_ref().unwrap();
    assert_eq!(warning.code, "PMS-3007");
}

#[test]
fn a_request_about_another_experience_says_nothing_of_targets() {
    let (world, producer) = setting();
    let asked = r#"{"source":"pmp-sync","detail-type":"Sync Requested","detail":{"scope":{"experiences":["exp-2"]}}}"#;
    let record = run(&world, &producer, asked);
    assert_eq!(record.status, RunStatus::Completed);
    assert_eq!((record.totals.no_targets, record.warnings.len()), (0, 0));
}
