//! What the producer says of what it reaches, over the stateful fakes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

mod fakes;

use futures::executor::block_on;
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::answers::doctor::{DoctorAnswer, DoctorRequest, Look, MemberLook, Trouble};
use pmp_sync_domain::error::{Kind, RunError};
use pmp_sync_domain::experience::Status;
use pmp_sync_domain::ids::{MemberName, ProductId};
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::ports::{DeadLetters as _, Depth};
use pmp_sync_domain::time::later;
use pmp_sync_fakes::World;
use pmp_sync_producer::queries;

use crate::fakes::{Producer, account, experience, producer};

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
member_experience = "*"
"#;

/// Calls that have an effect.
const EFFECTS: [&str; 9] = [
    "SendMessage",
    "SendMessageBatch",
    "DeleteMessage",
    "ChangeMessageVisibility",
    "PutItem",
    "UpdateItem",
    "TransactWriteItems",
    "PutEvents",
    "StartChangeSet",
];

struct Setting {
    world: World,
    producer: Producer,
}

impl Setting {
    fn new() -> Self {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let world = World::new(start, 7, 20);
        let lists = |ids: &[&str]| {
            let ids = ids.iter().map(|id| ProductId::new(*id).unwrap());
            PolicySnapshot::new(ids.collect::<Vec<_>>(), Vec::new())
        };
        world.experiences(|experiences| {
            experiences.add(
                &account('1'),
                &experience("exp-m"),
                lists(&["prod-a", "prod-b"]),
            );
            experiences.add(&account('2'), &experience("exp-1"), lists(&["prod-a"]));
            experiences.add(&account('3'), &experience("exp-2"), lists(&[]));
        });
        world.open_member(&account('2'), "external-1");
        world.open_member(&account('3'), "external-2");
        world.ledger(|ledger| ledger.configs.push(CONFIG.to_owned()));
        let producer = producer(&world, &account('1'));
        Self { world, producer }
    }

    fn ask(&self, members: &[&str]) -> DoctorAnswer {
        let members = members.iter().map(|name| MemberName::new(*name).unwrap());
        let request = DoctorRequest {
            members: members.collect(),
        };
        let until = later(self.world.time(), 25);
        block_on(queries::doctor(&self.producer, &request, until)).unwrap()
    }

    fn one(&self) -> MemberLook {
        self.ask(&["one"]).members.remove(0)
    }

    fn fail(&self, operation: &str, kind: Kind) {
        self.world
            .failing(|failing| failing.fail_next(operation, 100, kind));
    }
}

#[track_caller]
fn trouble<T: std::fmt::Debug>(look: &Look<T>) -> Trouble {
    match look {
        Look::Failed(trouble) => trouble.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn everything_that_is_well_is_seen_and_nothing_has_an_effect() {
    let setting = Setting::new();
    let answer = setting.ask(&[]);
    assert_eq!(answer.config_version, 1);
    assert_eq!(answer.release, env!("CARGO_PKG_VERSION"));
    assert_eq!(answer.discovery, Look::Seen(()));
    let management = &answer.management[0];
    assert!(matches!(&management.policy, Look::Seen(policy) if policy.allowed == 2));
    assert!(matches!(&management.experience, Look::Seen(seen) if seen.status == "Enabled"));
    let names: Vec<_> = answer
        .members
        .iter()
        .map(|member| member.member.as_str())
        .collect();
    assert_eq!(names, ["one", "two"]);
    for (member, id) in answer.members.iter().zip(["exp-1", "exp-2"]) {
        assert_eq!(member.role, Look::Seen(()));
        assert_eq!(member.experiences, Look::Seen(1));
        assert_eq!(member.changes, Look::Seen(Depth::default()));
        assert_eq!(member.dead_letters, Look::Seen(Depth::default()));
        assert_eq!(member.receive, Look::Seen(false));
        let [link] = member.links.as_slice() else {
            panic!("{member:?}")
        };
        assert_eq!(link.id, Some(experience(id)));
        assert!(matches!(&link.policy, Look::Seen(_)));
    }
    for operation in EFFECTS {
        let calls = setting.world.failing(|failing| failing.calls(operation));
        assert_eq!(calls, 0, "{operation}");
    }
    assert!(setting.world.events().is_empty());
}

#[test]
fn only_the_members_that_are_asked_about_are_looked_at() {
    let setting = Setting::new();
    let answer = setting.ask(&["two"]);
    assert_eq!(answer.members.len(), 1);
    assert_eq!(answer.members[0].member.as_str(), "two");
    assert_eq!(
        setting.world.failing(|failing| failing.calls("AssumeRole")),
        1
    );
}

#[test]
fn a_member_whose_role_is_refused_is_told_and_the_other_is_seen() {
    let setting = Setting::new();
    setting.world.open_member(&account('2'), "another");
    let answer = setting.ask(&[]);
    let one = &answer.members[0];
    assert_eq!(trouble(&one.role).kind, Kind::Denied);
    assert!(matches!(&one.changes, Look::Skipped(_)));
    assert!(matches!(&one.links[0].experience, Look::Skipped(_)));
    assert_eq!(answer.members[1].role, Look::Seen(()));
}

#[test]
fn each_look_fails_by_itself() {
    let setting = Setting::new();
    setting.fail("GetQueueAttributes", Kind::Denied);
    let one = setting.one();
    assert_eq!(trouble(&one.changes).kind, Kind::Denied);
    assert_eq!(trouble(&one.dead_letters).kind, Kind::Denied);
    assert_eq!(one.receive, Look::Seen(false));
    let setting = Setting::new();
    setting.fail("ReceiveMessage", Kind::NotFound);
    let one = setting.one();
    assert_eq!(trouble(&one.receive).kind, Kind::NotFound);
    assert_eq!(one.changes, Look::Seen(Depth::default()));
    let setting = Setting::new();
    setting.fail("ListEntities", Kind::Denied);
    let one = setting.one();
    assert_eq!(trouble(&one.experiences).kind, Kind::Denied);
    assert!(matches!(&one.links[0].experience, Look::Seen(_)));
    let two = setting.ask(&["two"]).members.remove(0);
    assert_eq!(two.links[0].id, None);
    trouble(&two.links[0].experience);
}

#[test]
fn the_state_of_an_experience_is_told_as_it_is() {
    let setting = Setting::new();
    setting.world.experiences(|experiences| {
        experiences.edit(&experience("exp-1"), |experience, _| {
            experience.archived = true;
            experience.policy = None;
        });
        experiences.edit(&experience("exp-m"), |experience, _| {
            experience.status = Status::Other("Paused".to_owned());
        });
    });
    let answer = setting.ask(&["one"]);
    let link = &answer.members[0].links[0];
    assert!(matches!(&link.experience, Look::Seen(seen) if seen.archived && !seen.has_policy));
    assert!(matches!(&link.policy, Look::Skipped(_)));
    let management = &answer.management[0].experience;
    assert!(matches!(management, Look::Seen(seen) if seen.status == "Paused"));
}

#[test]
fn dead_letters_are_counted_and_left_where_everybody_sees_them() {
    let setting = Setting::new();
    let side = setting.world.member(&account('2'));
    block_on(side.dead_letter("a body", &std::collections::BTreeMap::new())).unwrap();
    for _ in 0..2 {
        let one = setting.one();
        assert!(matches!(&one.dead_letters, Look::Seen(depth) if depth.waiting == 1));
        assert_eq!(one.receive, Look::Seen(true));
    }
    assert_eq!(setting.world.dead_of(&account('2')).len(), 1);
}

#[test]
fn a_marketplace_that_refuses_is_told_apart_from_one_that_does_not_know_a_product() {
    let setting = Setting::new();
    setting.fail("GetProduct", Kind::Denied);
    assert_eq!(trouble(&setting.ask(&[]).discovery).kind, Kind::Denied);
    let setting = Setting::new();
    setting.fail("GetProduct", Kind::Refused);
    assert_eq!(setting.ask(&[]).discovery, Look::Seen(()));
}

#[test]
fn no_member_is_begun_with_once_the_time_is_up() {
    let setting = Setting::new();
    let until = later(setting.world.time(), -1);
    let request = DoctorRequest::default();
    let asked = queries::doctor(&setting.producer, &request, until);
    let answer = block_on(asked).unwrap();
    assert_eq!(answer.members.len(), 2);
    for member in &answer.members {
        assert!(matches!(&member.role, Look::Skipped(because) if because.contains("time")));
    }
    assert_eq!(
        setting.world.failing(|failing| failing.calls("AssumeRole")),
        0
    );
}

#[test]
fn without_a_configuration_that_is_the_answer() {
    let setting = Setting::new();
    setting.world.ledger(|ledger| ledger.configs.clear());
    let request = DoctorRequest::default();
    let asked = queries::doctor(&setting.producer, &request, setting.world.time());
    assert!(matches!(block_on(asked), Err(RunError::NoConfig)));
}
