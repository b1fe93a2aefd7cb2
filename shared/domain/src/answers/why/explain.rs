//! The answer for one product, from what was observed on its lane.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::answer::{Stage, Why, WhyAnswer};
use crate::approval::Hold;
use crate::drift::Edited;
use crate::error::FaultRecord;
use crate::guard::reason::HoldReason;
use crate::ids::{ExperienceId, ProductId};
use crate::lane::{LaneState, Phase, Suspension};
use crate::plan::{LeftAlone, Plan, Reason};
use crate::policy::{Action, PolicySnapshot, ProductChange, Standing};
use crate::reconcile::TRUST;
use crate::records::{ChangeState, LastChange, LinkState};
use crate::sources::{SourceLists, listed_by};
use crate::time::elapsed;

/// What was observed on a lane.
#[derive(Debug, Clone)]
pub struct Seen<'a> {
    /// The member experience.
    pub experience: &'a ExperienceId,
    /// The management policy, or the union of several.
    pub desired: &'a PolicySnapshot,
    /// The lists of each management experience, if there are several.
    pub sources: &'a [SourceLists],
    /// The lists of the member experience.
    pub actual: &'a PolicySnapshot,
    /// The lane, as it was read before the lists.
    pub state: &'a LaneState,
    /// The last change of each product, as it was read before the lane.
    pub last: &'a BTreeMap<ProductId, LastChange>,
    /// What a run would change.
    pub plan: &'a Plan,
    /// What a run would hold.
    pub held: &'a Plan,
    /// What a run would leave alone, by product.
    pub left_alone: &'a BTreeMap<ProductId, LeftAlone>,
    /// The committed plan, if it was found and not all of it has been taken.
    pub committed: Option<&'a Plan>,
    /// Why a run would hold it.
    pub held_for: &'a [HoldReason],
    /// False if a run that holds the plan would void what the lane works on.
    pub goes_on: bool,
    /// The link state.
    pub link_state: &'a LinkState,
    /// The suspension of the lane.
    pub suspension: Option<&'a Suspension>,
    /// Outside edits.
    pub edited: &'a Edited,
    /// When the look began.
    pub at: Timestamp,
}

/// What is known of a link.
#[derive(Debug, Clone, Copy)]
pub enum Facts<'a> {
    /// It cannot be observed.
    Failing(&'a FaultRecord),
    /// It is held without a plan.
    Untrusted(&'a FaultRecord),
    /// What was observed.
    Seen(&'a Seen<'a>),
}

/// Explains the state of a product.
pub fn why(product: &ProductId, facts: Facts<'_>) -> WhyAnswer {
    let unseen = |why| WhyAnswer {
        product: product.clone(),
        desired: None,
        standing: None,
        wanted: None,
        why,
        edited_since: None,
        edited_unseen: false,
        listed_by: Vec::new(),
    };
    match facts {
        Facts::Failing(fault) => unseen(Why::Failing(fault.clone())),
        Facts::Untrusted(fault) => unseen(Why::Untrusted(fault.clone())),
        Facts::Seen(seen) => why_of(product, seen),
    }
}

/// Explains the state of a product on a link that was observed.
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
                    let left = || left.map(|left| self.left(left));
                    let in_the_way = || self.in_the_way(&change);
                    in_flight.or_else(left).unwrap_or_else(in_the_way)
                }
            },
            edited_since: self.edited.since.get(product).copied(),
            edited_unseen: self.edited.unseen.contains(product),
            listed_by: listed_by(self.sources, product),
        }
    }

    fn planned(&self, product: &ProductId) -> Option<Action> {
        let plans = [self.plan, self.held];
        if plans.iter().any(|plan| plan.deny().contains(product)) {
            Some(Action::Deny)
        } else if plans.iter().any(|plan| plan.allow().contains(product)) {
            Some(Action::Allow)
        } else {
            None
        }
    }

    fn in_sync(&self, product: &ProductId, standing: Standing) -> Why {
        // A change to another state does not explain the current one.
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

    /// Why the plan leaves the product alone.
    fn left(&self, left: &LeftAlone) -> Why {
        // A quarantined change is one whatever else forbids it: a run counts it.
        let is_quarantined = |last: &&LastChange| {
            last.state == ChangeState::Quarantined && last.action == left.wanted
        };
        let reason = left.reason;
        if let Some(last) = self.last.get(&left.product).filter(is_quarantined) {
            return Why::Quarantined {
                action: last.action,
                error_code: last.error_code.clone().unwrap_or_default(),
                error_message: last.error_message.clone().unwrap_or_default(),
                change_set: last.change_set.clone(),
                run: last.run,
                since: last.quarantined_at.unwrap_or(last.claimed_at),
            };
        }
        let is_frozen = reason == Reason::Frozen;
        Why::LeftAlone {
            reason,
            since: self.link_state.frozen_since.filter(|_| is_frozen),
        }
    }

    /// What delays a planned change.
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
        if self.held.contains(change) {
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

    /// The stage of the change, if it is claimed or on its way and the lane continues with it.
    fn at_work(&self, change: &ProductChange) -> Option<Why> {
        let planned = self.state.planned.as_ref()?;
        let is_held = self.held.contains(change);
        if self.state.phase == Phase::Blocked || (is_held && !self.goes_on) {
            return None;
        }
        let last = self.last.get(&change.product);
        let (stage, since) = match last {
            Some(last) if last.run >= planned.run => {
                let is_open = last.state == ChangeState::Open && last.action == change.action;
                is_open.then_some((Stage::Waiting, last.claimed_at))?
            }
            // It is not yet claimed under this plan.
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

    /// The current hold, or the one that the next run would create.
    fn held(&self) -> Why {
        let hash = self.held.hash();
        let is_it = |hold: &&Hold| {
            let (known, now) = (hold.reasons.iter(), self.held_for.iter());
            let is_same = known
                .map(HoldReason::identity)
                .eq(now.map(HoldReason::identity));
            hold.plan_hash == hash && is_same
        };
        let hold = self.link_state.hold.as_ref().filter(is_it);
        Why::Held {
            reasons: self.held_for.to_vec(),
            run: hold.map(|hold| hold.run),
            since: hold.map(|hold| hold.since),
            approve: hold.map(|hold| hold.approve(self.experience)),
            rejected: hold.and_then(Hold::rejection).cloned(),
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
            // It is void, and is closed at the lane's next step.
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
