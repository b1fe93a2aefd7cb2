//! What the page shows, and what `pmp-sync report --json` prints.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version of the model that this release makes.
pub const SCHEMA: u32 = 1;

/// Where everything stands, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Model {
    /// The version of this shape.
    pub schema: u32,
    /// When it was made.
    #[schemars(with = "String")]
    pub made_at: Timestamp,
    /// What the stacks' resources are named after.
    pub name: String,
    /// The version of the configuration that it went by.
    pub config_version: u64,
    /// A link that was last known in sync longer ago than this is stale, in hours.
    pub stale_after_hours: u32,
    /// The tiles: member experiences by state.
    pub counts: Counts,
    /// What needs attention, the most urgent first.
    pub attention: Vec<Attention>,
    /// The management experiences.
    pub management: Vec<Management>,
    /// The member experiences, and links that cannot be looked at.
    pub links: Vec<Link>,
    /// Why products differ: each reason once.
    pub reasons: Vec<Reason>,
    /// What is suspended.
    pub suspensions: Vec<Suspension>,
    /// The newest runs, the newest first.
    pub runs: Vec<Run>,
}

/// How many member experiences stand how. Stale ones are in one of the other counts as well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Nothing is to be done.
    pub in_sync: usize,
    /// Changes are under way.
    pub underway: usize,
    /// Something differs.
    pub differs: usize,
    /// A plan waits for approval.
    pub held: usize,
    /// The lane is blocked.
    pub blocked: usize,
    /// It is suspended.
    pub suspended: usize,
    /// It cannot be looked at.
    pub unreachable: usize,
    /// It was last known in sync too long ago.
    pub stale: usize,
    /// Changes that were rejected individually.
    pub quarantined: usize,
}

impl Counts {
    /// The counts of these links.
    pub fn of(links: &[Link]) -> Self {
        let count = |state: State| links.iter().filter(|link| link.state == state).count();
        Self {
            in_sync: count(State::InSync),
            underway: count(State::Underway),
            differs: count(State::Differs),
            held: count(State::Held),
            blocked: count(State::Blocked),
            suspended: count(State::Suspended),
            unreachable: count(State::Unreachable),
            stale: links.iter().filter(|link| link.stale).count(),
            quarantined: links.iter().map(|link| link.quarantined).sum(),
        }
    }
}

/// What kind of thing needs attention, the most urgent first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum AttentionKind {
    /// A management experience cannot be read, or is odd.
    Management,
    /// A link cannot be looked at.
    Unreachable,
    /// A lane is blocked.
    Blocked,
    /// A plan waits for approval.
    Held,
    /// Changes were rejected individually.
    Quarantined,
    /// Messages that nobody can work on.
    DeadLetters,
    /// It is suspended.
    Suspended,
    /// A link was last known in sync too long ago.
    Stale,
}

/// Something that needs attention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attention {
    /// What kind of thing.
    pub kind: AttentionKind,
    /// The member, or what else it is about.
    pub about: String,
    /// The experience that it is about.
    pub experience: Option<String>,
    /// What is wrong, one statement in each.
    pub message: Vec<String>,
    /// What to do about it.
    pub what_to_do: Option<String>,
    /// The very command that resolves it.
    pub command: Option<String>,
    /// Since when.
    #[schemars(with = "Option<String>")]
    pub since: Option<Timestamp>,
    /// The run that it comes from.
    pub run: Option<String>,
}

/// A management experience.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Management {
    /// Its id.
    pub experience: String,
    /// The products that it allows.
    pub allowed: Vec<String>,
    /// The products that it denies.
    pub denied: Vec<String>,
    /// Why it cannot be read.
    pub fault: Option<Fault>,
}

/// How far a link may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ReportMode")]
pub enum Mode {
    /// Products are allowed and denied.
    Mirror,
    /// Products are only ever allowed.
    Additive,
    /// Nothing is changed.
    Observe,
}

/// How a member experience stands as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing is to be done.
    InSync,
    /// Changes are under way.
    Underway,
    /// Something differs.
    Differs,
    /// A plan waits for approval.
    Held,
    /// The lane is blocked.
    Blocked,
    /// It is suspended.
    Suspended,
    /// It cannot be looked at.
    Unreachable,
}

/// A member experience, or a link that cannot be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Link {
    /// The member.
    pub member: String,
    /// Its account.
    pub account: String,
    /// Its experience; none of a link for every live one that cannot be looked at.
    pub experience: Option<String>,
    /// The experience that it follows.
    pub management_experience: String,
    /// How far the link may go.
    pub mode: Mode,
    /// How it stands as a whole.
    pub state: State,
    /// True if it was last known in sync too long ago.
    pub stale: bool,
    /// When the producer last found nothing to do.
    #[schemars(with = "Option<String>")]
    pub last_in_sync: Option<Timestamp>,
    /// When a change set last succeeded.
    #[schemars(with = "Option<String>")]
    pub last_success: Option<Timestamp>,
    /// Since when the link is frozen.
    #[schemars(with = "Option<String>")]
    pub frozen_since: Option<Timestamp>,
    /// Claimed changes that no change set has applied yet.
    pub open: usize,
    /// Changes that were rejected individually.
    pub quarantined: usize,
    /// Dead letters; null if they could not be counted.
    pub dead_letters: Option<usize>,
    /// The products that stand otherwise than they are wanted.
    pub differing: Vec<Cell>,
    /// Products that it denies and the management experience does not list; they are in sync.
    pub denied_besides: Vec<String>,
    /// Why it cannot be looked at.
    pub fault: Option<Fault>,
}

/// Where a product stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ReportStanding")]
pub enum Standing {
    /// On the Allow list.
    Allowed,
    /// On the Deny list.
    Denied,
    /// On neither.
    Unlisted,
}

/// What is to be done to a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ReportAction")]
pub enum Action {
    /// Make it procurable.
    Allow,
    /// Make it unprocurable.
    Deny,
}

/// A product that stands otherwise than it is wanted on a member experience.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cell {
    /// The product.
    pub product: String,
    /// Where it stands.
    pub standing: Standing,
    /// What is to be done to it.
    pub wanted: Action,
    /// Why it stands so: a place in `reasons`.
    pub reason: usize,
    /// Since when an outside edit of it has been seen.
    #[schemars(with = "Option<String>")]
    pub edited_since: Option<Timestamp>,
}

/// What kind of reason it is that a product differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The next run plans it.
    Planned,
    /// Its change is under way.
    Underway,
    /// The plan that it is in waits for approval.
    Held,
    /// The plan leaves it alone.
    LeftAlone,
    /// Its change was rejected individually.
    Quarantined,
    /// The lane is blocked.
    Blocked,
    /// It is suspended.
    Suspended,
}

/// Why a product differs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ReportReason")]
pub struct Reason {
    /// What kind of reason.
    pub kind: Kind,
    /// The reason in words.
    pub words: String,
    /// Since when.
    #[schemars(with = "Option<String>")]
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

/// Something that is suspended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ReportStop")]
pub struct Suspension {
    /// What: everything, a member or a link.
    pub what: String,
    /// Who suspended it.
    pub by: Option<String>,
    /// Since when.
    #[schemars(with = "String")]
    pub since: Timestamp,
    /// The command that resume.
    pub command: String,
}

/// A fault and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fault {
    /// The stable code.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub what_to_do: String,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// Its id.
    pub run: String,
    /// How far it has come.
    pub status: String,
    /// What asked for it.
    pub requests: Vec<String>,
    /// When it began.
    #[schemars(with = "String")]
    pub started_at: Timestamp,
    /// When nothing more was to be done.
    #[schemars(with = "Option<String>")]
    pub completed_at: Option<Timestamp>,
    /// Planned allows.
    pub allow: usize,
    /// Planned denies.
    pub deny: usize,
    /// Links whose plans wait for approval.
    pub held: usize,
    /// Links that failed.
    pub failed: usize,
}
