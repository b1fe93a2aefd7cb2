//! `pmp-sync notify test`: puts a marked test on the bus, so that it is seen whether announcements
//! arrive by mail and in a chat.

use clap::Subcommand;
use pmp_sync_aws::system::SystemClock;
use pmp_sync_domain::ports::{Bus as _, Clock as _};
use pmp_sync_domain::wire::NotificationTest;
use schemars::JsonSchema;
use serde::Serialize;

use crate::client::context::{Context, request_id};
use crate::failure::Failure;
use crate::options::Common;
use crate::output;

#[derive(Debug, Subcommand)]
pub(crate) enum NotifyCommand {
    /// Send a test to everybody who gets announcements. Nothing else happens.
    Test,
}

/// The output of `notify test`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct TestSent {
    /// The id of the test, which mail and chat show.
    id: String,
    /// The topic whose subscribers get it as text.
    topic: String,
    /// The topic for Slack and Microsoft Teams.
    chat_topic: String,
    /// The queue in which it is, with the reason, if it could not be delivered to a topic.
    undelivered: String,
}

pub(crate) async fn run(common: &Common, command: &NotifyCommand) -> Result<(), Failure> {
    match command {
        NotifyCommand::Test => test(common).await,
    }
}

async fn test(common: &Common) -> Result<(), Failure> {
    let context = Context::new(common).await?;
    let (id, requester) = (request_id(), context.requester().await);
    let test = NotificationTest::new(id.clone(), requester, SystemClock.now());
    context.bus.put(test.event()).await?;
    let name = &common.name;
    let sent = TestSent {
        id,
        topic: format!("{name}-notifications"),
        chat_topic: format!("{name}-chat"),
        undelivered: format!("{name}-undelivered"),
    };
    if common.json {
        return output::json(&sent);
    }
    output::verbatim(&words(&sent))
}

/// What to expect now.
fn words(sent: &TestSent) -> String {
    let TestSent {
        id,
        topic,
        chat_topic,
        undelivered,
    } = sent;
    format!(
        "The test {id} is on the bus. Within a minute expect:\n\
         - a mail \"Notification Test\" to each confirmed subscription of the topic {topic}\n\
         - a message \"Notification Test\" in each channel that follows the topic {chat_topic}\n\
         If nothing arrives: see whether the subscription is confirmed, whether the channel\n\
         follows the topic, and what is in the queue {undelivered}.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_what_to_expect_and_where_to_look_if_nothing_arrives() {
        let told = words(&TestSent {
            id: "0123".to_owned(),
            topic: "pmp-sync-notifications".to_owned(),
            chat_topic: "pmp-sync-chat".to_owned(),
            undelivered: "pmp-sync-undelivered".to_owned(),
        });
        for part in ["0123", "confirmed", "pmp-sync-chat", "pmp-sync-undelivered"] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert!(
            told.lines().all(|line| line.chars().count() <= 100),
            "{told}"
        );
    }
}
