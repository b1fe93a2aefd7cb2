//! Items that a newer release wrote, one kind at a time: what depends on the item waits and is
//! reported, everything else goes on, and the item is never overwritten.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

mod fakes;

use futures::executor::block_on;
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::answers::doctor::{DoctorRequest, Look};
use pmp_sync_domain::delivery::{Disposition, Record};
use pmp_sync_domain::ids::{LaneId, ProductId, RunId};
use pmp_sync_domain::lane::{OpenChange, Quarantined};
use pmp_sync_domain::plan::Reason;
use pmp_sync_domain::policy::{Action, PolicySnapshot};
use pmp_sync_domain::records::{LinkRecord, Receipt, RunRecord};
use pmp_sync_domain::run::{LinkStatus, RunStatus};
use pmp_sync_domain::time::later;
use pmp_sync_domain::wire::{Continuation, Scope, WorkerMessage};
use pmp_sync_fakes::{ItemKey, ItemState, World};
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
member_experience = "exp-1"
[[link]]
management_experience = "exp-m"
member = "two"
member_experience = "exp-2"
"#;

fn product(text: &str) -> ProductId {
    text.parse().unwrap()
}

fn one() -> LaneId {
    "222222222222/exp-1".parse().unwrap()
}

fn two() -> LaneId {
    "333333333333/exp-2".parse().unwrap()
}

fn lists(allowed: &[&str]) -> PolicySnapshot {
    PolicySnapshot::new(allowed.iter().map(|text| product(text)), [])
}

struct Setting {
    world: World,
    producer: Producer,
}

impl Setting {
    /// Both members lack two products. A first run has planned for both, and nothing is claimed
    /// yet.
    fn new() -> Self {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let world = World::new(start, 7, 20);
        world.experiences(|experiences| {
            experiences.add(&account('1'), &experience("exp-m"), lists(&["a", "b", "c"]));
            experiences.add(&account('2'), &experience("exp-1"), lists(&["a"]));
            experiences.add(&account('3'), &experience("exp-2"), lists(&["a"]));
        });
        world.open_member(&account('2'), "external-1");
        world.open_member(&account('3'), "external-2");
        world.ledger(|ledger| ledger.configs.push(CONFIG.to_owned()));
        let producer = producer(&world, &account('1'));
        let setting = Self { world, producer };
        setting.run();
        setting.sent('2');
        setting.sent('3');
        // Later, so that the first plans count as lost.
        setting.world.advance_to(later(start, 4 * 3_600));
        setting
    }

    fn first_run(&self) -> RunId {
        self.world
            .ledger(|ledger| *ledger.runs.keys().next().unwrap())
    }

    fn last_run(&self) -> RunRecord {
        self.world
            .ledger(|ledger| ledger.runs.values().next_back().cloned().unwrap())
    }

    fn link(&self, lane: &LaneId) -> Option<LinkRecord> {
        let key = (self.last_run().run, lane.to_string());
        self.world.ledger(|ledger| ledger.links.get(&key).cloned())
    }

    /// Serves one scheduled run.
    fn run(&self) {
        let runs = self.world.ledger(|ledger| ledger.runs.len());
        let records = [Record {
            id: format!("schedule-{runs}"),
            body: SCHEDULED.to_owned(),
            receipt: String::new(),
            deliveries: 1,
            first_delivered: None,
        }];
        let deadline = later(self.world.time(), 900);
        let dispositions = block_on(dispatch(&self.producer, &records, deadline));
        assert_eq!(dispositions, [Disposition::Acknowledge]);
    }

    /// What was sent to a member.
    fn sent(&self, digit: char) -> Vec<(Action, ProductId)> {
        let now = self.world.time();
        let taken = self
            .world
            .changes(&account(digit), |queue| queue.take(now, 1_000));
        let changes = taken.iter().filter_map(|delivery| {
            match WorkerMessage::parse(&delivery.body).unwrap() {
                WorkerMessage::Change(change) => Some((change.action, change.product)),
                _ => None,
            }
        });
        changes.collect()
    }

    fn make_newer(&self, key: &ItemKey) {
        self.world.ledger(|ledger| ledger.newer.insert(key.clone()));
    }

    /// The item of a product on the lane of member one. An open one is claimed.
    fn put_item(&self, text: &str, is_open: bool) {
        let item = ItemState {
            change: OpenChange {
                product: product(text),
                action: Action::Allow,
                run: self.first_run(),
                ordinal: 0,
                claimed_at: self.world.time(),
            },
            closed: (!is_open).then_some(pmp_sync_domain::ports::Closing::Superseded),
            closed_at: None,
            quarantined: None,
            change_set: None,
        };
        let key = (one(), product(text));
        self.world.ledger(|ledger| ledger.items.insert(key, item));
    }
}

/// What a run reports about the kind of item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// The link of member one fails.
    LinkFails,
    /// Member one gets everything except one product.
    ProductStays,
    /// Member one gets everything.
    Nothing,
    /// Member one gets everything, and the run reports nothing: a run does not read the item.
    Unread,
}

#[test]
fn each_kind_of_item_of_one_member_stops_only_what_depends_on_it() {
    type Place = fn(&Setting) -> ItemKey;
    let kinds: [(&str, Effect, Place); 9] = [
        ("lane state", Effect::LinkFails, |_| {
            ItemKey::LaneState(one())
        }),
        ("link state", Effect::LinkFails, |_| {
            ItemKey::LinkState(one())
        }),
        ("claimed change", Effect::ProductStays, |setting| {
            setting.put_item("b", true);
            ItemKey::Product(one(), product("b"))
        }),
        ("closed change", Effect::ProductStays, |setting| {
            setting.put_item("b", false);
            ItemKey::Product(one(), product("b"))
        }),
        ("lane entry", Effect::Nothing, |_| ItemKey::LaneEntry(one())),
        ("record of a link", Effect::Unread, |setting| {
            ItemKey::Link(setting.first_run(), one())
        }),
        ("run", Effect::Nothing, |setting| {
            ItemKey::Run(setting.first_run())
        }),
        ("listing", Effect::Nothing, |_| ItemKey::Live(product("b"))),
        ("record of a change set", Effect::Unread, |_| {
            ItemKey::Set(one(), 1)
        }),
    ];
    for (kind, effect, place) in kinds {
        let setting = Setting::new();
        let key = place(&setting);
        setting.make_newer(&key);
        let before = setting.world.ledger(|ledger| format!("{ledger:?}").len());
        assert!(before > 0);
        setting.run();
        let both = [product("b"), product("c")].map(|product| (Action::Allow, product));
        assert_eq!(setting.sent('3'), both, "{kind}: the other member");
        let record = setting.last_run();
        let codes: Vec<_> = record
            .warnings
            .iter()
            .map(|warning| warning.fault.code.as_str())
            .collect();
        let link = setting.link(&one());
        match effect {
            Effect::LinkFails => {
                assert_eq!(setting.sent('2'), [], "{kind}");
                let link = link.unwrap();
                assert_eq!(link.status, LinkStatus::Failed, "{kind}");
                assert_eq!(link.fault.unwrap().code, "PMS-4004", "{kind}");
                assert!(codes.contains(&"PMS-4004"), "{kind}: {codes:?}");
                assert_eq!(record.totals.failed, 1, "{kind}");
            }
            Effect::ProductStays => {
                assert_eq!(setting.sent('2'), both[1..], "{kind}");
                let link = link.unwrap();
                let left: Vec<_> = link.left_alone.iter().map(|left| left.reason).collect();
                assert_eq!(left, [Reason::UnreadableItem], "{kind}");
                assert!(codes.contains(&"PMS-4004"), "{kind}: {codes:?}");
            }
            Effect::Nothing => {
                assert_eq!(setting.sent('2'), both, "{kind}");
                assert!(codes.contains(&"PMS-4004"), "{kind}: {codes:?}");
            }
            Effect::Unread => {
                assert_eq!(setting.sent('2'), both, "{kind}");
                assert_eq!(codes, [""; 0], "{kind}");
            }
        }
        // Reading it later: nothing has been written over it, and the next run serves everything.
        setting.world.ledger(|ledger| ledger.newer.clear());
        setting
            .world
            .advance_to(later(setting.world.time(), 4 * 3_600));
        setting.run();
        let all = setting.sent('2');
        for change in &both {
            assert!(all.contains(change), "{kind}: {all:?}");
        }
        let links = setting.last_run();
        assert!(links.warnings.is_empty(), "{kind}: {:?}", links.warnings);
    }
}

#[test]
fn a_committed_plan_whose_record_cannot_be_read_is_committed_anew() {
    let setting = Setting::new();
    let first = setting.first_run();
    // Soon enough for the first plans to count as under way.
    setting
        .world
        .set_time("2026-01-01T00:10:00Z".parse().unwrap());
    setting.world.experiences(|experiences| {
        experiences.edit(&experience("exp-m"), |_, policy| {
            *policy = lists(&["a", "b", "c", "d"]);
        });
    });
    setting.make_newer(&ItemKey::Link(first, one()));
    setting.run();
    for lane in [one(), two()] {
        assert_eq!(setting.link(&lane).unwrap().status, LinkStatus::Committed);
    }
    assert_eq!((setting.sent('2').len(), setting.sent('3').len()), (3, 3));
    let warning = &setting.last_run().warnings[0];
    assert_eq!(warning.fault.code, "PMS-4004");
    let member = warning.member.as_ref().map(ToString::to_string);
    assert_eq!(member.as_deref(), Some("one"));
}

#[test]
fn queries_answer_for_the_other_member() {
    for key in [ItemKey::LaneState(one()), ItemKey::LinkState(one())] {
        let setting = Setting::new();
        setting.make_newer(&key);
        let preview = block_on(queries::plan(&setting.producer, &Scope::default())).unwrap();
        let fault = preview.links[0].fault.as_ref().unwrap();
        assert_eq!(fault.code, "PMS-4004");
        assert!(preview.links[1].fault.is_none());
        let until = later(setting.world.time(), 60);
        let asked = DoctorRequest::default();
        let answer = block_on(queries::doctor(&setting.producer, &asked, until)).unwrap();
        assert_eq!(answer.members.len(), 2);
    }
}

#[test]
fn a_run_that_waits_for_an_unreadable_lane_ends_as_one_that_was_not_seen() {
    let setting = Setting::new();
    let first = setting.first_run();
    setting.make_newer(&ItemKey::LaneState(one()));
    setting.run();
    let record = setting.world.ledger(|ledger| ledger.runs[&first].clone());
    assert!(record.not_seen.contains(&one().to_string()), "{record:?}");
    assert!(!record.open.contains(&one().to_string()));
}

#[test]
fn a_settled_lane_that_cannot_be_read_holds_no_other_message_back() {
    let setting = Setting::new();
    setting.make_newer(&ItemKey::LaneState(one()));
    let settled = |lane: &LaneId| {
        format!(
            r#"{{"source":"pmp-sync","detail-type":"Lane Settled","account":"{}","detail":{{"schema":1,"lane":{{"account":"{}","experience":"{}"}}}}}}"#,
            lane.account, lane.account, lane.experience
        )
    };
    let bodies = [settled(&one()), settled(&two()), SCHEDULED.to_owned()];
    let records = bodies.map(|body| Record {
        id: "m".to_owned(),
        body,
        receipt: String::new(),
        deliveries: 1,
        first_delivered: None,
    });
    let deadline = later(setting.world.time(), 900);
    let dispositions = block_on(dispatch(&setting.producer, &records, deadline));
    assert_eq!(dispositions, [Disposition::Acknowledge; 3]);
}

#[test]
fn runs_fail_and_end_while_the_configuration_or_the_suspensions_cannot_be_read() {
    for key in [
        ItemKey::Config,
        ItemKey::ConfigVersion(1),
        ItemKey::Suspensions,
    ] {
        let setting = Setting::new();
        setting.make_newer(&key);
        setting.run();
        let record = setting.last_run();
        assert_eq!(record.status, RunStatus::Failed, "{key:?}");
        assert_eq!(record.fault.unwrap().code, "PMS-4004", "{key:?}");
        assert_eq!((setting.sent('2'), setting.sent('3')), (vec![], vec![]));
        let asked = block_on(queries::plan(&setting.producer, &Scope::default()));
        assert_eq!(asked.unwrap_err().code(), "PMS-4004");
    }
}

#[test]
fn runs_go_on_while_the_last_run_id_cannot_be_read() {
    let setting = Setting::new();
    let last = setting.world.ledger(|ledger| ledger.last_run);
    setting.make_newer(&ItemKey::LastRun);
    setting.run();
    assert!(Some(setting.last_run().run) > last);
    assert_eq!(setting.sent('2').len(), 2);
    let kept = setting.world.ledger(|ledger| ledger.last_run);
    assert_eq!(kept, last, "it is not overwritten");
}

#[test]
fn another_run_serves_what_a_run_that_cannot_be_read_has_left() {
    let setting = Setting::new();
    let first = setting.first_run();
    setting.make_newer(&ItemKey::Run(first));
    let rest = Continuation {
        run: first,
        number: 1,
        config_version: 1,
        links: vec![0, 1],
        scopes: vec![Scope::default()],
    };
    let records = [Record {
        id: "m".to_owned(),
        body: rest.to_body(),
        receipt: String::new(),
        deliveries: 1,
        first_delivered: None,
    }];
    let deadline = later(setting.world.time(), 900);
    let dispositions = block_on(dispatch(&setting.producer, &records, deadline));
    assert_eq!(dispositions, [Disposition::Acknowledge]);
    assert_eq!((setting.sent('2').len(), setting.sent('3').len()), (2, 2));
    assert_eq!(setting.last_run().requests[0].kind, "continuation");
}

/// The key of the one is the beginning of the key of the other.
#[test]
fn an_unreadable_receipt_is_that_of_its_own_request_alone() {
    let setting = Setting::new();
    let request = |id: &str| {
        let body = format!(
            r#"{{"id":"{id}","source":"pmp-sync","detail-type":"Sync Requested","detail":{{"request_id":"{id}","requester":"somebody"}}}}"#
        );
        Record {
            id: format!("m-{id}"),
            body,
            receipt: String::new(),
            deliveries: 1,
            first_delivered: None,
        }
    };
    setting.make_newer(&ItemKey::Receipt("event:e11".to_owned()));
    let (first, at) = (setting.first_run(), setting.world.time());
    setting.world.ledger(|ledger| {
        let receipt = Receipt {
            schema: 999,
            request: "event:e11".to_owned(),
            run: first,
            attempts: 1,
            at,
        };
        ledger.receipts.insert(receipt.request.clone(), receipt);
    });
    let records = [request("e1"), request("e11")];
    let deadline = later(setting.world.time(), 900);
    let dispositions = block_on(dispatch(&setting.producer, &records, deadline));
    assert_eq!(dispositions, [Disposition::Acknowledge; 2]);
    let run = setting.last_run().run;
    let receipts = setting.world.ledger(|ledger| ledger.receipts.clone());
    assert_eq!(receipts["event:e1"].run, run);
    assert_eq!(receipts["event:e11"].schema, 999, "it is not overwritten");
}

#[test]
fn what_is_quarantined_on_a_lane_whose_entry_cannot_be_read_is_found_all_the_same() {
    let setting = Setting::new();
    setting.put_item("b", true);
    setting.world.ledger(|ledger| {
        let item = ledger.items.get_mut(&(one(), product("b"))).unwrap();
        item.quarantined = Some(Quarantined {
            product: product("b"),
            action: Action::Allow,
            run: item.change.run,
            error_code: "INVALID_PRODUCT".to_owned(),
            error_message: "It is not valid.".to_owned(),
            change_set: "cs-1".parse().unwrap(),
            quarantined_at: item.change.claimed_at,
        });
    });
    let quarantined = || {
        let until = later(setting.world.time(), 60);
        let asked = DoctorRequest::default();
        let answer = block_on(queries::doctor(&setting.producer, &asked, until)).unwrap();
        match &answer.members[0].lanes {
            Some(Look::Seen(lanes)) => lanes.quarantined,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(quarantined(), 1);
    setting.make_newer(&ItemKey::LaneEntry(one()));
    assert_eq!(quarantined(), 1);
}
