//! A mass removal over 30 members: held everywhere as one plan, approved with one hash, taken back, and on record with who asked.

use std::collections::BTreeSet;

use pmp_sync_domain::ids::PlanHash;

use super::*;

/// Their experiences are `exp-A` to `exp-Z` and `exp-6` to `exp-9`.
fn members() -> Vec<char> {
    ('A'..='Z').chain('6'..='9').collect()
}

/// The holds of all members are of one plan: what is approved for one is what is approved for each. Approves that plan.
fn approve_everywhere(system: &System, holds: &[(char, Hold)]) {
    let hashes: BTreeSet<_> = holds
        .iter()
        .map(|(_, hold)| hold.plan_hash.to_string())
        .collect();
    assert_eq!(hashes.len(), 1, "one plan for everybody: {hashes:?}");
    approve_hash(system, holds, &holds[0].1.plan_hash);
    system.rest();
}

/// One request for each link, as `approve` sends them.
fn approve_hash(system: &System, holds: &[(char, Hold)], hash: &PlanHash) {
    for (member, hold) in holds {
        system.approval("Approval", *member, hold.run, Some(hash));
    }
}

fn all_allow(system: &System, wanted: &BTreeSet<ProductId>, when: &str) {
    for member in members() {
        assert_eq!(allowed(system, member), *wanted, "{member} {when}");
    }
}

#[test]
fn a_mass_removal_is_approved_for_thirty_members_reverted_and_on_record_with_who() {
    let members = members();
    assert_eq!(members.len(), 30);
    let before: BTreeSet<_> = products("p", 80).into_iter().collect();
    let system = System::with_members(&members, before.clone());
    system.sync();
    system.rest();
    all_allow(&system, &before, "in sync");
    system.wait(3600);

    // 60 of 80 products leave the management list: everybody is held, and nobody loses anything.
    let left: BTreeSet<_> = products("p", 20).into_iter().collect();
    system.manage(PolicySnapshot::new(left.clone(), []));
    system.sync();
    system.rest();
    let run = system.last_full_run();
    assert_eq!((run.status, run.totals.held), (RunStatus::Held, 30));
    all_allow(&system, &before, "held");
    let held = |member: &char| (*member, system.link_state(*member).hold.unwrap());
    let holds: Vec<_> = members.iter().map(held).collect();
    for (member, hold) in &holds {
        assert_eq!((hold.deny, hold.removals), (60, 60), "{member}");
    }
    approve_everywhere(&system, &holds);
    all_allow(&system, &left, "approved");

    // What each approval did is taken back: on each link by the run that did it.
    let mut backs = Vec::new();
    for member in &members {
        let done = system.run_with(|run| {
            let link = system.find_link(run.run, *member);
            link.is_some_and(|link| link.status == LinkStatus::Committed)
        });
        let record = system.link(done.run, *member);
        let asked = record.approval.unwrap();
        assert_eq!(asked.ask.by.as_deref(), Some("somebody"), "{member}");
        assert_eq!(record.deny.len(), 60, "{member}");
        system.approval("Revert", *member, done.run, None);
        let back = system.link_state(*member).restore.unwrap();
        assert_eq!((back.allow, back.deny), (60, 0), "{member}");
        assert_eq!(codes(&back), ["PMS-7007"]);
        backs.push((*member, back));
    }
    all_allow(&system, &left, "waits for approval");
    approve_everywhere(&system, &backs);
    all_allow(&system, &before, "reverted");

    // It stays so: the next hour's plan would do it again, and is held.
    system.wait(3600);
    system.sync();
    system.rest();
    all_allow(&system, &before, "an hour later");
    for member in &members {
        let hold = system.link_state(*member).hold.unwrap();
        assert!(codes(&hold).contains(&"PMS-7004"), "{member}: {hold:?}");
    }
    assert!(system.unfinished_runs().is_empty());
}
