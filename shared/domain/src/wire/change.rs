//! The messages of the changes queue: changes from the producer, and the worker's own Ticks.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::envelope::{ChangeSetEvent, Envelope, Unreadable, check_schema, object, shape};
use super::names::PRIVATE_MARKETPLACE_SOURCE;
use super::product_request::ProductRequestEvent;
use crate::SCHEMA;
use crate::ids::{AccountId, ExperienceId, LaneId, ProductId, RunId};
use crate::policy::{Action, ProductChange};

/// One change, sent by the producer to a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeMessage {
    /// The run that wants it.
    pub run: RunId,
    /// The member account.
    pub account: AccountId,
    /// The member experience.
    pub experience: ExperienceId,
    /// Its id in AWS Marketplace.
    pub product: ProductId,
    /// Allow or deny.
    pub action: Action,
    /// Position in the run's sending order on this lane.
    pub ordinal: u32,
}

/// The worker's own delayed message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TickMessage {
    /// The member account.
    pub account: AccountId,
    /// The member experience.
    pub experience: ExperienceId,
    /// Its number. Only the newest Tick of a lane counts.
    pub number: u64,
}

/// What a worker finds in its inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkerMessage {
    /// A change to apply.
    Change(ChangeMessage),
    /// A finished change set.
    ChangeSet(ChangeSetEvent),
    /// A Tick of its own.
    Tick(TickMessage),
    /// The beginning or the end of a user's request for a product.
    ProductRequest(Box<ProductRequestEvent>),
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
    /// A change of a run on a lane.
    pub fn new(lane: &LaneId, run: RunId, change: ProductChange, ordinal: u32) -> Self {
        Self {
            run,
            account: lane.account.clone(),
            experience: lane.experience.clone(),
            product: change.product,
            action: change.action,
            ordinal,
        }
    }

    /// Serializes the message.
    pub fn to_body(&self) -> String {
        with_kind("change", self)
    }

    /// The lane of the message.
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

    /// Serializes the message.
    pub fn to_body(&self) -> String {
        with_kind("tick", self)
    }

    /// The lane of the message.
    pub fn lane(&self) -> LaneId {
        LaneId {
            account: self.account.clone(),
            experience: self.experience.clone(),
        }
    }
}

impl WorkerMessage {
    /// Parses a message of the worker's inbox.
    pub fn parse(body: &str) -> Result<Self, Unreadable> {
        let value = object(body)?;
        if value.get("detail-type").is_some() {
            let envelope: Envelope = serde_json::from_value(value).map_err(shape)?;
            if envelope.source == PRIVATE_MARKETPLACE_SOURCE {
                let event = ProductRequestEvent::of(envelope)?;
                return Ok(Self::ProductRequest(Box::new(event)));
            }
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
