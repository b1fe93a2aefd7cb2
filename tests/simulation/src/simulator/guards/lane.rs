//! What is known of the guards of one lane: what is held, approved, removed and restored.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use pmp_sync_domain::guard::{Guard, GuardName};
use pmp_sync_domain::ids::{ExperienceId, LaneId, ProductId, RunId};
use pmp_sync_domain::link::Link;
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::policy::{Action, PolicySnapshot};
use pmp_sync_domain::records::{LinkState, Size};

use super::approvals::{Approval, is_part};
use super::held::Standing;
use super::rejections::Rejections;
use crate::reference::{may, oddities_of};
use crate::simulator::invariants::{Violation, broken};
use crate::simulator::scene::{HOUR, MINUTE, since_begin};
use pmp_sync_fakes::Observed;

/// The window of the guards, in milliseconds.
pub(crate) const DAY: i64 = 24 * HOUR;
/// The most rollbacks before the last one that still count.
pub(crate) const MOST_BEFORE: usize = 9;
/// The longest time between a run's read and its write of what follows from it.
const READ_BEFORE: i64 = 10 * MINUTE;

/// A plan as it was committed.
#[derive(Debug)]
pub(crate) struct Committed {
    /// Its removals that nobody has approved, of what the member allowed when the plan was made.
    pub(crate) removals: BTreeSet<ProductId>,
    /// The most removals within a day while it is the lane's plan.
    pub(crate) most: usize,
}

/// The last change of a product by a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Changed {
    pub(crate) by: RunId,
    pub(crate) action: Action,
    /// True if the member allowed it before the first change of this run.
    pub(crate) was: bool,
}

/// A rollback that was approved, and applies until something else is wanted.
#[derive(Debug)]
pub(crate) struct Back {
    /// The run before which the lists are wanted, or that is reverted.
    pub(crate) run: RunId,
    /// True if the run is reverted.
    pub(crate) reverts: bool,
    /// The runs that have committed it.
    pub(crate) runs: BTreeSet<RunId>,
    pub(crate) shown: Plan,
    pub(crate) target: PolicySnapshot,
    /// Products that may have been changed rightly since then.
    pub(crate) excused: BTreeSet<ProductId>,
    /// True if the plan of the rollback was committed.
    pub(crate) gone: bool,
}

/// What is known of one lane.
#[derive(Debug, Default)]
pub(crate) struct LaneGuard {
    pub(crate) hold: Option<Standing>,
    pub(crate) restore: Option<Standing>,
    pub(crate) back: Option<Back>,
    /// The rollbacks that the link state remembers, the oldest first.
    pub(crate) rollbacks: Vec<RunId>,
    /// What was taken back by rollbacks before that one, and still counts.
    pub(crate) before: Vec<Plan>,
    /// The last change of each product by a run.
    pub(crate) changed: BTreeMap<ProductId, Changed>,
    /// Rollbacks that were approved at any time, by the runs whose records show them.
    pub(crate) backs: BTreeSet<RunId>,
    /// What was taken back by any rollback that was approved.
    pub(crate) undone: Vec<Plan>,
    /// The runs of the grants that are in force.
    pub(crate) taken: BTreeSet<RunId>,
    pub(crate) rejections: Rejections,
    /// What a run that overrides the freeze of the link has begun, and is not at rest.
    pub(crate) begun: Plan,
    pub(crate) approvals: Vec<Approval>,
    pub(crate) plans: BTreeMap<RunId, Committed>,
    /// Removals of plans without approval, with the time when the producer recorded them, before
    /// the commit. A plan that was interrupted in between counts too.
    pub(crate) counted: Vec<(i64, BTreeSet<ProductId>)>,
    /// The same removals, with the time when they took effect.
    pub(crate) removed: Vec<(i64, ProductId)>,
    /// What was changed by change sets that the service did not know any more: nobody saw that, and whose change it was.
    pub(crate) unseen: BTreeSet<ProductId>,
    /// What the member allows, and the lengths of its list.
    pub(crate) allowed: BTreeSet<ProductId>,
    pub(crate) sizes: Vec<(i64, usize)>,
    /// Lengths of the list that runs have recorded, each checked against the real ones.
    pub(crate) looks: Vec<(i64, usize)>,
    /// When a run first observed the lane and held nothing, and when the lane was first in sync, as the
    /// producer has written down.
    pub(crate) observed: Option<i64>,
    pub(crate) aligned: Option<i64>,
    /// Products that plans have denied, and those of them that somebody else allows again.
    pub(crate) denied: BTreeSet<ProductId>,
    pub(crate) outside: BTreeSet<ProductId>,
    /// The lists as the producer read them when it kept them for the rollback.
    pub(crate) lists: BTreeMap<RunId, PolicySnapshot>,
}

impl Back {
    /// The link may not touch what differs and is not in the plan; nothing else may be left out.
    pub(crate) fn leave_alone(&mut self, link: &Link, actual: &PolicySnapshot, plan: &Plan) {
        let differ = actual.allowed().symmetric_difference(self.target.allowed());
        for product in differ {
            let allow = self.target.allowed().contains(product);
            let action = if allow { Action::Allow } else { Action::Deny };
            let planned = plan.allow().contains(product) || plan.deny().contains(product);
            if !planned && !may(&link.policy, product, action) {
                self.excused.insert(product.clone());
            }
        }
    }

    /// True if the link may not do some of it.
    pub(crate) fn is_forbidden(&self, link: &Link) -> bool {
        let mut changes = self.shown.changes();
        changes.any(|change| !may(&link.policy, &change.product, change.action))
    }

    /// True if the management experience wants what was restored.
    pub(crate) fn is_agreed(&self, management: &PolicySnapshot) -> bool {
        let allowed = management.allowed();
        self.shown
            .allow()
            .iter()
            .all(|product| allowed.contains(product))
            && !self
                .shown
                .deny()
                .iter()
                .any(|product| allowed.contains(product))
    }
}

impl LaneGuard {
    pub(crate) fn is_now(&mut self, policy: &PolicySnapshot, now: i64) {
        self.outside
            .retain(|product| policy.allowed().contains(product));
        self.allowed.clone_from(policy.allowed());
        if self.sizes.last().map(|(_, size)| *size) != Some(self.allowed.len()) {
            self.sizes.push((now, self.allowed.len()));
        }
    }

    /// The producer has written down since when it observes the lane, and since when it is in sync. Both
    /// are said once, while nothing is held. Before the first, nothing is taken away without approval:
    /// `unapproved` says that this link state counts removals that nobody approved, though no guard is off.
    pub(crate) fn is_known(
        &mut self,
        id: &LaneId,
        link_state: &LinkState,
        unapproved: bool,
    ) -> Result<(), Violation> {
        let observed = link_state.observed_since.map(since_begin);
        let aligned = link_state.aligned_since.map(since_begin);
        let is_held = link_state.hold.is_some();
        let is_wrong = |old: Option<i64>, new: Option<i64>| {
            let is_first = old.is_none() && new.is_some();
            (old.is_some() && old != new) || (is_first && is_held)
        };
        if is_wrong(self.observed, observed) || is_wrong(self.aligned, aligned) {
            return broken("guarded", || {
                format!(
                    "{id} is written down to be known since {observed:?} and in sync since {aligned:?}: {link_state:?}"
                )
            });
        }
        if self.observed.is_none() && unapproved {
            return broken("guarded", || {
                format!(
                    "{id} was never observed, and its first plan takes something away: {link_state:?}"
                )
            });
        }
        if let Some(aligned) = aligned.filter(|_| self.aligned.is_none()) {
            self.removed.retain(|(at, _)| *at > aligned);
            self.looks.retain(|(at, _)| *at >= aligned);
        }
        (self.observed, self.aligned) = (observed, aligned);
        Ok(())
    }

    /// A run recorded the length of the list. It must have had that length when the run read it.
    pub(crate) fn looked(&mut self, id: &LaneId, sizes: &[Size]) -> Result<(), Violation> {
        for size in sizes {
            let (at, length) = (since_begin(size.at), size.allowed);
            if self.looks.last().is_some_and(|(last, _)| at <= *last) {
                continue;
            }
            let mut real = in_force(&self.sizes, at - READ_BEFORE, at);
            if !real.any(|real| real == length) {
                return broken("guarded", || {
                    format!(
                        "{id} is written down to allow {length} products at {at}, and never did"
                    )
                });
            }
            self.looks.push((at, length));
        }
        Ok(())
    }

    /// Checks that a run recorded the length of the list as it read it.
    pub(crate) fn is_looked_at(
        &self,
        id: &LaneId,
        observed: &PolicySnapshot,
    ) -> Result<(), Violation> {
        let length = observed.allowed().len();
        match self.looks.last() {
            Some((_, last)) if *last == length => Ok(()),
            last => broken("guarded", || {
                format!("{id} allows {length} products, and {last:?} is written down")
            }),
        }
    }

    /// What the member should have once a run is reverted, and the products of which it is not clear: somebody else changed them while
    /// the run was at work.
    pub(crate) fn without(&self, reverted: RunId) -> (PolicySnapshot, BTreeSet<ProductId>) {
        let listed = self.lists.get(&reverted);
        let mut allowed = self.allowed.clone();
        let mut unclear = BTreeSet::new();
        for (product, changed) in &self.changed {
            let is_now = allowed.contains(product);
            if changed.by != reverted || is_now != (changed.action == Action::Allow) {
                continue;
            }
            if changed.action == Action::Allow {
                allowed.remove(product);
            } else if changed.was {
                allowed.insert(product.clone());
            }
            let known = listed.is_some_and(|lists| lists.allowed().contains(product));
            if changed.action == Action::Deny && known != changed.was {
                unclear.insert(product.clone());
            }
        }
        (PolicySnapshot::new(allowed, []), unclear)
    }

    /// A plan that reverts a run has only what that run changed, and nothing that came later.
    pub(crate) fn reverts_only(
        &self,
        id: &LaneId,
        plan: &Plan,
        in_flight: impl Fn(RunId) -> BTreeSet<ProductId>,
    ) -> Result<(), Violation> {
        let Some(back) = self.back.as_ref().filter(|back| back.reverts) else {
            return Ok(());
        };
        let listed = self.lists.get(&back.run);
        // What the run itself has in flight is taken back as well.
        let in_flight = in_flight(back.run);
        for change in plan.changes() {
            let product = &change.product;
            if self.unseen.contains(product) {
                continue;
            }
            let known = listed.is_some_and(|lists| lists.allowed().contains(product));
            let is_its_own = match (self.changed.get(product), change.action) {
                (Some(changed), Action::Deny) => {
                    changed.by == back.run && changed.action == Action::Allow
                }
                (Some(changed), Action::Allow) => {
                    changed.by == back.run
                        && changed.action == Action::Deny
                        && (changed.was || known)
                }
                (None, _) => false,
            };
            // The change set that takes it back has ended, and its record is not written yet.
            let is_as_planned = self.changed.get(product);
            let is_as_planned = is_as_planned.is_some_and(|last| last.action == change.action);
            if !is_its_own && !is_as_planned && !in_flight.contains(product) {
                return broken("reverted", || {
                    format!(
                        "{} of {id} is reverted with {} {product}, which was last changed as {:?}",
                        back.run,
                        change.action,
                        self.changed.get(product)
                    )
                });
            }
        }
        Ok(())
    }

    /// A change set of a run has succeeded. What the member allowed before it is still known.
    pub(crate) fn changed_by(&mut self, run: RunId, changes: &[(ProductId, Action)]) {
        for (product, action) in changes {
            let was = match self.changed.get(product) {
                Some(earlier) if earlier.by == run => earlier.was,
                _ => self.allowed.contains(product),
            };
            let changed = Changed {
                by: run,
                action: *action,
                was,
            };
            self.changed.insert(product.clone(), changed);
            // What another run had in flight came later.
            if let Some(back) = &mut self.back
                && back.reverts
                && run != back.run
                && !back.runs.contains(&run)
            {
                back.excused.insert(product.clone());
            }
        }
    }

    /// A plan without approval must not need one.
    #[expect(clippy::too_many_arguments, reason = "all of it is one commit")]
    pub(crate) fn must_not_be_held(
        &self,
        id: &LaneId,
        run: RunId,
        plan: &Plan,
        removals: &BTreeSet<ProductId>,
        most: usize,
        (link, management): (&Link, &[(ExperienceId, Observed)]),
        now: i64,
    ) -> Result<(), Violation> {
        let odd = oddities_of(management, link.conflict);
        let mut odd = odd.iter().map(|(name, _)| name);
        let odd = odd.find(|odd| !link.guard.exempt.contains(odd));
        let mut gone = self.removed_since(now - DAY);
        gone.extend(removals);
        let too_many = !removals.is_empty() && gone.len() > most;
        let (invariant, why) = match odd {
            Some(odd) => ("held-is-not-sent", odd.to_string()),
            None if too_many => (
                "guarded",
                format!("{} removals within a day, {most} may be", gone.len()),
            ),
            None => return Ok(()),
        };
        let once = self
            .approvals
            .iter()
            .find(|approval| is_part(plan, &approval.shown));
        match once {
            Some(once) => broken("approved-once", || {
                format!(
                    "{run} is committed to {id} because {} was approved, which is done with: {why}",
                    once.run
                )
            }),
            None => broken(invariant, || {
                format!("{run} is committed to {id}, and nobody has approved it: {why}")
            }),
        }
    }

    /// What was restored stays, until an operator approves otherwise or the management experience
    /// agrees.
    pub(crate) fn leave_restored(
        &mut self,
        id: &LaneId,
        run: RunId,
        plan: &Plan,
    ) -> Result<(), Violation> {
        let Some(back) = &mut self.back else {
            return Ok(());
        };
        let before = self.before.iter().cloned();
        let earlier = before.reduce(|earlier, later| earlier.then(&later));
        let shown = &earlier.unwrap_or_default().then(&back.shown);
        let mut against = plan.deny().intersection(shown.allow());
        let mut for_it = plan.allow().intersection(shown.deny());
        if let Some(product) = against.next().or_else(|| for_it.next()) {
            return broken("restored", || {
                format!(
                    "{run} is committed to {id}, and takes back {product}, which was restored from before {}",
                    back.run
                )
            });
        }
        back.excused.extend(plan.allow().iter().cloned());
        back.excused.extend(plan.deny().iter().cloned());
        Ok(())
    }

    /// Removals without approval that took effect since `begin`.
    pub(crate) fn removed_since(&self, begin: i64) -> BTreeSet<&ProductId> {
        let since = self.removed.iter().rev();
        let since = since.take_while(|(at, _)| *at > begin);
        since.map(|(_, product)| product).collect()
    }

    /// Removals without approval that were planned since `begin`.
    pub(crate) fn counted_since(&self, begin: i64) -> BTreeSet<&ProductId> {
        let since = self.counted.iter().filter(|(at, _)| *at > begin);
        since.flat_map(|(_, products)| products).collect()
    }

    /// True if the window drops something between these times: removals, or a length of the list.
    pub(crate) fn forgets_between(&self, from: i64, to: i64) -> bool {
        let removals = self.counted.iter().map(|(at, _)| *at);
        let mut all = removals.chain(self.looks.iter().map(|(at, _)| *at));
        all.any(|at| at + DAY >= from && at + DAY <= to)
    }

    /// The longest that the list was, as far as runs know, when the window began that ends now.
    pub(crate) fn size_at_window(&self, now: i64) -> usize {
        let begin = now - DAY;
        let known = in_force(&self.looks, begin - READ_BEFORE, begin);
        known.max().unwrap_or_default()
    }

    /// The shortest that the list was since, as far as runs know.
    pub(crate) fn least_since(&self, begin: i64) -> usize {
        let known = in_force(&self.looks, begin, i64::MAX);
        known.min().unwrap_or_default()
    }

    /// The most removals within a day.
    pub(crate) fn most(&self, guard: &Guard, now: i64) -> usize {
        let limits = &guard.limits;
        let exempt = |name| guard.exempt.contains(&name);
        let size = self.size_at_window(now);
        // Below a percentage, or no more than a count: whichever is more.
        let below = |percent: usize| (size * percent).div_ceil(100).saturating_sub(1);
        let few = if exempt(GuardName::Removals) {
            usize::MAX
        } else {
            let long = limits.removals.max(below(limits.removals_percent));
            let short = limits.short_list_removals;
            long.min(short.max(below(limits.short_list_percent)))
        };
        if exempt(GuardName::MostRemovals) {
            few
        } else {
            few.min(limits.most_removals)
        }
    }

    /// After an approved rollback: products that are not allowed as they were, and that nothing explains.
    pub(crate) fn not_restored(&self, is_bad: impl Fn(&ProductId) -> bool) -> Vec<ProductId> {
        let Some(back) = self.back.as_ref().filter(|back| back.gone) else {
            return Vec::new();
        };
        let differ = self.allowed.symmetric_difference(back.target.allowed());
        let explained = |product: &&ProductId| !back.excused.contains(*product) && !is_bad(product);
        differ.filter(explained).cloned().collect()
    }
}

/// The values that were in force at any time between these moments; before the first of all it is that one.
fn in_force(values: &[(i64, usize)], from: i64, to: i64) -> impl Iterator<Item = usize> {
    let until = |moment| values.partition_point(move |(at, _)| *at <= moment);
    let first = until(from).saturating_sub(1);
    let end = until(to).max(first + 1).min(values.len());
    let within = values.get(first..end).unwrap_or_default();
    within.iter().map(|(_, value)| *value)
}
