//! Approvals of one lane: who gave them, what they let through, and for how long.

use std::collections::BTreeSet;

use pmp_sync_domain::approval::{Ask, Grant, Hold, Undo};
use pmp_sync_domain::ids::{LaneId, RunId};
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::wire::{APPROVAL_REQUESTED, REJECTION_REQUESTED};
use serde_json::Value;

use super::configs::Wanted;
use super::lane::{Back, LaneGuard, MOST_BEFORE};
use crate::reference::{common, either, minus, person};
use crate::simulator::invariants::{Violation, broken};

/// How far an approval has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Given {
    /// Nothing has been done because of it.
    Unused,
    /// A plan was committed because of it.
    Used,
    /// Everything that it allowed is done, or something else was committed since.
    Spent,
}

/// An accepted approval.
#[derive(Debug)]
pub(crate) struct Approval {
    pub(crate) run: RunId,
    pub(crate) shown: Plan,
    pub(crate) given: Given,
    pub(crate) rollback: bool,
    /// It is carried out although the link is frozen.
    pub(crate) overrides: bool,
}

/// What of a plan was approved.
#[derive(Debug, Default)]
pub(crate) struct Approved {
    /// The plan is a rollback, and all of it was approved as such.
    pub(crate) rollback: bool,
    pub(crate) part: Plan,
    /// The part that is approved although the link is frozen.
    pub(crate) overrides: Plan,
}

/// A request about a hold that has arrived.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Asked {
    approves: bool,
    lane: String,
    run: String,
    plan_hash: String,
    by: Option<String>,
}

impl Asked {
    /// The request in a message, if it is one about a hold.
    pub(crate) fn of(body: &str) -> Option<Self> {
        let body: Value = serde_json::from_str(body).ok()?;
        let kind = body.get("detail-type")?.as_str()?;
        let detail = body.get("detail")?;
        let text = |field: &str| Some(detail.get(field)?.as_str()?.to_owned());
        let approves = kind == APPROVAL_REQUESTED;
        (approves || kind == REJECTION_REQUESTED).then_some(())?;
        Some(Self {
            approves,
            lane: format!("{}/{}", text("member_account")?, text("experience")?),
            run: text("run")?,
            plan_hash: text("plan_hash")?,
            by: text("requester"),
        })
    }

    /// An answer to this hold.
    pub(crate) fn about(approves: bool, lane: &LaneId, hold: &Hold, ask: &Ask) -> Self {
        Self {
            approves,
            lane: lane.to_string(),
            run: hold.run.to_string(),
            plan_hash: hold.plan_hash.to_string(),
            by: ask.by.clone(),
        }
    }
}

/// True if all of a plan was shown.
pub(crate) fn is_part(plan: &Plan, shown: &Plan) -> bool {
    minus(plan, shown).is_empty()
}

impl LaneGuard {
    /// The producer says that the hold of a run was approved. `people` is how many that takes.
    pub(crate) fn take_approval(
        &mut self,
        asked: &BTreeSet<Asked>,
        id: &LaneId,
        grant: &Grant,
        people: usize,
    ) -> Result<(), Violation> {
        let run = grant.run;
        let mut standing = self.hold.iter().chain(&self.restore);
        let Some(standing) = standing.find(|standing| standing.hold.run == run) else {
            return broken("approved-once", || {
                format!("an approval of {run} is taken on {id}, and no such plan stands held")
            });
        };
        if !asked.contains(&Asked::about(true, id, &standing.hold, &grant.ask)) {
            return broken("approved-once", || {
                format!("an approval of {run} is taken on {id}, and nobody has given it")
            });
        }
        let all = standing.hold.approvals.iter().chain([&grant.ask]);
        let persons: BTreeSet<_> = all.filter_map(|ask| person(ask.by.as_deref())).collect();
        if people > 1 && persons.len() < people {
            return broken("two-people", || {
                format!(
                    "{run} is approved on {id} by {persons:?}, and it takes {people}: {grant:?}"
                )
            });
        }
        let back = match standing.rollback {
            None => None,
            Some(Undo::Restore(before)) => {
                let Some(target) = self.lists.get(&before).cloned() else {
                    return broken("restored", || {
                        format!("{id} is to be as before {before}, which nobody knows")
                    });
                };
                Some((before, false, target, BTreeSet::new()))
            }
            Some(Undo::Revert(reverted)) => {
                let (target, unclear) = self.without(reverted);
                Some((reverted, true, target, unclear))
            }
        };
        let old = self.back.take();
        if back.is_none() {
            self.before.clear();
            let shown = &standing.shown;
            self.rejections.forget(shown);
        } else {
            self.before.extend(old.map(|old| old.shown));
            let beyond = self.before.len().saturating_sub(MOST_BEFORE);
            self.before.drain(..beyond);
        }
        self.back = back.map(|(of, reverts, target, excused)| Back {
            run: of,
            reverts,
            runs: BTreeSet::new(),
            shown: standing.shown.clone(),
            target,
            excused,
            gone: false,
        });
        if let Some(back) = &self.back {
            self.backs.extend([run, back.run]);
            self.undone.push(back.shown.clone());
        }
        self.approvals.push(Approval {
            run,
            shown: standing.shown.clone(),
            given: Given::Unused,
            rollback: standing.rollback.is_some(),
            overrides: standing.hold.overrides,
        });
        Ok(())
    }

    /// The approvals that a hold shows were given, each by another person, and by fewer than it takes.
    pub(crate) fn are_given(
        asked: &BTreeSet<Asked>,
        id: &LaneId,
        hold: &Hold,
    ) -> Result<(), Violation> {
        let mut persons = BTreeSet::new();
        for ask in &hold.approvals {
            let is_given = asked.contains(&Asked::about(true, id, hold, ask));
            let is_another = person(ask.by.as_deref()).is_some_and(|one| persons.insert(one));
            if !is_given || !is_another {
                return broken("two-people", || {
                    format!("{hold:?} on {id} has an approval that does not count")
                });
            }
        }
        Ok(())
    }

    /// The approvals that are not done, except that of a rollback.
    fn live(&mut self) -> impl Iterator<Item = &mut Approval> {
        let all = self.approvals.iter_mut();
        all.filter(|approval| approval.given != Given::Spent && !approval.rollback)
    }

    /// What was approved, and is not done.
    pub(crate) fn approved_and_not_done(&mut self) -> Plan {
        let all = self.live();
        all.fold(Plan::default(), |all, one| either(&all, &one.shown))
    }

    /// What was approved although the link is frozen, and is not done.
    pub(crate) fn approved_in_spite_of_a_freeze(&self) -> Plan {
        let all = self.approvals.iter();
        let all = all.filter(|one| one.overrides && one.given != Given::Spent);
        all.fold(Plan::default(), |all, one| either(&all, &one.shown))
    }

    /// The grant of a run has ended. What it allowed is done then, or not wanted any more, or nothing can do it.
    pub(crate) fn end_grant(
        &mut self,
        id: &LaneId,
        run: RunId,
        wanted: &Wanted,
        is_stuck: bool,
    ) -> Result<(), Violation> {
        let mut left = None;
        for approval in self.approvals.iter_mut().filter(|of| of.run == run) {
            if approval.given != Given::Spent && !approval.rollback && !is_stuck {
                left = Some(still_to_do(approval, wanted));
            }
            approval.given = Given::Spent;
        }
        match left.filter(|left| !left.is_empty()) {
            None => Ok(()),
            Some(left) => broken("approved-goes-on", || {
                format!("the approval of {run} has ended on {id}, with this left to do: {left:?}")
            }),
        }
    }

    /// What was approved and is wanted is in each plan that a run commits, until it was done once; and there is nothing of it at rest.
    pub(crate) fn goes_on(
        &mut self,
        id: &LaneId,
        plan: &Plan,
        run: Option<RunId>,
        wanted: &Wanted,
    ) -> Result<(), Violation> {
        for approval in self.live() {
            let left = minus(&still_to_do(approval, wanted), plan);
            if !left.is_empty() {
                let of = approval.run;
                return broken("approved-goes-on", || {
                    format!(
                        "{id} has the plan of {run:?} without {left:?}, which was approved with {of}"
                    )
                });
            }
        }
        Ok(())
    }

    /// Something that was approved is under way.
    pub(crate) fn is_on_its_way(&self) -> bool {
        let approval = self.approvals.last();
        approval.is_some_and(|approval| approval.given != Given::Spent)
    }

    /// Approvals that were taken and used, and those of them that were rollbacks.
    pub(crate) fn approved(&self) -> (u64, u64) {
        let used = || {
            let approvals = self.approvals.iter();
            approvals.filter(|approval| approval.given != Given::Unused)
        };
        let count = |count: usize| u64::try_from(count).unwrap_or_default();
        let back = used().filter(|approval| approval.rollback).count();
        (count(used().count()), count(back))
    }

    /// Something else was committed, or all is done: nothing more follows from what was approved.
    pub(crate) fn supersede(&mut self) {
        for approval in &mut self.approvals {
            approval.given = Given::Spent;
        }
    }

    /// What of a plan was approved. An approval of which nothing is in the plan is done. `granted` is false if the producer has ended what
    /// was approved before it committed the plan: an approved rollback is then over.
    pub(crate) fn use_approvals(&mut self, plan: &Plan, granted: bool) -> Approved {
        let mut approved = Approved::default();
        if let Some(last) = self.approvals.last_mut()
            && last.rollback
            && last.given != Given::Spent
        {
            if granted && is_part(plan, &last.shown) {
                last.given = Given::Used;
                approved.rollback = true;
                approved.part = plan.clone();
                return approved;
            }
            last.given = Given::Spent;
        }
        for approval in self.live() {
            let part = common(plan, &approval.shown);
            approval.given = if part.is_empty() {
                Given::Spent
            } else {
                Given::Used
            };
            if approval.overrides {
                approved.overrides = either(&approved.overrides, &part);
            }
            approved.part = either(&approved.part, &part);
        }
        approved
    }
}

/// What an approval lets through, and is certainly wanted.
fn still_to_do(approval: &Approval, wanted: &Wanted) -> Plan {
    let all = if approval.overrides {
        &wanted.thawed
    } else {
        &wanted.certain
    };
    common(&approval.shown, all)
}
