//! SQS: the changes queue from both sides, and the producer's inbox.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{QueueAttributeName, SendMessageBatchRequestEntry};
use futures::{StreamExt as _, stream};
use pmp_sync_domain::delivery::Record;
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ports::{Depth, Inbox, NotSent, Result, SendChanges, SendTicks};
use pmp_sync_domain::wire::{ChangeMessage, Continuation, LinkRetry, TickMessage};

use crate::service_error;

/// Messages in one `SendMessageBatch` (SQS reference).
const BATCH: usize = 10;
/// Batches that are sent concurrently.
const BATCHES_AT_ONCE: usize = 4;
/// How often an entry is sent that a successful batch did not accept: the SDK retries calls, not
/// entries.
const SENDINGS: usize = 3;

/// The approximate number of messages in a queue.
pub(crate) async fn depth(client: &Client, url: &str) -> Result<Depth> {
    use QueueAttributeName as Name;
    let answer = client
        .get_queue_attributes()
        .queue_url(url)
        .attribute_names(Name::ApproximateNumberOfMessages)
        .attribute_names(Name::ApproximateNumberOfMessagesNotVisible)
        .attribute_names(Name::ApproximateNumberOfMessagesDelayed)
        .send()
        .await
        .map_err(|error| service_error("GetQueueAttributes", url, &error))?;
    let count = |name: Name| {
        let attributes = answer.attributes()?;
        attributes.get(&name)?.parse::<u64>().ok()
    };
    let waiting = count(Name::ApproximateNumberOfMessages).ok_or_else(|| {
        let words = "the answer has no number of messages";
        ServiceError::new("GetQueueAttributes", url, Kind::Refused, words)
    })?;
    Ok(Depth {
        waiting,
        in_flight: count(Name::ApproximateNumberOfMessagesNotVisible).unwrap_or_default(),
        delayed: count(Name::ApproximateNumberOfMessagesDelayed).unwrap_or_default(),
    })
}

/// The producer's side of a member's changes queue.
#[derive(Debug, Clone)]
pub struct ChangesQueue {
    client: Client,
    url: String,
}

impl ChangesQueue {
    /// A client of the queue with that URL.
    pub fn new(config: &SdkConfig, url: impl Into<String>) -> Self {
        Self {
            client: Client::new(config),
            url: url.into(),
        }
    }

    /// The approximate number of messages in it.
    pub async fn depth(&self) -> Result<Depth> {
        depth(&self.client, &self.url).await
    }

    /// Sends one batch. Returns how many entries were not accepted, and the reason.
    async fn send_batch(&self, changes: &[ChangeMessage]) -> Option<NotSent> {
        let mut left: Vec<(String, String)> = changes
            .iter()
            .enumerate()
            .map(|(place, change)| (place.to_string(), change.to_body()))
            .collect();
        let mut last = None;
        for _ in 0..SENDINGS {
            let entries: Result<Vec<_>, _> = left
                .iter()
                .map(|(id, body)| {
                    SendMessageBatchRequestEntry::builder()
                        .id(id)
                        .message_body(body)
                        .build()
                })
                .collect();
            let entries = match entries {
                Ok(entries) => entries,
                Err(error) => {
                    let error = ServiceError::new(
                        "SendMessageBatch",
                        &self.url,
                        Kind::Refused,
                        error.to_string(),
                    );
                    return Some(NotSent {
                        count: left.len(),
                        error,
                    });
                }
            };
            let sent = self
                .client
                .send_message_batch()
                .queue_url(&self.url)
                .set_entries(Some(entries))
                .send()
                .await;
            let answer = match sent {
                Ok(answer) => answer,
                Err(error) => {
                    let error = service_error("SendMessageBatch", &self.url, &error);
                    return Some(NotSent {
                        count: left.len(),
                        error,
                    });
                }
            };
            let failed: BTreeMap<&str, _> = answer
                .failed()
                .iter()
                .map(|entry| (entry.id(), entry))
                .collect();
            left.retain(|(id, _)| failed.contains_key(id.as_str()));
            let entry = answer.failed().first()?;
            let kind = if entry.sender_fault() {
                Kind::Refused
            } else {
                Kind::Retryable
            };
            tracing::warn!(
                queue = self.url,
                entries = left.len(),
                code = entry.code(),
                "entries of a batch were not taken"
            );
            last = Some(ServiceError {
                operation: "SendMessageBatch",
                thing: self.url.clone(),
                kind,
                code: Some(entry.code().to_owned()),
                message: entry.message().unwrap_or_default().to_owned(),
            });
        }
        last.map(|error| NotSent {
            count: left.len(),
            error,
        })
    }
}

impl SendChanges for ChangesQueue {
    async fn send(&self, changes: &[ChangeMessage]) -> Result<(), NotSent> {
        let batches: Vec<_> = changes
            .chunks(BATCH)
            .map(|batch| self.send_batch(batch))
            .collect();
        stream::iter(batches)
            .buffered(BATCHES_AT_ONCE)
            .filter_map(std::future::ready)
            .fold(Ok(()), |so_far, not_sent| {
                let before = so_far.err().map_or(0, |earlier: NotSent| earlier.count);
                std::future::ready(Err(NotSent {
                    count: before + not_sent.count,
                    error: not_sent.error,
                }))
            })
            .await
    }

    async fn wake(&self, tick: &TickMessage) -> Result<()> {
        self.tick(tick, 0).await
    }
}

impl SendTicks for ChangesQueue {
    async fn tick(&self, tick: &TickMessage, delay_seconds: u16) -> Result<()> {
        self.client
            .send_message()
            .queue_url(&self.url)
            .message_body(tick.to_body())
            .delay_seconds(i32::from(delay_seconds))
            .send()
            .await
            .map(drop)
            .map_err(|error| service_error("SendMessage", &self.url, &error))
    }
}

/// The producer's inbox: a FIFO queue with one message group, and a queue in which retries wait.
#[derive(Debug, Clone)]
pub struct RequestsInbox {
    client: Client,
    url: String,
    retries_url: String,
}

/// The message group of the inbox. The template names the same group for the other senders.
pub const INBOX_GROUP: &str = "inbox";

impl RequestsInbox {
    /// A client of the queues with these URLs.
    pub fn new(config: &SdkConfig, url: impl Into<String>, retries_url: impl Into<String>) -> Self {
        Self {
            client: Client::new(config),
            url: url.into(),
            retries_url: retries_url.into(),
        }
    }

    async fn send(&self, body: String, deduplication_id: &str) -> Result<()> {
        self.client
            .send_message()
            .queue_url(&self.url)
            .message_body(body)
            .message_group_id(INBOX_GROUP)
            .message_deduplication_id(deduplication_id)
            .send()
            .await
            .map(drop)
            .map_err(|error| service_error("SendMessage", &self.url, &error))
    }
}

impl Inbox for RequestsInbox {
    async fn go_on(&self, rest: &Continuation) -> Result<()> {
        self.send(rest.to_body(), &rest.deduplication_id()).await
    }

    async fn retry_after(&self, retry: &LinkRetry, delay_seconds: u16) -> Result<()> {
        self.client
            .send_message()
            .queue_url(&self.retries_url)
            .message_body(retry.to_scheduled())
            .delay_seconds(i32::from(delay_seconds))
            .send()
            .await
            .map(drop)
            .map_err(|error| service_error("SendMessage", &self.retries_url, &error))
    }

    async fn retry(&self, retry: &LinkRetry) -> Result<()> {
        self.send(retry.to_due(), &retry.id).await
    }

    /// In a FIFO queue, the messages of a group whose first ones are in flight count as waiting.
    async fn is_anything_waiting(&self) -> Result<bool> {
        Ok(depth(&self.client, &self.url).await?.waiting > 0)
    }

    /// One call for each message: AWS allows the batch with the same permission, but not every
    /// emulation of it does.
    async fn return_after(&self, records: &[Record], seconds: u32) -> Result<()> {
        let operation = "ChangeMessageVisibility";
        let seconds = i32::try_from(seconds).unwrap_or(i32::MAX);
        let calls: Vec<_> = records
            .iter()
            .map(|record| {
                self.client
                    .change_message_visibility()
                    .queue_url(&self.url)
                    .receipt_handle(&record.receipt)
                    .visibility_timeout(seconds)
                    .send()
            })
            .collect();
        let answers: Vec<_> = stream::iter(calls)
            .buffered(BATCHES_AT_ONCE)
            .collect()
            .await;
        for answer in answers {
            answer.map_err(|error| service_error(operation, &self.url, &error))?;
        }
        Ok(())
    }
}
