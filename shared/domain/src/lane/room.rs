//! What the member's own rules leave room for on a lane.

use jiff::Timestamp;

use super::batch::Counts;
use super::change::{Intent, OpenChange};
use super::member_rules::MemberRules;
use super::state::{LaneState, Rejected};
use crate::policy::Action;

/// What of the claimed changes may go into a change set by the member's rules.
pub(super) struct Sifted {
    /// These may, as far as the limit goes.
    pub(super) free: Vec<OpenChange>,
    /// These are kept back.
    pub(super) kept: Vec<OpenChange>,
}

impl LaneState {
    /// The mark of the worker's own rules, which are not what it was.
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

    /// How many changes of each kind the member's rules leave to a change set that is started at `now`.
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

    /// True if the member's rules let a change set of this intent be started at `now`.
    pub fn permits(&self, intent: &Intent, now: Timestamp) -> bool {
        intent.counts().less(self.room(now)) == Counts::default()
    }

    /// When denies may go on that the limit holds up; nothing if only other rules can let them.
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

    /// Parts the changes that are kept back from the others.
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
