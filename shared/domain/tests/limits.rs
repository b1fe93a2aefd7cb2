//! What is stored fits into an item of DynamoDB at the bounds of its parts: docs/limits.md.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

use std::collections::{BTreeMap, BTreeSet};

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::approval::rejection::MOST_REJECTED;
use pmp_sync_domain::approval::{Ask, Grant, Hold, RejectedPart, Rejection};
use pmp_sync_domain::config::MOST_BYTES;
use pmp_sync_domain::drift::MOST_EDITED;
use pmp_sync_domain::guard::HoldReason;
use pmp_sync_domain::guard::memory::{MOST_REMOVALS, MOST_REMOVED};
use pmp_sync_domain::ids::{LaneId, MemberName, PlanHash, ProductId, RunId};
use pmp_sync_domain::lane::{LaneState, Suspension};
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::records::{
    ConfigOrigin, ConfigVersion, LinkState, MOST_DENIED, MOST_LANES, MOST_PENDING,
    MOST_SUSPENSIONS, Request, RunRecord, Suspensions, TooManySuspensions,
};
use pmp_sync_domain::wire::limits::{
    MOST_ID, MOST_NAME, MOST_REASON, MOST_REQUESTER, MOST_SCOPE, TooLarge,
};
use pmp_sync_domain::wire::{LinkRetry, Scope, SyncRequest, Trigger, Unreadable};
use serde_json::json;

/// The limit of DynamoDB, in bytes.
const ITEM: usize = 400 * 1024;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn run() -> RunId {
    RunId::next(None, 1, 1)
}

/// The longest product ids.
fn products(count: usize) -> BTreeSet<ProductId> {
    (0..count)
        .map(|number| ProductId::new(format!("prod-{number:045}")).unwrap())
        .collect()
}

fn lane(number: usize) -> LaneId {
    format!("222222222222/exp-{number:060}").parse().unwrap()
}

fn scope() -> Scope {
    let member = |number: usize| format!("m{number:0>31}").parse().unwrap();
    Scope {
        members: (0..MOST_SCOPE).map(member).collect(),
        experiences: (0..MOST_SCOPE).map(|n| lane(n).experience).collect(),
    }
}

fn size(record: &impl serde::Serialize) -> usize {
    serde_json::to_vec(record).unwrap().len()
}

#[test]
fn a_run_at_its_bounds_fits_into_an_item() {
    let mut record = RunRecord::new(run(), 1, vec![scope(); 10], at(0));
    record.requests = vec![
        Request {
            kind: "management-change-set".to_owned(),
            id: Some("i".repeat(MOST_ID)),
            requester: Some("r".repeat(MOST_REQUESTER)),
            account: Some("a".repeat(MOST_NAME)),
            override_reason: Some("o".repeat(MOST_REASON)),
            scope: Some(scope()),
            retry: 3,
        };
        10
    ];
    for number in 0..MOST_LANES + 3 {
        record.opened(&lane(number));
    }
    assert_eq!((record.open.len(), record.beyond), (MOST_LANES, 3));
    record.cursor = (0..4_000).collect();
    let members: Vec<MemberName> = (0..MOST_DENIED + 3)
        .map(|number| format!("m{number:0>31}").parse().unwrap())
        .collect();
    record.deny_access(&members);
    assert_eq!(record.denied.len(), MOST_DENIED);
    for number in 1..10 {
        let retry = LinkRetry {
            id: String::new(),
            number,
            run: None,
            since: at(0),
            scope: scope(),
        };
        record.will_retry(&retry, at(60));
    }
    assert_eq!(record.retries.len(), MOST_PENDING);
    let bytes = size(&record);
    assert!(bytes < ITEM, "{bytes}");
}

#[test]
fn a_version_of_the_configuration_at_its_bounds_fits_into_an_item() {
    let long = "x".repeat(10_000);
    let about = ConfigVersion::after(Some(7), ConfigOrigin::Rollback, at(1))
        .asked(Some(&long), Some(&long))
        .changing(&long);
    let bytes = size(&about) + MOST_BYTES;
    assert!(bytes < ITEM, "{bytes}");
}

#[test]
fn the_suspensions_at_their_bounds_fit_into_an_item() {
    let mut suspensions = Suspensions::default();
    let suspension = Suspension {
        by: Some("b".repeat(MOST_REQUESTER)),
        since: at(1),
    };
    let links: Vec<_> = (0..MOST_SUSPENSIONS).map(|n| lane(n).experience).collect();
    suspensions.suspend(&[], &links, &suspension).unwrap();
    let one_more = [lane(MOST_SUSPENSIONS).experience];
    let refused = suspensions.suspend(&[], &one_more, &suspension);
    assert_eq!(refused, Err(TooManySuspensions(MOST_SUSPENSIONS + 1)));
    assert_eq!(suspensions.links.len(), MOST_SUSPENSIONS);
    // What is suspended already, and everything, can always be suspended.
    suspensions.suspend(&[], &links[..1], &suspension).unwrap();
    suspensions.suspend(&[], &[], &suspension).unwrap();
    let bytes = size(&suspensions);
    assert!(bytes < ITEM, "{bytes}");
}

#[test]
fn a_link_state_at_its_bounds_fits_into_an_item() {
    let mut state = LinkState::default();
    let many = products(6_000);
    for hour in 0..30 {
        state.taking_away(many.clone(), at(hour));
        state.looked(|_| true, at(hour + 1));
    }
    assert!(state.taking.len() <= MOST_REMOVED && state.removals.len() <= MOST_REMOVALS);
    state.edited = products(MOST_EDITED)
        .into_iter()
        .map(|product| (product, at(1)))
        .collect::<BTreeMap<_, _>>();
    let ask = Ask {
        by: Some("b".repeat(MOST_REQUESTER)),
        account: Some("a".repeat(MOST_NAME)),
        at: at(1),
        reason: Some("c".repeat(MOST_REASON)),
    };
    let hash: PlanHash = Plan::default().hash();
    let hold = Hold {
        run: run(),
        plan_hash: hash,
        reasons: vec![HoldReason::Restore { run: run() }; 10],
        allow: 1,
        deny: 1,
        removals: 1,
        since: at(1),
        announced: false,
        rejected: Some(RejectedPart {
            changes: 1,
            ask: ask.clone(),
        }),
        approvals: vec![ask.clone()],
        overrides: true,
    };
    let grant = Grant {
        run: run(),
        ask: ask.clone(),
        earlier: vec![ask.clone()],
        executed: run(),
        overrides: true,
        before: Vec::new(),
    };
    let grant = (1..30).fold(grant.clone(), |known, other| {
        let run = RunId::next(None, other, 7);
        Grant {
            run,
            ..grant.clone()
        }
        .after(&known)
    });
    state.hold = Some(hold.clone());
    state.restore = Some(hold);
    let denies = Plan::new(BTreeSet::new(), products(MOST_REJECTED));
    state.rejected = Some(Rejection::new(&denies, ask));
    state.grant = Some(grant.clone());
    for _ in 0..30 {
        state.rolled_back(&grant);
    }
    let bytes = size(&state);
    assert!(bytes < ITEM, "{bytes}");
}

/// The suspects of a change set, as many as may fail alone before the lane is blocked, as many dead letters of earlier plans, and what is
/// counted and not closed.
#[test]
fn a_lane_state_at_its_bounds_fits_into_an_item() {
    let change = |number: usize, action: &str| {
        let product = format!("prod-{number:045}");
        json!({ "product": product, "action": action, "run": run(), "ordinal": number })
    };
    let changes = |action: &str| (0..50).map(|n| change(n, action)).collect::<Vec<_>>();
    let all = [changes("allow"), changes("deny")].concat();
    let alone = |count: usize| {
        let failed = |change: &serde_json::Value| {
            let words = "\u{fc}".repeat(300);
            json!({ "change": change, "code": "INVALID_PRODUCT".repeat(10), "message": words, "change_set": "c".repeat(64) })
        };
        all.iter()
            .cycle()
            .take(count)
            .map(failed)
            .collect::<Vec<_>>()
    };
    let planned = json!({
        "run": run(), "hash": Plan::default().hash(), "at": at(0), "sent": true, "proved": ["allow", "deny"],
        "totals": { "allow": 50_000, "deny": 50_000 }, "taken": { "allow": 50_000, "deny": 50_000 },
        "counted": (0..1_100).collect::<Vec<_>>(),
    });
    let state: LaneState = serde_json::from_value(json!({
        "schema": 1, "rev": 1, "phase": "in_flight", "seq": 1, "tick": 1,
        "intent": { "token": "0".repeat(32), "at": at(0), "changes": all },
        "planned": planned,
        "bisect": {
            "allow": changes("allow"), "deny": changes("deny"), "apart": true, "unsure": ["allow", "deny"],
            "alone": alone(100), "pending_letters": alone(50),
        },
        "denied": (0..100).map(|n| json!({ "from": at(900 * n), "count": 1_000 })).collect::<Vec<_>>(),
    }))
    .unwrap();
    assert!(size(&state) < ITEM, "{}", size(&state));
    // A new plan adds those of this one, and keeps the newest fifty.
    let mut planned = state.planned.clone().unwrap();
    planned.run = RunId::next(Some(run()), 2, 2);
    let next = state.committed(planned).unwrap();
    assert_eq!(next.bisect.pending_letters().len(), 50);
    assert!(size(&next) < size(&state));
}

#[test]
fn removals_beyond_those_that_are_remembered_are_counted() {
    let mut state = LinkState::default();
    state.taking_away(products(6_000), at(0));
    let counted = |state: &LinkState| -> usize {
        let removals = state.removals.iter();
        removals.map(|of| of.products.len() + of.beyond).sum()
    };
    assert_eq!(counted(&state), 6_000);
    // Under way, then done.
    state.looked(|_| true, at(10));
    assert_eq!((counted(&state), state.taking_beyond), (6_000, 4_000));
    state.looked(|_| false, at(20));
    assert_eq!((counted(&state), state.taking_beyond), (6_000, 0));
    assert!(state.removals.iter().all(|of| of.at == at(20)));
    state.looked(|_| false, at(30));
    assert_eq!(counted(&state), 6_000);
}

/// The shape of an event with an override.
fn event(reason: usize) -> String {
    json!({
        "id": "e",
        "source": "pmp-sync",
        "detail-type": "Sync Requested",
        "detail": { "override_reason": "r".repeat(reason) },
    })
    .to_string()
}

#[test]
fn a_field_above_its_bound_is_named() {
    assert!(Trigger::parse(&event(MOST_REASON)).is_ok());
    let error = Trigger::parse(&event(420_000)).unwrap_err();
    assert_eq!((error.code(), error.reason()), ("PMS-5005", "too-large"));
    let wanted = TooLarge {
        field: "override_reason",
        found: 420_000,
        most: MOST_REASON,
        unit: "bytes",
    };
    assert_eq!(error, Unreadable::TooLarge(wanted));
    let mut request = SyncRequest {
        scope: scope(),
        ..SyncRequest::default()
    };
    assert!(request.check().is_ok());
    let first = request.scope.experiences[0].clone();
    request.scope.experiences.push(first);
    assert_eq!(request.check().unwrap_err().field, "experiences");
}

/// What cannot be read may be large as well.
#[test]
fn the_words_about_a_message_are_few() {
    let body = json!({
        "source": "pmp-sync",
        "detail-type": "Sync Requested",
        "detail": { "scope": { "members": ["M".repeat(420_000)] } },
    });
    let error = Trigger::parse(&body.to_string()).unwrap_err();
    assert_eq!(error.code(), "PMS-5001");
    assert!(error.to_string().len() < 1_000);
}
