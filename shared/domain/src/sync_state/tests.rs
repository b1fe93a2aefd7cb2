//! The state of a link by what was observed or recorded of it.

use jiff::Timestamp;

use super::*;
use crate::approval::Hold;
use crate::ids::RunId;
use crate::lane::Suspension;
use crate::plan::{InvalidProduct, Plan};
use crate::policy::{Action, Standing};

#[test]
fn states_are_ordered_by_their_severity() {
    let verdicts: Vec<_> = SyncState::ALL.map(SyncState::verdict).to_vec();
    let mut sorted = verdicts.clone();
    sorted.sort();
    assert_eq!(verdicts, sorted, "the worst state has the worst exit code");
    let mut states = SyncState::ALL;
    states.sort();
    assert_eq!(states, SyncState::ALL);
}

#[test]
fn each_reason_alone_is_the_state_of_the_link() {
    for reason in Reason::ALL {
        let facts = LinkFacts {
            left_alone: [reason].into(),
            ..LinkFacts::default()
        };
        assert_eq!(facts.state(), reason.state(), "{reason}");
    }
}

/// Each row adds one fact to the rows before it.
#[test]
fn the_worst_fact_decides() {
    let mut facts = LinkFacts::default();
    let mut add = |set: fn(&mut LinkFacts), expected: SyncState| {
        set(&mut facts);
        assert_eq!(facts.state(), expected, "{facts:?}");
    };
    add(|_| {}, SyncState::InSync);
    // Nothing is to be done, so nothing is in the way of it.
    add(|facts| facts.is_suspended = true, SyncState::InSync);
    add(|facts| facts.is_suspended = false, SyncState::InSync);
    add(|facts| facts.is_blocked = true, SyncState::InSync);
    add(|facts| facts.is_blocked = false, SyncState::InSync);
    add(
        |facts| facts.left_alone = [Reason::Excluded].into(),
        SyncState::LeftAlone,
    );
    add(|facts| facts.is_underway = true, SyncState::Underway);
    add(|facts| facts.is_planned = true, SyncState::Planned);
    add(
        |facts| facts.left_alone = [Reason::LiveUnknown].into(),
        SyncState::Differs,
    );
    add(|facts| facts.is_blocked = true, SyncState::Blocked);
    add(|facts| facts.is_held = true, SyncState::Held);
    add(|facts| facts.is_suspended = true, SyncState::Suspended);
    add(|facts| facts.is_quarantined = true, SyncState::Quarantined);
    add(|facts| facts.is_unreachable = true, SyncState::Unreachable);
}

/// The record of a link with this status.
fn record(status: LinkStatus) -> LinkRecord {
    serde_json::from_value(serde_json::json!({
        "schema": 1,
        "run": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "member": "emea",
        "account": "222222222222",
        "management_experience": "exp-0",
        "mode": "mirror",
        "status": status,
        "at": "2026-01-01T00:00:00Z",
    }))
    .unwrap()
}

/// The same, with a product that is left alone for this reason.
fn leaving(status: LinkStatus, reason: Reason) -> LinkRecord {
    let mut record = record(status);
    record.left_alone.push(LeftAlone {
        product: "prod-1".parse().unwrap(),
        standing: Standing::Allowed,
        wanted: Action::Deny,
        reason,
    });
    record
}

/// The same, with a product whose id is not valid.
fn with_an_invalid_id(status: LinkStatus) -> LinkRecord {
    let mut record = record(status);
    record.invalid.products.push(InvalidProduct {
        id: "a b".to_owned(),
        standing: Standing::Allowed,
        wanted: Action::Deny,
        reason: Reason::InvalidId,
    });
    record
}

#[test]
fn each_status_that_was_recorded_gives_its_fact_and_no_other() {
    let state = LaneState::default();
    let lane = RecordedLane {
        state: &state,
        open: &[],
        quarantined: 0,
        link_state: None,
    };
    for status in LinkStatus::ALL {
        let expected = LinkFacts {
            is_unreachable: status == LinkStatus::Failed,
            is_held: status == LinkStatus::Held,
            is_planned: status == LinkStatus::Suspended,
            ..LinkFacts::default()
        };
        let found = LinkFacts::recorded(Some(&record(status)), &lane);
        assert_eq!(found, expected, "{status}");
    }
    assert_eq!(LinkFacts::recorded(None, &lane), LinkFacts::default());
    for (record, reason) in [
        (
            leaving(LinkStatus::InSync, Reason::Protected),
            Reason::Protected,
        ),
        (with_an_invalid_id(LinkStatus::InSync), Reason::InvalidId),
    ] {
        let found = LinkFacts::recorded(Some(&record), &lane);
        assert_eq!(found.left_alone, [reason].into());
    }
}

#[test]
fn what_the_ledger_has_of_a_lane_gives_its_fact_and_no_other() {
    let idle = LaneState::default();
    let suspended = LaneState {
        suspension: Some(Suspension {
            by: None,
            since: Timestamp::UNIX_EPOCH,
        }),
        ..LaneState::default()
    };
    let blocked = LaneState {
        phase: Phase::Blocked,
        ..LaneState::default()
    };
    let open = OpenChange {
        product: "prod-1".parse().unwrap(),
        action: Action::Allow,
        run: RunId::next(None, 1, 1),
        ordinal: 0,
        claimed_at: Timestamp::UNIX_EPOCH,
    };
    let open = [open];
    let waiting = LinkState {
        hold: Some(Hold {
            run: RunId::next(None, 1, 1),
            plan_hash: Plan::default().hash(),
            reasons: Vec::new(),
            allow: 0,
            deny: 0,
            removals: 0,
            since: Timestamp::UNIX_EPOCH,
            announced: true,
            rejected: None,
            approvals: Vec::new(),
            overrides: false,
        }),
        ..LinkState::default()
    };
    let at_rest = LinkState::default();
    let lane = RecordedLane {
        state: &idle,
        open: &[],
        quarantined: 0,
        link_state: Some(&at_rest),
    };
    let facts = LinkFacts::default;
    for (lane, expected) in [
        (lane, facts()),
        (
            RecordedLane {
                state: &suspended,
                ..lane
            },
            LinkFacts {
                is_suspended: true,
                ..facts()
            },
        ),
        (
            RecordedLane {
                state: &blocked,
                ..lane
            },
            LinkFacts {
                is_blocked: true,
                ..facts()
            },
        ),
        (
            RecordedLane {
                open: &open,
                ..lane
            },
            LinkFacts {
                is_underway: true,
                ..facts()
            },
        ),
        (
            RecordedLane {
                quarantined: 1,
                ..lane
            },
            LinkFacts {
                is_quarantined: true,
                ..facts()
            },
        ),
        (
            RecordedLane {
                link_state: Some(&waiting),
                ..lane
            },
            LinkFacts {
                is_held: true,
                ..facts()
            },
        ),
    ] {
        assert_eq!(LinkFacts::recorded(None, &lane), expected);
    }
}

#[test]
fn a_link_in_sync_is_told_with_what_is_left_and_any_other_with_its_status() {
    for (record, words) in [
        (record(LinkStatus::InSync), "in_sync"),
        (leaving(LinkStatus::InSync, Reason::Protected), "left alone"),
        (leaving(LinkStatus::InSync, Reason::Observe), "differs"),
        (with_an_invalid_id(LinkStatus::InSync), "differs"),
        (
            leaving(LinkStatus::Committed, Reason::Protected),
            "committed",
        ),
        (record(LinkStatus::Held), "held"),
    ] {
        assert_eq!(record.result(), words, "{record:?}");
    }
}

#[test]
fn each_state_has_its_words() {
    let words = SyncState::ALL.map(SyncState::words);
    assert_eq!(
        words,
        [
            "in sync",
            "left alone",
            "under way",
            "planned",
            "differs",
            "suspended",
            "held",
            "quarantined",
            "blocked",
            "unreachable",
        ]
    );
}
