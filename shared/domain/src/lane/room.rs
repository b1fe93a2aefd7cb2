//! How many changes the member's own rules allow on a lane.

use jiff::Timestamp;

use super::batch::Counts;
use super::change::{Intent, OpenChange};
use super::member_rules::MemberRules;
use super::state::{LaneState, Rejected};
use crate::policy::Action;

/// The claimed changes, split by the member's rules.
pub(super) struct Sifted {
    /// Changes that may go into a change set, as far as the limit allows.
    pub(super) free: Vec<OpenChange>,
    /// Changes that are kept back.
    pub(super) kept: Vec<OpenChange>,
}

impl LaneState {
    /// Marks the lane with the worker's current rules. Rejected if the mark is the same.
    pub fn ruled(&self, mark: Option<MemberRules>) -> Result<Self, Rejected> {
        if self.member == mark {
            return Err(Rejected::Member);
        }
        let mut next = self.clone();
        next.member = mark;
        Ok(next)
    }

    /// True if the member's rules forbid changes of this kind.
    pub fn is_forbidden(&self, action: Action) -> bool {
        let rules = self.member.as_ref();
        rules.is_some_and(|rules| rules.forbids(action))
    }

    /// Counts how many changes of each kind the member's rules allow in a change set that starts at
    /// `now`.
    pub fn room(&self, now: Timestamp) -> Counts {
        let of = |action| {
            if self.is_forbidden(action) {
                0
            } else {
                usize::MAX
            }
        };
        let limit = self.limit();
        let left = limit.map_or(usize::MAX, |most| {
            most.saturating_sub(self.denied.used(now))
        });
        Counts {
            allow: of(Action::Allow),
            deny: of(Action::Deny).min(left),
        }
    }

    /// True if the member's rules allow a change set of this intent to start at `now`.
    pub fn permits(&self, intent: &Intent, now: Timestamp) -> bool {
        intent.counts().less(self.room(now)) == Counts::default()
    }

    /// When denies that the limit keeps back may continue. None if only other rules can release
    /// them.
    pub(super) fn frees_at(&self, now: Timestamp) -> Option<Timestamp> {
        if self.is_forbidden(Action::Deny) {
            return None;
        }
        self.limit()
            .and_then(|limit| self.denied.frees_at(limit, now))
    }

    fn limit(&self) -> Option<usize> {
        let limit = self.member.as_ref()?.most_denies?;
        Some(usize::try_from(limit).unwrap_or(usize::MAX))
    }

    /// Separates the changes that are kept back from the others.
    pub(super) fn sift(&self, claimed: Vec<OpenChange>, now: Timestamp) -> Sifted {
        let room = self.room(now);
        let has_room = |action| match action {
            Action::Allow => room.allow > 0,
            Action::Deny => room.deny > 0,
        };
        let (free, kept) = claimed
            .into_iter()
            .partition(|change| has_room(change.action));
        Sifted { free, kept }
    }
}
