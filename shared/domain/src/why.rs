//! Why a product stands as it does on a member experience: one typed answer for each. Pure.
//!
//! Several things may stand in the way of one product at once. The answer is the first of these that
//! holds, so that it names what has to be dealt with first:
//!
//! 1. *failing*: the link cannot be looked at, so nothing else is known.
//! 2. *in sync*: nothing is to be done, whatever else is going on.
//! 3. *open*, in flight: a change set is changing it now, and nothing ends that.
//! 4. *frozen, excluded, protected, observed, additive, quarantined, not live, …*: the plan leaves the
//!    product alone. No approval, no resume and no further run would change it.
//! 5. *suspended*: it is suspended. It comes before holds, as it does in runs: nothing of an approved plan
//!    would start either.
//! 6. *open*, waiting or sent: its change is claimed or on its way under the lane's plan, and the lane
//!    goes on with it even if a newer plan is held.
//! 7. *held*: the plan that it is in waits for approval. It comes before a block: a block is
//!    lifted by the next plan that is committed, and a held one is not.
//! 8. *blocked*: the lane is; every run tries again.
//! 9. *superseded*: its change was closed, or is void, because a newer plan took its place.
//! 10. *planned*: the next run plans it.
//!
//! An outside edit is no reason for a product to differ from what is wanted now, so it is told beside
//! the answer.

mod report;
mod words;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::report::{WhyAnswer, WhyLink, WhyReport, WhyRequest};
use crate::drift::{ChangeState, Edited, LastChange};
use crate::error::FaultRecord;
use crate::guard::{HoldReason, LinkState};
use crate::hold::{Ask, Hold};
use crate::ids::{ChangeSetId, ExperienceId, ProductId, RunId};
use crate::lane::{BlockReason, LaneState, Phase, Suspension, elapsed};
use crate::plan::{LeftAlone, Plan, ProductChange, Reason};
use crate::policy::{Action, PolicySnapshot, Standing};
use crate::reconcile::TRUST;

/// Products that are answered at once at most.
pub const MOST_PRODUCTS: usize = 2_000;

/// How far an open change has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Its message is on its way.
    Sent,
    /// It is claimed, and waits for its change set.
    Waiting,
    /// Its change set is starting or under way.
    InFlight,
}

/// Why a product stands as it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Why {
    /// It stands as the management experience wants it. What is known of how it came to.
    InSync {
        /// Since when, if pmp-sync did it or found it so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Time>"))]
        since: Option<Timestamp>,
        /// The run that wanted it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<RunId>,
        /// The change set that did it; none if it stood so already.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        change_set: Option<ChangeSetId>,
    },
    /// Its change is under way.
    Open {
        /// What is being done to it.
        action: Action,
        /// How far it has come.
        stage: Stage,
        /// Since when it has come that far.
        #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
        since: Timestamp,
        /// The run that wants it.
        run: RunId,
        /// The change set, once known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        change_set: Option<ChangeSetId>,
        /// The service was busy: no change set is started before this.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Time>"))]
        not_before: Option<Timestamp>,
    },
    /// The plan that it is in is held.
    Held {
        /// Why.
        reasons: Vec<HoldReason>,
        /// The run that made the plan; none if the next run would be the first to hold it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<RunId>,
        /// Since when.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Time>"))]
        since: Option<Timestamp>,
        /// The command that releases it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        command: Option<String>,
        /// Who has rejected it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rejected: Option<Ask>,
    },
    /// The link never touches it.
    Excluded,
    /// The link never denies it.
    Protected,
    /// The link only observes.
    Observed,
    /// The link only allows.
    Additive,
    /// AWS Marketplace does not have it.
    NotLive,
    /// Whether AWS Marketplace has it is not known yet.
    LiveUnknown,
    /// Its change failed by itself.
    Quarantined {
        /// What was to be done to it.
        action: Action,
        /// The service's error code.
        error_code: String,
        /// The service's own words.
        error_message: String,
        /// The change set in which it failed alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        change_set: Option<ChangeSetId>,
        /// The run that wanted it.
        run: RunId,
        /// Since when.
        #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
        since: Timestamp,
    },
    /// The lane is blocked.
    Blocked {
        /// Why.
        reason: BlockReason,
        /// What the service said, or which thing is concerned.
        detail: String,
        /// Since when.
        #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
        since: Timestamp,
    },
    /// It is suspended.
    Suspended {
        /// Who suspended it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// Since when.
        #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
        since: Timestamp,
    },
    /// The link is frozen.
    Frozen {
        /// Since when, if a run has seen it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Time>"))]
        since: Option<Timestamp>,
    },
    /// The plan leaves it alone for any other reason.
    LeftAlone {
        /// Why.
        reason: Reason,
    },
    /// The link cannot be looked at.
    Failing {
        /// The stable code.
        code: String,
        /// What is wrong.
        message: String,
        /// What to do about it.
        remedy: String,
    },
    /// A newer plan took the place of its change.
    Superseded {
        /// The run whose change it was.
        run: RunId,
        /// The run whose plan took its place, if it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<RunId>,
        /// Since when.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Time>"))]
        since: Option<Timestamp>,
    },
    /// The next run plans it.
    Planned,
}

/// What an answer amounts to; the worst of several counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing is to be done.
    InSync,
    /// It differs: it is under way, planned, or left alone.
    Differs,
    /// It differs, and waits for approval.
    Held,
    /// It differs, and something has failed.
    Fails,
}

/// What was found on a lane.
#[derive(Debug, Clone)]
pub struct Seen<'a> {
    /// The member experience.
    pub experience: &'a ExperienceId,
    /// The management policy.
    pub desired: &'a PolicySnapshot,
    /// The member's lists.
    pub actual: &'a PolicySnapshot,
    /// The lane, as it was read before the lists.
    pub state: &'a LaneState,
    /// The last change of each product, as it was read before the lane.
    pub last: &'a BTreeMap<ProductId, LastChange>,
    /// What a run would change.
    pub plan: &'a Plan,
    /// What it would leave alone.
    pub left_alone: &'a BTreeMap<ProductId, LeftAlone>,
    /// The plan that the lane works on, if not all of it has been taken and it could be found.
    pub committed: Option<&'a Plan>,
    /// Why a run would hold the plan.
    pub held_for: &'a [HoldReason],
    /// False if a run that holds the plan would take back what the lane works on.
    pub goes_on: bool,
    /// What is remembered of the link.
    pub link_state: &'a LinkState,
    /// The suspensions.
    pub suspension: Option<&'a Suspension>,
    /// Outside edits.
    pub edited: &'a Edited,
    /// When the look began.
    pub at: Timestamp,
}

/// What is known of a link.
#[derive(Debug, Clone, Copy)]
pub enum Facts<'a> {
    /// It cannot be looked at.
    Failing(&'a FaultRecord),
    /// What was found.
    Seen(&'a Seen<'a>),
}

impl Why {
    /// What it amounts to.
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::InSync { .. } => Verdict::InSync,
            Self::Held { .. } => Verdict::Held,
            Self::Failing { .. } | Self::Quarantined { .. } | Self::Blocked { .. } => {
                Verdict::Fails
            }
            Self::Open { .. }
            | Self::Excluded
            | Self::Protected
            | Self::Observed
            | Self::Additive
            | Self::NotLive
            | Self::LiveUnknown
            | Self::Suspended { .. }
            | Self::Frozen { .. }
            | Self::LeftAlone { .. }
            | Self::Superseded { .. }
            | Self::Planned => Verdict::Differs,
        }
    }

    /// Since when it is so, if that is known.
    pub fn since(&self) -> Option<Timestamp> {
        match self {
            Self::InSync { since, .. }
            | Self::Held { since, .. }
            | Self::Frozen { since }
            | Self::Superseded { since, .. } => *since,
            Self::Open { since, .. }
            | Self::Quarantined { since, .. }
            | Self::Blocked { since, .. }
            | Self::Suspended { since, .. } => Some(*since),
            Self::Excluded
            | Self::Protected
            | Self::Observed
            | Self::Additive
            | Self::NotLive
            | Self::LiveUnknown
            | Self::LeftAlone { .. }
            | Self::Failing { .. }
            | Self::Planned => None,
        }
    }
}

/// Why the product stands as it does.
pub fn why(product: &ProductId, facts: Facts<'_>) -> WhyAnswer {
    match facts {
        Facts::Failing(fault) => WhyAnswer {
            product: product.clone(),
            desired: None,
            standing: None,
            wanted: None,
            why: Why::Failing {
                code: fault.code.clone(),
                message: fault.message.clone(),
                remedy: fault.remedy.clone(),
            },
            edited_since: None,
        },
        Facts::Seen(seen) => why_of(product, seen),
    }
}

/// The same on a link that could be looked at.
pub fn why_of(product: &ProductId, seen: &Seen<'_>) -> WhyAnswer {
    seen.answer(product)
}

impl Seen<'_> {
    fn answer(&self, product: &ProductId) -> WhyAnswer {
        let standing = self.actual.standing(product);
        let left = self.left_alone.get(product);
        let wanted = self.planned(product).or(left.map(|left| left.wanted));
        WhyAnswer {
            product: product.clone(),
            desired: Some(self.desired.standing(product)),
            standing: Some(standing),
            wanted,
            why: match wanted {
                None => self.in_sync(product, standing),
                Some(action) => {
                    let change = ProductChange {
                        product: product.clone(),
                        action,
                    };
                    let in_flight = self.in_flight(product);
                    let left = || left.map(|left| self.left(product, left.reason));
                    let in_the_way = || self.in_the_way(&change);
                    in_flight.or_else(left).unwrap_or_else(in_the_way)
                }
            },
            edited_since: self.edited.since.get(product).copied(),
        }
    }

    fn planned(&self, product: &ProductId) -> Option<Action> {
        if self.plan.deny().contains(product) {
            Some(Action::Deny)
        } else if self.plan.allow().contains(product) {
            Some(Action::Allow)
        } else {
            None
        }
    }

    fn in_sync(&self, product: &ProductId, standing: Standing) -> Why {
        // Another change than what stands says nothing of how it came to.
        let told = |last: &&LastChange| last.is_done() && last.action.outcome() == standing;
        let last = self.last.get(product).filter(told);
        Why::InSync {
            since: last.and_then(|last| last.closed_at),
            run: last.map(|last| last.run),
            change_set: last.and_then(|last| last.change_set.clone()),
        }
    }

    fn in_flight(&self, product: &ProductId) -> Option<Why> {
        let intent = self.state.intent.as_ref()?;
        let mut changes = intent.changes.iter();
        let change = changes.find(|change| change.product == *product)?;
        Some(Why::Open {
            action: change.action,
            stage: Stage::InFlight,
            since: intent.at,
            run: change.run,
            change_set: self.state.change_set.clone(),
            not_before: None,
        })
    }

    /// Why the plan leaves the product alone. A reason without an answer of its own is told as it is.
    fn left(&self, product: &ProductId, reason: Reason) -> Why {
        let quarantined = self.last.get(product);
        let quarantined = quarantined.filter(|last| last.state == ChangeState::Quarantined);
        match (reason, quarantined) {
            (Reason::Frozen, _) => Why::Frozen {
                since: self.link_state.frozen_since,
            },
            (Reason::Excluded, _) => Why::Excluded,
            (Reason::Protected, _) => Why::Protected,
            (Reason::Observe, _) => Why::Observed,
            (Reason::Additive, _) => Why::Additive,
            (Reason::NotLive, _) => Why::NotLive,
            (Reason::LiveUnknown, _) => Why::LiveUnknown,
            (Reason::Quarantined, Some(quarantined)) => Why::Quarantined {
                action: quarantined.action,
                error_code: quarantined.error_code.clone().unwrap_or_default(),
                error_message: quarantined.error_message.clone().unwrap_or_default(),
                change_set: quarantined.change_set.clone(),
                run: quarantined.run,
                since: quarantined.quarantined_at.unwrap_or(quarantined.claimed_at),
            },
            (reason, _) => Why::LeftAlone { reason },
        }
    }

    /// What is in the way of a planned change.
    fn in_the_way(&self, change: &ProductChange) -> Why {
        if let Some(suspension) = self.suspension {
            return Why::Suspended {
                by: suspension.by.clone(),
                since: suspension.since,
            };
        }
        if let Some(open) = self.at_work(change) {
            return open;
        }
        if !self.held_for.is_empty() {
            return self.held();
        }
        if let (Phase::Blocked, Some(block)) = (self.state.phase, &self.state.block) {
            return Why::Blocked {
                reason: block.reason,
                detail: block.detail.clone(),
                since: block.since,
            };
        }
        self.superseded(change).unwrap_or(Why::Planned)
    }

    /// The very change is claimed or on its way, and the lane goes on with it.
    fn at_work(&self, change: &ProductChange) -> Option<Why> {
        let planned = self.state.planned.as_ref()?;
        let held = !self.held_for.is_empty();
        if self.state.phase == Phase::Blocked || (held && !self.goes_on) {
            return None;
        }
        let last = self.last.get(&change.product);
        let (stage, since) = match last {
            Some(last) if last.run >= planned.run => {
                let is_open = last.state == ChangeState::Open && last.action == change.action;
                is_open.then_some((Stage::Waiting, last.claimed_at))?
            }
            // Nobody has claimed it under this plan yet.
            _ => {
                let committed = self.committed?;
                let is_coming = planned.sent
                    && elapsed(planned.at, self.at) < TRUST
                    && committed.contains(change);
                is_coming.then_some((Stage::Sent, planned.at))?
            }
        };
        Some(Why::Open {
            action: change.action,
            stage,
            since,
            run: planned.run,
            change_set: None,
            not_before: self.state.not_before.filter(|at| *at > self.at),
        })
    }

    /// The hold that stands, or the one that the next run would make.
    fn held(&self) -> Why {
        let hash = self.plan.hash();
        let codes =
            |reasons: &[HoldReason]| -> Vec<_> { reasons.iter().map(HoldReason::code).collect() };
        let is_it =
            |hold: &&Hold| hold.plan_hash == hash && codes(&hold.reasons) == codes(self.held_for);
        let hold = self.link_state.hold.as_ref().filter(is_it);
        Why::Held {
            reasons: self.held_for.to_vec(),
            run: hold.map(|hold| hold.run),
            since: hold.map(|hold| hold.since),
            command: hold.map(|hold| hold.command(self.experience)),
            rejected: hold.and_then(|hold| hold.rejected.clone()),
        }
    }

    fn superseded(&self, change: &ProductChange) -> Option<Why> {
        let last = self.last.get(&change.product)?;
        if last.action != change.action {
            return None;
        }
        let newer = self.state.planned_run().filter(|run| *run > last.run);
        let is_superseded = match last.state {
            ChangeState::Superseded => true,
            // Void, and closed when the lane next takes a step.
            ChangeState::Open => newer.is_some(),
            ChangeState::Applied | ChangeState::Holding | ChangeState::Quarantined => false,
        };
        is_superseded.then_some(Why::Superseded {
            run: last.run,
            by: newer,
            since: last.closed_at,
        })
    }
}

#[cfg(test)]
mod tests;
