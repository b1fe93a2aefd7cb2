//! Resources that stacks keep on purpose, and that an operator deletes at the end: dead-letter
//! queues and the ledger.

use std::time::Duration;

use aws_sdk_dynamodb::types::TableStatus;
use aws_sdk_sqs::types::QueueAttributeName;
use pmp_sync_aws::{if_there, service_error};
use pmp_sync_deploy::Account;
use pmp_sync_deploy::stack::Pause;
use pmp_sync_domain::error::Kind;

use crate::failure::Failure;
use crate::output;

/// The wait of a receive, in seconds. Above zero it asks all hosts of a queue, and not only some.
const ASKING_ALL: i32 = 1;

/// A queue by its name, in an account.
pub(crate) struct Queue<'a> {
    client: aws_sdk_sqs::Client,
    name: String,
    account: &'a Account,
}

impl<'a> Queue<'a> {
    pub(crate) fn new(account: &'a Account, name: String) -> Self {
        Self {
            client: aws_sdk_sqs::Client::new(&account.config),
            name,
            account,
        }
    }

    fn thing(&self) -> String {
        format!("queue {} of account {}", self.name, self.account.id)
    }

    async fn url(&self) -> Result<Option<String>, Failure> {
        let call = self.client.get_queue_url().queue_name(&self.name);
        let answer = call.send().await;
        let answer = answer.map_err(|error| service_error("GetQueueUrl", self.thing(), &error));
        Ok(if_there(answer)?.and_then(|answer| answer.queue_url))
    }

    /// An error if the queue has messages. The counts of a queue are approximate, and late by up to
    /// a minute, so a message is received as well, and stays visible.
    pub(crate) async fn refuse_messages(&self) -> Result<(), Failure> {
        let Some(url) = self.url().await? else {
            return Ok(());
        };
        let counts = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let answer = self
            .client
            .get_queue_attributes()
            .queue_url(&url)
            .set_attribute_names(Some(counts.to_vec()))
            .send()
            .await
            .map_err(|error| service_error("GetQueueAttributes", self.thing(), &error))?;
        let attributes = answer.attributes();
        let number = |name| attributes?.get(name)?.parse::<usize>().ok();
        let counted: usize = counts.iter().filter_map(number).sum();
        let received = self
            .client
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(1)
            .visibility_timeout(0)
            .wait_time_seconds(ASKING_ALL)
            .send()
            .await
            .map_err(|error| service_error("ReceiveMessage", self.thing(), &error))?;
        let messages = counted.max(received.messages().len());
        if messages == 0 {
            return Ok(());
        }
        Err(Failure::Stack {
            message: format!(
                "{} has {}, which would be lost",
                self.thing(),
                output::count(messages, "message")
            ),
            remedy: "look at them with `pmp-sync dlq list`, or give --discard-dead-letters"
                .to_owned(),
        })
    }

    /// Deletes it. Returns false if it does not exist.
    pub(crate) async fn remove(&self) -> Result<bool, Failure> {
        let Some(url) = self.url().await? else {
            return Ok(false);
        };
        let deleted = self.client.delete_queue().queue_url(url).send().await;
        match deleted.map_err(|error| service_error("DeleteQueue", self.thing(), &error)) {
            Err(error) if error.kind != Kind::NotFound => Err(error.into()),
            _ => Ok(true),
        }
    }
}

/// The ledger's table.
pub(crate) struct Table<'a> {
    client: aws_sdk_dynamodb::Client,
    name: String,
    account: &'a Account,
}

impl<'a> Table<'a> {
    pub(crate) fn new(account: &'a Account, name: String) -> Self {
        Self {
            client: aws_sdk_dynamodb::Client::new(&account.config),
            name,
            account,
        }
    }

    fn thing(&self) -> String {
        format!("table {} of account {}", self.name, self.account.id)
    }

    /// Its status, and whether it is protected. None if it does not exist.
    async fn standing(&self) -> Result<Option<(TableStatus, bool)>, Failure> {
        let call = self.client.describe_table().table_name(&self.name);
        let answer = call.send().await;
        let answer = answer.map_err(|error| service_error("DescribeTable", self.thing(), &error));
        let table = if_there(answer)?.and_then(|answer| answer.table);
        Ok(table.map(|table| {
            let status = table.table_status().cloned();
            let protected = table.deletion_protection_enabled().unwrap_or_default();
            (status.unwrap_or(TableStatus::Active), protected)
        }))
    }

    pub(crate) async fn exists(&self) -> Result<bool, Failure> {
        Ok(self.standing().await?.is_some())
    }

    /// Removes its protection, deletes it, and waits until it is gone. Returns false if it does not
    /// exist.
    pub(crate) async fn remove(&self) -> Result<bool, Failure> {
        let mut pause = Pause::new();
        let mut was_there = false;
        while let Some((status, protected)) = self.standing().await? {
            was_there = true;
            match status {
                TableStatus::Active if protected => {
                    self.client
                        .update_table()
                        .table_name(&self.name)
                        .deletion_protection_enabled(false)
                        .send()
                        .await
                        .map_err(|error| service_error("UpdateTable", self.thing(), &error))?;
                }
                TableStatus::Active => {
                    self.client
                        .delete_table()
                        .table_name(&self.name)
                        .send()
                        .await
                        .map_err(|error| service_error("DeleteTable", self.thing(), &error))?;
                }
                _ => {}
            }
            if !pause.take().await {
                let words = format!("{} was not deleted in time", self.thing());
                return Err(Failure::Late(words));
            }
        }
        Ok(was_there)
    }
}

/// How long the name of a deleted queue cannot be used again (SQS reference, `DeleteQueue`).
pub(crate) const NAME_KEPT: Duration = Duration::from_mins(1);
