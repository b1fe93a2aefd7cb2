//! The details of the events, as they stand on the bus: typed, so that their schemas follow from them.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::FaultRecord;
use crate::ids::{AccountId, ChangeSetId, ExperienceId, MemberName, ProductId, RunId};
use crate::lane::BlockReason;
use crate::message::{
    BLOCKED, Event, HELD, MEMBER_STALE, QUARANTINED, RECOVERED, SYNC_COMPLETED, event,
};
use crate::plan::PlanHash;
use crate::policy::Action;
use crate::run::{RunRecord, RunStatus, Totals};

/// Products that one notice names; more of them are only counted.
pub const MOST_LISTED: usize = 50;

/// What every event about a link has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct About {
    /// The schema of the detail.
    pub schema: u32,
    /// Stays the same if the event is put on the bus again: by it a receiver drops doubles. The number
    /// behind the last slash grows with each event about the link.
    pub id: String,
    /// When it was noticed.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub at: Timestamp,
    /// The member.
    pub member: MemberName,
    /// Its account.
    pub account: AccountId,
    /// The member experience.
    pub experience: ExperienceId,
    /// The experience that it follows.
    pub management_experience: ExperienceId,
    /// What happened, in a sentence.
    pub message: String,
    /// What to do about it, with the command.
    pub what_to_do: String,
}

impl About {
    pub(super) fn says(self, message: String, what_to_do: impl Into<String>) -> Self {
        Self {
            message,
            what_to_do: what_to_do.into(),
            ..self
        }
    }

    pub(super) fn link(&self) -> String {
        format!("{} of member {}", self.experience, self.member)
    }

    pub(super) fn sync(&self) -> String {
        format!(
            "pmp-sync sync --member {} --experience {}",
            self.member, self.experience
        )
    }
}

/// One reason of a hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Cause {
    /// The stable code, `PMS-nnnn`.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// What to do, unless the plan is right as it is.
    pub what_to_do: String,
}

/// `Held`: a guard has held a plan, which waits for approval; or nothing can be planned, because the
/// management experience cannot be read or is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Held {
    /// Whom it is about, and in words.
    #[serde(flatten)]
    pub about: About,
    /// Since when.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub since: Timestamp,
    /// The code of the first reason.
    pub reason: String,
    /// All reasons.
    pub reasons: Vec<Cause>,
    /// The run whose record shows the plan; none if there is no plan.
    #[serde(default)]
    pub run: Option<RunId>,
    /// The plan's hash.
    #[serde(default)]
    pub plan_hash: Option<PlanHash>,
    /// Planned allows.
    pub allow: usize,
    /// Planned denies.
    pub deny: usize,
    /// Of these, those of products that the member allows.
    pub removals: usize,
    /// The command that releases it; none if there is nothing to approve.
    #[serde(default)]
    pub approve: Option<String>,
}

/// `Blocked`: something stands in the way of the lane, which each run tries again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Blocked {
    /// Whom it is about, and in words.
    #[serde(flatten)]
    pub about: About,
    /// Since when.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub since: Timestamp,
    /// Why.
    pub reason: BlockReason,
    /// What the service said, or which thing is concerned.
    pub detail: String,
}

/// A change that stands in quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct QuarantinedProduct {
    /// The product.
    pub product: ProductId,
    /// What was to be done to it.
    pub action: Action,
    /// The run that it was claimed under.
    pub run: RunId,
    /// The change set in which it failed alone.
    pub change_set: ChangeSetId,
    /// The service's error code.
    pub error_code: String,
    /// The service's own words, cut to 300 characters.
    pub error_message: String,
}

/// `Quarantined`: changes failed by themselves and were quarantined, while the others got through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Quarantined {
    /// Whom it is about, and in words.
    #[serde(flatten)]
    pub about: About,
    /// Since when the first of these is quarantined.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub since: Timestamp,
    /// The stable code, `PMS-6001`.
    pub reason: String,
    /// How many were quarantined since the last event about it.
    pub new: usize,
    /// How many are quarantined altogether.
    pub count: usize,
    /// Those that were quarantined, 50 at most.
    pub products: Vec<QuarantinedProduct>,
}

/// `Member Stale`: the link was last known in sync longer ago than `[notify] stale_after_hours`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MemberStale {
    /// Whom it is about, and in words.
    #[serde(flatten)]
    pub about: About,
    /// When it was last known in sync; when it was first looked at, if it never was.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub since: Timestamp,
    /// Why, as far as that is known: the code of the link's fault, or `held`, `blocked`, `quarantined`, or
    /// `differs`.
    pub reason: String,
    /// Whole hours since then.
    pub hours: u64,
    /// After how many hours a link is stale.
    pub stale_after_hours: u32,
    /// Why the link cannot be looked at, if it cannot.
    #[serde(default)]
    pub fault: Option<FaultRecord>,
}

/// What may stand in the way of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// A plan waits for approval, or nothing can be planned.
    Held,
    /// Its lane is blocked.
    Blocked,
    /// Changes stand in quarantine.
    Quarantined,
    /// It was last known in sync too long ago.
    Stale,
}

impl Condition {
    /// As it stands in events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Blocked => "blocked",
            Self::Quarantined => "quarantined",
            Self::Stale => "stale",
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How something that stood in the way came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// It is not so any more.
    Resolved,
    /// Nobody expects anything of the link for now: it is suspended, frozen, only observes, or may be out of
    /// step for longer than before.
    NotExpected,
    /// The link has left the configuration.
    Removed,
}

/// Something that is no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Ended {
    /// What.
    pub condition: Condition,
    /// Its reason code, as it was announced.
    pub reason: String,
    /// Since when it had stood.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub since: Timestamp,
    /// How it ended.
    pub ended_by: EndedBy,
}

/// `Recovered`: what was announced as held, blocked, quarantined or stale is so no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Recovered {
    /// Whom it is about, and in words.
    #[serde(flatten)]
    pub about: About,
    /// Since when the first of it had stood.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub since: Timestamp,
    /// The reason code of the first of it.
    pub reason: String,
    /// What is no more.
    pub recovered: Vec<Ended>,
    /// What still stands.
    pub standing: Vec<Condition>,
}

/// `Sync Completed`: a run that sent changes has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SyncCompleted {
    /// The schema of the detail.
    pub schema: u32,
    /// The run: stays the same if the event is put on the bus again.
    pub id: RunId,
    /// When the run ended.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub at: Timestamp,
    /// The run.
    pub run: RunId,
    /// How it ended.
    pub status: RunStatus,
    /// When it began.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub since: Timestamp,
    /// What it amounts to.
    pub totals: Totals,
    /// What happened, in a sentence.
    pub message: String,
    /// What to do about it, with the command.
    pub what_to_do: String,
}

impl SyncCompleted {
    /// The end of a run; nothing if it has not ended, or sent nothing.
    pub fn of(record: &RunRecord) -> Option<Self> {
        if !record.has_news() {
            return None;
        }
        let totals = record.totals;
        let message = format!(
            "Run {} has ended as {}: it sent {} changes, of {} allows and {} denies that were planned on {} links.",
            record.run,
            record.status.as_str(),
            totals.messages,
            totals.allow,
            totals.deny,
            totals.links
        );
        let what_to_do = match record.status {
            RunStatus::Completed | RunStatus::Superseded => "nothing".to_owned(),
            _ => format!("`pmp-sync status --run {}` shows what is left", record.run),
        };
        Some(Self {
            schema: crate::SCHEMA,
            id: record.run,
            at: record.completed_at.unwrap_or(record.started_at),
            run: record.run,
            status: record.status,
            since: record.started_at,
            totals,
            message,
            what_to_do,
        })
    }

    /// The event.
    pub fn event(&self) -> Event {
        event(SYNC_COMPLETED, self)
    }
}

/// An event about a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Notice {
    /// A plan waits for approval.
    Held(Held),
    /// The lane is blocked.
    Blocked(Blocked),
    /// Changes were quarantined.
    Quarantined(Quarantined),
    /// Last known in sync too long ago.
    MemberStale(MemberStale),
    /// Something is no more.
    Recovered(Recovered),
}

impl Notice {
    /// What it has in common with the others.
    pub fn about(&self) -> &About {
        match self {
            Self::Held(detail) => &detail.about,
            Self::Blocked(detail) => &detail.about,
            Self::Quarantined(detail) => &detail.about,
            Self::MemberStale(detail) => &detail.about,
            Self::Recovered(detail) => &detail.about,
        }
    }

    /// As it is put on the bus.
    pub fn event(&self) -> Event {
        match self {
            Self::Held(detail) => event(HELD, detail),
            Self::Blocked(detail) => event(BLOCKED, detail),
            Self::Quarantined(detail) => event(QUARANTINED, detail),
            Self::MemberStale(detail) => event(MEMBER_STALE, detail),
            Self::Recovered(detail) => event(RECOVERED, detail),
        }
    }
}
