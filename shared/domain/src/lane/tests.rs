//! What a lane may do, step by step and in any order.

mod audit;
mod bisect;
mod member_rules;
mod next;
mod others;
mod retries;
mod suspension;
mod tick;
mod transitions;
mod walk;

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::*;
use crate::ids::{ChangeSetId, ProductId, RunId};
use crate::plan::Plan;
use crate::policy::Action;
use crate::time::later;

fn p(text: &str) -> ProductId {
    ProductId::new(text).unwrap()
}

fn run(number: i64) -> RunId {
    RunId::next(None, number, 0)
}

fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn at(seconds: i64) -> Timestamp {
    later(start(), seconds)
}

fn c(allow: usize, deny: usize) -> Counts {
    Counts { allow, deny }
}

fn planned(number: i64, totals: Counts) -> Planned {
    Planned {
        run: run(number),
        hash: Plan::default().hash(),
        totals,
        taken: Counts::default(),
        counted: BTreeSet::new(),
        creates_policy: false,
        sent: false,
        proved: BTreeSet::new(),
        at: start(),
    }
}

/// An idle lane that works on a plan of run 5.
fn idle(totals: Counts) -> LaneState {
    LaneState {
        seq: 3,
        tick: 7,
        planned: Some(planned(5, totals)),
        ..LaneState::default()
    }
}

/// So many changes, claimed under that run.
fn intent(by: RunId, counts: Counts) -> Intent {
    let of = |action: Action, count: usize| {
        (0_u32..).take(count).map(move |number| IntentChange {
            product: p(&format!("{action}-{number}")),
            action,
            run: by,
            ordinal: number,
        })
    };
    Intent {
        token: "token".to_owned(),
        name: None,
        written_at: None,
        creates_policy: false,
        at: start(),
        changes: of(Action::Allow, counts.allow)
            .chain(of(Action::Deny, counts.deny))
            .collect(),
    }
}

/// So many changes that hold already, claimed under run 5.
fn holding(counts: Counts) -> Vec<OpenChange> {
    holding_from(1000, counts)
}

/// The same, with ordinals from this one on.
fn holding_from(first: u32, counts: Counts) -> Vec<OpenChange> {
    let kinds = std::iter::repeat_n(Action::Allow, counts.allow)
        .chain(std::iter::repeat_n(Action::Deny, counts.deny));
    let numbered = (first..).zip(kinds);
    numbered
        .map(|(ordinal, action)| open(&format!("held-{ordinal}"), action, 5, ordinal))
        .collect()
}

/// An idle lane's next intent under run 5.
fn starting(totals: Counts, batch: Counts) -> LaneState {
    idle(totals)
        .intending(3, run(5), intent(run(5), batch), (&[], &[]), at(2))
        .unwrap()
}

fn change_set(text: &str) -> ChangeSetId {
    ChangeSetId::new(text).unwrap()
}

fn in_flight(totals: Counts, batch: Counts) -> LaneState {
    starting(totals, batch)
        .started(4, change_set("cs-1"))
        .unwrap()
}

fn block() -> Block {
    Block {
        reason: BlockReason::Archived,
        detail: "exp-1".to_owned(),
        since: start(),
    }
}

/// The lane, blocked by what was just found on it.
fn block_now(lane: &LaneState, block: Block) -> Result<LaneState, Rejected> {
    lane.blocked(lane.seq, lane.planned_run(), block)
}

fn in_phase(phase: Phase) -> LaneState {
    LaneState {
        phase,
        ..idle(c(1, 1))
    }
}

const PHASES: [Phase; 5] = [
    Phase::Idle,
    Phase::Starting,
    Phase::InFlight,
    Phase::Blocked,
    Phase::Suspended,
];

/// A change that was claimed at the start.
fn open(product: &str, action: Action, by: i64, ordinal: u32) -> OpenChange {
    OpenChange {
        product: p(product),
        action,
        run: run(by),
        ordinal,
        claimed_at: start(),
    }
}

/// So many changes of one kind, claimed under run 5 at the start, in their order.
fn claimed(action: Action, count: usize) -> Vec<OpenChange> {
    (0_u32..)
        .take(count)
        .map(|ordinal| open(&format!("{action}-{ordinal}"), action, 5, ordinal))
        .collect()
}

#[test]
fn each_phase_has_its_words() {
    assert_eq!(
        PHASES.map(|phase| phase.to_string()),
        ["idle", "starting", "in flight", "blocked", "suspended"]
    );
}
