//! The member's own rules: parameters of the member's stack that its worker applies, whatever is
//! planned; and the count of recent denies, which one of them limits.
//!
//! A lane carries a mark of the rules that its worker last found. So plans leave alone what the
//! worker would keep back, and `status` can say that the member chose it. The mark is never an
//! instruction: a worker reads its own parameters, and first brings the mark in line with them.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::policy::Action;
use crate::time::later;

/// Denies are counted by quarters of an hour. In seconds.
const QUARTER: i64 = 900;

/// How long a quarter counts after its beginning, in seconds: until 24 hours after its end, so that
/// no period of 24 hours has more denies than the limit.
const COUNTS_FOR: i64 = 24 * 3600 + QUARTER;

/// The most quarters that are kept: more than can count at the same time.
const MOST_QUARTERS: usize = 100;

/// What a member allows its worker to apply.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(from = "String", into = "String")]
pub enum MemberMode {
    /// Allows and denies.
    #[default]
    All,
    /// Allows only. Denies are kept back.
    AllowOnly,
    /// Nothing. No change set is started.
    Suspended,
    /// A mode of a newer release. This release treats it as one that allows nothing, and keeps its
    /// text.
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

/// A parameter of the member's stack is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the parameter {name} of the member's stack is {value:?}; it must be {wanted}")]
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

/// The rules of a member, as the parameters of its stack say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MemberRules {
    /// What its worker may apply.
    #[serde(default)]
    pub mode: MemberMode,
    /// The most denies within 24 hours on each lane. None for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_denies: Option<u32>,
}

impl MemberRules {
    /// Parses the two parameters of the stack. `none` or an empty text means no limit.
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

    /// The mark of these rules. None if they restrict nothing.
    pub fn mark(&self) -> Option<Self> {
        (*self != Self::default()).then(|| self.clone())
    }

    /// True if the rules forbid changes of this kind for as long as they are unchanged. A limit of
    /// 0 forbids denies; any other limit only delays them.
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

/// The denies of the last 24 hours, by quarters of an hour.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Denied(Vec<Quarter>);

impl Denied {
    /// True if no deny is recorded.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of denies that count at `now`.
    pub fn used(&self, now: Timestamp) -> usize {
        self.counting(now).map(|(_, count)| count).sum()
    }

    /// Adds the denies of a change set that just succeeded, and drops those that no longer count.
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
        // Only a clock that jumps makes more quarters. Their denies must not be forgotten, and may
        // count longer.
        while self.0.len() > MOST_QUARTERS {
            let oldest = self.0.remove(0);
            if let Some(next) = self.0.first_mut() {
                next.count = next.count.saturating_add(oldest.count);
            }
        }
    }

    /// The quarters that count at `now`: until when, and how many denies.
    fn counting(&self, now: Timestamp) -> impl Iterator<Item = (Timestamp, usize)> {
        let ends = self.0.iter().map(|quarter| {
            let count = usize::try_from(quarter.count).unwrap_or(usize::MAX);
            (later(quarter.from, COUNTS_FOR), count)
        });
        ends.filter(move |(until, _)| *until > now)
    }

    /// When fewer than `limit` denies count, which may be `now`. None if `limit` is 0.
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
