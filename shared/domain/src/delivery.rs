//! Delivery of messages, for both Lambda functions: each message of a batch is acknowledged,
//! retried, or sent to the dead-letter queue.

use std::collections::BTreeMap;

use crate::error::ServiceError;
use crate::ports::DeadLetters;

/// A message of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Message id of the queue.
    pub id: String,
    /// The body, as it was sent.
    pub body: String,
}

/// What happens to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Delete it.
    Acknowledge,
    /// Deliver it again.
    Retry,
}

/// Why a message goes to the dead-letter queue.
#[derive(Debug, Clone, Copy)]
pub struct Undeliverable<'a> {
    /// A word by which letters can be filtered.
    pub reason: &'a str,
    /// The stable code.
    pub code: &'a str,
    /// What is wrong, as a sentence.
    pub detail: &'a str,
}

/// Sends a message to the dead-letter queue.
pub async fn dead_letter_record<D: DeadLetters>(
    queue: &D,
    record: &Record,
    why: Undeliverable<'_>,
) -> Result<(), ServiceError> {
    let attributes = BTreeMap::from([
        ("reason", why.reason.to_owned()),
        ("code", why.code.to_owned()),
        ("detail", why.detail.chars().take(500).collect()),
        ("message_id", record.id.clone()),
    ]);
    queue.dead_letter(&record.body, &attributes).await
}
