//! How long a question takes over the stateful fakes, without any network:
//! `cargo run --release -p pmp-sync-producer --no-default-features --example why`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement for people"
)]

#[path = "../tests/fakes/mod.rs"]
mod fakes;

use std::fmt::Write as _;
use std::time::Instant;

use futures::executor::block_on;
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::answers::why::WhyRequest;
use pmp_sync_domain::ids::{AccountId, ExperienceId, LaneId, ProductId, RunId};
use pmp_sync_domain::lane::OpenChange;
use pmp_sync_domain::policy::{Action, PolicySnapshot};
use pmp_sync_domain::ports::Closing;
use pmp_sync_domain::wire::Scope;
use pmp_sync_fakes::{ItemState, World};
use pmp_sync_producer::queries;

use crate::fakes::Producer;

/// Products that the management experience allows, and the lanes know.
const LISTED: usize = 5_000;

fn product(number: usize) -> ProductId {
    ProductId::new(format!("prod-{number:013}")).unwrap()
}

fn account(number: usize) -> AccountId {
    AccountId::new(format!("{number:012}")).unwrap()
}

/// A producer with so many members, each of which lacks every tenth product.
fn producer(members: usize) -> (World, Producer) {
    let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let world = World::new(now, 7, 20);
    let management = PolicySnapshot::new((0..LISTED).map(product), []);
    let lacking = (0..LISTED).filter(|number| number % 10 != 0);
    let lists = PolicySnapshot::new(lacking.map(product), []);
    let experience = ExperienceId::new("exp-m").unwrap();
    world.experiences(|experiences| experiences.add(&account(1), &experience, management));
    let mut config = "schema = 1\n".to_owned();
    for number in 2..2 + members {
        let account = account(number);
        write!(
            config,
            "[[member]]\nname = \"m{number}\"\naccount = \"{account}\"\nexternal_id = \"external\"\n\
             [[link]]\nmanagement_experience = \"exp-m\"\nmember = \"m{number}\"\nmember_experience = \"exp-{number}\"\n"
        )
        .unwrap();
        world.open_member(&account, "external");
        let experience = ExperienceId::new(format!("exp-{number}")).unwrap();
        world.experiences(|experiences| experiences.add(&account, &experience, lists.clone()));
        let lane = LaneId {
            account,
            experience,
        };
        world.ledger(|ledger| {
            for place in 0..LISTED {
                let change = OpenChange {
                    product: product(place),
                    action: Action::Allow,
                    run: RunId::next(None, 1, 1),
                    ordinal: 0,
                    claimed_at: Timestamp::UNIX_EPOCH,
                };
                let item = ItemState {
                    change,
                    closed: Some(Closing::Applied),
                    closed_at: Some(Timestamp::UNIX_EPOCH),
                    quarantined: None,
                    change_set: Some("a1b2c3d4e5f6g7h8i9j0k1l2m".parse().unwrap()),
                };
                ledger.items.insert((lane.clone(), product(place)), item);
            }
        });
    }
    world.ledger(|ledger| ledger.configs.push(config));
    let producer = fakes::producer(&world, &account(1));
    (world, producer)
}

fn main() {
    for (members, products) in [(1, 1_000), (3, 1_000), (3, 2_000), (10, 1_000)] {
        let (world, producer) = producer(members);
        let request = WhyRequest {
            scope: Scope::default(),
            products: (0..products).map(product).collect(),
        };
        let before = world.failing(|failing| failing.total());
        let began = Instant::now();
        let report = block_on(queries::why(&producer, &request)).unwrap();
        let took = began.elapsed();
        let calls = world.failing(|failing| failing.total()) - before;
        let bytes = serde_json::to_vec(&report).unwrap().len();
        println!(
            "{members} members, {products} products: {took:.1?}, {calls} calls, {bytes} bytes"
        );
    }
}
