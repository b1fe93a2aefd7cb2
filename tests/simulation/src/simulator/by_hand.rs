//! What somebody changes in a member by hand, and whether the run that changes it back says so.

use pmp_sync_domain::config::Config;
use pmp_sync_domain::ids::{LaneId, ProductId};
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::policy::Action;
use pmp_sync_domain::ports::{ChangeSetStatus, Closing};
use pmp_sync_domain::records::{LinkRecord, LinkState};
use pmp_sync_fakes::ChangeSetRecord;

use super::edits::SAME_LOOK;
use super::guards::link_of;
use super::invariants::{FOREIGN, Violation, broken};
use super::scene::{HOUR, at, since_begin};
use super::state::Simulator;
use crate::reference;

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
        let known = self.edits.get(lane);
        let differ = if known.is_some_and(|edits| edits.are_seen_with(link_state)) {
            self.left_to_do_as_observed(lane)
        } else {
            Plan::default()
        };
        let now = self.now;
        self.edits
            .entry(lane.clone())
            .or_default()
            .looked(link_state, &differ, now);
    }

    /// What differs on a lane by the management experiences as the producer last read them.
    fn left_to_do_as_observed(&self, lane: &LaneId) -> Plan {
        let text = self.world.ledger(|ledger| ledger.configs.last().cloned());
        let config = Config::parse(&text.unwrap_or_default()).unwrap_or_default();
        let Some(link) = link_of(&config, lane) else {
            return Plan::default();
        };
        self.world.experiences(|all| {
            let lists = link.sources.iter().filter_map(|id| all.observed(id));
            let lists: Vec<_> = lists.map(|observed| observed.policy.clone()).collect();
            let desired = reference::wanted(&lists, link.conflict);
            reference::left_to_do(&desired, &all.policy(&lane.experience), &link.policy)
        })
    }

    /// A plan that changes back what somebody has changed says so.
    pub(crate) fn tells_edits(&self, lane: &LaneId, record: &LinkRecord) -> Result<(), Violation> {
        let Some(edits) = self.edits.get(lane) else {
            return Ok(());
        };
        let (seen, untold) = &edits.untold;
        // A call that failed may have been the one that reads what was there before, or that stored it.
        let mut troubles = self.producer_troubles.iter();
        if self.now - seen > SAME_LOOK || troubles.any(|trouble| self.now - trouble < 3 * HOUR) {
            return Ok(());
        }
        let plan = record.plan();
        // What pmp-sync was about to do itself, or found done, may have been done by it.
        let was_wanted = |product: &ProductId| {
            self.world.ledger(|ledger| {
                let item = ledger.items.get(&(lane.clone(), product.clone()));
                // An empty plan may have closed it since that look.
                item.is_some_and(|item| {
                    item.is_open()
                        || item.closed == Some(Closing::Holding)
                        || (item.closed == Some(Closing::Superseded)
                            && item.closed_at.is_some_and(|at| since_begin(at) >= *seen))
                })
            })
        };
        let mut planned = plan.allow().iter().chain(plan.deny());
        match planned.find(|product| untold.contains(*product) && !was_wanted(product)) {
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
