//! Events on the bus, and what all messages have in common.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::limits::TooLarge;
use super::names::{CATALOG_SOURCE, SOURCE};
use crate::SCHEMA;
use crate::ids::{CHANGE_SET_PREFIX, ChangeSetId, ChangeSetName};
use crate::text::one_line;

/// The end of a change set, as an event reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeSetEvent {
    /// Its id.
    pub id: ChangeSetId,
    /// Its name. The names of our change sets contain the lane.
    pub name: String,
    /// True if it has succeeded. Otherwise it has changed nothing.
    pub succeeded: bool,
}

impl ChangeSetEvent {
    /// True for a change set of pmp-sync.
    pub fn is_ours(&self) -> bool {
        self.name.starts_with(CHANGE_SET_PREFIX)
    }

    /// Experience and intent of the lane, if pmp-sync started the change set.
    pub fn lane(&self) -> Option<ChangeSetName> {
        self.name.parse().ok()
    }
}

/// A message that is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is not JSON, or not in the shape of its kind.
    #[error("the message is not of a known shape: {0}")]
    Shape(String),
    /// A field is larger than is accepted.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// A later release wrote it with a newer schema.
    #[error("the message has schema {0}; this release understands {SCHEMA}")]
    Schema(u64),
    /// An event that pmp-sync does not handle.
    #[error("the event {source_name:?} / {detail_type:?} is not known here")]
    UnknownEvent {
        /// `source` of the event.
        source_name: String,
        /// `detail-type` of the event.
        detail_type: String,
    },
}

/// The most characters of the words about a message: they may quote it.
const MOST_WORDS: usize = 500;

pub(super) fn shape(error: impl std::fmt::Display) -> Unreadable {
    Unreadable::Shape(error.to_string().chars().take(MOST_WORDS).collect())
}

impl Unreadable {
    /// The stable code, `PMS-nnnn`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Shape(_) | Self::Schema(_) | Self::UnknownEvent { .. } => "PMS-5001",
            Self::TooLarge(_) => "PMS-5005",
        }
    }

    /// The word by which its dead letter can be filtered.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Shape(_) | Self::Schema(_) | Self::UnknownEvent { .. } => "unreadable",
            Self::TooLarge(_) => "too-large",
        }
    }
}

/// Parses the body as a JSON object. serde alone would accept an array.
pub(super) fn object(body: &str) -> Result<Value, Unreadable> {
    match serde_json::from_str(body).map_err(shape)? {
        value @ Value::Object(_) => Ok(value),
        _ => Err(shape("it is not a JSON object")),
    }
}

/// What others write, such as a reason or a requester, is shown in a terminal one day.
pub(super) fn make_plain(value: &mut Value) {
    match value {
        Value::String(text) => *text = one_line(text),
        Value::Array(values) => values.iter_mut().for_each(make_plain),
        Value::Object(fields) => fields.values_mut().for_each(make_plain),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

pub(super) fn check_schema(value: &Value) -> Result<(), Unreadable> {
    match value.get("schema").and_then(Value::as_u64) {
        Some(schema) if schema == u64::from(SCHEMA) => Ok(()),
        Some(schema) => Err(Unreadable::Schema(schema)),
        None => Err(Unreadable::Shape(
            "the field \"schema\" is missing".to_owned(),
        )),
    }
}

/// An EventBridge event. The schedule's input has the same shape with fewer fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// The event's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `source`.
    pub source: String,
    /// `detail-type`.
    #[serde(rename = "detail-type")]
    pub detail_type: String,
    /// When it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// The account of the bus from which it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The detail, whose shape depends on the kind.
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
    pub(super) fn unknown(&self) -> Unreadable {
        Unreadable::UnknownEvent {
            source_name: self.source.clone(),
            detail_type: self.detail_type.clone(),
        }
    }

    /// Parses the end of a change set.
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
            succeeded: self.detail_type == "Change Set Succeeded",
        })
    }
}

/// Source, detail-type and detail of an event.
pub type Event = (&'static str, &'static str, Value);

/// Creates an event of one of our own kinds, with `schema` in its detail.
pub fn event(detail_type: &'static str, detail: &impl Serialize) -> Event {
    let mut detail = serde_json::to_value(detail).unwrap_or_default();
    if let Value::Object(fields) = &mut detail {
        fields.insert("schema".to_owned(), SCHEMA.into());
    }
    (SOURCE, detail_type, detail)
}

/// An event as a message of the producer's inbox, as EventBridge would deliver it.
pub(super) fn body((source, detail_type, detail): Event) -> String {
    serde_json::json!({ "source": source, "detail-type": detail_type, "detail": detail })
        .to_string()
}
