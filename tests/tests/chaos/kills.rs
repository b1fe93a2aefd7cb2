//! The worker is killed with its nth call, for every n: the end is the same, and no intent ever gets
//! two change sets.

use pmp_sync_domain::message::Scope;
use pmp_sync_local::marketplace::Lists;
use pmp_sync_local::proxy::{Filter, Moment, Proxy, RuleId};

use crate::setup::{
    assert_serial, aws_proxy, beside_others, catalog_proxy, ids, install, lists, mirror,
    until_equal,
};

/// More calls than a worker makes to everything but the Catalog API in a sync that goes well: about
/// fifty, depending on how the messages come together in batches.
const AWS_CALLS: usize = 72;
/// More calls than to the Catalog API.
const CATALOG_CALLS: usize = 12;

fn worker_of(account: &str) -> Filter {
    Filter::any().environment(format!("PMP_SYNC_ACCOUNT={account}\n"))
}

/// A member for each call: its worker is killed with that one. There are more members than calls, so
/// some are never killed: that shows that none was left out at the end.
async fn sweep(number: u64, proxy: &Proxy, moment: Moment, (calls, at_least): (usize, usize)) {
    let installation = install(number, calls as u64).await;
    let (allow, old, nothing) = (ids("a", 3), ids("o", 2), ids("", 0));
    let (_, experiences) = mirror(
        &installation,
        lists(&allow, &nothing),
        &lists(&old, &nothing),
    )
    .await;
    let filter = |member: usize| worker_of(&installation.members[member].account);
    let kills: Vec<_> = (0..calls)
        .map(|place| proxy.rules(|rules| rules.kill_after(filter(place), place as u64 + 1, moment)))
        .collect();
    installation.request(Scope::default()).await.unwrap();
    let wanted = Lists {
        allow: allow.clone(),
        deny: old.clone(),
    };
    until_equal(&installation, &experiences, &wanted).await;
    for experience in &experiences {
        assert_serial(experience);
    }
    let is_killed = |kill: &RuleId| proxy.rules(|rules| rules.hits(*kill)) > 0;
    let killed: Vec<_> = kills.iter().map(is_killed).collect();
    let first_spared = killed.iter().position(|killed| !killed);
    proxy.rules(|rules| kills.into_iter().for_each(|rule| rules.remove(rule)));
    assert!(
        first_spared.is_some_and(|calls| calls >= at_least),
        "the sweep does not cover a sync: {killed:?}"
    );
}

#[test]
fn a_worker_that_is_killed_before_its_nth_call_changes_nothing_in_the_end() {
    beside_others(sweep(1, aws_proxy(), Moment::Before, (AWS_CALLS, 20)));
}

#[test]
fn a_worker_that_is_killed_after_the_effect_of_its_nth_call_changes_nothing_in_the_end() {
    beside_others(sweep(2, aws_proxy(), Moment::After, (AWS_CALLS, 20)));
}

#[test]
fn a_worker_that_is_killed_before_its_nth_catalog_call_changes_nothing_in_the_end() {
    beside_others(sweep(
        3,
        catalog_proxy(),
        Moment::Before,
        (CATALOG_CALLS, 3),
    ));
}

#[test]
fn a_worker_that_is_killed_after_the_effect_of_its_nth_catalog_call_changes_nothing_in_the_end() {
    beside_others(sweep(4, catalog_proxy(), Moment::After, (CATALOG_CALLS, 3)));
}
