//! What is held on one lane: only what a guard objects to; and what is held because of an override stays while it is wanted.

use pmp_sync_domain::approval::{Hold, Undo};
use pmp_sync_domain::guard::{GuardName, HoldReason};
use pmp_sync_domain::ids::{LaneId, PlanHash, RunId};
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::policy::{Action, ProductChange};
use pmp_sync_domain::records::LinkRecord;
use pmp_sync_fakes::World;

use super::configs::Wanted;
use super::lane::LaneGuard;
use crate::reference::{common, is_opposite, minus};
use crate::simulator::invariants::{Violation, broken};

/// A hold as operators see it.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub(crate) hold: Hold,
    pub(crate) shown: Plan,
    /// What it takes back, if it is a rollback.
    pub(crate) rollback: Option<Undo>,
}

/// True if this is the hold of that run with that plan.
pub(crate) fn is_same(hold: &Hold, run: RunId, hash: &PlanHash) -> bool {
    hold.run == run && hold.plan_hash == *hash
}

/// True if the lists themselves are doubted, so that nothing of them goes through.
pub(crate) fn is_doubted(hold: &Hold) -> bool {
    let mut reasons = hold.reasons.iter().filter_map(HoldReason::guard);
    reasons.any(|guard| match guard {
        GuardName::ManagementEmpty
        | GuardName::ManagementNoPolicy
        | GuardName::ManagementDisabled
        | GuardName::ManagementArchived
        | GuardName::FirstPolicy => true,
        GuardName::Removals
        | GuardName::MostRemovals
        | GuardName::Shrink
        | GuardName::Restored
        | GuardName::FirstMirror => false,
    })
}

/// The changes that a record shows as held.
fn held_by(record: &LinkRecord) -> Plan {
    Plan::new(
        record.held.allow.iter().cloned().collect(),
        record.held.deny.iter().cloned().collect(),
    )
}

/// A hold, with the changes that are shown.
pub(crate) fn stand(
    world: &World,
    id: &LaneId,
    hold: &Hold,
    old: Option<&Standing>,
) -> Result<Standing, Violation> {
    if let Some(old) = old.filter(|old| is_same(&old.hold, hold.run, &hold.plan_hash)) {
        let (hold, old) = (hold.clone(), old.clone());
        return Ok(Standing { hold, ..old });
    }
    let record = world.ledger(|ledger| ledger.links.get(&(hold.run, id.to_string())).cloned());
    let shown = record.map(|record| held_by(&record));
    let Some(shown) = shown.filter(|shown| shown.hash() == hold.plan_hash) else {
        return broken("held-is-not-sent", || {
            format!("{hold:?} stands held on {id}, and its plan is not on record")
        });
    };
    Ok(Standing {
        hold: hold.clone(),
        shown,
        rollback: hold.undo(),
    })
}

impl LaneGuard {
    /// A hold has begun: a guard objects to each of its changes, and nobody has approved it.
    pub(crate) fn is_rightly_held(
        &mut self,
        id: &LaneId,
        new: &Standing,
        old: Option<&Standing>,
        wanted: &Wanted,
    ) -> Result<(), Violation> {
        let (hold, shown) = (&new.hold, &new.shown);
        let approved = common(&self.approved_and_not_done(), shown);
        if !approved.is_empty() {
            return broken("approved-goes-on", || {
                format!("{approved:?} is held on {id} although it was approved: {hold:?}")
            });
        }
        if wanted.doubted || is_doubted(hold) {
            return Ok(());
        }
        let was_shown = old.filter(|old| old.hold.overrides && hold.overrides);
        let undone = |change: &ProductChange| {
            let mut undone = self.undone.iter();
            undone.any(|undone| is_opposite(change, undone))
        };
        let is_objected_to = |change: &ProductChange| {
            (change.action == Action::Deny && wanted.allowed.contains(&change.product))
                || undone(change)
                || self.rejections.possible().contains(change)
                || was_shown.is_some_and(|old| old.shown.contains(change))
        };
        match shown.changes().find(|change| !is_objected_to(change)) {
            None => Ok(()),
            Some(change) => broken("parted", || {
                format!(
                    "{} {} is held on {id}, and no guard objects to it: {hold:?}",
                    change.action, change.product
                )
            }),
        }
    }

    /// What is held because of an override stays while the link is frozen and wants it, and nothing comes in addition.
    pub(crate) fn is_still_held(
        &self,
        id: &LaneId,
        old: &Standing,
        new: Option<&Standing>,
        wanted: &Wanted,
        is_override: bool,
    ) -> Result<(), Violation> {
        if !old.hold.overrides || !wanted.frozen || is_override {
            return Ok(());
        }
        let nothing = Plan::default();
        let shown = new.map_or(&nothing, |new| &new.shown);
        let gone = minus(&common(&old.shown, &wanted.thawed), shown);
        let more = minus(shown, &old.shown);
        let is_kept = new.is_none_or(|new| new.hold.overrides || new.shown.is_empty());
        if gone.is_empty() && more.is_empty() && is_kept {
            return Ok(());
        }
        broken("overridden", || {
            format!(
                "{:?} is held on the frozen {id} because of an override, and then {new:?}",
                old.shown
            )
        })
    }

    /// A list that has become much shorter is a reason until somebody has approved it, or it is longer again: what passes beside the
    /// hold does not change that.
    pub(crate) fn is_still_short(
        id: &LaneId,
        old: &Standing,
        new: Option<&Standing>,
        wanted: &Wanted,
    ) -> Result<(), Violation> {
        let from = old.hold.reasons.iter().find_map(|reason| match reason {
            HoldReason::Shrink { from, .. } => Some(*from),
            _ => None,
        });
        let (Some(from), Some(percent)) = (from, wanted.shrink_percent) else {
            return Ok(());
        };
        let lost = from.saturating_sub(wanted.listed);
        let mut removals = common(&old.shown, &wanted.certain).deny().clone();
        removals.retain(|product| {
            let is_held = new.is_some_and(|new| new.shown.deny().contains(product));
            wanted.allowed.contains(product) && !is_held
        });
        if lost == 0 || lost * 100 < from * percent || removals.is_empty() {
            return Ok(());
        }
        broken("held-is-not-sent", || {
            format!(
                "{removals:?} was held on {id} because of the list that has lost {lost} of {from}, and then {new:?}"
            )
        })
    }
}
