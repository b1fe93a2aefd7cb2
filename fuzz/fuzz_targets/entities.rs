//! What the catalog says of policies and experiences, and the plans that follow from it.
//!
//! The input is read as lines: the management policy, the member's policy, then three more policy
//! documents that stand for what is in flight, what is quarantined, and what the link protects (its
//! Allow list) and excludes (its Deny list). Every line is read as an experience, too. What is
//! missing or cannot be read counts as empty.

#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use pmp_sync_domain::experience::{Experience, Status};
use pmp_sync_domain::ids::{ExperienceId, ProductId};
use pmp_sync_domain::lane::LaneView;
use pmp_sync_domain::link::{LinkPolicy, Mode};
use pmp_sync_domain::plan::{Plan, Reason, Report, plan};
use pmp_sync_domain::policy::{Action, PolicySnapshot, ProductChange, Standing};
use serde_json::json;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut policies = text.split('\n').map(|line| {
        experience(line);
        policy(line)
    });
    let mut next = || policies.next().flatten().unwrap_or_default();
    let (desired, actual, in_flight, quarantined, lists) = (next(), next(), next(), next(), next());
    policies.for_each(drop);
    let lane = LaneView {
        in_flight: changes(&in_flight),
        quarantined: changes(&quarantined),
        ..LaneView::default()
    };
    for mode in Mode::ALL {
        let link = LinkPolicy {
            frozen: false,
            mode,
            protect: lists.allowed().clone(),
            exclude: lists.denied().clone(),
        };
        check_plan(&desired, &actual, &lane, &link);
    }
});

fn experience(details: &str) {
    let id = ExperienceId::new("exp-1").expect("an id");
    let read = match Experience::from_details(id.clone(), details) {
        Ok(read) => read,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    assert_eq!(read.id, id);
    if read.is_live() {
        assert_eq!(read.status, Status::Enabled);
        assert!(!read.archived && read.policy.is_some());
    }
    let status = match &read.status {
        Status::Enabled => "Enabled",
        Status::Disabled => "Disabled",
        Status::Other(other) => other,
    };
    let policies: Vec<_> = read.policy.iter().map(|id| format!("{id}@7")).collect();
    let written = json!({
        "Name": read.name,
        "Status": status,
        "AdminStatus": if read.archived { "Archived" } else { "Editable" },
        "ProcurementPolicies": policies,
    });
    let again = Experience::from_details(id, &written.to_string()).expect("a written one");
    assert_eq!(again, read);
}

fn policy(details: &str) -> Option<PolicySnapshot> {
    let read = match PolicySnapshot::from_details(details) {
        Ok(read) => read,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return None;
        }
    };
    check_lists(&read);
    assert!(read.contradictory().is_subset(read.denied()));
    let allow: BTreeSet<_> = read.allowed().union(read.contradictory()).collect();
    let written = json!({"Statements": [
        {"Effect": "Deny", "Resources": [{"Type": "Product", "Ids": read.denied()}]},
        {"Effect": "Allow", "Resources": [{"Type": "Product", "Ids": allow}]},
    ]});
    let again = PolicySnapshot::from_details(&written.to_string()).expect("a written one");
    assert_eq!(again, read);
    Some(read)
}

fn check_lists(policy: &PolicySnapshot) {
    assert!(policy.allowed().is_disjoint(policy.denied()), "{policy:?}");
    let mut listed = 0;
    for (product, standing) in policy.iter() {
        assert_ne!(standing, Standing::Unlisted);
        assert_eq!(policy.standing(product), standing);
        listed += 1;
    }
    assert_eq!(listed, policy.allowed().len() + policy.denied().len());
    let invalid = policy.invalid();
    assert_eq!(policy.is_empty(), listed == 0 && invalid.is_empty());
    assert!(
        invalid
            .keys()
            .all(|text| ProductId::new(text.as_str()).is_err())
    );
}

fn changes(policy: &PolicySnapshot) -> Vec<ProductChange> {
    let change = |(product, standing): (&ProductId, _)| ProductChange {
        product: product.clone(),
        action: if standing == Standing::Allowed {
            Action::Allow
        } else {
            Action::Deny
        },
    };
    policy.iter().map(change).collect()
}

fn after(policy: &PolicySnapshot, changes: &[ProductChange]) -> PolicySnapshot {
    let after = policy.overlaid(
        changes
            .iter()
            .map(|change| (&change.product, change.action)),
    );
    check_lists(&after);
    for change in changes {
        assert_eq!(after.standing(&change.product), change.action.outcome());
    }
    after
}

fn check_plan(
    desired: &PolicySnapshot,
    actual: &PolicySnapshot,
    lane: &LaneView,
    link: &LinkPolicy,
) {
    let (made, report) = plan(desired, actual, lane, link);
    check_one(desired, actual, lane, link, &made, &report);
    // Whether what is in flight succeeds or fails: once the plan is applied nothing is left to do.
    let applied: Vec<_> = made.changes().collect();
    let rest = LaneView {
        in_flight: Vec::new(),
        quarantined: lane.quarantined.clone(),
        ..LaneView::default()
    };
    for before in [actual.clone(), after(actual, &lane.in_flight)] {
        let (second, report) = plan(desired, &after(&before, &applied), &rest, link);
        assert!(second.is_empty(), "left to do: {second:?}");
        assert_eq!(report.removals, 0);
        let nothing_quarantined = lane.quarantined.is_empty() && link.protect.is_empty();
        if link.mode == Mode::Mirror && nothing_quarantined && link.exclude.is_empty() {
            assert_eq!(report.left_alone, []);
        }
    }
}

fn check_one(
    desired: &PolicySnapshot,
    actual: &PolicySnapshot,
    lane: &LaneView,
    link: &LinkPolicy,
    made: &Plan,
    report: &Report,
) {
    assert!(made.allow().is_disjoint(made.deny()));
    assert!(made.allow().is_disjoint(&link.exclude));
    assert!(made.deny().is_disjoint(&link.exclude));
    assert!(made.deny().is_disjoint(&link.protect));
    match link.mode {
        Mode::Mirror => {}
        Mode::Additive => assert!(made.deny().is_empty()),
        Mode::Observe => assert!(made.is_empty()),
    }
    assert_eq!(
        report.removals,
        made.deny().intersection(actual.allowed()).count()
    );
    let changes: Vec<_> = made.changes().collect();
    assert_eq!(changes.len(), made.len());
    for change in &changes {
        assert!(made.contains(change));
        assert!(!lane.quarantined.contains(change));
        assert!(link.agrees(desired, change), "{change:?}");
    }
    let mut order = made.in_sending_order();
    order.sort();
    assert_eq!(order, changes);
    for left in &report.left_alone {
        assert!(!made.allow().contains(&left.product) && !made.deny().contains(&left.product));
        assert_eq!(left.standing, actual.standing(&left.product));
        if left.reason == Reason::Protected {
            assert_eq!(left.wanted, Action::Deny);
        }
    }
    let (again, _) = plan(desired, actual, lane, link);
    assert_eq!(again.hash(), made.hash());
    let told: BTreeSet<_> = report.left_alone.iter().map(|left| &left.product).collect();
    for (product, _) in desired.iter().chain(actual.iter()) {
        if LinkPolicy::wanted(desired.standing(product), actual.standing(product)).is_some() {
            let is_planned = made.allow().contains(product) || made.deny().contains(product);
            assert!(is_planned || told.contains(product), "{product} is lost");
        }
    }
}
