//! The worker is killed with its nth call, for every n, before and after the call's effect: the end is
//! the same, and no intent ever gets two change sets.

use std::collections::BTreeSet;

use pmp_sync_domain::wire::Scope;
use pmp_sync_local::marketplace::Lists;
use pmp_sync_local::proxy::{Filter, Moment, Proxy, RuleId};
use pmp_sync_local::scenario::Installation;

use crate::setup::{
    assert_serial, aws_proxy, beside_others, catalog_proxy, emulator, ids, install, lists, mirror,
    until_equal,
};

/// More calls than a worker makes to everything but the Catalog API in a sync that goes well: about
/// fifty, depending on how the messages come together in batches.
const AWS_CALLS: usize = 72;
/// More calls than to the Catalog API.
const CATALOG_CALLS: usize = 12;

/// A proxy, and a rule for each of some members: its worker is killed with its nth call there.
struct Sweep {
    proxy: &'static Proxy,
    kills: Vec<RuleId>,
    /// So many calls a sync takes at least.
    at_least: usize,
}

impl Sweep {
    fn begin(
        installation: &Installation<'_>,
        proxy: &'static Proxy,
        members: std::ops::Range<usize>,
        moment: Moment,
        at_least: usize,
    ) -> Self {
        let kills = members.zip(1..).map(|(member, n)| {
            let account = &installation.members[member].account;
            let worker = Filter::any().environment(format!("PMP_SYNC_ACCOUNT={account}\n"));
            proxy.rules(|rules| rules.kill_after(worker, n, moment))
        });
        Self {
            proxy,
            kills: kills.collect(),
            at_least,
        }
    }

    /// Some members are never killed: that shows that no call was left out at the end.
    fn end(self) {
        let is_killed = |kill: &RuleId| self.proxy.rules(|rules| rules.hits(*kill)) > 0;
        let killed: Vec<_> = self.kills.iter().map(is_killed).collect();
        self.proxy
            .rules(|rules| self.kills.iter().for_each(|rule| rules.remove(*rule)));
        let first_spared = killed.iter().position(|killed| !killed);
        assert!(
            first_spared.is_some_and(|calls| calls >= self.at_least),
            "the sweep does not cover a sync: {killed:?}"
        );
    }
}

#[test]
fn a_worker_that_is_killed_with_its_nth_call_changes_nothing_in_the_end() {
    let members = AWS_CALLS + CATALOG_CALLS;
    let installation = install(1, members as u64);
    beside_others(async {
        let (nothing, old) = (BTreeSet::new(), ids("o", 2));
        let mut denied = BTreeSet::new();
        let mut allowed = old.clone();
        let before = lists(&old, &nothing);
        let (source, experiences) =
            mirror(&installation, lists(&ids("x", 1), &nothing), &before).await;
        for (moment, prefix) in [(Moment::Before, "a"), (Moment::After, "b")] {
            // Three products come, and what there was goes.
            denied.append(&mut allowed);
            allowed = ids(prefix, 3);
            emulator().set_lists(&source, lists(&allowed, &nothing));
            let sweeps = [
                Sweep::begin(&installation, aws_proxy(), 0..AWS_CALLS, moment, 20),
                Sweep::begin(
                    &installation,
                    catalog_proxy(),
                    AWS_CALLS..members,
                    moment,
                    3,
                ),
            ];
            installation.request(Scope::default()).await.unwrap();
            let wanted = Lists {
                allow: allowed.clone(),
                deny: denied.clone(),
            };
            until_equal(&installation, &experiences, &wanted).await;
            for experience in &experiences {
                assert_serial(experience);
            }
            sweeps.into_iter().for_each(Sweep::end);
        }
    });
}
