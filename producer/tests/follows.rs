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
use pmp_sync_domain::ids::{LaneId, ProductId, RunId};
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::records::LinkRecord;
use pmp_sync_domain::run::LinkStatus;
use pmp_sync_domain::time::later;
use pmp_sync_domain::wire::{Scope, WorkerMessage};
use pmp_sync_fakes::{ItemKey, World};
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

/// Two stars, and what is visible to both members.
const STARS: &str = r#"
schema = 1
[[member]]
name = "one"
account = "222222222222"
external_id = "external-2"
[[member]]
name = "two"
account = "333333333333"
external_id = "external-3"
[[link]]
management_experience = "exp-m"
member = "one"
member_experience = "*"
guard = { exempt = ["first-mirror"] }
[[link]]
management_experience = "exp-m"
member = "two"
member_experience = "*"
guard = { exempt = ["first-mirror"] }
"#;

/// Member one owns `exp-1` and shares it with member two, which has `exp-2`.
fn shared() -> Setting {
    let experiences = [('1', "exp-m"), ('2', "exp-1"), ('3', "exp-2")];
    let setting = Setting::new(STARS, &experiences);
    setting
        .world
        .experiences(|all| all.share(&experience("exp-1"), &account('3')));
    for digit in ['2', '3'] {
        setting
            .world
            .open_member(&account(digit), &format!("external-{digit}"));
    }
    setting
}

/// The message about an experience that is left out, by the member that has it.
fn covered_by(member: &str) -> String {
    format!("PMS-2008 `*` leaves out exp-1, which `*` of member {member} covers as well")
}

impl Setting {
    /// The members to which changes of the shared experience were sent.
    fn senders(&self) -> Vec<char> {
        let sent = ['2', '3'].into_iter();
        sent.filter(|digit| self.sent_to(*digit).contains("exp-1"))
            .collect()
    }
}

#[test]
fn an_experience_that_two_stars_see_is_of_one_lane_from_the_first_run_on() {
    let setting = shared();
    setting.handle(SCHEDULED);
    let first = setting.senders();
    assert_eq!(first.len(), 1, "{first:?}");
    let (member, other) = match first[0] {
        '2' => ("one", "two"),
        _ => ("two", "one"),
    };
    assert_eq!(setting.left_out(), [covered_by(member)]);
    let run = |setting: &Setting| {
        setting
            .world
            .ledger(|ledger| ledger.runs.values().last().cloned().unwrap())
    };
    assert_eq!(run(&setting).totals.failed, 0);
    // In whatever order the links come, and however narrow the run is.
    for _ in 0..3 {
        setting.world.experiences(|all| {
            all.edit(&experience("exp-m"), |_, policy| {
                *policy = list(&format!("prod-{}", policy.allowed_count()));
            });
        });
        setting.handle(&format!(
            r#"{{"source":"pmp-sync","detail-type":"Sync Requested","id":"{}","detail":{{"scope":{{"members":["{other}"]}}}}}}"#,
            setting.links().len()
        ));
        assert_eq!(setting.senders(), [] as [char; 0]);
        assert_eq!(run(&setting).totals.failed, 0);
    }
    setting.handle(SCHEDULED);
    assert!(setting.senders().iter().all(|digit| *digit == first[0]));
    // Every answer shows it, and none of them the experience twice.
    let preview = block_on(queries::plan(&setting.producer, &Scope::default())).unwrap();
    let of_shared = preview.links.iter();
    let of_shared = of_shared.filter(|link| link.experience.as_ref() == Some(&experience("exp-1")));
    let decisions: Vec<_> = of_shared
        .map(|link| (link.member.as_str(), link.decision))
        .collect();
    assert!(
        decisions.contains(&(other, PreviewDecision::LeftOut)),
        "{decisions:?}"
    );
    assert!(
        !decisions.contains(&(member, PreviewDecision::LeftOut)),
        "{decisions:?}"
    );
}

/// The lane keeps the experience while a link serves it, and gives it away then.
#[test]
fn a_shared_experience_passes_to_the_other_member_only_with_its_link() {
    let setting = shared();
    setting.handle(SCHEDULED);
    let first = setting.senders()[0];
    let (gone, heir) = match first {
        '2' => ("one", '3'),
        _ => ("two", '2'),
    };
    let without = STARS.replacen(
        &format!("member = \"{gone}\"\nmember_experience = \"*\""),
        &format!("member = \"{gone}\"\nmember_experience = \"exp-none\""),
        1,
    );
    setting.world.ledger(|ledger| ledger.configs.push(without));
    setting.handle(SCHEDULED);
    assert_eq!(setting.senders(), [heir]);
    // It does not come back: what was planned for last keeps it.
    setting
        .world
        .ledger(|ledger| ledger.configs.push(STARS.to_owned()));
    setting.handle(SCHEDULED);
    assert_eq!(setting.senders(), [] as [char; 0]);
    let lane = format!("{}/exp-1", account(first)).parse().unwrap();
    let left = setting.world.ledger(|ledger| {
        let mut links = ledger.links.values();
        let last = links.rfind(|link| link.lane.as_ref() == Some(&lane));
        last.map(|link| link.status)
    });
    assert_eq!(left, Some(LinkStatus::LeftOut));
}

/// An approval of a plan that an earlier configuration held does not open the second lane.
#[test]
fn nothing_is_approved_or_rolled_back_on_the_lane_of_a_member_that_does_not_have_the_experience() {
    let setting = shared();
    setting.handle(SCHEDULED);
    let first = setting.senders()[0];
    let other = if first == '2' { '3' } else { '2' };
    let run = setting
        .world
        .ledger(|ledger| *ledger.runs.keys().next().unwrap());
    setting.handle(&format!(
        r#"{{"source":"pmp-sync","detail-type":"Restore Requested","id":"r1","detail":{{"run":"{run}","member_account":"{}","experience":"exp-1"}}}}"#,
        account(other)
    ));
    let last = setting
        .world
        .ledger(|ledger| ledger.links.values().last().cloned().unwrap());
    assert_eq!(
        last.fault.map(|fault| fault.code).as_deref(),
        Some("PMS-2008")
    );
    // Nor does the request give the experience to that member.
    setting.world.experiences(|all| {
        all.edit(&experience("exp-m"), |_, policy| *policy = list("prod-b"));
    });
    setting.handle(SCHEDULED);
    assert_eq!(setting.senders(), [first]);
}

/// What is announced of the lanes of a member that cannot be reached does not take them back.
#[test]
fn a_former_owner_that_cannot_be_reached_does_not_get_the_experience_back() {
    let (setting, lane, other) = planned_once();
    setting.world.ledger(|ledger| {
        let mut entry = ledger.entries[&lane].clone();
        // The other one was planned for later.
        let bits = u128::from(u64::MAX);
        entry.run = RunId::next(Some(entry.run), i64::MAX / 1_000_000, bits);
        entry.lane = other.clone();
        ledger.entries.insert(other.clone(), entry);
    });
    setting.world.set_reachable(&lane.account, false);
    // It was last in sync days ago, which is announced.
    setting
        .world
        .advance_to(later(setting.world.time(), 80 * 3_600));
    let run = setting.world.ledger(|ledger| ledger.entries[&lane].run);
    setting.handle(SCHEDULED);
    let after = setting.world.ledger(|ledger| ledger.entries[&lane].run);
    assert_eq!(after, run);
}

/// Its key says of which lane it is, and no other lane has the experience.
#[test]
fn a_lane_keeps_its_experience_while_its_entry_cannot_be_read() {
    let (setting, lane, _) = planned_once();
    setting.world.ledger(|ledger| {
        ledger.newer.insert(ItemKey::LaneEntry(lane.clone()));
    });
    setting.handle(SCHEDULED);
    let owner = lane.account.as_str().chars().next().unwrap();
    assert!(setting.sent_to(owner).contains("exp-1"));
    let unreadable = |told: &String| told.starts_with("PMS-4004");
    assert!(!setting.left_out().iter().any(unreadable));
}

/// Which of two lanes was planned for last is not guessed.
#[test]
fn an_experience_of_two_lanes_waits_while_the_entry_of_one_cannot_be_read() {
    let (setting, lane, other) = planned_once();
    setting.world.ledger(|ledger| {
        let mut entry = ledger.entries[&lane].clone();
        entry.lane = other.clone();
        ledger.entries.insert(other.clone(), entry);
        ledger.newer.insert(ItemKey::LaneEntry(lane));
    });
    setting.handle(SCHEDULED);
    assert_eq!(setting.sent_to('2'), set(&[]));
    assert_eq!(setting.sent_to('3'), set(&["exp-2"]));
    let unreadable = |told: &&String| told.starts_with("PMS-4004");
    assert_eq!(setting.left_out().iter().filter(unreadable).count(), 2);
}

/// Two members see one experience, and one of them has been planned for. Then the list changes.
fn planned_once() -> (Setting, LaneId, LaneId) {
    let setting = shared();
    setting.handle(SCHEDULED);
    let first = setting.senders()[0];
    let other = if first == '2' { '3' } else { '2' };
    let lane = |digit| -> LaneId { format!("{}/exp-1", account(digit)).parse().unwrap() };
    setting.world.experiences(|all| {
        all.edit(&experience("exp-m"), |_, policy| *policy = list("prod-b"));
    });
    (setting, lane(first), lane(other))
}

#[test]
fn what_is_left_out_shows_in_the_answers_and_in_doctor() {
    use pmp_sync_domain::answers::doctor::DoctorRequest;
    use pmp_sync_domain::answers::report::ReportRequest;
    use pmp_sync_domain::answers::why::WhyRequest;

    let experiences = [('1', "exp-a"), ('1', "exp-1"), ('2', "exp-2")];
    let setting = Setting::new(CONFIG, &experiences);
    let expected = ("exp-a", "PMS-2007");
    let request = WhyRequest {
        products: vec![ProductId::new("exp-a").unwrap()],
        ..WhyRequest::default()
    };
    let told = block_on(queries::why(&setting.producer, &request)).unwrap();
    let of = |link: &pmp_sync_domain::answers::left_out::LeftOutLink| {
        (link.experience.to_string(), link.fault.code.clone())
    };
    let expected = (expected.0.to_owned(), expected.1.to_owned());
    assert_eq!(
        told.left_out.iter().map(of).collect::<Vec<_>>(),
        std::slice::from_ref(&expected)
    );
    assert!(
        told.links
            .iter()
            .all(|link| link.experience != Some(experience("exp-a")))
    );
    let report = block_on(queries::report(
        &setting.producer,
        &ReportRequest::default(),
    ))
    .unwrap();
    assert_eq!(
        report.left_out.iter().map(of).collect::<Vec<_>>(),
        std::slice::from_ref(&expected)
    );
    let until = later(setting.world.time(), 25);
    let everybody = DoctorRequest::default();
    let doctor = block_on(queries::doctor(&setting.producer, &everybody, until)).unwrap();
    let warnings = doctor.members.iter().flat_map(|member| &member.links);
    let warnings: Vec<_> = warnings
        .filter_map(|link| Some((link.id.clone()?.to_string(), link.warning.clone()?.code)))
        .collect();
    assert_eq!(warnings, [expected]);
}
