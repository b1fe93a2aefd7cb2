//! The model of the page, which `pmp-sync report --json` prints.

use std::collections::BTreeMap;

use jiff::Timestamp;
use pmp_sync_domain::answers::report::{Differing, ManagementLists};
use pmp_sync_domain::error::FaultRecord;
use pmp_sync_domain::ids::ProductId;
use pmp_sync_domain::link::Mode;
use pmp_sync_domain::product::Names;
use pmp_sync_domain::records::{ProductRequest, RunRecord};
use pmp_sync_domain::sources::{Conflict, Sources};
use pmp_sync_domain::sync_state::SyncState;
use serde::{Deserialize, Serialize};
#[cfg(feature = "schema")]
use {pmp_sync_domain::schema::Time, schemars::JsonSchema};

/// Version of the model that this release writes.
pub const SCHEMA: u32 = 1;

/// The words of one kind, each with its sign and its text on the page: never a colour alone.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $variant:ident $word:literal $sign:literal $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[cfg_attr(feature = "schema", derive(JsonSchema))]
        pub enum $name {
            $($(#[$about])* #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// Every one, in the order of the page.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word in JSON, in addresses and in classes.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The sign on the page.
            pub fn sign(self) -> &'static str {
                match self { $(Self::$variant => $sign,)* }
            }

            /// The text on the page.
            pub fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

words! {
    /// The state of a member experience: that of its worst product.
    State {
        /// It is as the management experience wants it.
        InSync "in_sync" "✓" "in sync",
        /// What differs is left so by the configuration.
        LeftAlone "left_alone" "○" "left alone",
        /// Changes are under way.
        Underway "underway" "▸" "under way",
        /// The next run changes something.
        Planned "planned" "◇" "planned",
        /// Something differs, and no run changes it as things are.
        Differs "differs" "≠" "differs",
        /// A plan waits for approval.
        Held "held" "‖" "held",
        /// Changes were rejected individually.
        Quarantined "quarantined" "!" "quarantined",
        /// The lane is blocked.
        Blocked "blocked" "■" "blocked",
        /// Its changes are suspended.
        Suspended "suspended" "◼" "suspended",
        /// It cannot be observed.
        Unreachable "unreachable" "?" "unreachable",
    }
}

impl From<SyncState> for State {
    fn from(state: SyncState) -> Self {
        match state {
            SyncState::InSync => Self::InSync,
            SyncState::LeftAlone => Self::LeftAlone,
            SyncState::Underway => Self::Underway,
            SyncState::Planned => Self::Planned,
            SyncState::Differs => Self::Differs,
            SyncState::Held => Self::Held,
            SyncState::Quarantined => Self::Quarantined,
            SyncState::Blocked => Self::Blocked,
            SyncState::Suspended => Self::Suspended,
            SyncState::Unreachable => Self::Unreachable,
        }
    }
}

words! {
    /// The kind of reason why a product differs: its state.
    Kind {
        /// The next run plans it.
        Planned "planned" "◇" "planned",
        /// Its change is under way.
        Underway "underway" "▸" "under way",
        /// The plan that contains it waits for approval.
        Held "held" "‖" "held",
        /// No run changes it as things are.
        Differs "differs" "≠" "differs",
        /// The configuration leaves it alone.
        LeftAlone "left_alone" "○" "left alone",
        /// Its change was rejected individually.
        Quarantined "quarantined" "!" "quarantined",
        /// The lane is blocked.
        Blocked "blocked" "■" "blocked",
        /// Its lane is suspended.
        Suspended "suspended" "◼" "suspended",
    }
}

words! {
    /// The kind of thing that needs attention, the most urgent first.
    AttentionKind {
        /// A management experience cannot be read, or cannot be trusted.
        Management "management" "!" "Management experience",
        /// A link cannot be observed.
        Unreachable "unreachable" "?" "Unreachable",
        /// A lane is blocked.
        Blocked "blocked" "■" "Blocked",
        /// A plan waits for approval.
        Held "held" "‖" "Held",
        /// Changes that were rejected individually.
        Quarantined "quarantined" "!" "Quarantined",
        /// Another installation changes the same experience.
        Contested "contested" "⇄" "Contested",
        /// Somebody else has changed products of a member experience.
        Edited "edited" "✎" "Edited outside",
        /// Messages that cannot be processed.
        DeadLetters "dead_letters" "✉" "Dead letters",
        /// Everything, a member or a link is suspended.
        Suspended "suspended" "◼" "Suspended",
        /// A link was last known to be in sync too long ago.
        Stale "stale" "◷" "Stale",
        /// `*` leaves an experience out because of other links.
        LeftOut "left_out" "○" "Left out",
    }
}

/// How much is in sync.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Headline {
    /// The percentage of products on member experiences that are as wanted, rounded down. What a link leaves alone is not counted.
    /// Null if no member experience can be observed.
    pub percent: Option<u8>,
    /// Number of products on member experiences that are not as wanted.
    pub differing: usize,
    /// The number of member experiences that can be observed.
    pub observed: usize,
    /// The number of those that are in sync, or differ only as the configuration says.
    pub in_sync: usize,
    /// The number of others.
    pub unknown: usize,
    /// Since when the oldest difference exists, as far as it is known.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    pub oldest: Option<Timestamp>,
}

/// What changed on the member experiences in seven days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Week {
    /// When the seven days began.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    pub since: Timestamp,
    /// The number of member experiences on which products were changed.
    pub experiences: usize,
    /// The number of products that were allowed.
    pub allowed: usize,
    /// The number of products that were denied.
    pub denied: usize,
    /// The products that were allowed, those on most member experiences first; 100 at most.
    pub allow: Vec<Changed>,
    /// The products that were denied.
    pub deny: Vec<Changed>,
    /// The number of member experiences whose changes could not be read.
    #[serde(default)]
    pub unknown: usize,
}

/// A product that was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Changed {
    /// Its id in AWS Marketplace.
    pub product: ProductId,
    /// The number of member experiences on which it was.
    pub experiences: usize,
}

/// The state of everything, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Model {
    /// The version of this shape.
    pub schema: u32,
    /// When it was made.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    pub made_at: Timestamp,
    /// The name of the stacks.
    pub name: String,
    /// The version of the configuration that was used.
    pub config_version: u64,
    /// A link that was last known to be in sync longer ago than this is stale, in hours.
    pub stale_after_hours: u32,
    /// The number of member experiences in each state.
    pub counts: Counts,
    /// How much is in sync.
    #[serde(default, skip_serializing_if = "Headline::is_empty")]
    pub headline: Headline,
    /// What changed on the member experiences in the last seven days. Null in reports of earlier releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub week: Option<Week>,
    /// What needs attention, the most urgent first.
    pub attention: Vec<Attention>,
    /// The management experiences.
    pub management: Vec<ManagementLists>,
    /// The member experiences, and links that cannot be observed.
    pub links: Vec<Link>,
    /// The names of the products in the report, by id. A product whose name is not known is left out.
    #[serde(default, skip_serializing_if = "Names::is_empty")]
    pub names: Names,
    /// Why products differ: each reason once.
    pub reasons: Vec<Reason>,
    /// The newest runs, the newest first.
    pub runs: Vec<RunRecord>,
    /// True if older runs are stored.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub older_runs: bool,
    /// Users' requests for products that wait for an answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<Requested>,
    /// About how many requests were not recorded, because there was no room for them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped_requests: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A user's request for a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Requested {
    /// The request.
    pub request: String,
    /// The member's name in the configuration.
    pub member: String,
    /// The member account, in whose console it is answered.
    pub account: String,
    /// The experience of the user.
    pub experience: String,
    /// The product.
    pub product: String,
    /// Its title, if it is known.
    pub title: Option<String>,
    /// The ARN of the user, if it is known.
    pub requester: Option<String>,
    /// When it was requested.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    pub since: Option<Timestamp>,
    /// When it expires.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    pub until: Timestamp,
    /// Number of open requests for the product, of all members.
    pub asked: usize,
    /// What an operator answered, for the record.
    pub answer: Option<String>,
}

/// The number of member experiences in each state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Counts {
    /// Those in each state.
    #[serde(flatten)]
    pub states: BTreeMap<State, usize>,
    /// Those that are stale, which have a state as well.
    pub stale: usize,
    /// Changes that were rejected individually.
    #[serde(default)]
    pub quarantined_changes: usize,
}

impl Requested {
    /// A request that waits for an answer. Its product is asked for `asked` times.
    pub fn of(
        request: &ProductRequest,
        member: &str,
        asked: usize,
        answer: Option<String>,
    ) -> Self {
        Self {
            request: request.request.to_string(),
            member: member.to_owned(),
            account: request.account.to_string(),
            experience: request.experience.to_string(),
            product: request.product.to_string(),
            title: request.title.clone(),
            requester: request.requester.clone(),
            since: request.requested_at,
            until: request.open_until(),
            asked,
            answer,
        }
    }
}

impl Counts {
    /// Counts the links.
    pub fn of(links: &[Link]) -> Self {
        let count = |state: State| links.iter().filter(|link| link.state == state).count();
        Self {
            states: State::ALL
                .iter()
                .map(|state| (*state, count(*state)))
                .collect(),
            stale: links.iter().filter(|link| link.stale).count(),
            quarantined_changes: links.iter().map(|link| link.quarantined).sum(),
        }
    }
}

/// Something that needs attention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Attention {
    /// Its urgency.
    pub kind: AttentionKind,
    /// The member, or what else it is about.
    pub about: String,
    /// The experience that it is about.
    pub experience: Option<String>,
    /// All member experiences, if the same applies to several, with this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub concerned: Vec<Concerned>,
    /// What is wrong, one statement in each.
    pub message: Vec<String>,
    /// What to do about it.
    pub what_to_do: Option<String>,
    /// The very command that resolves it.
    pub command: Option<String>,
    /// Since when.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    pub since: Option<Timestamp>,
    /// The run that it comes from.
    pub run: Option<String>,
}

/// A member experience to which something applies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Concerned {
    /// The member's name in the configuration.
    pub member: String,
    /// The experience.
    pub experience: String,
}

impl Attention {
    /// A thing of which nothing more is known than whom it concerns.
    pub fn new(kind: AttentionKind, about: &impl ToString) -> Self {
        Self {
            kind,
            about: about.to_string(),
            experience: None,
            concerned: Vec::new(),
            message: Vec::new(),
            what_to_do: None,
            command: None,
            since: None,
            run: None,
        }
    }
}

/// A member experience, or a link that cannot be observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Link {
    /// The member's name in the configuration.
    pub member: String,
    /// Its account.
    pub account: String,
    /// Its experience. None for a `*` link that cannot be observed.
    pub experience: Option<String>,
    /// The management experiences that it follows.
    #[serde(flatten)]
    pub sources: Sources,
    /// What applies to a product that one of them allows and another denies.
    #[serde(default, skip_serializing_if = "Conflict::is_default")]
    pub conflict: Conflict,
    /// How far the link may go.
    pub mode: Mode,
    /// The most important fact about it.
    pub state: State,
    /// True if it was last known to be in sync too long ago.
    pub stale: bool,
    /// When the producer last found nothing to do.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    pub last_in_sync: Option<Timestamp>,
    /// When a change set last succeeded.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    pub last_success: Option<Timestamp>,
    /// Since when the link is frozen.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    pub frozen_since: Option<Timestamp>,
    /// Claimed changes that no change set has applied.
    pub open: usize,
    /// Changes that were rejected individually.
    pub quarantined: usize,
    /// Dead letters. Null if they could not be counted.
    pub dead_letters: Option<usize>,
    /// The products that differ. `why` is an index into the reasons of the model.
    pub differing: Vec<Differing>,
    /// Products that it denies and the management experience does not list. These are in sync.
    pub denied_besides: Vec<String>,
    /// Why it cannot be observed.
    pub fault: Option<FaultRecord>,
}

/// Why a product differs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "DifferenceReason"))]
pub struct Reason {
    /// What delays it.
    pub kind: Kind,
    /// The reason in words.
    pub words: String,
    /// Since when.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    pub since: Option<Timestamp>,
    /// The run that it comes from.
    pub run: Option<String>,
    /// The change set.
    pub change_set: Option<String>,
    /// What to do about it.
    pub what_to_do: Option<String>,
    /// The command that resolves it.
    pub command: Option<String>,
}
