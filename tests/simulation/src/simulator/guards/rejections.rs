//! What was rejected on one lane: it is neither done nor asked again while it is wanted, and forgotten when it no longer is.

use std::collections::BTreeSet;

use pmp_sync_domain::approval::Hold;
use pmp_sync_domain::ids::{LaneId, ProductId, RunId};
use pmp_sync_domain::plan::Plan;

use super::approvals::Asked;
use super::configs::Wanted;
use super::held::{Standing, is_same};
use crate::reference::{common, either, minus};
use crate::simulator::invariants::{Violation, broken};

/// What was rejected.
#[derive(Debug, Default)]
pub(crate) struct Rejections {
    /// Changes that were rejected, and have been wanted whenever a run may have looked since.
    sure: Plan,
    /// Changes that were rejected, and have been held or wanted whenever a run wrote down what is held.
    maybe: Plan,
    /// Holds of which all was rejected when they began, for certain.
    silent: BTreeSet<(RunId, String)>,
    /// Holds that say so.
    muted: BTreeSet<(RunId, String)>,
    taken: u64,
}

impl Rejections {
    /// It was approved after all.
    pub(crate) fn forget(&mut self, shown: &Plan) {
        self.sure = minus(&self.sure, shown);
        self.maybe = minus(&self.maybe, shown);
    }

    /// A run may have looked, and certainly wanted only this.
    pub(crate) fn looked(&mut self, certain: &Plan) {
        self.sure = common(&self.sure, certain);
    }

    /// What may have been rejected, and have been held ever since.
    pub(crate) fn possible(&self) -> &Plan {
        &self.maybe
    }

    /// How many were taken, and how many holds began with nothing else.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (
            self.taken,
            u64::try_from(self.silent.len()).unwrap_or_default(),
        )
    }

    /// True if people are not to be told of the hold: all of it was rejected when it began.
    pub(crate) fn is_silent(&self, run: &str, plan_hash: &str) -> bool {
        let mut silent = self.silent.iter();
        silent.any(|(of, hash)| of.to_string() == run && hash == plan_hash)
    }

    /// True if people need not have been told of it.
    pub(crate) fn is_muted(&self, hold: &Hold) -> bool {
        let key = (hold.run, hold.plan_hash.to_string());
        self.muted.contains(&key)
    }

    /// A link state was written, with this hold or none.
    pub(crate) fn held(
        &mut self,
        asked: &BTreeSet<Asked>,
        id: &LaneId,
        old: Option<&Standing>,
        new: Option<&Standing>,
        wanted: &Wanted,
    ) -> Result<(), Violation> {
        let nothing = Plan::default();
        let shown = new.map_or(&nothing, |new| &new.shown);
        if let Some(differs) = &wanted.differs {
            self.maybe = common(&self.maybe, &either(differs, shown));
        }
        let Some(new) = new else {
            return Ok(());
        };
        let hold = &new.hold;
        match old.filter(|old| is_same(&old.hold, hold.run, &hold.plan_hash)) {
            Some(old) if old.hold.rejected != hold.rejected => self.rejected(asked, id, new),
            Some(_) => Ok(()),
            None => self.began(id, hold, &new.shown),
        }
    }

    fn rejected(
        &mut self,
        asked: &BTreeSet<Asked>,
        id: &LaneId,
        standing: &Standing,
    ) -> Result<(), Violation> {
        let hold = &standing.hold;
        let given = hold.rejected.as_ref().is_some_and(|part| {
            asked.contains(&Asked::about(false, id, hold, &part.ask))
                && part.changes == hold.changes()
        });
        if !given {
            return broken("rejected", || {
                format!("{hold:?} on {id} is marked as rejected, and nobody has rejected it")
            });
        }
        if !hold.approvals.is_empty() {
            return broken("two-people", || {
                format!("{hold:?} on {id} was rejected, and keeps its approvals")
            });
        }
        self.taken += 1;
        self.sure = either(&self.sure, &standing.shown);
        self.maybe = either(&self.maybe, &standing.shown);
        Ok(())
    }

    /// A hold has begun: it says how much of it was rejected before.
    fn began(&mut self, id: &LaneId, hold: &Hold, shown: &Plan) -> Result<(), Violation> {
        let (least, most) = (
            common(&self.sure, shown).len(),
            common(&self.maybe, shown).len(),
        );
        let said = hold.rejected.as_ref().map_or(0, |part| part.changes);
        if said < least || said > most {
            return broken("rejected", || {
                format!(
                    "{hold:?} on {id} says that {said} changes were rejected, and {least} to {most} were, of {shown:?}: {self:?}"
                )
            });
        }
        let key = || (hold.run, hold.plan_hash.to_string());
        if !shown.is_empty() && least == shown.len() {
            self.silent.insert(key());
        }
        if !shown.is_empty() && said == shown.len() {
            self.muted.insert(key());
        }
        Ok(())
    }

    /// No removal that was rejected is committed. What else was held with it goes through once no guard objects to it.
    pub(crate) fn are_kept(
        &self,
        id: &LaneId,
        run: RunId,
        removals: &BTreeSet<ProductId>,
    ) -> Result<(), Violation> {
        let made = self.sure.deny() & removals;
        if made.is_empty() {
            return Ok(());
        }
        broken("rejected", || {
            format!("{run} is committed to {id} with {made:?}, which somebody has rejected")
        })
    }
}
