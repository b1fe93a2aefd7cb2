//! What both Lambdas do with the messages of a batch: each is acknowledged, comes again, or goes to the
//! dead-letter queue.

use std::collections::BTreeMap;

use crate::error::ServiceError;
use crate::ports::DeadLetters;

/// One message of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The queue's id of it.
    pub id: String,
    /// Its body.
    pub body: String,
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// It is done with.
    Acknowledge,
    /// It comes again.
    Retry,
}

/// Why a message goes to the dead-letter queue.
#[derive(Debug, Clone, Copy)]
pub struct Undeliverable<'a> {
    /// In one word, by which letters are filtered.
    pub reason: &'a str,
    /// The stable code.
    pub code: &'a str,
    /// In a sentence.
    pub detail: &'a str,
}

/// Puts a message into the dead-letter queue.
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
