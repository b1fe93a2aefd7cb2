//! The worker is killed with its nth call, for every n: the end is the same, and no intent ever gets
//! two change sets.

use std::time::Duration;

use pmp_sync_domain::message::Scope;
use pmp_sync_local::marketplace::Lists;
use pmp_sync_local::proxy::{Filter, Moment, Proxy, Times};

use crate::setup::{
    assert_serial, aws_proxy, beside_others, catalog_proxy, ids, install, lists, mirror,
    until_equal,
};

/// Calls that a worker makes to everything but the Catalog API in a sync that goes well, at most: it
/// depends on how the messages come together in batches.
const AWS_CALLS: usize = 44;
/// Calls to the Catalog API.
const CATALOG_CALLS: usize = 8;

fn worker_of(account: &str) -> Filter {
    Filter::any().environment(format!("PMP_SYNC_ACCOUNT={account}\n"))
}

/// A member for each call: its worker is killed with that one. The worker of one more member is left
/// alone, and tells how many calls there are.
async fn sweep(number: u64, proxy: &Proxy, moment: Moment, calls: usize) {
    let installation = install(number, calls as u64 + 1).await;
    let (allow, old, nothing) = (ids("a", 3), ids("o", 2), ids("", 0));
    let (_, experiences) = mirror(
        &installation,
        lists(&allow, &nothing),
        &lists(&old, &nothing),
    )
    .await;
    let filter = |member: usize| worker_of(&installation.members[member].account);
    let counted = proxy.rules(|rules| rules.delay(filter(0), Times::Always, Duration::ZERO));
    let kills: Vec<_> = (1..=calls)
        .map(|n| proxy.rules(|rules| rules.kill_after(filter(n), n as u64, moment)))
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
    let made = proxy.rules(|rules| rules.matched(counted));
    let killed = kills
        .iter()
        .filter(|kill| proxy.rules(|rules| rules.hits(**kill)) > 0)
        .count() as u64;
    assert!(
        made <= calls as u64,
        "a sync takes {made} calls; only {calls} were swept"
    );
    // How many calls there are differs a little from member to member.
    assert!(
        killed * 10 >= made * 7,
        "only {killed} workers were killed, for {made} calls"
    );
    proxy.rules(|rules| {
        kills
            .into_iter()
            .chain([counted])
            .for_each(|rule| rules.remove(rule));
    });
}

#[test]
fn a_worker_that_is_killed_before_its_nth_call_changes_nothing_in_the_end() {
    beside_others(sweep(1, aws_proxy(), Moment::Before, AWS_CALLS));
}

#[test]
fn a_worker_that_is_killed_after_the_effect_of_its_nth_call_changes_nothing_in_the_end() {
    beside_others(sweep(2, aws_proxy(), Moment::After, AWS_CALLS));
}

#[test]
fn a_worker_that_is_killed_before_its_nth_catalog_call_changes_nothing_in_the_end() {
    beside_others(sweep(3, catalog_proxy(), Moment::Before, CATALOG_CALLS));
}

#[test]
fn a_worker_that_is_killed_after_the_effect_of_its_nth_catalog_call_changes_nothing_in_the_end() {
    beside_others(sweep(4, catalog_proxy(), Moment::After, CATALOG_CALLS));
}
