//! Outside edits: what somebody changes by hand, and whether the run that changes it back says so.

use std::collections::{BTreeMap, BTreeSet};

use pmp_sync_domain::ids::{LaneId, ProductId};
use pmp_sync_domain::policy::{Action, PolicySnapshot};
use pmp_sync_domain::ports::ChangeSetStatus;
use pmp_sync_domain::records::{LinkRecord, LinkState};
use pmp_sync_fakes::ChangeSetRecord;

use super::invariants::{FOREIGN, Violation, broken};
use super::scene::{HOUR, at};
use super::state::Simulator;

/// For this long after a change of pmp-sync, the edit of its product may be taken for it: no run may have seen the list in
/// between.
const OWN: i64 = 2 * HOUR;
/// A plan that is committed so soon after a link state was written follows from the same observation, in milliseconds.
const SAME_LOOK: i64 = 5_000;

/// What is known of the edits of one lane.
#[derive(Debug, Default)]
pub(crate) struct LaneEdits {
    /// Products whose standing somebody has changed since a run last saw the list.
    hand: BTreeSet<ProductId>,
    /// When pmp-sync last changed a product.
    own: BTreeMap<ProductId, i64>,
    /// The list as a run last saw it.
    seen: Option<String>,
    /// Edits that the last run that saw the list did not tell, and when it saw it.
    untold: (i64, BTreeSet<ProductId>),
}

impl LaneEdits {
    fn edited(&mut self, old: &PolicySnapshot, new: &PolicySnapshot, now: i64) {
        // Before the first look nobody knows what was there.
        if self.seen.is_none() {
            return;
        }
        for product in old.allowed().symmetric_difference(new.allowed()) {
            let is_ours = self.own.get(product).is_some_and(|own| now - own < OWN);
            // Changed twice, it is as it was.
            if !self.hand.remove(product) && !is_ours {
                self.hand.insert(product.clone());
            }
        }
    }

    fn succeeded(&mut self, changes: &[(ProductId, Action)], now: i64) {
        for (product, _) in changes {
            self.hand.remove(product);
            self.own.insert(product.clone(), now);
        }
    }

    fn looked(&mut self, link_state: &LinkState, now: i64) {
        if link_state.seen == self.seen {
            return;
        }
        self.seen.clone_from(&link_state.seen);
        let mut untold = std::mem::take(&mut self.hand);
        untold.retain(|product| !link_state.edited.contains_key(product));
        self.untold = (now, untold);
    }
}

impl Simulator {
    /// Somebody changes a member's list by hand: a change set of others has succeeded, of which the member's worker may hear.
    pub(crate) fn edit_by_hand(&mut self, lane: &LaneId, changes: Vec<(ProductId, Action)>) {
        let old = self.world.experiences(|all| all.policy(&lane.experience));
        let new = old.overlaid(changes.iter().map(|(product, action)| (product, *action)));
        let number = self.world.experiences(|all| all.change_sets().len()) + 1;
        let Ok(id) = format!("hand{number:08}").parse() else {
            return;
        };
        let set = ChangeSetRecord {
            id,
            name: "by hand".to_owned(),
            token: format!("{FOREIGN}{number}"),
            experience: lane.experience.clone(),
            changes,
            creates_policy: false,
            started: at(self.now),
            ends: at(self.now),
            status: Some(ChangeSetStatus::Succeeded(Some(0))),
        };
        self.world.experiences(|all| {
            all.edit(&lane.experience, |_, policy| policy.clone_from(&new));
            all.add_set(set);
        });
        self.edits
            .entry(lane.clone())
            .or_default()
            .edited(&old, &new, self.now);
        self.guards.edited(lane, &new, self.now);
    }

    /// A change set of a lane has succeeded.
    pub(crate) fn changed_it_ourselves(&mut self, lane: &LaneId, changes: &[(ProductId, Action)]) {
        let now = self.now;
        self.edits
            .entry(lane.clone())
            .or_default()
            .succeeded(changes, now);
    }

    /// A link state was written.
    pub(crate) fn saw_edits(&mut self, lane: &LaneId, link_state: &LinkState) {
        let now = self.now;
        self.edits
            .entry(lane.clone())
            .or_default()
            .looked(link_state, now);
    }

    /// A plan that changes back what somebody has changed says so.
    pub(crate) fn tells_edits(&self, lane: &LaneId, record: &LinkRecord) -> Result<(), Violation> {
        let Some(edits) = self.edits.get(lane) else {
            return Ok(());
        };
        let (seen, untold) = &edits.untold;
        // A call that failed may have been the one that reads what was there before.
        let mut troubles = self.producer_troubles.iter();
        if self.now - seen > SAME_LOOK || troubles.any(|trouble| self.now - trouble < HOUR) {
            return Ok(());
        }
        let plan = record.plan();
        let mut planned = plan.allow().iter().chain(plan.deny());
        match planned.find(|product| untold.contains(*product)) {
            Some(product) => broken("edits-told", || {
                format!(
                    "{} changes {product} of {lane} back, which somebody has changed, and does not tell it",
                    record.run
                )
            }),
            None => Ok(()),
        }
    }
}
