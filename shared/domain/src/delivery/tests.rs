//! When a message is delivered again, and what becomes of one that cannot be handled.

use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use super::*;
use crate::error::Kind;
use crate::lane::Quarantined;
use crate::policy::Action;
use crate::wire::{ChangeMessage, WorkerMessage};

/// The most bytes of an SQS message, with its attributes.
const MOST_MESSAGE: usize = 1_048_576;

#[derive(Default)]
struct Queue {
    sent: Mutex<Vec<(String, BTreeMap<&'static str, String>)>>,
    fails: bool,
}

impl DeadLetters for Queue {
    async fn dead_letter(
        &self,
        body: &str,
        attributes: &BTreeMap<&'static str, String>,
    ) -> Result<(), ServiceError> {
        if self.fails {
            return Err(ServiceError::new(
                "SendMessage",
                "the queue",
                Kind::Retryable,
                "no",
            ));
        }
        let letter = (body.to_owned(), attributes.clone());
        self.sent.lock().unwrap().push(letter);
        Ok(())
    }
}

/// Sends the body of a message to the dead-letter queue.
fn send(queue: &Queue, body: &str, detail: &str) -> Result<(), ServiceError> {
    let record = Record {
        id: "m-1".to_owned(),
        body: body.to_owned(),
        ..Record::default()
    };
    let why = Undeliverable {
        reason: "unreadable",
        code: "PMS-5001",
        detail,
    };
    let mut sent = std::pin::pin!(dead_letter_record(queue, &record, why));
    let Poll::Ready(result) = sent.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("the queue answers at once");
    };
    result
}

/// What is in the dead-letter queue after that.
fn letter(body: &str, detail: &str) -> (String, BTreeMap<&'static str, String>) {
    let queue = Queue::default();
    send(&queue, body, detail).unwrap();
    let mut sent = queue.sent.into_inner().unwrap();
    assert_eq!(sent.len(), 1);
    sent.remove(0)
}

#[test]
fn a_message_that_failed_more_often_waits_longer_up_to_half_a_minute() {
    let delays = [0, 1, 2, 3, 5, 6, 7, u32::MAX].map(redelivery_delay);
    assert_eq!(delays, [5, 5, 10, 15, 25, 30, 30, 30]);
}

#[test]
fn a_message_goes_to_the_dead_letter_queue_whole_with_the_reason() {
    let (body, attributes) = letter("{\"a\":1}", "it is of no known shape");
    assert_eq!(body, "{\"a\":1}");
    let expected = BTreeMap::from([
        ("reason", "unreadable".to_owned()),
        ("code", "PMS-5001".to_owned()),
        ("detail", "it is of no known shape".to_owned()),
        ("message_id", "m-1".to_owned()),
    ]);
    assert_eq!(attributes, expected);
}

#[test]
fn of_a_message_that_does_not_fit_with_its_attributes_the_beginning_is_sent() {
    let (_, attributes) = letter("", &"é".repeat(900));
    assert_eq!(attributes.get("detail"), Some(&"é".repeat(500)));
    let whole = "x".repeat(MOST_MESSAGE);
    let (body, attributes) = letter(&whole, "");
    assert_eq!(
        attributes.get("truncated_from"),
        Some(&whole.len().to_string())
    );
    assert!(whole.starts_with(&body));
    let (room, most) = (MOST_MESSAGE - body.len(), 10_000);
    assert!((8_000..most).contains(&room), "{room}");
    // What fits is sent as it is.
    let (again, attributes) = letter(&body, "");
    assert_eq!((again, attributes.get("truncated_from")), (body, None));
}

#[test]
fn a_message_that_cannot_be_sent_there_is_reported() {
    let queue = Queue {
        fails: true,
        ..Queue::default()
    };
    assert!(send(&queue, "x", "").is_err());
}

#[test]
fn the_letter_of_a_quarantined_change_has_the_change_and_what_the_service_said() {
    let lane = "222222222222/exp-1".parse().unwrap();
    let quarantined = Quarantined {
        product: "prod-1".parse().unwrap(),
        action: Action::Deny,
        run: "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap(),
        error_code: "INVALID_INPUT".to_owned(),
        error_message: "no such product".to_owned(),
        change_set: "cs-1".parse().unwrap(),
        quarantined_at: jiff::Timestamp::UNIX_EPOCH,
    };
    let (body, attributes) = quarantine_letter(&lane, &quarantined, 7);
    let expected = ChangeMessage {
        run: quarantined.run,
        account: lane.account,
        experience: lane.experience,
        product: quarantined.product,
        action: Action::Deny,
        ordinal: 7,
    };
    assert_eq!(
        WorkerMessage::parse(&body),
        Ok(WorkerMessage::Change(expected))
    );
    let expected = [
        ("reason", "quarantined"),
        ("code", "PMS-6001"),
        ("error_code", "INVALID_INPUT"),
        ("detail", "no such product"),
        ("change_set", "cs-1"),
        ("run", "01ARZ3NDEKTSV4RRFFQ69G5FAV"),
    ];
    let expected = expected.map(|(name, value)| (name, value.to_owned()));
    assert_eq!(attributes, BTreeMap::from(expected));
}
