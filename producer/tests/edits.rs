//! Outside edits: what somebody else has changed in a member is seen, told and, on a mirror link, changed back.

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
use pmp_sync_domain::ids::{AccountId, ChangeSetId, LaneId, ProductId};
use pmp_sync_domain::policy::{Action, PolicySnapshot};
use pmp_sync_domain::records::{LinkState, RunRecord};
use pmp_sync_domain::time::later;
use pmp_sync_domain::wire::lane_edited;
use pmp_sync_fakes::World;
use pmp_sync_producer::{dispatch, queries};

use crate::fakes::{Producer, SCHEDULED, account, experience, producer};

const CONFIG: &str = r#"
schema = 1
[[member]]
name = "one"
account = "222222222222"
external_id = "external-1"
[[link]]
management_experience = "exp-m"
member = "one"
member_experience = "exp-1"
mode = "MODE"
guard = { exempt = ["first-mirror"] }
"#;

struct Setting {
    world: World,
    producer: Producer,
    lane: LaneId,
}

fn p(text: &str) -> ProductId {
    ProductId::new(text).unwrap()
}

impl Setting {
    /// Both experiences allow 40 products, and a run has seen that.
    fn new(mode: &str) -> Self {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let world = World::new(start, 7, 20);
        let all: Vec<_> = (0..40).map(|number| p(&format!("prod-{number}"))).collect();
        world.experiences(|experiences| {
            for (owner, id) in [('1', "exp-m"), ('2', "exp-1")] {
                let lists = PolicySnapshot::new(all.clone(), []);
                experiences.add(&account(owner), &experience(id), lists);
            }
        });
        world.open_member(&account('2'), "external-1");
        world.ledger(|ledger| ledger.configs.push(CONFIG.replace("MODE", mode)));
        let setting = Self {
            producer: producer(&world, &account('1')),
            world,
            lane: "222222222222/exp-1".parse().unwrap(),
        };
        setting.serve(SCHEDULED);
        setting
    }

    fn serve(&self, body: &str) {
        self.world.request(body);
        let records = self.world.receive_requests(720);
        let deadline = later(self.world.time(), 900);
        let dispositions = block_on(dispatch(&self.producer, &records, deadline));
        self.world.settle_requests(&records, &dispositions);
    }

    fn edit(&self, product: &str, action: Action) {
        self.world.experiences(|all| {
            all.edit(&self.lane.experience, |_, policy| {
                *policy = policy.overlaid([(&p(product), action)]);
            });
        });
    }

    /// The hint of a worker that heard of the change set.
    fn hint(&self, account: &AccountId) {
        let lane = LaneId {
            account: account.clone(),
            ..self.lane.clone()
        };
        let (source, kind, detail) = lane_edited(&lane, &ChangeSetId::new("cs-other").unwrap());
        self.serve(
            &serde_json::json!({ "source": source, "detail-type": kind, "detail": detail })
                .to_string(),
        );
    }

    fn link_state(&self) -> LinkState {
        self.world
            .ledger(|ledger| ledger.link_states[&self.lane].clone())
    }

    fn edited(&self) -> Vec<String> {
        let edited = self.link_state().edited;
        edited.keys().map(ToString::to_string).collect()
    }

    fn runs(&self) -> Vec<RunRecord> {
        self.world
            .ledger(|ledger| ledger.runs.values().cloned().collect())
    }

    fn told(&self, name: &str) -> usize {
        let events = self.world.events();
        events.iter().filter(|(_, what, _)| *what == name).count()
    }

    fn messages(&self) -> usize {
        self.world.changes(&self.lane.account, |queue| queue.len())
    }
}

#[test]
fn an_edit_of_a_product_that_pmp_sync_never_changed_is_seen_told_and_changed_back() {
    let setting = Setting::new("mirror");
    setting.edit("prod-new", Action::Allow);
    setting.edit("prod-3", Action::Deny);
    setting.hint(&setting.lane.account);
    let run = setting.runs().pop().unwrap();
    assert_eq!(run.requests[0].kind, "outside-edit");
    assert_eq!(run.requests[0].id.as_deref(), Some("cs-other"));
    assert_eq!(setting.edited(), ["prod-3", "prod-new"]);
    assert_eq!(setting.told("Edited Outside"), 1);
    assert!(setting.messages() >= 2, "both are sent");
    let links = setting.world.ledger(|ledger| ledger.links.clone());
    let record = links.values().find(|link| link.run == run.run).unwrap();
    assert_eq!(record.edited, [p("prod-3"), p("prod-new")]);
}

#[test]
fn a_link_that_only_observes_tells_an_edit_once_and_since_when() {
    let setting = Setting::new("observe");
    setting.edit("prod-new", Action::Allow);
    setting.hint(&setting.lane.account);
    let since = setting.link_state().edited;
    assert_eq!((since.len(), setting.messages()), (1, 0));
    setting.world.advance_to(later(setting.world.time(), 3_600));
    setting.serve(SCHEDULED);
    assert_eq!(
        setting.link_state().edited,
        since,
        "since it was first seen"
    );
    assert_eq!(setting.told("Edited Outside"), 1);
    // Somebody has changed it back.
    setting.edit("prod-new", Action::Deny);
    setting.serve(SCHEDULED);
    assert_eq!((setting.edited().len(), setting.told("Recovered")), (0, 1));
}

#[test]
fn a_difference_that_the_management_experience_made_is_no_edit() {
    let setting = Setting::new("observe");
    setting.world.experiences(|all| {
        all.edit(&experience("exp-m"), |_, policy| {
            *policy = policy.overlaid([(&p("prod-3"), Action::Deny)]);
        });
    });
    setting.serve(SCHEDULED);
    assert_eq!(
        (setting.edited().len(), setting.told("Edited Outside")),
        (0, 0)
    );
}

#[test]
fn a_hint_about_what_no_link_serves_starts_no_run() {
    let setting = Setting::new("mirror");
    let runs = setting.runs().len();
    setting.hint(&account('3'));
    assert_eq!(setting.runs().len(), runs);
}

#[test]
fn a_query_tells_an_edit_that_no_run_has_seen_and_has_no_time_for_it() {
    let setting = Setting::new("observe");
    setting.edit("prod-new", Action::Allow);
    let scope = pmp_sync_domain::wire::Scope::default();
    let preview = block_on(queries::plan(&setting.producer, &scope)).unwrap();
    assert_eq!(preview.links[0].edited, [p("prod-new")]);
    assert_eq!(preview.links[0].edited_since, None);
    assert_eq!(setting.edited().len(), 0);
}

/// The list is stored after the link state that has its edits: an interruption in between loses none.
#[test]
fn an_edit_is_remembered_although_the_list_could_not_be_stored() {
    let setting = Setting::new("observe");
    setting.edit("prod-new", Action::Allow);
    setting.world.failing(|failing| {
        failing.decide_by(|call| {
            if call.operation == "PutItem" && call.thing == "seen list" {
                pmp_sync_fakes::Fate::Refuse(pmp_sync_domain::error::Kind::Retryable)
            } else {
                pmp_sync_fakes::Fate::Go
            }
        });
    });
    setting.serve(SCHEDULED);
    setting.edit("prod-newer", Action::Allow);
    setting.serve(SCHEDULED);
    assert_eq!(setting.edited(), ["prod-new", "prod-newer"]);
    assert_eq!(setting.told("Edited Outside"), 2);
}

#[test]
fn a_link_in_sync_reads_and_writes_no_list() {
    let setting = Setting::new("mirror");
    let calls = |setting: &Setting| {
        let (state, world) = (setting.link_state(), &setting.world);
        let list = world.ledger(|ledger| ledger.seen_lists[&setting.lane].clone());
        (state.rev, list)
    };
    let before = calls(&setting);
    setting.world.failing(|failing| {
        failing.decide_by(|call| {
            assert_ne!(call.thing, "seen list");
            pmp_sync_fakes::Fate::Go
        });
    });
    setting.serve(SCHEDULED);
    assert_eq!(calls(&setting), before);
}
