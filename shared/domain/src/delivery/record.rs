//! A message as a queue delivers it.

use jiff::Timestamp;

/// A message of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// Message id of the queue.
    pub id: String,
    /// The body, as it was sent.
    pub body: String,
    /// Receipt handle of this delivery.
    pub receipt: String,
    /// How often it has been delivered, this time included. 0 if the queue did not say.
    pub deliveries: u32,
    /// When it was delivered for the first time, if the queue said so.
    pub first_delivered: Option<Timestamp>,
}
