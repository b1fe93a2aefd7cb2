//! The event bus of pmp-sync, in the management account.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::config::Builder;
use aws_sdk_eventbridge::types::{PutEventsRequestEntry, RuleState};
use aws_smithy_types::timeout::TimeoutConfig;
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ports::{Bus, Result};
use pmp_sync_domain::wire::Event;

use crate::{if_there, service_error};

/// Timeout of one attempt of a Lambda function to announce something.
const ATTEMPT: Duration = Duration::from_secs(2);
/// Timeout of such a call with all its attempts. A bus that does not answer delays what a function
/// does for ten lanes by a few seconds, and not until its invocation is cut off.
const CALL: Duration = Duration::from_secs(4);

/// An event bus, identified by its name in the account of the credentials.
#[derive(Debug, Clone)]
pub struct EventBus {
    client: Client,
    name: String,
}

impl EventBus {
    /// A client of the bus `name`.
    pub fn new(config: &SdkConfig, name: impl Into<String>) -> Self {
        Self {
            client: Client::new(config),
            name: name.into(),
        }
    }

    /// A client for announcements, which wait for a bus that does not answer only briefly: they are
    /// hints, or recorded for another try.
    pub fn for_announcements(config: &SdkConfig, name: impl Into<String>) -> Self {
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(CALL)
            .build();
        let config = Builder::from(config).timeout_config(timeouts).build();
        Self {
            client: Client::from_conf(config),
            name: name.into(),
        }
    }
}

/// True if a rule is enabled on a bus, or on the default bus if `bus` is none. None if the rule
/// does not exist.
pub async fn is_rule_enabled(
    config: &SdkConfig,
    bus: Option<&str>,
    rule: &str,
) -> Result<Option<bool>> {
    let sent = Client::new(config)
        .describe_rule()
        .set_event_bus_name(bus.map(str::to_owned))
        .name(rule)
        .send()
        .await
        .map_err(|error| service_error("DescribeRule", rule, &error));
    let is_enabled = |state: &RuleState| *state != RuleState::Disabled;
    Ok(if_there(sent)?.map(|answer| answer.state().is_some_and(is_enabled)))
}

impl Bus for EventBus {
    async fn put(&self, (source, detail_type, detail): Event) -> Result<()> {
        let thing = format!("{detail_type} on {}", self.name);
        let entry = PutEventsRequestEntry::builder()
            .event_bus_name(&self.name)
            .source(source)
            .detail_type(detail_type)
            .detail(detail.to_string())
            .build();
        let answer = self
            .client
            .put_events()
            .entries(entry)
            .send()
            .await
            .map_err(|error| service_error("PutEvents", &thing, &error))?;
        match answer
            .entries()
            .iter()
            .find(|entry| entry.error_code().is_some())
        {
            None => Ok(()),
            Some(entry) => Err(ServiceError {
                operation: "PutEvents",
                thing,
                kind: Kind::Retryable,
                code: entry.error_code().map(str::to_owned),
                message: entry.error_message().unwrap_or_default().to_owned(),
            }),
        }
    }
}
