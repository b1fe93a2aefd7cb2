//! The state of a product on a member experience, and of the experience as a whole. Plan, why, sync,
//! status and report all take their words from here, so that they agree about every state. Pure.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::closed_list::closed_list;
use crate::lane::{LaneState, OpenChange, Phase};
use crate::plan::{InvalidProducts, LeftAlone, Reason};
use crate::reconcile::{Course, Decision, Observation, is_busy};
use crate::records::{LinkRecord, LinkState};
use crate::run::LinkStatus;

/// The state of a product on a member experience. The worst state of its products is that of the
/// experience, so the variants are ordered from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SyncState {
    /// It is as the management experience wants it.
    InSync,
    /// It differs, and the configuration says that the link leaves it so. Nothing is to be done.
    LeftAlone,
    /// Its change is under way.
    Underway,
    /// The next run changes it.
    Planned,
    /// It differs, and no run changes it as things are.
    Differs,
    /// It differs, and the link is suspended.
    Suspended,
    /// It differs, and the plan that changes it waits for approval.
    Held,
    /// Its change was rejected individually.
    Quarantined,
    /// Its lane is blocked.
    Blocked,
    /// It cannot be observed.
    Unreachable,
}

closed_list!(SyncState, "state", {
    InSync => "in_sync",
    LeftAlone => "left_alone",
    Underway => "underway",
    Planned => "planned",
    Differs => "differs",
    Suspended => "suspended",
    Held => "held",
    Quarantined => "quarantined",
    Blocked => "blocked",
    Unreachable => "unreachable",
});

/// The severity of an answer. The worst of several counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing to do: it is in sync, or left alone as the configuration says.
    InSync,
    /// It differs: it is under way, planned, suspended, or no run changes it as things are.
    Differs,
    /// It differs, and waits for approval.
    Held,
    /// It differs, and something has failed.
    Fails,
}

impl SyncState {
    /// The state in words, for tables and sentences.
    pub fn words(self) -> &'static str {
        match self {
            Self::InSync => "in sync",
            Self::LeftAlone => "left alone",
            Self::Underway => "under way",
            Self::Planned => "planned",
            Self::Differs => "differs",
            Self::Suspended => "suspended",
            Self::Held => "held",
            Self::Quarantined => "quarantined",
            Self::Blocked => "blocked",
            Self::Unreachable => "unreachable",
        }
    }

    /// The severity, which decides about exit codes.
    pub fn verdict(self) -> Verdict {
        match self {
            Self::InSync | Self::LeftAlone => Verdict::InSync,
            Self::Underway | Self::Planned | Self::Differs | Self::Suspended => Verdict::Differs,
            Self::Held => Verdict::Held,
            Self::Quarantined | Self::Blocked | Self::Unreachable => Verdict::Fails,
        }
    }
}

impl Reason {
    /// The state of a product that is left alone for this reason.
    pub fn state(self) -> SyncState {
        match self {
            // The configuration says so for good.
            Self::Additive | Self::Protected | Self::Excluded | Self::NotLive => {
                SyncState::LeftAlone
            }
            Self::Quarantined => SyncState::Quarantined,
            // The link changes nothing for now, or something must be fixed first.
            Self::Observe
            | Self::Frozen
            | Self::LiveUnknown
            | Self::MemberRules
            | Self::UnreadableItem
            | Self::InvalidId => SyncState::Differs,
        }
    }
}

impl Reason {
    /// True if a product that is left alone for this reason is as the configuration wants it, so that its
    /// experience counts as in sync.
    pub fn is_intended(self) -> bool {
        self.state() <= SyncState::LeftAlone
    }
}

/// What is known of a link on one member experience. [`LinkFacts::state`] is the one classification.
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that do not depend on each other"
)]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkFacts {
    /// It cannot be observed.
    pub is_unreachable: bool,
    /// A part of its plan waits for approval, or none can be made because its management experience cannot be
    /// trusted.
    pub is_held: bool,
    /// Its lane is suspended.
    pub is_suspended: bool,
    /// Its lane is blocked.
    pub is_blocked: bool,
    /// Changes of it were rejected individually, and are still wanted.
    pub is_quarantined: bool,
    /// The next run would commit a plan.
    pub is_planned: bool,
    /// The lane works on a plan.
    pub is_underway: bool,
    /// Why products are left alone.
    pub left_alone: BTreeSet<Reason>,
}

impl LinkFacts {
    /// The state of the member experience.
    pub fn state(&self) -> SyncState {
        if self.is_unreachable {
            return SyncState::Unreachable;
        }
        let left = self.left_alone.iter().map(|reason| reason.state());
        let quarantined = self.is_quarantined.then_some(SyncState::Quarantined);
        let worst = left.chain(quarantined).chain(self.changes()).max();
        worst.unwrap_or(SyncState::InSync)
    }

    /// The state of what is to be changed. What is in the way has the order of the decision.
    fn changes(&self) -> Option<SyncState> {
        let is_to_do = self.is_planned || self.is_underway;
        if is_to_do && self.is_suspended {
            return Some(SyncState::Suspended);
        }
        if self.is_held {
            return Some(SyncState::Held);
        }
        if !is_to_do {
            return None;
        }
        Some(if self.is_blocked {
            SyncState::Blocked
        } else if self.is_planned {
            SyncState::Planned
        } else {
            SyncState::Underway
        })
    }

    /// The facts of an observation, with the decision on it.
    pub fn observed(seen: &Observation, decision: &Decision) -> Self {
        let mut facts = Self {
            is_blocked: seen.state().phase == Phase::Blocked,
            is_quarantined: seen.quarantine.staying() > 0,
            left_alone: reasons(&seen.report.left_alone, &seen.report.invalid),
            ..Self::default()
        };
        match decision {
            Decision::InSync => {}
            Decision::MarkSuspension | Decision::Suspended => {
                facts.is_suspended = true;
                facts.is_planned = true;
            }
            Decision::Hold { rest, passes } => {
                facts.is_held = true;
                facts.is_planned = *passes && *rest == Course::Commit;
                facts.is_underway = *passes && matches!(rest, Course::Underway(_));
            }
            Decision::Underway(_) | Decision::ResumeRollback(_) => facts.is_underway = true,
            Decision::Commit => facts.is_planned = true,
            Decision::RefuseRollback | Decision::AnothersPlan => facts.is_unreachable = true,
        }
        facts
    }

    /// The facts that the ledger has: the record of the last run that observed the link, and its lane as it is
    /// now. A run that finds nothing to tell keeps no record.
    pub fn recorded(record: Option<&LinkRecord>, lane: &RecordedLane<'_>) -> Self {
        let state = lane.state;
        let is_held = record.is_some_and(|record| record.status == LinkStatus::Held);
        let was_suspended = record.is_some_and(|record| record.status == LinkStatus::Suspended);
        Self {
            is_unreachable: record.is_some_and(|record| record.status == LinkStatus::Failed),
            is_held: is_held || lane.link_state.is_some_and(|state| state.hold.is_some()),
            is_suspended: state.suspension.is_some(),
            is_blocked: state.phase == Phase::Blocked,
            is_quarantined: lane.quarantined > 0,
            is_planned: was_suspended,
            is_underway: is_busy(state, lane.open),
            left_alone: record.map_or_else(BTreeSet::new, |record| {
                reasons(&record.left_alone, &record.invalid)
            }),
        }
    }
}

impl LinkRecord {
    /// The state of what a run left alone on the link: in sync if that is nothing.
    pub fn left_state(&self) -> SyncState {
        let reasons = reasons(&self.left_alone, &self.invalid).into_iter();
        let worst = reasons.map(Reason::state).max();
        worst.unwrap_or(SyncState::InSync)
    }

    /// The result in words: the status, unless nothing was planned because what differs was left as it is.
    pub fn result(&self) -> &'static str {
        let left = self.left_state();
        if self.status == LinkStatus::InSync && left != SyncState::InSync {
            left.words()
        } else {
            self.status.as_str()
        }
    }
}

/// What the ledger has of a lane now.
#[derive(Debug, Clone, Copy)]
pub struct RecordedLane<'a> {
    /// Its state.
    pub state: &'a LaneState,
    /// Its claimed changes.
    pub open: &'a [OpenChange],
    /// Number of its quarantined changes.
    pub quarantined: usize,
    /// The link state, if there is one.
    pub link_state: Option<&'a LinkState>,
}

/// The reasons why products are left alone, each once.
fn reasons(left_alone: &[LeftAlone], invalid: &InvalidProducts) -> BTreeSet<Reason> {
    let left = left_alone.iter().map(|left| left.reason);
    left.chain((!invalid.is_empty()).then_some(Reason::InvalidId))
        .collect()
}

#[cfg(test)]
mod tests;
