//! A lane's state: the ledger's item STATE.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::batch::Counts;
use super::bisect::{Bisect, Failed};
use super::change::{Intent, OpenChange, counts};
use super::member_rules::{Denied, MemberRules};
use crate::closed_list::closed_list;
use crate::ids::{ChangeSetId, ChangeSetName, InstallationId, PlanHash, ProductId, RunId};
use crate::policy::{Action, ProductChange};
use crate::time::elapsed;

/// What a lane is doing.
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
    /// A cause outside pmp-sync blocks it. A later run tries again.
    Blocked,
    /// An operator suspended it.
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
    /// The worker lacks a permission.
    AccessDenied,
    /// The member experience or its policy does not exist.
    NotFound,
    /// The member experience is archived.
    Archived,
    /// The member experience has no procurement policy.
    NoPolicy,
    /// The service rejected the request as not valid: a bug in pmp-sync.
    Refused,
    /// Every change of a kind was rejected.
    ChangeSetFailed,
    /// An administrator cancelled the change set several times in a row.
    Cancelled,
}

closed_list!(BlockReason, "block reason", {
    AccessDenied => "access-denied",
    NotFound => "not-found",
    Archived => "archived",
    NoPolicy => "no-policy",
    Refused => "refused",
    ChangeSetFailed => "change-set-failed",
    Cancelled => "cancelled",
});

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
                "fix what the service reports; every run tries again"
            }
        }
    }
}

/// A block, as operators and the producer see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Block {
    /// The cause, which decides the remedy.
    pub reason: BlockReason,
    /// The service's message, or the id of what is concerned.
    pub detail: String,
    /// When it began.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub since: Timestamp,
}

/// The plan that the producer has committed to the lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// The run that planned it. Changes of every older run are void.
    pub run: RunId,
    /// Hash of the plan.
    pub hash: PlanHash,
    /// Number of changes in the plan.
    pub totals: Counts,
    /// Number of these changes that were taken into intents, or found to hold already.
    pub taken: Counts,
    /// Ordinals of changes that were found to hold already and are counted in `taken`, but whose items may still be open: the invocation
    /// that found them may have ended before it closed them, and whoever finds them again must not count them twice.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub counted: BTreeSet<u32>,
    /// True if the plan creates the first procurement policy of the member experience.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub creates_policy: bool,
    /// True once its last message has been sent.
    pub sent: bool,
    /// Kinds of which a change succeeded under this plan. A change of such a kind that fails alone
    /// is at fault itself.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub proved: BTreeSet<Action>,
    /// Time of the commit.
    pub at: Timestamp,
}

impl Planned {
    /// Counts what one choice takes: the changes of `intent`, and those in `holding`, unless they were counted before. `open` are all
    /// claimed changes; what is no longer among them has been closed and needs no memory.
    pub fn take(&mut self, intent: &Intent, holding: &[OpenChange], open: &[OpenChange]) {
        let run = self.run;
        let is_new = |counted: &BTreeSet<u32>, by: RunId, ordinal: u32| {
            by != run || !counted.contains(&ordinal)
        };
        let held = holding
            .iter()
            .filter(|change| is_new(&self.counted, change.run, change.ordinal));
        let held = counts(held.map(|change| change.action));
        let begun = intent.changes.iter();
        let begun = begun.filter(|change| is_new(&self.counted, change.run, change.ordinal));
        let begun = counts(begun.map(|change| change.action));
        self.taken = self.taken.plus(held).plus(begun);

        let mine = |changes: &[OpenChange]| -> BTreeSet<u32> {
            let mine = changes.iter().filter(|change| change.run == run);
            mine.map(|change| change.ordinal).collect()
        };
        let still = mine(open);
        self.counted.retain(|ordinal| still.contains(ordinal));
        self.counted.extend(mine(holding));
        // These are counted by the intent from now on, which gives them back if it has no effect.
        for change in intent.changes.iter().filter(|change| change.run == run) {
            self.counted.remove(&change.ordinal);
        }
    }
}

/// A suspension: who, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Suspension {
    /// ARN of the operator, if the command could find it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When it began.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub since: Timestamp,
}

/// Another installation of pmp-sync that changes the same experience. The two undo each other's
/// changes, unless their lists are equal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OtherInstallation {
    /// The installation, as the names of its change sets say.
    pub installation: InstallationId,
    /// Its change set that was seen last.
    pub change_set: ChangeSetId,
    /// When that was seen.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub seen: Timestamp,
}

impl OtherInstallation {
    /// The stable code under which it is reported.
    pub const CODE: &str = "PMS-6002";
    /// What to do about it.
    pub const REMEDY: &str = "decide which installation is to change the experience, and remove the link in the other one";

    /// The other installation that gave this name, if it is not `mine`.
    pub fn of(
        name: &ChangeSetName,
        change_set: &ChangeSetId,
        seen: Timestamp,
        mine: &InstallationId,
    ) -> Option<Self> {
        let mark = name.mark.as_ref()?;
        (mark.installation != *mine).then(|| Self {
            installation: mark.installation.clone(),
            change_set: change_set.clone(),
            seen,
        })
    }

    /// True while the other installation counts as active: for a day after its last change set.
    pub fn is_active(&self, now: Timestamp) -> bool {
        elapsed(self.seen, now) < 86_400.0
    }
}

impl fmt::Display for OtherInstallation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "another installation of pmp-sync ({}) changes the experience, seen last with its change set {} at {}",
            self.installation, self.change_set, self.seen
        )
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// The ledger's item STATE of a lane.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneState {
    /// Schema number of the release that wrote the item.
    pub schema: u32,
    /// Number of writes. Each write is conditioned on the number that was read.
    pub rev: u64,
    /// What the lane is doing.
    pub phase: Phase,
    /// Number of the last intent. It grows by one with each.
    pub seq: u64,
    /// The change set that is about to be started, or was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Intent>,
    /// Id of the intent's change set, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_set: Option<ChangeSetId>,
    /// The committed plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned: Option<Planned>,
    /// Runs that found the same plan under way and wait for it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub joined: BTreeSet<RunId>,
    /// Number of the live Tick.
    pub tick: u64,
    /// When that Tick is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tick_at: Option<Timestamp>,
    /// No change set is started before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// Consecutive attempts after which the lane backed off. `not_before` grows with it.
    #[serde(default)]
    pub back_off: u32,
    /// Consecutive change sets that were cancelled.
    #[serde(default)]
    pub cancelled: u32,
    /// The bisect for changes that make their change set fail.
    #[serde(default, skip_serializing_if = "Bisect::is_idle")]
    pub bisect: Bisect,
    /// The suspension, while the lane is suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspension: Option<Suspension>,
    /// The member's own rules, as its worker last found them. None while they restrict nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<MemberRules>,
    /// The denies of the last 24 hours, which the member may limit.
    #[serde(default, skip_serializing_if = "Denied::is_empty")]
    pub denied: Denied,
    /// Another installation that was seen on the experience.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other: Option<OtherInstallation>,
    /// The block, while the lane is blocked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<Block>,
    /// When a lane that was denied access tries again by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// How often it has done so since its plan was committed, or since a change set succeeded.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retries: u32,
    /// The run whose end has been announced with Lane Settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announced: Option<RunId>,
    /// When a change set was last tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_attempt: Option<Timestamp>,
    /// When a change set last succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success: Option<Timestamp>,
    /// When the producer last found the lane in sync.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_in_sync: Option<Timestamp>,
    /// Duration of the last change set by the service's clock, in whole seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_duration_seconds: Option<u32>,
    /// When this item was last written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
}

/// A transition that the state does not allow. This is no error: another writer was faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// A plan of this run or of a newer one is committed.
    #[error("a plan of this run or a newer one is committed")]
    NotNewer,
    /// The phase does not allow it.
    #[error("the lane is in another phase")]
    Phase,
    /// The lane is at another intent.
    #[error("the lane is at another intent")]
    Seq,
    /// The lane is at another plan.
    #[error("the lane is at another plan")]
    Plan,
    /// The member's own rules forbid it, or are unchanged.
    #[error("the member's own rules do not allow it, or are what they were")]
    Member,
    /// It was recorded already.
    #[error("it was recorded already")]
    Known,
    /// The Tick is not the live one.
    #[error("the tick is not the live one")]
    Tick,
}

/// How a change set ended, and what follows for the lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Every change was applied.
    Succeeded {
        /// Whole seconds from `StartTime` to `EndTime`, if the service reports them.
        duration_seconds: Option<u32>,
    },
    /// Nothing was applied, because of its content.
    Failed {
        /// Id of the change set.
        change_set: ChangeSetId,
        /// The service's errors.
        failed: Failed,
    },
    /// An administrator cancelled it; nothing was applied. Several in a row block the lane.
    Cancelled {
        /// Id of the change set.
        change_set: ChangeSetId,
        /// The time of the next attempt.
        until: Timestamp,
    },
    /// Nothing was applied, and another attempt would not help.
    Blocked(Block),
    /// Nothing was applied; another attempt at this time may succeed.
    BackOff(Timestamp),
    /// The service no longer knows it, so it may have been applied. The next attempt is at this
    /// time.
    Vanished(Timestamp),
}

/// What a plan needs to know of the lane.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LaneView {
    /// The changes of the change set that is starting or in flight.
    pub in_flight: Vec<ProductChange>,
    /// Its quarantined changes.
    pub quarantined: Vec<ProductChange>,
    /// The products whose items cannot be read.
    pub unreadable: BTreeSet<ProductId>,
    /// The member's own rules, as its worker last found them. None if they restrict nothing.
    pub member: Option<MemberRules>,
}
