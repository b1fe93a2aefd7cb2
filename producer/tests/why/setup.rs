//! One management and two member accounts.

use futures::executor::block_on;
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::answers::why::{Why, WhyAnswer, WhyReport, WhyRequest};
use pmp_sync_domain::ids::{LaneId, ProductId, RunId};
use pmp_sync_domain::lane::OpenChange;
use pmp_sync_domain::policy::{Action, PolicySnapshot};
use pmp_sync_domain::ports::Closing;
use pmp_sync_domain::records::{LinkRecord, LinkState, RunRecord};
use pmp_sync_domain::time::later;
use pmp_sync_domain::wire::Scope;
use pmp_sync_fakes::{ItemState, World};
use pmp_sync_producer::{dispatch, queries};

use crate::fakes::{Producer, SCHEDULED, producer};
pub(crate) use crate::fakes::{account, experience};

pub(crate) const CONFIG: &str = r#"
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

pub(crate) fn product(text: &str) -> ProductId {
    ProductId::new(text).unwrap()
}

pub(crate) fn products<const N: usize>(texts: [&str; N]) -> Vec<ProductId> {
    texts.into_iter().map(product).collect()
}

pub(crate) fn lists<const A: usize, const D: usize>(
    allowed: [&str; A],
    denied: [&str; D],
) -> PolicySnapshot {
    PolicySnapshot::new(products(allowed), products(denied))
}

/// The lane of member `one`.
pub(crate) fn lane() -> LaneId {
    "222222222222/exp-1".parse().unwrap()
}

pub(crate) struct Setting {
    pub(crate) world: World,
    pub(crate) producer: Producer,
}

impl Setting {
    /// The management experience has these lists, both members have the others.
    pub(crate) fn new(management: PolicySnapshot, members: &PolicySnapshot) -> Self {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let world = World::new(start, 7, 20);
        world.experiences(|experiences| {
            experiences.add(&account('1'), &experience("exp-m"), management);
            experiences.add(&account('2'), &experience("exp-1"), members.clone());
            experiences.add(&account('3'), &experience("exp-2"), members.clone());
        });
        world.open_member(&account('2'), "external-1");
        world.open_member(&account('3'), "external-2");
        let producer = producer(&world, &account('1'));
        let setting = Self { world, producer };
        setting.configure(CONFIG);
        setting
    }

    pub(crate) fn configure(&self, text: &str) {
        self.world
            .ledger(|ledger| ledger.configs.push(text.to_owned()));
    }

    pub(crate) fn sync(&self) {
        self.world.request(SCHEDULED);
        let records = self.world.receive_requests(720);
        let deadline = later(self.world.time(), 900);
        let dispositions = block_on(dispatch(&self.producer, &records, deadline));
        assert!(self.world.settle_requests(&records, &dispositions));
    }

    pub(crate) fn wait(&self, seconds: i64) {
        self.world.advance_to(later(self.world.time(), seconds));
    }

    /// The lists of member `one` become these behind everybody's back.
    pub(crate) fn edit(&self, lists: PolicySnapshot) {
        self.world.experiences(|experiences| {
            experiences.edit(&experience("exp-1"), |_, policy| *policy = lists);
        });
    }

    pub(crate) fn manage(&self, lists: PolicySnapshot) {
        self.world.experiences(|experiences| {
            experiences.edit(&experience("exp-m"), |_, policy| *policy = lists);
        });
    }

    /// The lane of member `one` closed a change of this product an hour ago.
    pub(crate) fn closed(&self, text: &str, action: Action, run: RunId, closing: Closing) {
        let then = later(self.world.time(), -3_600);
        let applied = closing == Closing::Applied;
        let item = ItemState {
            change: OpenChange {
                product: product(text),
                action,
                run,
                ordinal: 0,
                claimed_at: then,
            },
            closed: Some(closing),
            closed_at: Some(then),
            quarantined: None,
            change_set: applied.then(|| "cs1".parse().unwrap()),
        };
        let key = (lane(), product(text));
        self.world.ledger(|ledger| ledger.items.insert(key, item));
    }

    pub(crate) fn last_run(&self) -> RunRecord {
        let runs = self
            .world
            .ledger(|ledger| ledger.runs.values().next_back().cloned());
        runs.unwrap()
    }

    /// What the last run says of member `one`.
    pub(crate) fn link(&self) -> LinkRecord {
        let key = (self.last_run().run, lane().to_string());
        self.world.ledger(|ledger| ledger.links[&key].clone())
    }

    pub(crate) fn link_state(&self) -> LinkState {
        let link_state = self
            .world
            .ledger(|ledger| ledger.link_states.get(&lane()).cloned());
        link_state.unwrap_or_default()
    }

    pub(crate) fn calls(&self, operation: &str) -> u64 {
        self.world.failing(|failing| failing.calls(operation))
    }

    pub(crate) fn report<const N: usize>(&self, texts: [&str; N]) -> WhyReport {
        let request = WhyRequest {
            scope: Scope::default(),
            products: products(texts),
        };
        block_on(queries::why(&self.producer, &request)).unwrap()
    }

    /// The answer for a product on member `one`.
    pub(crate) fn answer(&self, text: &str) -> WhyAnswer {
        let report = self.report([text]);
        report.links[0].answers[0].clone()
    }

    pub(crate) fn why(&self, text: &str) -> Why {
        self.answer(text).why
    }
}
