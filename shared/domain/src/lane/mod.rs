//! A lane's state and the transitions that it may make.
//!
//! Every transition is a pure function of the state as it was read; the ledger writes its result
//! only if nothing has been written in between (`rev`), so a transition that is refused or lost to
//! another writer is made again from what stands now. docs/lane-protocol.md has the rules and why
//! each is there.

mod advance;
mod audit;
mod bisect;
mod member;
mod suspensions;
mod ticks;
mod transitions;

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::advance::{Choice, MOST_WAIT, Next, choose, next, outstanding};
pub use self::audit::{SetOutcome, SetRecord};
pub use self::bisect::{Bisect, ChangeError, Failed, FailedAlone, MOST_ALONE};
pub use self::member::{Denied, InvalidRules, MemberMode, MemberRules};
pub use self::suspensions::{Suspension, Suspensions};
pub use self::ticks::{MOST_TICK_DELAY, OnTick, first_tick, later_tick, on_tick, restart_is_due};
use crate::batch::Counts;
use crate::ids::{ChangeSetId, ProductId, RunId};
use crate::plan::{PlanHash, ProductChange};
use crate::policy::Action;

/// Where a lane stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// No change set of ours is under way.
    #[default]
    Idle,
    /// An intent is written; whether its change set was started is not known yet.
    Starting,
    /// A change set is under way and its id is known.
    InFlight,
    /// Something stands in the way that only a later run can find gone.
    Blocked,
    /// An operator suspended the lane.
    Suspended,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Idle => "idle",
            Self::Starting => "starting",
            Self::InFlight => "in flight",
            Self::Blocked => "blocked",
            Self::Suspended => "suspended",
        })
    }
}

/// Why a lane is blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum BlockReason {
    /// The service refuses the worker.
    AccessDenied,
    /// The member experience, or its policy, is not there.
    NotFound,
    /// The member experience is archived.
    Archived,
    /// The member experience has no procurement policy.
    NoPolicy,
    /// The service does not understand the request: a mistake of ours.
    Refused,
    /// The change set failed because of what it contains.
    ChangeSetFailed,
    /// An administrator cancelled the change set.
    Cancelled,
}

impl fmt::Display for BlockReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::AccessDenied => "access-denied",
            Self::NotFound => "not-found",
            Self::Archived => "archived",
            Self::NoPolicy => "no-policy",
            Self::Refused => "refused",
            Self::ChangeSetFailed => "change-set-failed",
            Self::Cancelled => "cancelled",
        })
    }
}

impl BlockReason {
    /// What to do about it.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::AccessDenied => {
                "check the worker's role in the member's stack; every run tries again"
            }
            Self::NotFound => {
                "check the experience and its policy in the member account; every run tries again"
            }
            Self::Archived => "reactivate the experience, or remove the link",
            Self::NoPolicy => {
                "create a procurement policy for the experience; every run tries again"
            }
            Self::Refused | Self::ChangeSetFailed | Self::Cancelled => {
                "mend what the service says; every run tries again"
            }
        }
    }
}

/// A block, for people and for the producer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Block {
    /// Why.
    pub reason: BlockReason,
    /// What the service said, or which thing is concerned.
    pub detail: String,
    /// Since when.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub since: Timestamp,
}

/// The plan that the producer has committed to the lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// The run that planned it. Changes of every older run are void.
    pub run: RunId,
    /// The plan's hash.
    pub hash: PlanHash,
    /// How many changes it has.
    pub totals: Counts,
    /// How many of them have been taken into intents, or found to hold already.
    pub taken: Counts,
    /// True if the member experience had no procurement policy, and the plan is to give it its first one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub creates_policy: bool,
    /// True once the last message of it has been sent.
    pub sent: bool,
    /// What change sets have done with success since: a change of the same kind that fails alone
    /// does so by itself.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub proved: BTreeSet<Action>,
    /// When it was committed.
    pub at: Timestamp,
}

/// One change of an intent, with the run that it was claimed under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntentChange {
    /// The product.
    pub product: ProductId,
    /// What is done to it.
    pub action: Action,
    /// The run whose claim it is; the change is closed only while the item still has this run.
    pub run: RunId,
    /// Its place in the run's sending order.
    #[serde(default)]
    pub ordinal: u32,
}

/// A change set that is about to be started, or was. Token and changes, in their order, are all
/// that goes into the request, so that it can be sent again to the letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// `ClientRequestToken`.
    pub token: String,
    /// When it was written.
    pub at: Timestamp,
    /// True if the change set creates the procurement policy as well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub creates_policy: bool,
    /// The changes, in the order in which they stand in the request.
    pub changes: Vec<IntentChange>,
}

impl Intent {
    /// How many of each kind.
    pub fn counts(&self) -> Counts {
        counts(self.changes.iter().map(|change| change.action))
    }

    /// The products of one kind, in the order of the request.
    pub fn products(&self, action: Action) -> impl Iterator<Item = &ProductId> {
        self.changes
            .iter()
            .filter(move |change| change.action == action)
            .map(|change| &change.product)
    }
}

/// How many of each kind.
pub fn counts(actions: impl IntoIterator<Item = Action>) -> Counts {
    actions
        .into_iter()
        .fold(Counts::default(), |counts, action| match action {
            Action::Allow => Counts {
                allow: counts.allow + 1,
                ..counts
            },
            Action::Deny => Counts {
                deny: counts.deny + 1,
                ..counts
            },
        })
}

/// The ledger's item STATE of a lane.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneState {
    /// The schema of the release that wrote it.
    pub schema: u32,
    /// Counts the writes: the next one is made only on the state as it was read.
    pub rev: u64,
    /// Where the lane stands.
    pub phase: Phase,
    /// The number of the last intent.
    pub seq: u64,
    /// The change set that is about to be started, or was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Intent>,
    /// Its id, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_set: Option<ChangeSetId>,
    /// The plan that the lane works on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned: Option<Planned>,
    /// Runs that found this plan under way and wait for it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub joined: BTreeSet<RunId>,
    /// The number of the one live Tick.
    pub tick: u64,
    /// When that Tick is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tick_at: Option<Timestamp>,
    /// No change set is started before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// Change sets that the service put off, in a row: `not_before` grows with them.
    #[serde(default)]
    pub back_off: u32,
    /// Change sets that were cancelled, in a row.
    #[serde(default)]
    pub cancelled: u32,
    /// The bisect for changes that make their change set fail.
    #[serde(default, skip_serializing_if = "Bisect::is_idle")]
    pub bisect: Bisect,
    /// The operator's suspension, while it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspension: Option<Suspension>,
    /// The member's own rules, as its worker last found them; nothing while they restrict nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<MemberRules>,
    /// The denies that change sets have applied lately, which the member may limit.
    #[serde(default, skip_serializing_if = "Denied::is_empty")]
    pub denied: Denied,
    /// Why the lane is blocked, while it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<Block>,
    /// The run whose end has been announced with Lane Settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announced: Option<RunId>,
    /// When a change set was last tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_attempt: Option<Timestamp>,
    /// When a change set last succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success: Option<Timestamp>,
    /// When the producer last found nothing to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_in_sync: Option<Timestamp>,
    /// How long the last change set took by the service's clock, in whole seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_duration_seconds: Option<u32>,
    /// When this item was last written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
}

/// A transition that the state does not allow. Nothing is wrong: somebody else was faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// A plan of this run or a newer one is committed already.
    #[error("a plan of this run or a newer one is committed")]
    NotNewer,
    /// The phase does not allow it.
    #[error("the lane is in another phase")]
    Phase,
    /// It is about another intent.
    #[error("the lane is at another intent")]
    Seq,
    /// It is about another plan.
    #[error("the lane is at another plan")]
    Plan,
    /// The member's own rules do not allow it, or are what they were.
    #[error("the member's own rules do not allow it, or are what they were")]
    Member,
    /// The Tick is not the live one.
    #[error("the tick is not the live one")]
    Tick,
}

/// How a change set ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Every change has been applied; how long it took by the service's clock, in seconds.
    Succeeded {
        /// Whole seconds from `StartTime` to `EndTime`.
        duration_seconds: Option<u32>,
    },
    /// Nothing has been applied because of what it contained.
    Failed {
        /// The change set.
        change_set: ChangeSetId,
        /// What the service said.
        failed: Failed,
    },
    /// An administrator cancelled it; nothing has been applied. Blocks the lane after a few in a row.
    Cancelled {
        /// The change set.
        change_set: ChangeSetId,
        /// When to try again.
        until: Timestamp,
    },
    /// Nothing has been applied, and trying again will not help by itself.
    Blocked(Block),
    /// Nothing has been applied; the service may do better later.
    BackOff(Timestamp),
    /// The service does not know it any more, nor anybody whether it was applied: to be tried again then.
    Vanished(Timestamp),
}

/// `seconds` after `now`; the end of time if there is no such moment.
pub fn later(now: Timestamp, seconds: i64) -> Timestamp {
    now.checked_add(jiff::SignedDuration::from_secs(seconds))
        .unwrap_or(Timestamp::MAX)
}

/// Seconds from `then` to `now`; none if `then` is later.
pub fn elapsed(then: Timestamp, now: Timestamp) -> f64 {
    now.duration_since(then).as_secs_f64().max(0.0)
}

/// A claimed change: the ledger's item of one product on one lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenChange {
    /// The product.
    pub product: ProductId,
    /// What is to be done to it.
    pub action: Action,
    /// The run that it was claimed under.
    pub run: RunId,
    /// Its place in the run's sending order: earlier ones go first.
    pub ordinal: u32,
    /// When it was claimed.
    pub claimed_at: Timestamp,
}

/// A change that failed by itself: it is not tried again until it is replayed, or until something
/// else is wanted of its product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// The product.
    pub product: ProductId,
    /// What was to be done to it.
    pub action: Action,
    /// The run that it was claimed under.
    pub run: RunId,
    /// The service's error code.
    pub error_code: String,
    /// The service's own words.
    pub error_message: String,
    /// The change set in which it failed alone.
    pub change_set: ChangeSetId,
    /// When it was quarantined.
    pub quarantined_at: Timestamp,
}

impl Quarantined {
    /// The change.
    pub fn change(&self) -> ProductChange {
        ProductChange {
            product: self.product.clone(),
            action: self.action,
        }
    }
}

#[cfg(test)]
mod tests;
