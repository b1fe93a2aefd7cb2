//! A queue with delays. The test takes deliveries, and may put them back, double them or reorder
//! them.

use jiff::Timestamp;

/// A message that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Number in the order of sending.
    pub id: u64,
    /// Its body.
    pub body: String,
}

/// A queue with delays.
#[derive(Debug, Clone, Default)]
pub struct Queue {
    messages: Vec<(Timestamp, Delivery)>,
    sent: u64,
}

impl Queue {
    /// Sends a message that is due at `due`.
    pub fn push(&mut self, body: String, due: Timestamp) {
        self.sent += 1;
        self.messages.push((
            due,
            Delivery {
                id: self.sent,
                body,
            },
        ));
    }

    /// Takes up to `most` messages that are due, the oldest first.
    pub fn take(&mut self, now: Timestamp, most: usize) -> Vec<Delivery> {
        self.messages
            .sort_by_key(|(due, delivery)| (*due, delivery.id));
        let due = self
            .messages
            .iter()
            .take_while(|(due, _)| *due <= now)
            .count()
            .min(most);
        self.messages
            .drain(..due)
            .map(|(_, delivery)| delivery)
            .collect()
    }

    /// Puts a message back that was not acknowledged.
    pub fn put_back(&mut self, delivery: Delivery, due: Timestamp) {
        self.messages.push((due, delivery));
    }

    /// When the next message is due. None if the queue is empty.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.messages.iter().map(|(due, _)| *due).min()
    }

    /// The waiting messages, each with the time when it is due.
    pub fn waiting(&self) -> impl Iterator<Item = (Timestamp, &str)> {
        self.messages
            .iter()
            .map(|(due, delivery)| (*due, delivery.body.as_str()))
    }

    /// The waiting messages that were sent after the first `sent` ones.
    pub fn since(&self, sent: u64) -> impl Iterator<Item = &Delivery> {
        let waiting = self.messages.iter().map(|(_, delivery)| delivery);
        waiting.filter(move |delivery| delivery.id > sent)
    }

    /// How many messages were ever sent.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// How many messages wait.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// True if no message waits.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }
}
