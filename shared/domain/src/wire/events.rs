//! The details of the events on the bus. Their schemas are generated from these types.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::approval::RejectedPart;
use crate::closed_list::closed_list;
use crate::error::FaultRecord;
use crate::hint::Hint;
use crate::ids::{
    AccountId, ChangeSetId, ExperienceId, InstallationId, MemberName, PlanHash, ProductId,
    ProductRequestId, RunId,
};
use crate::lane::BlockReason;
use crate::policy::Action;
use crate::run::{RunStatus, Totals};
use crate::sources::Sources;

/// The most products that one notice names. Others are only counted.
pub const MOST_LISTED: usize = 50;

/// What every event about a link contains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct About {
    /// Schema number of the detail.
    pub schema: u32,
    /// Stays the same if the event is put on the bus again, so that a receiver can drop duplicates.
    /// The number behind the last slash grows with each event about the link.
    pub id: String,
    /// When the producer noticed it.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub at: Timestamp,
    /// The member's name in the configuration.
    pub member: MemberName,
    /// The member account.
    pub account: AccountId,
    /// The member experience.
    pub experience: ExperienceId,
    /// The management experiences that it follows.
    #[serde(flatten)]
    pub sources: Sources,
    /// What happened, in a sentence.
    pub message: String,
    /// The next step, with its command.
    pub what_to_do: String,
    /// The commands of `what_to_do`, for programs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<Hint>,
}

/// One reason of a hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Cause {
    /// The stable code, `PMS-nnnn`.
    pub code: String,
    /// What is wrong, as a sentence.
    pub message: String,
    /// What to do if the plan is a mistake.
    pub what_to_do: String,
}

/// `Held`: a guard holds a plan until it is approved; or nothing can be planned, because the
/// management experience cannot be read or does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Held {
    /// The link, and the event in words.
    #[serde(flatten)]
    pub about: About,
    /// When it began.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub since: Timestamp,
    /// The code of the first reason.
    pub reason: String,
    /// All reasons of the hold.
    pub reasons: Vec<Cause>,
    /// The run whose record shows what is held. None if nothing can be planned.
    #[serde(default)]
    pub run: Option<RunId>,
    /// Hash of what is held.
    #[serde(default)]
    pub plan_hash: Option<PlanHash>,
    /// Number of allows that are held.
    pub allow: usize,
    /// Number of denies that are held.
    pub deny: usize,
    /// Denies that are held of products that the member allows.
    pub removals: usize,
    /// How much of it was rejected before, and by whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<RejectedPart>,
}

/// `Blocked`: the lane cannot continue. Each run tries again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Blocked {
    /// The link, and the event in words.
    #[serde(flatten)]
    pub about: About,
    /// When it began.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub since: Timestamp,
    /// The cause of the block.
    pub reason: BlockReason,
    /// The service's message, or the id of what is concerned.
    pub detail: String,
}

/// A quarantined change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct QuarantinedProduct {
    /// Its id in AWS Marketplace.
    pub product: ProductId,
    /// Its name, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Allow or deny.
    pub action: Action,
    /// The run that claimed it.
    pub run: RunId,
    /// The change set in which it failed alone.
    pub change_set: ChangeSetId,
    /// The service's error code.
    pub error_code: String,
    /// The service's error message, cut to 300 characters.
    pub error_message: String,
}

/// `Quarantined`: changes were rejected individually and are quarantined, while the others got
/// through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Quarantined {
    /// The link, and the event in words.
    #[serde(flatten)]
    pub about: About,
    /// When the first of these was quarantined.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub since: Timestamp,
    /// Always `PMS-6001`.
    pub reason: String,
    /// Number of changes that were quarantined since the last event.
    pub new: usize,
    /// Number of all quarantined changes of the lane.
    pub count: usize,
    /// The newly quarantined changes, 50 at most.
    pub products: Vec<QuarantinedProduct>,
}

/// `Contested`: another installation of pmp-sync, one with another ledger, changes the same experience.
/// Unless the lists of both are equal, each undoes the other's changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Contested {
    /// The link, and the event in words.
    #[serde(flatten)]
    pub about: About,
    /// When its change set was seen.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub since: Timestamp,
    /// Always `PMS-6002`.
    pub reason: String,
    /// The other installation, as the names of its change sets say.
    pub installation: InstallationId,
    /// Its change set.
    pub change_set: ChangeSetId,
}

/// A product that somebody else has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EditedProduct {
    /// Its id in AWS Marketplace.
    pub product: ProductId,
    /// Its name, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// True if the member allows it now, false if it does not any more.
    pub allowed: bool,
    /// When a run first saw it.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub since: Timestamp,
}

/// `Edited Outside`: somebody else has changed products of the member experience, so that they are not as the link wants them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EditedOutside {
    /// The link, and the event in words.
    #[serde(flatten)]
    pub about: About,
    /// When the first of these edits was seen.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub since: Timestamp,
    /// Always `PMS-6003`.
    pub reason: String,
    /// Number of products that were edited since the last event.
    pub new: usize,
    /// Number of all products that differ because of an outside edit.
    pub count: usize,
    /// The newly edited products, 50 at most.
    pub products: Vec<EditedProduct>,
}

/// `Member Stale`: the link was last in sync longer ago than `[notify] stale_after_hours`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MemberStale {
    /// The link, and the event in words.
    #[serde(flatten)]
    pub about: About,
    /// When it was last in sync. If it never was, when it was first observed.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub since: Timestamp,
    /// The reason, as far as it is known: the code of the link's fault, or `held`, `blocked`,
    /// `quarantined` or `differs`.
    pub reason: String,
    /// Whole hours since then.
    pub hours: u64,
    /// The configured number of hours after which a link is stale.
    pub stale_after_hours: u32,
    /// Why the link cannot be observed, if it cannot.
    #[serde(default)]
    pub fault: Option<FaultRecord>,
}

/// A state of a link that is announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// A plan waits for approval, or nothing can be planned.
    Held,
    /// Its lane is blocked.
    Blocked,
    /// Changes are quarantined.
    Quarantined,
    /// Another installation changes the same experience.
    Contested,
    /// Somebody else has changed products of the member experience.
    Edited,
    /// It was last in sync too long ago.
    Stale,
}

closed_list!(Condition, "condition", {
    Held => "held",
    Blocked => "blocked",
    Quarantined => "quarantined",
    Contested => "contested",
    Edited => "edited",
    Stale => "stale",
});

/// How an announced state ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// It no longer applies.
    Resolved,
    /// The link is currently not expected to be in sync: it is suspended, frozen, only observes, or
    /// may be out of sync for longer than before.
    NotExpected,
    /// The link is no longer in the configuration.
    Removed,
}

closed_list!(EndedBy, "end", {
    Resolved => "resolved",
    NotExpected => "not_expected",
    Removed => "removed",
});

/// An announced state that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Ended {
    /// The state that has ended.
    pub condition: Condition,
    /// The reason code that was announced.
    pub reason: String,
    /// When it had begun.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub since: Timestamp,
    /// Whether every link is in sync, and what happened if not.
    pub ended_by: EndedBy,
}

/// `Recovered`: a state that was announced as held, blocked, quarantined, contested, edited or stale has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Recovered {
    /// The link, and the event in words.
    #[serde(flatten)]
    pub about: About,
    /// When the first of these states had begun.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub since: Timestamp,
    /// The reason code of the first of these states.
    pub reason: String,
    /// The states that have ended.
    pub recovered: Vec<Ended>,
    /// The announced states that remain.
    pub standing: Vec<Condition>,
}

/// `Sync Completed`: a run that sent changes has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SyncCompleted {
    /// Schema number of the detail.
    pub schema: u32,
    /// The run id. It stays the same if the event is put on the bus again.
    pub id: RunId,
    /// When the run ended.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub at: Timestamp,
    /// Its id, a ULID.
    pub run: RunId,
    /// Whether every link is in sync, and what happened if not.
    pub status: RunStatus,
    /// When it began.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub since: Timestamp,
    /// Counts of links, changes and messages.
    pub totals: Totals,
    /// What happened, in a sentence.
    pub message: String,
    /// The next step, with its command.
    pub what_to_do: String,
    /// The commands of `what_to_do`, for programs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<Hint>,
}

/// `Product Requested`: a user of a member organization requests a product in the private
/// marketplace. The request itself is answered in the member's console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProductRequested {
    /// Schema number of the detail.
    pub schema: u32,
    /// The member account and the request. It stays the same if the event is put on the bus again.
    pub id: String,
    /// When the producer noticed it.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub at: Timestamp,
    /// The member's name in the configuration.
    pub member: MemberName,
    /// The member account.
    pub account: AccountId,
    /// The experience of the user who requests it.
    pub experience: ExperienceId,
    /// The management experience that this experience follows, if it follows one.
    #[serde(default)]
    pub management_experience: Option<ExperienceId>,
    /// The request.
    pub request: ProductRequestId,
    /// The product's id in AWS Marketplace.
    pub product: ProductId,
    /// Its title.
    #[serde(default)]
    pub title: Option<String>,
    /// The name of its manufacturer.
    #[serde(default)]
    pub manufacturer: Option<String>,
    /// The ARN of the user.
    #[serde(default)]
    pub requester: Option<String>,
    /// When it was requested.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub since: Timestamp,
    /// When the request expires.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub until: Timestamp,
    /// Number of open requests for the product, in all member organizations.
    pub requests: usize,
    /// Number of member organizations with such a request.
    pub members: usize,
    /// What happened, in a sentence.
    pub message: String,
    /// The next step, with its command.
    pub what_to_do: String,
    /// The commands of `what_to_do`, for programs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<Hint>,
}

/// An event about a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Notice {
    /// A plan is held.
    Held(Held),
    /// The lane is blocked.
    Blocked(Blocked),
    /// Changes were quarantined.
    Quarantined(Quarantined),
    /// Another installation changes the same experience.
    Contested(Contested),
    /// Somebody else has changed products.
    EditedOutside(EditedOutside),
    /// The link was last in sync too long ago.
    MemberStale(MemberStale),
    /// An announced state has ended.
    Recovered(Recovered),
}

impl Notice {
    /// The part that all notices have.
    pub fn about(&self) -> &About {
        match self {
            Self::Held(detail) => &detail.about,
            Self::Blocked(detail) => &detail.about,
            Self::Quarantined(detail) => &detail.about,
            Self::Contested(detail) => &detail.about,
            Self::EditedOutside(detail) => &detail.about,
            Self::MemberStale(detail) => &detail.about,
            Self::Recovered(detail) => &detail.about,
        }
    }
}
