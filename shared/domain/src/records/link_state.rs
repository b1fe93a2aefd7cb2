//! The link state: what the producer remembers of a link from run to run.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::notices::Notices;
use crate::approval::{Grant, Hold, Rejection};
use crate::guard::limits::GuardName;
use crate::ids::{ExperienceId, ProductId};

/// Products that were removed at the same time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// When their plan was committed. Once they are seen to be removed, the time of that.
    pub at: Timestamp,
    /// Their ids in AWS Marketplace.
    pub products: BTreeSet<ProductId>,
    /// Number of others, beyond those that are remembered by their ids.
    #[serde(default, skip_serializing_if = "is_none_of_them")]
    pub beyond: usize,
}

/// The length of the member's list of allowed products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// The time from which it had this length.
    pub at: Timestamp,
    /// Number of allowed products.
    pub allowed: usize,
}

/// The ledger's item of a link: the guards' memory, holds, grants, announcements.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkState {
    /// Schema number of the release that wrote it.
    pub schema: u32,
    /// Number of writes. Each write is conditioned on the number that was read.
    pub rev: u64,
    /// When a run first observed the link and no guard held its plan. Until then nothing is removed
    /// without approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_since: Option<Timestamp>,
    /// When the link was first in sync while it may deny. Removals count from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aligned_since: Option<Timestamp>,
    /// Removals of the last 24 hours without approval.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removals: Vec<Removal>,
    /// Products whose removal was still under way when the link was last observed.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub taking: BTreeSet<ProductId>,
    /// Number of others under way, beyond those that are remembered by their ids.
    #[serde(default, skip_serializing_if = "is_none_of_them")]
    pub taking_beyond: usize,
    /// Lengths of the member's list since the 24 hours began, one for each change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sizes: Vec<Size>,
    /// Number of products that the management experience allowed when the link was last planned
    /// for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub management_allowed: Option<usize>,
    /// The current hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// A rollback that was requested and not approved yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<Hold>,
    /// Changes that were held and rejected, and are still wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<Rejection>,
    /// The grant of an approval that is not done yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Grant>,
    /// Conditions of the management experience that were approved, while they last.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub accepted: BTreeSet<GuardName>,
    /// The same of single management experiences of a link that follows several.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub accepted_of: BTreeMap<ExperienceId, BTreeSet<GuardName>>,
    /// The rollback that was executed. Plans against it need approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored: Option<Grant>,
    /// Rollbacks that were executed before it and still count, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restored_before: Vec<Grant>,
    /// Outside edits, and since when each has been seen.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub edited: BTreeMap<ProductId, Timestamp>,
    /// Number of outside edits beyond those that are remembered.
    #[serde(default, skip_serializing_if = "is_none_of_them")]
    pub edited_beyond: usize,
    /// Hash of the member's allowed products as a run last saw them. [`SeenList`](super::SeenList) has the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<String>,
    /// When a run first saw the link frozen. None if it is not frozen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen_since: Option<Timestamp>,
    /// What has been announced of the link.
    #[serde(default, skip_serializing_if = "Notices::is_blank")]
    pub notices: Notices,
}

/// The most executed rollbacks of a link that are remembered: each takes a read of a run that plans for it.
const MOST_ROLLBACKS: usize = 10;

impl LinkState {
    /// Its holds: the plan, and a rollback that was requested.
    pub fn holds(&self) -> impl Iterator<Item = &Hold> {
        self.hold.iter().chain(&self.restore)
    }

    /// The rollbacks that were executed, the oldest first. Plans against one of them need approval.
    pub fn rollbacks(&self) -> impl Iterator<Item = &Grant> {
        self.restored_before.iter().chain(&self.restored)
    }

    /// A rollback was approved. Those before it still count; only the newest are remembered. Of several people who
    /// approved it, only the last one is: the records of the runs have all of them.
    pub fn rolled_back(&mut self, grant: &Grant) {
        let grant = Grant {
            earlier: Vec::new(),
            before: Vec::new(),
            ..grant.clone()
        };
        let before = self.restored.replace(grant);
        self.restored_before.extend(before);
        let beyond = (self.restored_before.len() + 1).saturating_sub(MOST_ROLLBACKS);
        self.restored_before.drain(..beyond);
    }

    /// The link follows its management experience again: nothing that was taken back counts any more.
    pub fn follow_again(&mut self) {
        self.restored = None;
        self.restored_before.clear();
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_none_of_them(count: &usize) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approval::Ask;
    use crate::ids::RunId;

    #[test]
    fn the_ten_newest_rollbacks_are_remembered_the_oldest_first() {
        let grant = |number: i64| Grant {
            run: RunId::next(None, number, 0),
            ask: Ask {
                by: None,
                account: None,
                at: Timestamp::UNIX_EPOCH,
                reason: None,
            },
            earlier: Vec::new(),
            executed: RunId::next(None, number + 100, 0),
            overrides: false,
            before: Vec::new(),
        };
        let mut state = LinkState::default();
        for number in 1..=12 {
            state.rolled_back(&grant(number));
            assert_eq!(state.restored, Some(grant(number)));
            let first = (number - 9).max(1);
            let expected: Vec<_> = (first..=number).map(grant).collect();
            let found: Vec<_> = state.rollbacks().cloned().collect();
            assert_eq!(found, expected);
        }
        state.follow_again();
        assert_eq!(state, LinkState::default());
    }
}
