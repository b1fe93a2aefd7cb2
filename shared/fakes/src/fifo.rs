//! A FIFO queue with one message group, as the producer's inbox is: equal messages are taken once
//! in five minutes, and while a message is in flight, no other is delivered.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use pmp_sync_domain::delivery::Record;
use pmp_sync_domain::time::{elapsed, later};
use serde_json::Value;

/// How long a queue knows the deduplication id of a message that it has taken, in seconds (SQS
/// reference). It does so even if the message has been deleted.
const DEDUPLICATION: f64 = 300.0;
/// The most messages of one receive.
const BATCH: usize = 10;

/// The deduplication ids that a FIFO queue has taken lately, each with the time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Taken(BTreeMap<String, Timestamp>);

impl Taken {
    /// Takes an id. Returns false if it has been taken in the last five minutes.
    pub(crate) fn take(&mut self, id: &str, now: Timestamp) -> bool {
        self.0
            .retain(|_, taken| elapsed(*taken, now) < DEDUPLICATION);
        if self.0.contains_key(id) {
            return false;
        }
        self.0.insert(id.to_owned(), now);
        true
    }
}

#[derive(Debug, Clone)]
struct Message {
    record: Record,
    /// When it can be delivered. Later than now while it is in flight.
    visible: Timestamp,
}

/// A FIFO queue with one message group.
#[derive(Debug, Clone, Default)]
pub struct FifoQueue {
    messages: VecDeque<Message>,
    taken: Taken,
    sent: u64,
    dropped: u64,
}

impl FifoQueue {
    /// Sends a message. Returns false if the queue drops it because it has taken one with the same
    /// deduplication id in the last five minutes.
    pub fn send(&mut self, body: String, deduplication: &str, now: Timestamp) -> bool {
        if !self.taken.take(deduplication, now) {
            self.dropped += 1;
            return false;
        }
        self.sent += 1;
        let record = Record {
            id: format!("message-{}", self.sent),
            body,
            ..Record::default()
        };
        let visible = now;
        self.messages.push_back(Message { record, visible });
        true
    }

    /// Sends an event, as EventBridge and Scheduler do: without a deduplication id, so that of its
    /// content counts. Each event has an id in its body. One that has none gets one.
    pub fn send_event(&mut self, body: &str, now: Timestamp) -> String {
        let mut body = body.to_owned();
        if let Ok(Value::Object(mut event)) = serde_json::from_str(&body)
            && !event.contains_key("id")
        {
            let number = self.sent + self.dropped + 1;
            event.insert("id".to_owned(), format!("event-{number}").into());
            body = Value::Object(event).to_string();
        }
        let sent = body.clone();
        // The body stands for the hash of the body.
        self.send(body.clone(), &body, now);
        sent
    }

    /// Delivers up to ten messages, and hides them for `hidden` seconds. Delivers none while others
    /// are in flight.
    pub fn receive(&mut self, now: Timestamp, hidden: i64) -> Vec<Record> {
        if self.next_visible().is_none_or(|visible| visible > now) {
            return Vec::new();
        }
        let batch = self.messages.iter_mut().take(BATCH);
        let delivered = batch.map(|message| {
            message.visible = later(now, hidden);
            let record = &mut message.record;
            record.deliveries += 1;
            record.receipt = format!("{}/{}", record.id, record.deliveries);
            record.first_delivered.get_or_insert(now);
            record.clone()
        });
        delivered.collect()
    }

    /// Deletes a message. A receipt that is not that of the last delivery, or has expired, has no
    /// effect.
    pub fn delete(&mut self, receipt: &str, now: Timestamp) {
        let is_it = |message: &Message| message.record.receipt == receipt && message.visible > now;
        self.messages.retain(|message| !is_it(message));
    }

    /// Makes a message visible after `seconds`. Returns false if it is not in flight.
    pub fn return_after(&mut self, receipt: &str, seconds: i64, now: Timestamp) -> bool {
        let mut messages = self.messages.iter_mut();
        let message =
            messages.find(|message| message.record.receipt == receipt && message.visible > now);
        message.is_some_and(|message| {
            message.visible = later(now, seconds);
            true
        })
    }

    /// When the next messages can be delivered: when none is in flight. None if the queue is empty.
    pub fn next_visible(&self) -> Option<Timestamp> {
        self.messages.iter().map(|message| message.visible).max()
    }

    /// True if a message is not in flight, whether or not others of its group are.
    pub fn is_anything_waiting(&self, now: Timestamp) -> bool {
        self.messages.iter().any(|message| message.visible <= now)
    }

    /// The bodies of all messages, the oldest first.
    pub fn bodies(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.messages.iter().map(|message| &*message.record.body)
    }

    /// Loses the newest message.
    pub fn lose_last(&mut self) {
        self.messages.pop_back();
    }

    /// Loses all messages.
    pub fn clear(&mut self) {
        self.messages.clear();
    }

    /// How many messages were dropped because of their deduplication ids.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How many messages there are, those in flight included.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// True if there is no message.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn an_equal_message_is_dropped_for_five_minutes_even_after_the_first_was_deleted() {
        let mut queue = FifoQueue::default();
        assert!(queue.send("a".to_owned(), "one", at(0)));
        let delivered = queue.receive(at(0), 30);
        queue.delete(&delivered[0].receipt, at(1));
        assert!(queue.is_empty());
        assert!(!queue.send("b".to_owned(), "one", at(299)));
        assert!(queue.send("b".to_owned(), "two", at(299)));
        assert!(queue.send("b".to_owned(), "one", at(300)));
        assert_eq!((queue.len(), queue.dropped()), (2, 1));
    }

    #[test]
    fn events_differ_by_their_ids() {
        let mut queue = FifoQueue::default();
        let first = queue.send_event("{}", at(0));
        let second = queue.send_event("{}", at(0));
        assert_ne!(first, second);
        queue.send_event(&first, at(1));
        assert_eq!(queue.len(), 2);
        queue.send_event(&first, at(301));
        assert_eq!(queue.len(), 3);
    }

    #[test]
    fn nothing_is_delivered_while_a_message_is_in_flight() {
        let mut queue = FifoQueue::default();
        for number in 0..12 {
            queue.send(number.to_string(), &number.to_string(), at(0));
        }
        let first = queue.receive(at(0), 720);
        assert_eq!(first.len(), 10);
        assert!(queue.receive(at(100), 720).is_empty());
        for record in &first[..9] {
            queue.delete(&record.receipt, at(100));
        }
        assert!(queue.return_after(&first[9].receipt, 5, at(100)));
        assert!(queue.receive(at(104), 720).is_empty());
        let second = queue.receive(at(105), 720);
        let bodies: Vec<_> = second.iter().map(|record| &*record.body).collect();
        assert_eq!(bodies, ["9", "10", "11"]);
        assert_eq!(second[0].deliveries, 2);
        // The receipt of the first delivery is of no use any more.
        queue.delete(&first[9].receipt, at(106));
        assert_eq!(queue.len(), 3);
    }
}
