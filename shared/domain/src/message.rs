//! The messages: what the worker's inbox and the producer's inbox carry, as they stand on the wire.
//!
//! Each of our own carries `schema`; fields that are not known are ignored, a newer `schema` is not
//! understood. What is not understood is told with the reason, and goes to the dead-letter queue.

mod approval;
#[cfg(feature = "schema")]
pub mod catalogue;
mod dead_letters;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::approval::approval_requested;
pub use self::dead_letters::{
    DeadLetterAction, DeadLetterFilter, DeadLetterRequest, dead_letters_requested,
};
use crate::SCHEMA;
use crate::hold::ApprovalRequest;
use crate::ids::{
    AccountId, CHANGE_SET_PREFIX, ChangeSetId, ChangeSetName, ExperienceId, LaneId, MemberName,
    ProductId, RunId,
};
use crate::policy::Action;

/// `source` of the events that pmp-sync puts on its bus.
pub const SOURCE: &str = "pmp-sync";
/// `source` in the schedule's input.
pub const SCHEDULE_SOURCE: &str = "pmp-sync.schedule";
/// `source` of the catalog's events (EventBridge reference of marketplacecatalog).
pub const CATALOG_SOURCE: &str = "aws.marketplacecatalog";

/// One change, from the producer to a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeMessage {
    /// The run that wants it.
    pub run: RunId,
    /// The member account.
    pub account: AccountId,
    /// The member experience.
    pub experience: ExperienceId,
    /// The product.
    pub product: ProductId,
    /// What is to be done to it.
    pub action: Action,
    /// Its place in the run's sending order on this lane.
    pub ordinal: u32,
}

/// The worker's own delayed message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TickMessage {
    /// The member account.
    pub account: AccountId,
    /// The member experience.
    pub experience: ExperienceId,
    /// Its number: only the lane's newest one counts.
    pub number: u64,
}

/// How a change set ended, as an event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeSetEvent {
    /// Its id.
    pub id: ChangeSetId,
    /// Its name; ours tell the lane.
    pub name: String,
}

impl ChangeSetEvent {
    /// True for a change set of pmp-sync's.
    pub fn is_ours(&self) -> bool {
        self.name.starts_with(CHANGE_SET_PREFIX)
    }

    /// The lane's experience and intent, if pmp-sync started it.
    pub fn lane(&self) -> Option<ChangeSetName> {
        self.name.parse().ok()
    }
}

/// What a worker finds in its inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkerMessage {
    /// A change to be made.
    Change(ChangeMessage),
    /// A finished change set.
    ChangeSet(ChangeSetEvent),
    /// Its own Tick.
    Tick(TickMessage),
}

/// A message that is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not JSON, or not of the shape of its kind.
    #[error("the message is not of a known shape: {0}")]
    Shape(String),
    /// Written by a later release with another schema.
    #[error("the message has schema {0}; this release understands {SCHEMA}")]
    Schema(u64),
    /// An event that nobody here waits for.
    #[error("the event {source_name:?} / {detail_type:?} is not known here")]
    UnknownEvent {
        /// Its source.
        source_name: String,
        /// Its detail-type.
        detail_type: String,
    },
}

fn shape(error: impl std::fmt::Display) -> Unreadable {
    Unreadable::Shape(error.to_string())
}

fn with_kind(kind: &str, message: &impl Serialize) -> String {
    let mut value = serde_json::to_value(message).unwrap_or_default();
    if let Value::Object(fields) = &mut value {
        fields.insert("schema".to_owned(), SCHEMA.into());
        fields.insert("kind".to_owned(), kind.into());
    }
    value.to_string()
}

impl ChangeMessage {
    /// The message as it stands on the wire.
    pub fn to_body(&self) -> String {
        with_kind("change", self)
    }

    /// The lane that it is for.
    pub fn lane(&self) -> LaneId {
        LaneId {
            account: self.account.clone(),
            experience: self.experience.clone(),
        }
    }
}

impl TickMessage {
    /// Tick `number` of a lane.
    pub fn new(lane: &LaneId, number: u64) -> Self {
        Self {
            account: lane.account.clone(),
            experience: lane.experience.clone(),
            number,
        }
    }

    /// The message as it stands on the wire.
    pub fn to_body(&self) -> String {
        with_kind("tick", self)
    }

    /// The lane that it is for.
    pub fn lane(&self) -> LaneId {
        LaneId {
            account: self.account.clone(),
            experience: self.experience.clone(),
        }
    }
}

/// The body as a JSON object: serde would take an array for one.
fn object(body: &str) -> Result<Value, Unreadable> {
    match serde_json::from_str(body).map_err(shape)? {
        value @ Value::Object(_) => Ok(value),
        _ => Err(shape("it is not a JSON object")),
    }
}

fn check_schema(value: &Value) -> Result<(), Unreadable> {
    match value.get("schema").and_then(Value::as_u64) {
        Some(schema) if schema == u64::from(SCHEMA) => Ok(()),
        Some(schema) => Err(Unreadable::Schema(schema)),
        None => Err(Unreadable::Shape(
            "the field \"schema\" is missing".to_owned(),
        )),
    }
}

impl WorkerMessage {
    /// Reads a message of the worker's inbox.
    pub fn parse(body: &str) -> Result<Self, Unreadable> {
        let value = object(body)?;
        if value.get("detail-type").is_some() {
            let envelope: Envelope = serde_json::from_value(value).map_err(shape)?;
            return envelope.change_set().map(Self::ChangeSet);
        }
        check_schema(&value)?;
        match value.get("kind").and_then(Value::as_str) {
            Some("change") => serde_json::from_value(value)
                .map(Self::Change)
                .map_err(shape),
            Some("tick") => serde_json::from_value(value).map(Self::Tick).map_err(shape),
            other => Err(Unreadable::Shape(format!(
                "the kind {other:?} is not known here"
            ))),
        }
    }
}

/// An EventBridge event; the schedule's input has the same shape with fewer fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// The event's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Who sent it.
    pub source: String,
    /// What it is.
    #[serde(rename = "detail-type")]
    pub detail_type: String,
    /// When it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// Whose bus it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Its content.
    #[serde(default)]
    pub detail: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ChangeSetDetail {
    change_set_id: ChangeSetId,
    #[serde(default)]
    change_set_name: String,
}

impl Envelope {
    fn unknown(&self) -> Unreadable {
        Unreadable::UnknownEvent {
            source_name: self.source.clone(),
            detail_type: self.detail_type.clone(),
        }
    }

    /// The finished change set that this event tells of.
    pub fn change_set(&self) -> Result<ChangeSetEvent, Unreadable> {
        if self.source != CATALOG_SOURCE
            || !matches!(
                self.detail_type.as_str(),
                "Change Set Succeeded" | "Change Set Failed" | "Change Set Cancelled"
            )
        {
            return Err(self.unknown());
        }
        let detail = ChangeSetDetail::deserialize(&self.detail).map_err(shape)?;
        Ok(ChangeSetEvent {
            id: detail.change_set_id,
            name: detail.change_set_name,
        })
    }
}

/// What a request is about; everything that is not narrowed is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// Only these members.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<MemberName>,
    /// Only these member experiences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub experiences: Vec<ExperienceId>,
}

impl Scope {
    /// True when nothing is narrowed.
    pub fn is_everything(&self) -> bool {
        self.members.is_empty() && self.experiences.is_empty()
    }

    /// True when a member experience is in the scope.
    pub fn covers(&self, member: &MemberName, experience: &ExperienceId) -> bool {
        (self.members.is_empty() || self.members.contains(member))
            && (self.experiences.is_empty() || self.experiences.contains(experience))
    }
}

/// What starts a run, or goes on with one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// The schedule.
    Schedule,
    /// Somebody asked for it.
    SyncRequested(SyncRequest),
    /// A change set of the management organization has ended.
    ManagementChangeSet(ChangeSetEvent),
    /// A worker believes that its lane is done. A hint: the producer looks for itself.
    LaneSettled {
        /// The lane.
        lane: LaneId,
        /// The run whose plan the lane worked on.
        run: Option<RunId>,
    },
    /// The producer's own: a run that did not fit into one invocation.
    Continuation(Continuation),
    /// Somebody wants dead letters to be looked at again.
    DeadLetters(DeadLetterRequest),
    /// Somebody wants something done about a hold.
    Approval(ApprovalRequest),
}

/// A request for a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncRequest {
    /// What about.
    pub scope: Scope,
    /// The request's own id, by which its run is found.
    pub request_id: Option<String>,
    /// Who asked, as the request says.
    pub requester: Option<String>,
    /// The account whose credentials sent it, as the bus says.
    pub account: Option<String>,
    /// Why frozen links are planned for as if they were not.
    pub override_reason: Option<String>,
}

/// The rest of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Continuation {
    /// The run.
    pub run: RunId,
    /// The version of the configuration that it began with.
    pub config_version: u64,
    /// The links, by their place in the configuration, that are still to be looked at.
    pub links: Vec<usize>,
    /// What the run is about: whatever any of these covers.
    pub scopes: Vec<Scope>,
}

/// `detail-type` of a request for a run.
pub const SYNC_REQUESTED: &str = "Sync Requested";
/// `detail-type` of a worker's hint.
pub const LANE_SETTLED: &str = "Lane Settled";
/// `detail-type` of the end of a run that sent changes.
pub const SYNC_COMPLETED: &str = "Sync Completed";
/// `detail-type` of the operator's read-only plan: the only one that invokes the producer itself.
pub const PLAN_REQUESTED: &str = "Plan Requested";
/// `detail-type` of a request to replay dead letters.
pub const REPLAY_REQUESTED: &str = "Replay Requested";
/// `detail-type` of a request to delete dead letters.
pub const DISCARD_REQUESTED: &str = "Discard Requested";
/// `detail-type` of a request to execute a held plan.
pub const APPROVAL_REQUESTED: &str = "Approval Requested";
/// `detail-type` of a request to leave a held plan.
pub const REJECTION_REQUESTED: &str = "Rejection Requested";
/// `detail-type` of a request for the rollback.
pub const RESTORE_REQUESTED: &str = "Restore Requested";
/// `detail-type` of the announcement of a hold.
pub const HELD: &str = "Held";
/// `detail-type` of the announcement that a lane is blocked.
pub const BLOCKED: &str = "Blocked";
/// `detail-type` of the announcement that changes were quarantined.
pub const QUARANTINED: &str = "Quarantined";
/// `detail-type` of the announcement that a link was last known in sync too long ago.
pub const MEMBER_STALE: &str = "Member Stale";
/// `detail-type` of the announcement that something which was announced is no more.
pub const RECOVERED: &str = "Recovered";
/// `detail-type` of the operator's question why products stand as they do, which invokes the producer
/// itself.
pub const WHY_REQUESTED: &str = "Why Requested";
/// `detail-type` of the operator's report, which invokes the producer itself.
pub const REPORT_REQUESTED: &str = "Report Requested";
/// The operator's question whether the producer reaches everything; changes nothing.
pub const DOCTOR_REQUESTED: &str = "Doctor Requested";
/// `detail-type` of the operator's look at dead letters, which invokes the producer itself.
pub const DEAD_LETTERS_REQUESTED: &str = "Dead Letters Requested";
const RUN_CONTINUED: &str = "Run Continued";
const SCHEDULED_SYNC: &str = "Scheduled Sync";

/// `Sync Requested`: somebody wants a run.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct SyncDetail {
    /// What about; everything if it is left out.
    #[serde(default)]
    scope: Scope,
    /// The request's own id, by which its run is found; the event's if it is left out.
    request_id: Option<String>,
    /// Who asks.
    requester: Option<String>,
    /// Why frozen links are to be planned for as if they were not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    override_reason: Option<String>,
}

/// `Lane Settled`: a worker believes that its lane is done, or that other rules of the member forbid
/// something else. A hint, which the producer never believes.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct SettledDetail {
    /// The member account.
    account: AccountId,
    /// The member experience.
    experience: ExperienceId,
    /// The run whose plan the lane worked on.
    run: Option<RunId>,
}

/// An event's source, detail-type and detail.
pub type Event = (&'static str, &'static str, Value);

/// The event Lane Settled.
pub fn lane_settled(lane: &LaneId, run: Option<RunId>) -> Event {
    let detail = SettledDetail {
        account: lane.account.clone(),
        experience: lane.experience.clone(),
        run,
    };
    event(LANE_SETTLED, &detail)
}

/// The event Sync Requested.
pub fn sync_requested(request: SyncRequest) -> Event {
    event(
        SYNC_REQUESTED,
        &SyncDetail {
            scope: request.scope,
            request_id: request.request_id,
            requester: request.requester,
            override_reason: request.override_reason,
        },
    )
}

/// The event of any of our own kinds, with `schema` in its detail.
pub fn event(detail_type: &'static str, detail: &impl Serialize) -> Event {
    let mut detail = serde_json::to_value(detail).unwrap_or_default();
    if let Value::Object(fields) = &mut detail {
        fields.insert("schema".to_owned(), SCHEMA.into());
    }
    (SOURCE, detail_type, detail)
}

impl Continuation {
    /// The message as it stands in the producer's inbox.
    pub fn to_body(&self) -> String {
        let (source, detail_type, detail) = event(RUN_CONTINUED, self);
        serde_json::json!({ "source": source, "detail-type": detail_type, "detail": detail })
            .to_string()
    }
}

impl Trigger {
    /// Reads a message of the producer's inbox.
    pub fn parse(body: &str) -> Result<Self, Unreadable> {
        let mut envelope: Envelope = serde_json::from_value(object(body)?).map_err(shape)?;
        // People write requests by hand, and may leave out a detail that says nothing.
        if envelope.detail.is_null() {
            envelope.detail = Value::Object(serde_json::Map::new());
        }
        match (envelope.source.as_str(), envelope.detail_type.as_str()) {
            (SCHEDULE_SOURCE, SCHEDULED_SYNC) => Ok(Self::Schedule),
            (CATALOG_SOURCE, _) => envelope.change_set().map(Self::ManagementChangeSet),
            (SOURCE, SYNC_REQUESTED) => {
                // People write this one by hand, so a missing schema is taken for the present one.
                if envelope.detail.get("schema").is_some() {
                    check_schema(&envelope.detail)?;
                }
                let detail = SyncDetail::deserialize(&envelope.detail).map_err(shape)?;
                Ok(Self::SyncRequested(SyncRequest {
                    scope: detail.scope,
                    request_id: detail.request_id.or(envelope.id),
                    requester: detail.requester,
                    account: envelope.account,
                    override_reason: detail.override_reason,
                }))
            }
            (SOURCE, REPLAY_REQUESTED | DISCARD_REQUESTED) => {
                dead_letters::parse(envelope).map(Self::DeadLetters)
            }
            (SOURCE, APPROVAL_REQUESTED | REJECTION_REQUESTED | RESTORE_REQUESTED) => {
                approval::parse(envelope).map(Self::Approval)
            }
            (SOURCE, LANE_SETTLED) => {
                check_schema(&envelope.detail)?;
                let detail = SettledDetail::deserialize(&envelope.detail).map_err(shape)?;
                let lane = LaneId {
                    account: detail.account,
                    experience: detail.experience,
                };
                Ok(Self::LaneSettled {
                    lane,
                    run: detail.run,
                })
            }
            (SOURCE, RUN_CONTINUED) => {
                check_schema(&envelope.detail)?;
                Continuation::deserialize(&envelope.detail)
                    .map(Self::Continuation)
                    .map_err(shape)
            }
            _ => Err(envelope.unknown()),
        }
    }
}

#[cfg(test)]
mod tests;
