//! Requests about long dead-letter queues, over the stateful fakes: a filter looks at the whole queue,
//! and what a request leaves is said.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

mod fakes;

use std::collections::BTreeMap;

use futures::executor::block_on;
use pmp_sync_domain::answers::dead_letters::DeadLetterList;
use pmp_sync_domain::ids::{ExperienceId, ProductId, RunId};
use pmp_sync_domain::policy::{Action, PolicySnapshot};
use pmp_sync_domain::ports::DeadLetters as _;
use pmp_sync_domain::records::{LettersLeft, RunRecord};
use pmp_sync_domain::time::later;
use pmp_sync_domain::wire::{ChangeMessage, DeadLetterFilter};
use pmp_sync_fakes::World;
use pmp_sync_producer::{dispatch, queries};

use crate::fakes::{Producer, account, producer};

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
"#;

struct Setting {
    world: World,
    producer: Producer,
}

impl Setting {
    /// A member with as many dead letters, and one more of the product `prod-last`.
    fn new(letters: usize) -> Self {
        let world = World::new("2026-01-01T00:00:00Z".parse().unwrap(), 7, 20);
        world.experiences(|experiences| {
            for (owner, id) in [('1', "exp-m"), ('2', "exp-1")] {
                let lists = PolicySnapshot::new([], []);
                experiences.add(&account(owner), &ExperienceId::new(id).unwrap(), lists);
            }
        });
        world.open_member(&account('2'), "external-1");
        world.ledger(|ledger| ledger.configs.push(CONFIG.to_owned()));
        let producer = producer(&world, &account('1'));
        let setting = Self { world, producer };
        (0..letters).for_each(|number| setting.dead(&format!("prod-{number}")));
        setting.dead("prod-last");
        setting
    }

    fn dead(&self, product: &str) {
        let change = ChangeMessage {
            run: RunId::next(None, 0, 0),
            account: account('2'),
            experience: ExperienceId::new("exp-1").unwrap(),
            product: ProductId::new(product).unwrap(),
            action: Action::Allow,
            ordinal: 0,
        };
        let side = self.world.member(&account('2'));
        let reason = BTreeMap::from([("reason", "unknown-run".to_owned())]);
        block_on(side.dead_letter(&change.to_body(), &reason)).unwrap();
    }

    fn list(&self, filter: &DeadLetterFilter) -> DeadLetterList {
        let until = later(self.world.time(), 30);
        block_on(queries::dead_letters(&self.producer, filter, until)).unwrap()
    }

    /// Serves a request, with as many seconds until the invocation ends.
    fn request(&self, kind: &str, filter: &str, seconds: i64) -> RunRecord {
        let body = format!(
            r#"{{"source":"pmp-sync","detail-type":"{kind}","detail":{{"schema":1,"filter":{filter}}}}}"#
        );
        self.world.request(body);
        let records = self.world.receive_requests(720);
        let deadline = later(self.world.time(), seconds);
        let dispositions = block_on(dispatch(&self.producer, &records, deadline));
        assert!(self.world.settle_requests(&records, &dispositions));
        let runs = self.world.ledger(|ledger| ledger.runs.clone());
        runs.into_values().next_back().unwrap()
    }

    fn letters(&self) -> usize {
        self.world.dead_of(&account('2')).len()
    }
}

fn last() -> DeadLetterFilter {
    DeadLetterFilter {
        products: vec![ProductId::new("prod-last").unwrap()],
        ..DeadLetterFilter::default()
    }
}

#[test]
fn a_filter_finds_its_letter_behind_any_number_of_others() {
    let setting = Setting::new(1_200);
    for _ in 0..2 {
        let list = setting.list(&last());
        assert_eq!((list.letters.len(), list.left.len()), (1, 0));
    }
    let run = setting.request("Discard Requested", r#"{"products":["prod-last"]}"#, 900);
    assert_eq!((run.letters_left, setting.letters()), (None, 1_200));
}

#[test]
fn what_is_more_than_one_request_lists_or_handles_is_said_and_left_for_the_next() {
    let setting = Setting::new(699);
    let left = LettersLeft {
        looked_at: 700,
        selected: 200,
        unseen: false,
        about: None,
    };
    let list = setting.list(&DeadLetterFilter::default());
    assert_eq!((list.letters.len(), list.left[0].1), (500, left));
    let run = setting.request("Discard Requested", "{}", 900);
    assert_eq!((run.letters_left, setting.letters()), (Some(left), 200));
    let run = setting.request("Discard Requested", "{}", 900);
    assert_eq!((run.letters_left, setting.letters()), (None, 0));
}

#[test]
fn a_queue_that_is_not_read_to_its_end_is_said_to_have_more() {
    let setting = Setting::new(10_002);
    let list = setting.list(&last());
    let left = LettersLeft {
        looked_at: 10_000,
        selected: 0,
        unseen: true,
        about: Some(3),
    };
    assert_eq!((list.letters.len(), list.left[0].1), (0, left));
}

#[test]
fn a_request_without_time_says_that_it_looked_at_nothing() {
    let setting = Setting::new(0);
    let run = setting.request("Discard Requested", "{}", 40);
    let left = Some(LettersLeft::untouched());
    assert_eq!((run.letters_left, setting.letters()), (left, 1));
    let until = setting.world.time();
    let none = DeadLetterFilter::default();
    let list = block_on(queries::dead_letters(&setting.producer, &none, until)).unwrap();
    assert_eq!(list.left[0].1, LettersLeft::untouched());
}
