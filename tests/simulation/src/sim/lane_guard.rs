//! What is known of the guards of one lane: what stands held, what was approved, taken away and brought
//! back.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use pmp_sync_domain::approval::Hold;
use pmp_sync_domain::guard::{Guard, GuardName};
use pmp_sync_domain::ids::{LaneId, ProductId, RunId};
use pmp_sync_domain::link::Link;
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::policy::{Action, PolicySnapshot};
use pmp_sync_domain::records::Size;

use super::guards::oddities;
use super::scene::{HOUR, MINUTE, since_begin};
use super::watch::{Violation, broken};
use pmp_sync_fakes::Told;

/// The window of the guards, in milliseconds.
pub(super) const DAY: i64 = 24 * HOUR;
/// So long before a run writes something down, at most, it has read what it decides by.
const READ_BEFORE: i64 = 10 * MINUTE;

/// Something that stands held, as people are shown it.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    pub(super) hold: Hold,
    pub(super) shown: Plan,
    /// The run before which the lists are wanted back, if it is a rollback.
    pub(super) rollback: Option<RunId>,
}

/// How far an approval has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Given {
    /// Nothing has been done because of it.
    Unused,
    /// A plan was committed because of it.
    Used,
    /// All that it allowed is done, or something else was committed since.
    Spent,
}

/// An approval that was taken.
#[derive(Debug)]
pub(super) struct Approval {
    pub(super) run: RunId,
    pub(super) shown: Plan,
    pub(super) given: Given,
    pub(super) rollback: bool,
}

/// A plan as it was committed.
#[derive(Debug)]
pub(super) struct Committed {
    pub(super) approved: bool,
    /// What it takes away, of what the member allowed when the plan was made.
    pub(super) removals: BTreeSet<ProductId>,
    /// So many may be taken away within a day while it is the lane's.
    pub(super) most: usize,
}

/// A rollback that was approved, and stands until something else is wanted.
#[derive(Debug)]
pub(super) struct Back {
    /// The run before which the lists are wanted.
    pub(super) run: RunId,
    pub(super) shown: Plan,
    pub(super) target: PolicySnapshot,
    /// Products that somebody or something had a right to change since.
    pub(super) excused: BTreeSet<ProductId>,
    /// The plan of the rollback was committed.
    pub(super) gone: bool,
}

/// What is known of one lane.
#[derive(Debug, Default)]
pub(super) struct LaneGuard {
    pub(super) hold: Option<Standing>,
    pub(super) restore: Option<Standing>,
    pub(super) back: Option<Back>,
    /// Ways back that were approved at any time, by the runs whose records show them.
    pub(super) backs: BTreeSet<RunId>,
    pub(super) taken: Option<RunId>,
    pub(super) approvals: Vec<Approval>,
    pub(super) plans: BTreeMap<RunId, Committed>,
    /// Removals of plans that nobody had approved, when these were written down, before they were
    /// committed: one that was cut off in between counts as well.
    pub(super) counted: Vec<(i64, BTreeSet<ProductId>)>,
    /// The same, as they came about.
    pub(super) removed: Vec<(i64, ProductId)>,
    /// What the member allows, and how much it was.
    pub(super) allowed: BTreeSet<ProductId>,
    pub(super) sizes: Vec<(i64, usize)>,
    /// Lengths of the list that runs have written down, each checked against the real ones.
    pub(super) looks: Vec<(i64, usize)>,
    /// The lists as the producer was told of them when it kept them for the rollback.
    pub(super) lists: BTreeMap<RunId, PolicySnapshot>,
}

impl Back {
    /// The link may not touch what differs and is not in the plan; nothing else may be left out.
    pub(super) fn leave_alone(&mut self, link: &Link, actual: &PolicySnapshot, plan: &Plan) {
        let differ = actual.allowed().symmetric_difference(self.target.allowed());
        for product in differ {
            let allow = self.target.allowed().contains(product);
            let action = if allow { Action::Allow } else { Action::Deny };
            let planned = plan.allow().contains(product) || plan.deny().contains(product);
            if !planned && link.policy.forbids(product, action).is_some() {
                self.excused.insert(product.clone());
            }
        }
    }

    /// True if the link may not do some of it.
    pub(super) fn is_forbidden(&self, link: &Link) -> bool {
        let mut changes = self.shown.changes();
        changes.any(|change| {
            link.policy
                .forbids(&change.product, change.action)
                .is_some()
        })
    }

    /// True if the management experience wants what was brought back.
    pub(super) fn is_agreed(&self, management: &PolicySnapshot) -> bool {
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
    pub(super) fn is_now(&mut self, policy: &PolicySnapshot, now: i64) {
        self.allowed.clone_from(policy.allowed());
        if self.sizes.last().map(|(_, size)| *size) != Some(self.allowed.len()) {
            self.sizes.push((now, self.allowed.len()));
        }
    }

    /// A run has written down how long the list was: it must have been so when the run read it.
    pub(super) fn looked(&mut self, id: &LaneId, sizes: &[Size]) -> Result<(), Violation> {
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

    /// What a run decides by is written down: the list's length as the run was told of it.
    pub(super) fn is_looked_at(&self, id: &LaneId, told: &PolicySnapshot) -> Result<(), Violation> {
        let length = told.allowed().len();
        match self.looks.last() {
            Some((_, last)) if *last == length => Ok(()),
            last => broken("guarded", || {
                format!("{id} allows {length} products, and {last:?} is written down")
            }),
        }
    }

    /// The producer says that somebody has approved what `run` holds.
    pub(super) fn take_approval(
        &mut self,
        asked: &BTreeSet<(LaneId, RunId, String)>,
        id: &LaneId,
        run: RunId,
    ) -> Result<(), Violation> {
        let mut standing = self.hold.iter().chain(&self.restore);
        let Some(standing) = standing.find(|standing| standing.hold.run == run) else {
            return broken("approved-once", || {
                format!("an approval of {run} is taken on {id}, and no such plan stands held")
            });
        };
        let hash = standing.hold.plan_hash.to_string();
        if !asked.contains(&(id.clone(), run, hash)) {
            return broken("approved-once", || {
                format!("an approval of {run} is taken on {id}, and nobody has given it")
            });
        }
        self.back = match standing.rollback {
            None => None,
            Some(before) => {
                let Some(target) = self.lists.get(&before).cloned() else {
                    return broken("restored", || {
                        format!("{id} is to be as before {before}, which nobody knows")
                    });
                };
                self.backs.extend([run, before]);
                Some(Back {
                    run: before,
                    shown: standing.shown.clone(),
                    target,
                    excused: BTreeSet::new(),
                    gone: false,
                })
            }
        };
        self.approvals.push(Approval {
            run,
            shown: standing.shown.clone(),
            given: Given::Unused,
            rollback: standing.rollback.is_some(),
        });
        Ok(())
    }

    /// Something that was approved is under way.
    pub(super) fn is_on_its_way(&self) -> bool {
        let approval = self.approvals.last();
        approval.is_some_and(|approval| approval.given != Given::Spent)
    }

    /// Approvals that were taken and used, and those of them that were rollbacks.
    pub(super) fn approved(&self) -> (u64, u64) {
        let used = || {
            let approvals = self.approvals.iter();
            approvals.filter(|approval| approval.given != Given::Unused)
        };
        let count = |count: usize| u64::try_from(count).unwrap_or_default();
        let back = used().filter(|approval| approval.rollback).count();
        (count(used().count()), count(back))
    }

    /// Something else was committed, or all is done: nothing more follows from what was approved.
    pub(super) fn supersede(&mut self) {
        if let Some(approval) = self.approvals.last_mut() {
            approval.given = Given::Spent;
        }
    }

    /// If a plan was approved: whether it is a rollback.
    pub(super) fn use_approval(&mut self, plan: &Plan) -> Option<bool> {
        let approval = self.approvals.last_mut()?;
        if approval.given == Given::Spent || !is_part(plan, &approval.shown) {
            return None;
        }
        approval.given = Given::Used;
        Some(approval.rollback)
    }

    /// What nobody has approved must not need it.
    #[expect(clippy::too_many_arguments, reason = "all of it is one commit")]
    pub(super) fn must_not_be_held(
        &self,
        id: &LaneId,
        run: RunId,
        plan: &Plan,
        removals: &BTreeSet<ProductId>,
        most: usize,
        (link, management): (&Link, &Told),
        now: i64,
    ) -> Result<(), Violation> {
        let odd = oddities(management);
        let odd = odd.iter().find(|odd| !link.guard.exempt.contains(odd));
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

    /// What was brought back stays so, until somebody approves otherwise or the management experience
    /// agrees.
    pub(super) fn leave_restored(
        &mut self,
        id: &LaneId,
        run: RunId,
        plan: &Plan,
    ) -> Result<(), Violation> {
        let Some(back) = &mut self.back else {
            return Ok(());
        };
        let shown = &back.shown;
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

    /// Removals that came about since, and nobody had approved.
    pub(super) fn removed_since(&self, begin: i64) -> BTreeSet<&ProductId> {
        let since = self.removed.iter().rev();
        let since = since.take_while(|(at, _)| *at > begin);
        since.map(|(_, product)| product).collect()
    }

    /// Removals that were planned since, and nobody had approved.
    pub(super) fn counted_since(&self, begin: i64) -> BTreeSet<&ProductId> {
        let since = self.counted.iter().filter(|(at, _)| *at > begin);
        since.flat_map(|(_, products)| products).collect()
    }

    /// True if between these moments the window leaves something behind: removals, or a length of the list.
    pub(super) fn forgets_between(&self, from: i64, to: i64) -> bool {
        let removals = self.counted.iter().map(|(at, _)| *at);
        let mut all = removals.chain(self.looks.iter().map(|(at, _)| *at));
        all.any(|at| at + DAY >= from && at + DAY <= to)
    }

    /// The longest that the list was, as far as runs know, when the window began that ends now.
    pub(super) fn size_at_window(&self, now: i64) -> usize {
        let begin = now - DAY;
        let known = in_force(&self.looks, begin - READ_BEFORE, begin);
        known.max().unwrap_or_default()
    }

    /// The shortest that the list was since, as far as runs know.
    pub(super) fn least_since(&self, begin: i64) -> usize {
        let known = in_force(&self.looks, begin, i64::MAX);
        known.min().unwrap_or_default()
    }

    /// So many may be taken away within a day.
    pub(super) fn most(&self, guard: &Guard, now: i64) -> usize {
        let limits = &guard.limits;
        let exempt = |name| guard.exempt.contains(&name);
        let share = self.size_at_window(now) * limits.removals_percent / 100;
        let few = if exempt(GuardName::Removals) {
            usize::MAX
        } else {
            limits.removals.max(share)
        };
        if exempt(GuardName::MostRemovals) {
            few
        } else {
            few.min(limits.most_removals)
        }
    }

    /// After an approved rollback: products that are not allowed as they were, and that nothing explains.
    pub(super) fn not_restored(&self, is_bad: impl Fn(&ProductId) -> bool) -> Vec<ProductId> {
        let Some(back) = self.back.as_ref().filter(|back| back.gone) else {
            return Vec::new();
        };
        let differ = self.allowed.symmetric_difference(back.target.allowed());
        let explained = |product: &&ProductId| !back.excused.contains(*product) && !is_bad(product);
        differ.filter(explained).cloned().collect()
    }
}

fn is_part(plan: &Plan, shown: &Plan) -> bool {
    plan.allow()
        .iter()
        .all(|product| shown.allow().contains(product))
        && plan
            .deny()
            .iter()
            .all(|product| shown.deny().contains(product))
}

/// The values that were in force at any time between these moments; before the first of all it is that one.
fn in_force(values: &[(i64, usize)], from: i64, to: i64) -> impl Iterator<Item = usize> {
    let until = |moment| values.partition_point(move |(at, _)| *at <= moment);
    let first = until(from).saturating_sub(1);
    let end = until(to).max(first + 1).min(values.len());
    let within = values.get(first..end).unwrap_or_default();
    within.iter().map(|(_, value)| *value)
}
