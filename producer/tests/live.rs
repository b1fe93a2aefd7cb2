//! Only live products are allowed: whom a run asks, how often, and what an unknown answer means.

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
use pmp_sync_domain::answers::plan::PreviewLink;
use pmp_sync_domain::approval::{ApprovalAction, ApprovalRequest};
use pmp_sync_domain::delivery::Disposition;
use pmp_sync_domain::error::Kind;
use pmp_sync_domain::ids::{LaneId, ProductId, RunId};
use pmp_sync_domain::plan::Reason;
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::records::OTHERS_FOR;
use pmp_sync_domain::records::{LinkRecord, Listing};
use pmp_sync_domain::run::LinkStatus;
use pmp_sync_domain::time::later;
use pmp_sync_domain::wire::{Scope, WorkerMessage, approval_requested};
use pmp_sync_fakes::{Fate, World};
use pmp_sync_producer::{dispatch, queries};

use crate::fakes::{Producer, account, experience, producer};

/// After a scheduled run names are looked up as well, which these tests do not count.
const REQUESTED: &str = r#"{"source":"pmp-sync","detail-type":"Sync Requested","detail":{}}"#;
const DAY: i64 = 24 * 3600;

fn product(text: &str) -> ProductId {
    ProductId::new(text).unwrap()
}

fn products(prefix: &str, count: usize) -> Vec<ProductId> {
    (0..count)
        .map(|number| product(&format!("prod-{prefix}{number:04}")))
        .collect()
}

fn lane(digit: char) -> LaneId {
    LaneId {
        account: account(digit),
        experience: experience(&format!("exp-{digit}")),
    }
}

/// Two links of one management experience, each with its `live_check`.
fn config(checks: [&str; 2]) -> String {
    let link = |(digit, check): (char, &str)| {
        let account = account(digit);
        format!(
            r#"
[[member]]
name = "m{digit}"
account = "{account}"
external_id = "external-{digit}"
[[link]]
management_experience = "exp-m"
member = "m{digit}"
member_experience = "exp-{digit}"
live_check = "{check}"
guard = {{ exempt = ["first-mirror"] }}
"#
        )
    };
    let links: String = ['2', '3'].into_iter().zip(checks).map(link).collect();
    format!("schema = 1\n{links}")
}

struct Setting {
    world: World,
    producer: Producer,
}

impl Setting {
    /// The management experience allows so many products; each member allows `old` that it does not.
    fn new(checks: [&str; 2], wanted: usize, old: usize) -> Self {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let world = World::new(start, 7, 20);
        world.experiences(|experiences| {
            let wanted = PolicySnapshot::new(products("p", wanted), []);
            experiences.add(&account('1'), &experience("exp-m"), wanted);
            for digit in ['2', '3'] {
                let before = PolicySnapshot::new(products("old", old), []);
                experiences.add(&account(digit), &lane(digit).experience, before);
            }
        });
        for digit in ['2', '3'] {
            world.open_member(&account(digit), &format!("external-{digit}"));
        }
        world.ledger(|ledger| ledger.configs.push(config(checks)));
        let producer = producer(&world, &account('1'));
        Self { world, producer }
    }

    fn handle(&self, body: &str) -> Vec<Disposition> {
        self.world.request(body);
        let records = self.world.receive_requests(720);
        let deadline = later(self.world.time(), 900);
        let dispositions = block_on(dispatch(&self.producer, &records, deadline));
        self.world.settle_requests(&records, &dispositions);
        dispositions
    }

    fn sync(&self) {
        assert_eq!(self.handle(REQUESTED), [Disposition::Acknowledge]);
    }

    fn last_run(&self) -> RunId {
        self.world
            .ledger(|ledger| *ledger.runs.keys().last().unwrap())
    }

    /// What the last run that wrote one says of a link.
    fn link(&self, digit: char) -> LinkRecord {
        let key = lane(digit).to_string();
        let found = self.world.ledger(|ledger| {
            let mut links = ledger.links.iter().rev();
            links
                .find(|((_, of), _)| *of == key)
                .map(|(_, link)| link.clone())
        });
        found.unwrap()
    }

    /// The products that a member was told to allow since it was last asked.
    fn allowed(&self, digit: char) -> Vec<ProductId> {
        let now = self.world.time();
        let taken = self
            .world
            .changes(&account(digit), |queue| queue.take(now, 1000));
        let read = taken.iter().filter_map(|delivery| {
            match WorkerMessage::parse(&delivery.body).unwrap() {
                WorkerMessage::Change(change) if change.action.to_string() == "allow" => {
                    Some(change.product)
                }
                _ => None,
            }
        });
        read.collect()
    }

    fn asked(&self) -> u64 {
        self.world.failing(|failing| failing.calls("GetProduct"))
    }

    fn fail(&self, times: u64, kind: Kind) {
        self.world
            .failing(|failing| failing.fail_next("GetProduct", times, kind));
    }

    fn pass(&self, seconds: i64) {
        self.world.advance_to(later(self.world.time(), seconds));
    }

    fn preview(&self, digit: char) -> PreviewLink {
        let preview = block_on(queries::plan(&self.producer, &Scope::default())).unwrap();
        let mut links = preview.links.into_iter();
        links
            .find(|link| link.account == account(digit))
            .expect("the link is previewed")
    }

    fn ask_for(&self, action: ApprovalAction, run: RunId) {
        let link = self
            .world
            .ledger(|ledger| ledger.links[&(run, lane('2').to_string())].clone());
        let (source, detail_type, detail) = approval_requested(ApprovalRequest {
            action,
            lane: lane('2'),
            run,
            plan_hash: link.hold.map(|hold| hold.plan_hash),
            request_id: None,
            requester: None,
            account: None,
            reason: None,
        });
        let body =
            serde_json::json!({ "source": source, "detail-type": detail_type, "detail": detail });
        assert_eq!(self.handle(&body.to_string()), [Disposition::Acknowledge]);
    }
}

fn left(link: &LinkRecord) -> Vec<(&str, Reason)> {
    let left = link.left_alone.iter();
    left.map(|left| (left.product.as_str(), left.reason))
        .collect()
}

#[test]
fn a_product_that_is_not_live_is_left_alone_where_that_is_required_and_counted_elsewhere() {
    let setting = Setting::new(["require", "warn"], 3, 1);
    setting.world.set_live(&product("prod-p0001"), false);
    setting.sync();
    let expected = [product("prod-p0000"), product("prod-p0002")];
    assert_eq!(setting.allowed('2'), expected);
    let link = setting.link('2');
    assert_eq!(left(&link), [("prod-p0001", Reason::NotLive)]);
    assert_eq!((link.deny, link.unchecked), (products("old", 1), 0));
    // It may be sold by private offer.
    assert_eq!(setting.allowed('3'), products("p", 3));
    let link = setting.link('3');
    assert_eq!((left(&link), link.unchecked), (Vec::new(), 1));
    assert_eq!(link.deny, products("old", 1));
    assert_eq!(setting.asked(), 3, "each product once for all links");
}

#[test]
fn a_product_that_the_member_has_is_never_denied_because_it_is_not_live() {
    let setting = Setting::new(["require", "warn"], 3, 0);
    for id in products("p", 3) {
        setting.world.set_live(&id, false);
    }
    setting.world.experiences(|experiences| {
        let equal = PolicySnapshot::new(products("p", 3), []);
        experiences.edit(&lane('2').experience, |_, policy| *policy = equal);
    });
    setting.sync();
    let link = setting.link('2');
    assert_eq!((link.status, link.deny.len()), (LinkStatus::InSync, 0));
    let link = setting.link('3');
    assert_eq!((link.allow.len(), link.unchecked), (3, 3));
}

#[test]
fn when_nobody_can_be_asked_the_link_says_what_that_means() {
    for kind in [
        Kind::Retryable,
        Kind::Throttled,
        Kind::Denied,
        Kind::NotFound,
    ] {
        let setting = Setting::new(["require", "warn"], 3, 1);
        setting.fail(1, kind);
        setting.sync();
        assert_eq!(setting.asked(), 1, "the run asks no more after {kind:?}");
        assert_eq!(setting.allowed('2'), []);
        let link = setting.link('2');
        let unknown = |id: &ProductId| (id.to_string(), Reason::LiveUnknown);
        let told = left(&link).into_iter();
        assert_eq!(
            told.map(|(id, reason)| (id.to_owned(), reason))
                .collect::<Vec<_>>(),
            products("p", 3).iter().map(unknown).collect::<Vec<_>>()
        );
        assert_eq!((link.deny.len(), link.unchecked), (1, 0));
        assert_eq!(setting.allowed('3'), products("p", 3));
        let link = setting.link('3');
        assert_eq!((link.left_alone.len(), link.unchecked), (0, 3));
        assert!(setting.world.ledger(|ledger| ledger.live.is_empty()));
    }
}

#[test]
fn off_asks_nobody() {
    let setting = Setting::new(["off", "off"], 3, 1);
    setting.world.set_live(&product("prod-p0001"), false);
    setting.sync();
    assert_eq!(setting.asked(), 0);
    assert_eq!(setting.allowed('2'), products("p", 3));
    assert_eq!(setting.link('2').unchecked, 0);
    let reads = setting
        .world
        .failing(|failing| failing.calls("BatchGetItem"));
    assert_eq!(reads, 0);
}

#[test]
fn what_is_known_is_not_asked_again_until_it_is_due_and_then_comes_in() {
    let setting = Setting::new(["require", "require"], 3, 1);
    let late = product("prod-p0001");
    setting.world.set_live(&late, false);
    setting.sync();
    setting.pass(3600);
    setting.sync();
    assert_eq!(setting.asked(), 3);
    setting.world.set_live(&late, true);
    setting.sync();
    assert_eq!(setting.asked(), 3, "it is not asked for yet");
    setting.pass(OTHERS_FOR);
    setting.sync();
    assert_eq!(setting.asked(), 4, "what is live is not asked for again");
    assert!(setting.allowed('2').contains(&late));
    assert_eq!(left(&setting.link('2')), []);
}

#[test]
fn a_run_asks_for_fifty_products_at_most_and_the_next_for_the_others() {
    let setting = Setting::new(["require", "warn"], 70, 1);
    setting.sync();
    assert_eq!(setting.asked(), 50);
    let (link, other) = (setting.link('2'), setting.link('3'));
    assert_eq!((link.allow.len(), link.left_alone.len()), (50, 20));
    assert_eq!((other.allow.len(), other.unchecked), (70, 20));
    setting.pass(3600);
    setting.sync();
    assert_eq!(setting.asked(), 70);
    let link = setting.link('2');
    assert_eq!((link.allow.len(), link.left_alone.len()), (70, 0));
    assert_eq!(setting.link('3').unchecked, 0);
}

#[test]
fn what_is_not_answered_for_one_product_stops_no_other_and_is_remembered() {
    let setting = Setting::new(["require", "warn"], 3, 1);
    setting.fail(1, Kind::Refused);
    setting.sync();
    assert_eq!(setting.asked(), 3);
    assert_eq!(
        left(&setting.link('2')),
        [("prod-p0000", Reason::LiveUnknown)]
    );
    assert_eq!(setting.link('3').unchecked, 1);
    let known = setting
        .world
        .ledger(|ledger| ledger.live[&product("prod-p0000")].listing);
    assert_eq!(known, Listing::Refused);
    setting.sync();
    assert_eq!(setting.asked(), 3);
}

#[test]
fn a_look_asks_nobody_and_comes_to_the_plan_of_the_run() {
    let setting = Setting::new(["require", "warn"], 3, 1);
    setting.world.set_live(&product("prod-p0001"), false);
    let before = setting.preview('2');
    assert_eq!((before.allow.len(), before.left_alone.len()), (0, 3));
    let before = setting.preview('3');
    assert_eq!((before.allow.len(), before.unchecked), (3, 3));
    assert_eq!(setting.asked(), 0);
    setting.sync();
    let asked = setting.asked();
    for (digit, unchecked) in [('2', 0), ('3', 1)] {
        let (look, link) = (setting.preview(digit), setting.link(digit));
        assert_eq!(look.plan_hash, link.plan_hash);
        let told = (look.left_alone, look.unchecked);
        assert_eq!(told, (link.left_alone, unchecked));
    }
    assert_eq!(setting.asked(), asked);
}

/// Otherwise the next look would come to another plan, and begin another run.
#[test]
fn an_answer_that_cannot_be_kept_is_not_gone_by() {
    let setting = Setting::new(["require", "off"], 1, 0);
    setting.world.set_live(&product("prod-p0000"), false);
    setting.world.failing(|failing| {
        failing.decide_by(|call| match (call.operation, call.thing) {
            ("PutItem", "live") => Fate::Refuse(Kind::Retryable),
            _ => Fate::Go,
        });
    });
    setting.sync();
    let link = setting.link('2');
    assert_eq!(
        (link.status, link.fault.unwrap().code.as_str()),
        (LinkStatus::Failed, "PMS-4001")
    );
    assert_eq!(setting.link('3').status, LinkStatus::Committed);
}

#[test]
fn a_lane_that_waits_for_an_answer_is_not_said_to_be_in_sync() {
    for stamped in [false, true] {
        let setting = Setting::new(["require", "off"], 3, 0);
        setting.world.experiences(|experiences| {
            let missing_one = PolicySnapshot::new(products("p", 2), []);
            experiences.edit(&lane('2').experience, |_, policy| *policy = missing_one);
        });
        if stamped {
            // Known not to be there: nobody can do better.
            setting.world.set_live(&product("prod-p0002"), false);
        } else {
            setting.fail(1, Kind::Denied);
        }
        setting.sync();
        assert_eq!(setting.link('2').status, LinkStatus::InSync);
        let state = setting
            .world
            .ledger(|ledger| ledger.lanes[&lane('2')].clone());
        assert_eq!(state.last_in_sync.is_some(), stamped);
    }
}

/// A hold of 20 removals.
fn held(check: &str) -> Setting {
    let setting = Setting::new([check, "off"], 3, 20);
    setting.sync();
    let link = setting.link('2');
    assert!(link.is_held());
    assert_eq!(link.held.deny.len(), 20);
    setting
}

fn hold_of(setting: &Setting) -> (RunId, String) {
    let link_state = setting
        .world
        .ledger(|ledger| ledger.link_states[&lane('2')].clone());
    let hold = link_state.hold.expect("a plan is held");
    (hold.run, hold.plan_hash.to_string())
}

#[test]
fn a_hold_stays_the_same_when_nobody_can_be_asked_for_weeks() {
    for check in ["require", "warn"] {
        let setting = held(check);
        let first = hold_of(&setting);
        for day in 1..29 {
            setting.fail(1000, Kind::Denied);
            setting.pass(DAY);
            setting.sync();
            assert_eq!(hold_of(&setting), first, "{check}, day {day}");
        }
        assert!(setting.asked() > 3, "they were asked for again");
    }
}

#[test]
fn what_was_approved_is_executed_as_it_was_shown() {
    let setting = Setting::new(["require", "off"], 3, 20);
    // Of the three one was known when it was shown.
    setting.world.failing(|failing| {
        let mut asked = 0;
        failing.decide_by(move |call| {
            asked += u32::from(call.operation == "GetProduct");
            match (call.operation, asked) {
                ("GetProduct", 2) => Fate::Refuse(Kind::Denied),
                _ => Fate::Go,
            }
        });
    });
    setting.sync();
    let shown = setting.link('2');
    let counts = (shown.allow.len(), shown.held.deny.len());
    assert_eq!((shown.status, counts), (LinkStatus::Committed, (1, 20)));
    setting.ask_for(ApprovalAction::Approve, setting.last_run());
    let done = setting.link('2');
    assert_eq!(done.approval.unwrap().refused, None);
    assert_eq!((done.status, done.hold), (LinkStatus::Committed, None));
    assert_eq!((done.allow, done.deny), (shown.allow, shown.held.deny));
    assert_eq!(setting.asked(), 2, "nothing could be added to it");
}

#[test]
fn a_rollback_allows_what_was_allowed_before() {
    let setting = Setting::new(["require", "off"], 3, 1);
    setting.sync();
    let (run, old) = (setting.last_run(), product("prod-old0000"));
    setting.world.experiences(|experiences| {
        let after = PolicySnapshot::new(products("p", 3), [old.clone()]);
        experiences.edit(&lane('2').experience, |_, policy| *policy = after);
    });
    setting.world.set_live(&old, false);
    setting.ask_for(ApprovalAction::Restore, run);
    let link = setting.link('2');
    assert_eq!(
        (link.status, link.held.allow),
        (LinkStatus::Held, vec![old])
    );
    assert!(link.allow.is_empty());
}

#[test]
fn links_that_are_served_side_by_side_ask_for_a_product_once() {
    let setting = Setting::new(["require", "require"], 40, 1);
    setting.world.failing(|failing| failing.interleave(true));
    setting.sync();
    assert_eq!(setting.asked(), 40);
    let all: BTreeSet<_> = products("p", 40).into_iter().collect();
    for digit in ['2', '3'] {
        assert_eq!(
            setting.allowed(digit).into_iter().collect::<BTreeSet<_>>(),
            all
        );
    }
}
