//! Everything that a Lambda sends with its own credentials: its queue, its dead-letter queue, the bus, the report.

use std::collections::BTreeMap;

use pmp_sync_domain::delivery::Record;
use pmp_sync_domain::ports::{Bus, DeadLetters, Inbox, PublishReport, Result, SendTicks};
use pmp_sync_domain::wire::{Continuation, Event, LinkRetry, TickMessage};

use crate::bus::EventBus;
use crate::dead_letters::DeadLetterQueue;
use crate::report_object::ReportObject;

/// Where a Lambda sends; `Q` is its own queue.
#[derive(Debug, Clone)]
pub struct Outbox<Q> {
    /// Its own queue.
    pub queue: Q,
    /// The dead-letter queue of that.
    pub dead_letters: DeadLetterQueue,
    /// The bus in the management account.
    pub bus: EventBus,
    /// Where the report is published, if it is.
    pub report: Option<ReportObject>,
}

impl<Q: Inbox> Inbox for Outbox<Q> {
    async fn go_on(&self, rest: &Continuation) -> Result<()> {
        self.queue.go_on(rest).await
    }

    async fn retry_after(&self, retry: &LinkRetry, delay_seconds: u16) -> Result<()> {
        self.queue.retry_after(retry, delay_seconds).await
    }

    async fn retry(&self, retry: &LinkRetry) -> Result<()> {
        self.queue.retry(retry).await
    }

    async fn is_anything_waiting(&self) -> Result<bool> {
        self.queue.is_anything_waiting().await
    }

    async fn return_after(&self, records: &[Record], seconds: u32) -> Result<()> {
        self.queue.return_after(records, seconds).await
    }
}

impl<Q: SendTicks> SendTicks for Outbox<Q> {
    async fn tick(&self, tick: &TickMessage, delay_seconds: u16) -> Result<()> {
        self.queue.tick(tick, delay_seconds).await
    }
}

impl<Q: Send + Sync> DeadLetters for Outbox<Q> {
    async fn dead_letter(
        &self,
        body: &str,
        attributes: &BTreeMap<&'static str, String>,
    ) -> Result<()> {
        self.dead_letters.dead_letter(body, attributes).await
    }
}

impl<Q: Send + Sync> Bus for Outbox<Q> {
    async fn put(&self, event: Event) -> Result<()> {
        self.bus.put(event).await
    }
}

impl<Q: Send + Sync> PublishReport for Outbox<Q> {
    fn publishes_for(&self) -> Option<String> {
        self.report.as_ref().map(|object| object.name().to_owned())
    }

    async fn publish(&self, page: String) -> Result<()> {
        match &self.report {
            Some(object) => object.put(page).await,
            None => Ok(()),
        }
    }
}
