//! The member's own rules: parameters of the member's stack that its worker obeys whatever is planned,
//! and the count of what was denied lately, which one of them limits.
//!
//! A lane carries a mark of the rules that its worker last found, so that plans leave alone what the
//! worker would keep back, and `status` can say whose choice it is. The mark is never an instruction:
//! a worker reads its own parameters, and brings the mark in line with them first.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Intent, LaneState, OpenChange, Rejected, later};
use crate::batch::Counts;
use crate::policy::Action;

/// Denies are counted by quarters of an hour, in seconds.
const QUARTER: i64 = 900;
/// How long a quarter counts after its beginning, in seconds: 24 hours after its last moment, so that
/// no 24 hours ever have more than the limit.
const COUNTS_FOR: i64 = 24 * 3600 + QUARTER;
/// Quarters that are kept at most: more than those of the time for which they count.
const MOST_QUARTERS: usize = 100;

/// What a member lets its worker do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(from = "String", into = "String")]
pub enum MemberMode {
    /// Everything.
    #[default]
    All,
    /// Allows only: denies are kept back.
    AllowOnly,
    /// Nothing: no change set is started.
    Suspended,
    /// One of a newer release: whatever it allows, to this one it is a suspension. Kept as it was written.
    Other(String),
}

impl From<String> for MemberMode {
    fn from(text: String) -> Self {
        match text.as_str() {
            "all" => Self::All,
            "allow-only" => Self::AllowOnly,
            "suspended" => Self::Suspended,
            _ => Self::Other(text),
        }
    }
}

impl From<MemberMode> for String {
    fn from(mode: MemberMode) -> Self {
        mode.to_string()
    }
}

impl fmt::Display for MemberMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::All => "all",
            Self::AllowOnly => "allow-only",
            Self::Suspended => "suspended",
            Self::Other(text) => text,
        })
    }
}

/// A parameter of the member's stack that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the parameter {name} of the member's stack is {value:?}; it has to be {wanted}")]
pub struct InvalidRules {
    name: &'static str,
    value: String,
    wanted: &'static str,
}

impl FromStr for MemberMode {
    type Err = InvalidRules;
    fn from_str(text: &str) -> Result<Self, InvalidRules> {
        match Self::from(text.to_owned()) {
            Self::Other(value) => Err(InvalidRules {
                name: "MemberMode",
                value,
                wanted: "all, allow-only or suspended",
            }),
            mode => Ok(mode),
        }
    }
}

/// The rules of a member, by the parameters of its stack.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MemberRules {
    /// What its worker may do.
    #[serde(default)]
    pub mode: MemberMode,
    /// How many denies change sets may apply within 24 hours, on each lane by itself; no limit without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_denies: Option<u32>,
}

impl MemberRules {
    /// The rules by the two parameters, as they stand in the stack. No limit is `none`, or nothing.
    pub fn parse(mode: &str, most_denies: &str) -> Result<Self, InvalidRules> {
        let limit = |text: &str| {
            text.parse().map_err(|_| InvalidRules {
                name: "MostDeniesPerDay",
                value: text.to_owned(),
                wanted: "a number, or none for no limit",
            })
        };
        Ok(Self {
            mode: mode.parse()?,
            most_denies: match most_denies {
                "" | "none" => None,
                text => Some(limit(text)?),
            },
        })
    }

    /// The mark of these rules: nothing if they restrict nothing.
    pub fn mark(&self) -> Option<Self> {
        (*self != Self::default()).then(|| self.clone())
    }

    /// True if no change of this kind is made while the rules are what they are. A limit of none forbids
    /// denies; any other only delays them.
    pub fn forbids(&self, action: Action) -> bool {
        match (&self.mode, action) {
            (MemberMode::Suspended | MemberMode::Other(_), _)
            | (MemberMode::AllowOnly, Action::Deny) => true,
            (MemberMode::All, Action::Deny) => self.most_denies == Some(0),
            (MemberMode::All | MemberMode::AllowOnly, Action::Allow) => false,
        }
    }
}

/// Denies that were applied within one quarter of an hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Quarter {
    from: Timestamp,
    count: u32,
}

/// The denies that change sets have applied with success in the last 24 hours, by quarters of an hour.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Denied(Vec<Quarter>);

impl Denied {
    /// True when none is on record.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many count at `now`.
    pub fn used(&self, now: Timestamp) -> usize {
        self.counting(now).map(|(_, count)| count).sum()
    }

    /// Adds those of a change set that has just succeeded, and forgets what counts no more.
    pub(super) fn add(&mut self, denies: usize, now: Timestamp) {
        let from = Timestamp::from_second(now.as_second().div_euclid(QUARTER) * QUARTER);
        let from = from.unwrap_or(now);
        let count = u32::try_from(denies).unwrap_or(u32::MAX);
        if count == 0 {
            return;
        }
        self.0
            .retain(|quarter| later(quarter.from, COUNTS_FOR) > now);
        match self.0.iter_mut().find(|quarter| quarter.from == from) {
            Some(quarter) => quarter.count = quarter.count.saturating_add(count),
            None => self.0.push(Quarter { from, count }),
        }
        self.0.sort_by_key(|quarter| quarter.from);
        // Only a clock that jumps makes more: what was counted must not be forgotten, and may count longer.
        while self.0.len() > MOST_QUARTERS {
            let oldest = self.0.remove(0);
            if let Some(next) = self.0.first_mut() {
                next.count = next.count.saturating_add(oldest.count);
            }
        }
    }

    /// The quarters that count at `now`: until when, and how many.
    fn counting(&self, now: Timestamp) -> impl Iterator<Item = (Timestamp, usize)> {
        let ends = self.0.iter().map(|quarter| {
            let count = usize::try_from(quarter.count).unwrap_or(usize::MAX);
            (later(quarter.from, COUNTS_FOR), count)
        });
        ends.filter(move |(until, _)| *until > now)
    }

    /// When fewer than `limit` count, which is now if they do already; never for none.
    pub(super) fn frees_at(&self, limit: usize, now: Timestamp) -> Option<Timestamp> {
        let mut used = self.used(now);
        if used < limit {
            return Some(now);
        }
        self.counting(now).find_map(|(until, count)| {
            used = used.saturating_sub(count);
            (used < limit).then_some(until)
        })
    }
}

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
