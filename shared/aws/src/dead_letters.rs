//! Dead-letter queues: messages are sent there with the reason, looked at, and deleted one by one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{Message, MessageAttributeValue};
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ports::{
    DeadLetter, DeadLetterBox, DeadLetters, Depth, ReadBounds, Received, Result,
};

use crate::service_error;

/// How long a letter is hidden while it is looked at, in seconds: longer than the producer runs.
const HIDDEN: i32 = 180;
/// Messages in one `ReceiveMessage` (SQS reference).
const BATCH: i32 = 10;
/// After this many consecutive receives without a new message the queue counts as read completely.
/// A short poll asks only some of the queue's hosts, a long poll all of them.
const EMPTY: usize = 2;
/// The most bytes of bodies that are held at once. One body has up to 1 MiB (SQS quotas).
const MOST_BYTES: usize = 32 << 20;
/// Wait time of one receive, in seconds.
const WAIT: i32 = 1;

/// A dead-letter queue to which messages are sent with their reason.
#[derive(Debug, Clone)]
pub struct DeadLetterQueue {
    client: Client,
    url: String,
}

impl DeadLetterQueue {
    /// The queue with that URL.
    pub fn new(config: &SdkConfig, url: impl Into<String>) -> Self {
        Self {
            client: Client::new(config),
            url: url.into(),
        }
    }

    /// How many messages it has.
    pub async fn depth(&self) -> Result<Depth> {
        crate::queue::depth(&self.client, &self.url).await
    }

    /// Receives one message without hiding it, to find out whether the credentials may receive.
    pub async fn glance(&self) -> Result<bool> {
        let answer = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(1)
            .visibility_timeout(0)
            .send()
            .await
            .map_err(|error| service_error("ReceiveMessage", &self.url, &error))?;
        Ok(!answer.messages().is_empty())
    }
}

fn letter(message: Message) -> Option<DeadLetter> {
    let attributes = message.message_attributes.unwrap_or_default();
    let text = |(name, value): (String, MessageAttributeValue)| Some((name, value.string_value?));
    Some(DeadLetter {
        id: message.message_id?,
        receipt: message.receipt_handle?,
        body: message.body.unwrap_or_default(),
        attributes: attributes.into_iter().filter_map(text).collect(),
    })
}

impl DeadLetterBox for DeadLetterQueue {
    async fn dead_letters(&self, bounds: ReadBounds) -> Result<Received> {
        let seconds = u64::try_from(bounds.seconds).unwrap_or_default();
        let ends = Instant::now() + Duration::from_secs(seconds);
        let (mut received, mut seen, mut empty) = (Received::default(), BTreeSet::new(), 0);
        let mut bytes = 0;
        while empty < EMPTY {
            if received.letters.len() >= bounds.messages
                || bytes >= MOST_BYTES
                || Instant::now() >= ends
            {
                received.cut_off = true;
                break;
            }
            let answer = self
                .client
                .receive_message()
                .queue_url(&self.url)
                .max_number_of_messages(BATCH)
                .visibility_timeout(HIDDEN)
                .wait_time_seconds(WAIT)
                .message_attribute_names("All")
                .send()
                .await
                .map_err(|error| service_error("ReceiveMessage", &self.url, &error))?;
            let before = received.letters.len();
            for letter in answer
                .messages
                .unwrap_or_default()
                .into_iter()
                .filter_map(letter)
            {
                if seen.insert(letter.id.clone()) {
                    bytes += letter.body.len();
                    received.letters.push(letter);
                }
            }
            empty = if received.letters.len() == before {
                empty + 1
            } else {
                0
            };
        }
        Ok(received)
    }

    async fn delete_dead_letter(&self, letter: &DeadLetter) -> Result<()> {
        let call = self.client.delete_message().queue_url(&self.url);
        let sent = call.receipt_handle(&letter.receipt).send().await;
        sent.map(drop)
            .map_err(|error| service_error("DeleteMessage", &letter.id, &error))
    }

    async fn put_dead_letter_back(&self, letter: &DeadLetter) -> Result<()> {
        let call = self.client.change_message_visibility().queue_url(&self.url);
        let call = call.receipt_handle(&letter.receipt).visibility_timeout(0);
        let sent = call.send().await.map(drop);
        sent.map_err(|error| service_error("ChangeMessageVisibility", &letter.id, &error))
    }
}

impl DeadLetters for DeadLetterQueue {
    async fn dead_letter(
        &self,
        body: &str,
        attributes: &BTreeMap<&'static str, String>,
    ) -> Result<()> {
        let mut call = self
            .client
            .send_message()
            .queue_url(&self.url)
            .message_body(body);
        for (name, value) in attributes.iter().filter(|(_, value)| !value.is_empty()) {
            let value = MessageAttributeValue::builder()
                .data_type("String")
                .string_value(value)
                .build();
            let value = value.map_err(|error| {
                ServiceError::new("SendMessage", &self.url, Kind::Refused, error.to_string())
            })?;
            call = call.message_attributes(*name, value);
        }
        if is_fifo(&self.url) {
            // A message that was delivered twice counts once.
            let id = attributes.get("message_id").cloned().unwrap_or_default();
            call = call.message_group_id("dead").message_deduplication_id(id);
        }
        call.send()
            .await
            .map(drop)
            .map_err(|error| service_error("SendMessage", &self.url, &error))
    }
}

fn is_fifo(url: &str) -> bool {
    std::path::Path::new(url)
        .extension()
        .is_some_and(|extension| extension == "fifo")
}
