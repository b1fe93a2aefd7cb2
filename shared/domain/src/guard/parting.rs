//! Parts a plan: what was approved passes, and of the rest only what a guard objects to is held. Pure.

use std::collections::BTreeSet;

use super::{Case, HoldReason};
use crate::ids::ProductId;
use crate::plan::Plan;

/// A plan, parted by what may happen to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parted {
    /// What may be committed: what was approved, and what no guard objects to.
    pub passing: Plan,
    /// What of that was approved. It does not count against any limit.
    pub approved: Plan,
    /// What waits for approval.
    pub held: Plan,
    /// Why it waits. A condition of the management experience is a reason also if nothing would change.
    pub reasons: Vec<HoldReason>,
}

/// What of a plan is held for a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeps {
    /// All of it: a list that is in doubt lets nothing through.
    Everything,
    /// What takes something away.
    Removals,
    /// The opposite of what was taken back.
    Opposites,
    /// Removals that somebody rejected.
    Rejected,
}

impl HoldReason {
    fn keeps(&self) -> Keeps {
        match self {
            Self::ManagementEmpty { .. }
            | Self::ManagementNoPolicy { .. }
            | Self::ManagementDisabled { .. }
            | Self::ManagementArchived { .. }
            | Self::FirstPolicy { .. }
            | Self::Restore { .. }
            | Self::Revert { .. } => Keeps::Everything,
            Self::Removals { .. }
            | Self::MostRemovals { .. }
            | Self::Shrink { .. }
            | Self::FirstMirror { .. } => Keeps::Removals,
            Self::Restored { .. } => Keeps::Opposites,
            Self::Rejected { .. } => Keeps::Rejected,
        }
    }

    /// True if the whole plan is held for this reason, and not only a part of it.
    pub fn holds_everything(&self) -> bool {
        self.keeps() == Keeps::Everything
    }
}

impl Case<'_> {
    /// Parts the plan.
    pub fn part(&self) -> Parted {
        let approved = self.approved.map(|shown| self.plan.common(shown));
        let approved = approved.unwrap_or_default();
        let rest = self.plan.minus(&approved);
        let is_approved = |product: &ProductId| {
            let shown = self.approved;
            shown.is_some_and(|shown| shown.deny().contains(product))
        };
        let open = self.open.iter().filter(|product| !is_approved(product));
        let open = open.cloned().collect();
        let of_rest = Case {
            plan: &rest,
            open: &open,
            approved: None,
            ..*self
        };
        let mut reasons = of_rest.reasons();
        reasons.retain(|reason| reason.holds_everything() || !of_rest.kept(reason).is_empty());
        let kept = reasons.iter().map(|reason| of_rest.kept(reason));
        let mut held = kept.fold(Plan::default(), |all, part| all.then(&part));
        // Whatever the guards say by now: somebody has said that these are to stay.
        let rejected = of_rest.rejected().minus(&held);
        if !rejected.is_empty() {
            let count = rejected.len();
            reasons.push(HoldReason::Rejected { count });
            held = held.then(&rejected);
        }
        Parted {
            passing: self.plan.minus(&held),
            approved,
            held,
            reasons,
        }
    }

    /// What of the plan is held for this reason.
    fn kept(&self, reason: &HoldReason) -> Plan {
        match reason.keeps() {
            Keeps::Everything => self.plan.clone(),
            Keeps::Removals => Plan::new(BTreeSet::default(), self.removals()),
            Keeps::Opposites => {
                let opposites = |restored| self.plan.opposed_to(restored);
                self.restored.map(opposites).unwrap_or_default()
            }
            Keeps::Rejected => self.rejected(),
        }
    }

    /// The removals of the plan that somebody rejected.
    fn rejected(&self) -> Plan {
        let removals = Plan::new(BTreeSet::default(), self.removals());
        let rejection = self.link_state.rejected.as_ref();
        rejection.map_or_else(Plan::default, |rejection| rejection.among(&removals))
    }
}
