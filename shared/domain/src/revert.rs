//! What a run has changed on a lane, and what of it can be taken back: only what nothing has changed since. Pure.
//!
//! The records of change sets say what was changed, by which run, and in which order. A product belongs to the run whose change set
//! was the last to change it. If another run was later, the product keeps the state of that run. If somebody else was later, the
//! member's list shows it: the product is not as the run has left it. There is no un-list, so a product that the run denied and that
//! the member did not allow before stays denied.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{ProductId, RunId};
use crate::lane::LaneState;
use crate::plan::Plan;
use crate::policy::{Action, PolicySnapshot};
use crate::records::{SetOutcome, SetRecord};

/// What can be taken back of a run on one lane.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reversal {
    /// The changes that take back what the run did, of products that no later run has changed.
    pub back: Plan,
    /// What the run did to products that a later run has changed since, or may have. They keep their state.
    pub later: Plan,
}

/// The last change of a product by pmp-sync.
#[derive(Debug, Clone, Copy)]
struct Last {
    /// None if it is not known whether the change was made.
    run: Option<RunId>,
    action: Action,
    /// True if the member allowed the product before the first change of this run.
    was_allowed: bool,
}

impl Reversal {
    /// Finds what can be taken back. `sets` are the change sets of the lane, in the order in which they were started, from the one
    /// before the first of the run; the lane was read before them. `before` are the member's lists when the run was planned; a run
    /// that denies nothing needs none.
    pub fn of(
        run: RunId,
        sets: &[SetRecord],
        lane: &LaneState,
        before: Option<&PolicySnapshot>,
    ) -> Self {
        let mut last: BTreeMap<&ProductId, Last> = BTreeMap::new();
        let mut own: BTreeMap<&ProductId, Last> = BTreeMap::new();
        let listed =
            |product: &ProductId| before.is_some_and(|lists| lists.allowed().contains(product));
        for change in changes(sets, lane) {
            let Change {
                by,
                product,
                action,
                is_sure,
                is_in_flight,
            } = change;
            let is_last = last.get(product).is_some_and(|last| last.run == Some(run));
            let takes_back = own.get(product).is_some_and(|own| own.action != action);
            if is_in_flight && by != run && is_last && takes_back {
                // The reversal itself, as a rule. If it fails, the product is as the run has left it, and still to be taken back.
                continue;
            }
            let was_allowed = match last.get(product) {
                Some(earlier) if earlier.run == Some(by) => earlier.was_allowed,
                // A change set that was in flight when the lists were read.
                Some(earlier) if earlier.run.is_some() => {
                    earlier.action == Action::Allow || listed(product)
                }
                Some(_) | None => listed(product),
            };
            let change = Last {
                run: is_sure.then_some(by),
                action,
                was_allowed,
            };
            if by == run {
                own.insert(product, change);
            }
            last.insert(product, change);
        }
        let mut found = Self::default();
        for (product, own) in own {
            let is_last = last.get(product).is_some_and(|last| last.run == Some(run));
            match (is_last, own.action) {
                (false, action) => found.later.add(product, action),
                (true, Action::Allow) => found.back.add(product, Action::Deny),
                (true, Action::Deny) if own.was_allowed => found.back.add(product, Action::Allow),
                (true, Action::Deny) => {}
            }
        }
        found
    }
}

/// The lists of a member with these changes taken back. A product that is not as the run has left it keeps its standing: somebody
/// else has changed it since.
fn taken_back(back: &Plan, actual: &PolicySnapshot) -> PolicySnapshot {
    let is_as_left =
        |product: &ProductId, back: Action| actual.standing(product) == back.opposite().outcome();
    let allow = back.allow().iter().map(|product| (product, Action::Allow));
    let deny = back.deny().iter().map(|product| (product, Action::Deny));
    let changes = allow.chain(deny);
    actual.overlaid(changes.filter(|(product, action)| is_as_left(product, *action)))
}

impl Reversal {
    /// The lists of the member without what the run has changed. What is in flight counts as done: it is left to end.
    pub fn lists<'a>(
        &self,
        actual: &PolicySnapshot,
        in_flight: impl IntoIterator<Item = (&'a ProductId, Action)>,
    ) -> PolicySnapshot {
        taken_back(&self.back, &actual.overlaid(in_flight))
    }

    /// True if the run has changed nothing that the records know of.
    pub fn is_empty(&self) -> bool {
        self.back.is_empty() && self.later.is_empty()
    }

    /// True if the run's change of a product is to be taken back.
    pub fn has(&self, product: &ProductId) -> bool {
        self.back.allow().contains(product) || self.back.deny().contains(product)
    }
}

/// What would take back the changes of a plan that are still to be made: it is shown with the rest, because they may be made before
/// it is approved.
pub fn still_to_come(plan: &Plan, actual: &PolicySnapshot) -> Plan {
    let allowed = actual.allowed();
    let allows = plan.allow().iter();
    let deny: BTreeSet<_> = allows
        .filter(|product| !allowed.contains(*product))
        .cloned()
        .collect();
    let allow = plan.deny().intersection(allowed).cloned().collect();
    Plan::new(allow, deny)
}

/// A change by pmp-sync.
struct Change<'a> {
    by: RunId,
    product: &'a ProductId,
    action: Action,
    /// False if it is not known whether it was made.
    is_sure: bool,
    /// True if its change set has not ended.
    is_in_flight: bool,
}

/// What has changed the lists, in order. What is in flight comes last: it may have taken effect, and its record may not be written yet.
fn changes<'a>(sets: &'a [SetRecord], lane: &'a LaneState) -> impl Iterator<Item = Change<'a>> {
    let ended = sets
        .iter()
        .filter_map(|set| Some((set, is_sure(set.outcome)?)));
    let ended = ended.flat_map(|(set, is_sure)| {
        let allows = set.allow.iter().map(|product| (product, Action::Allow));
        let denies = set.deny.iter().map(|product| (product, Action::Deny));
        let both = allows.chain(denies);
        both.map(move |(product, action)| Change {
            by: set.run,
            product,
            action,
            is_sure,
            is_in_flight: false,
        })
    });
    let is_recorded = sets.iter().any(|set| set.seq == lane.seq);
    let intent = lane.intent.iter().filter(move |_| !is_recorded);
    let in_flight = intent.flat_map(|intent| &intent.changes);
    ended.chain(in_flight.map(|change| Change {
        by: change.run,
        product: &change.product,
        action: change.action,
        is_sure: true,
        is_in_flight: true,
    }))
}

/// Whether a change set with this end has changed the lists: none if it has not, false if that is not known.
fn is_sure(outcome: SetOutcome) -> Option<bool> {
    match outcome {
        SetOutcome::Succeeded => Some(true),
        SetOutcome::Vanished => Some(false),
        SetOutcome::Failed | SetOutcome::ServerFault | SetOutcome::Cancelled => None,
    }
}

#[cfg(test)]
mod tests;
