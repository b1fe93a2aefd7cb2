//! Delivery of messages, for both Lambda functions: each message of a batch is acknowledged,
//! retried, or sent to the dead-letter queue.

mod letter;
pub(crate) mod record;

pub use self::letter::{QUARANTINED, quarantine_letter};
pub use self::record::Record;

use std::collections::BTreeMap;

use crate::error::ServiceError;
use crate::ports::DeadLetters;
use crate::text::beginning;

/// After this many seconds a message that failed once is delivered again.
const FIRST_DELAY: u32 = 5;
/// The most seconds before a message that failed is delivered again.
const MOST_DELAY: u32 = 30;

/// After how many seconds messages are delivered again, if the oldest of them has been delivered
/// this often: 5 s, 10 s, 15 s, and so on to 30 s.
pub fn redelivery_delay(deliveries: u32) -> u32 {
    let steps = deliveries.clamp(1, MOST_DELAY / FIRST_DELAY);
    FIRST_DELAY.saturating_mul(steps)
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

/// The most bytes of the body of a dead letter: a message of 1 MiB with its attributes (SQS
/// reference), which are fewer than 8 KB here.
const MOST_BODY: usize = 1_048_576 - 8_192;

/// Sends a message to the dead-letter queue. Of one that would not fit there with its attributes,
/// the beginning is sent.
pub async fn dead_letter_record<D: DeadLetters>(
    queue: &D,
    record: &Record,
    why: Undeliverable<'_>,
) -> Result<(), ServiceError> {
    let mut attributes = BTreeMap::from([
        ("reason", why.reason.to_owned()),
        ("code", why.code.to_owned()),
        ("detail", why.detail.chars().take(500).collect()),
        ("message_id", record.id.clone()),
    ]);
    let body = beginning(&record.body, MOST_BODY);
    if body.len() < record.body.len() {
        attributes.insert("truncated_from", record.body.len().to_string());
    }
    queue.dead_letter(body, &attributes).await
}

#[cfg(test)]
mod tests;
