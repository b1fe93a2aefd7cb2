//! A plan of many members and products: pages below the limit of Lambda's answers.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

mod fakes;

use std::fmt::Write as _;

use futures::executor::block_on;
use pmp_sync_domain::answers::plan::{MOST_ENTRIES, PlanRequest};
use pmp_sync_domain::ids::{AccountId, ExperienceId, ProductId};
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::wire::Scope;
use pmp_sync_fakes::{World, limits};
use pmp_sync_producer::queries;

use crate::fakes::{Producer, producer};

/// The longest product ids.
fn products(prefix: char, count: usize) -> Vec<ProductId> {
    (0..count)
        .map(|number| ProductId::new(format!("prod-{prefix}{number:044}")).unwrap())
        .collect()
}

/// Members that deny what the management experience allows, and allow what it does not: every
/// product is in the plan or left alone.
fn setting(members: usize, count: usize) -> Producer {
    let start = "2026-01-01T00:00:00Z".parse().unwrap();
    let world = World::new(start, 7, 20);
    let management = AccountId::new("1".repeat(12)).unwrap();
    let experience = |number: usize| ExperienceId::new(format!("exp-{number}")).unwrap();
    let mut config = "schema = 1\n".to_owned();
    world.experiences(|all| {
        let lists = PolicySnapshot::new(products('a', count), []);
        all.add(&management, &ExperienceId::new("exp-m").unwrap(), lists);
    });
    for number in 0..members {
        let account = AccountId::new(format!("2{number:011}")).unwrap();
        world.experiences(|all| {
            let lists = PolicySnapshot::new(products('b', count), []);
            all.add(&account, &experience(number), lists);
        });
        world.open_member(&account, "external-1");
        let _ = write!(
            config,
            "[[member]]\nname = \"m{number}\"\naccount = \"{account}\"\nexternal_id = \"external-1\"\n\
             [[link]]\nmanagement_experience = \"exp-m\"\nmember = \"m{number}\"\nmember_experience = \"exp-{number}\"\nmode = \"additive\"\n"
        );
    }
    world.ledger(|ledger| ledger.configs.push(config));
    producer(&world, &management)
}

#[test]
fn a_large_plan_is_answered_in_pages_that_fit() {
    let producer = setting(30, 2_000);
    let mut request = PlanRequest::default();
    let (mut members, mut pages) = (Vec::new(), 0);
    loop {
        let page = block_on(queries::plan_page(&producer, &request)).unwrap();
        let bytes = limits::size(&page);
        assert!(bytes < limits::MOST_ANSWER, "{bytes}");
        pages += 1;
        for link in &page.preview.links {
            assert_eq!((link.allow.len(), link.left_alone.len()), (2_000, 2_000));
            members.push(link.member.to_string());
        }
        request.from = page.next;
        if request.from.is_none() {
            break;
        }
    }
    let whole = block_on(queries::plan(&producer, &Scope::default())).unwrap();
    let wanted: Vec<_> = whole
        .links
        .iter()
        .map(|link| link.member.to_string())
        .collect();
    assert_eq!((members.len(), &members), (30, &wanted));
    assert!(pages > 1, "{pages}");
}

#[test]
fn the_lists_of_one_member_that_would_not_fit_are_cut_and_counted() {
    let producer = setting(1, MOST_ENTRIES);
    let page = block_on(queries::plan_page(&producer, &PlanRequest::default())).unwrap();
    let bytes = limits::size(&page);
    assert!(bytes < limits::MOST_ANSWER, "{bytes}");
    let link = &page.preview.links[0];
    let listed = link.allow.len() + link.left_alone.len();
    assert_eq!((listed, link.beyond), (MOST_ENTRIES, MOST_ENTRIES));
}
