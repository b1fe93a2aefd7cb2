//! Calls to AWS that only doctor makes. Each reads one thing.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_cloudformation as cloudformation;
use aws_sdk_lambda as lambda;
use aws_sdk_organizations as organizations;
use aws_sdk_scheduler as scheduler;
use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use pmp_sync_aws::{if_there, service_error};
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ports::{Depth, Result};

use super::deployed::{Function, Queue, Source, Stack};
use super::management::Schedule;
use super::organization::PRINCIPAL;

/// The most pages of one list that are read.
const MOST_PAGES: usize = 50;

fn stack_of(stack: &cloudformation::types::Stack) -> Stack {
    let output = |output: &cloudformation::types::Output| {
        let key = output.output_key()?.to_owned();
        Some((key, output.output_value()?.to_owned()))
    };
    let status = stack.stack_status();
    let created = stack.creation_time();
    Stack {
        name: stack.stack_name().unwrap_or_default().to_owned(),
        status: status.map_or_else(String::new, |status| status.as_str().to_owned()),
        reason: stack.stack_status_reason().map(str::to_owned),
        outputs: stack.outputs().iter().filter_map(output).collect(),
        created: created.and_then(|at| Timestamp::from_second(at.secs()).ok()),
    }
}

/// Reads a stack. None if it does not exist.
pub(crate) async fn stack(config: &SdkConfig, name: &str) -> Result<Option<Stack>> {
    let client = cloudformation::Client::new(config);
    let sent = client.describe_stacks().stack_name(name).send().await;
    match sent.map_err(|error| service_error("DescribeStacks", name, &error)) {
        Ok(answer) => Ok(answer.stacks().first().map(stack_of)),
        // CloudFormation has no error code of its own for this.
        Err(error) if error.message.contains("does not exist") => Ok(None),
        Err(error) => Err(error),
    }
}

/// Lists every stack whose name has this prefix.
pub(crate) async fn stacks(config: &SdkConfig, prefix: &str) -> Result<Vec<Stack>> {
    let client = cloudformation::Client::new(config);
    let (mut found, mut token) = (Vec::new(), None);
    for _ in 0..MOST_PAGES {
        let sent = client.describe_stacks().set_next_token(token).send().await;
        let page = sent.map_err(|error| service_error("DescribeStacks", "all stacks", &error))?;
        let named = page.stacks().iter().map(stack_of);
        found.extend(named.filter(|stack| stack.name.starts_with(prefix)));
        token = page.next_token().map(str::to_owned);
        if token.is_none() {
            return Ok(found);
        }
    }
    let words = "the account has too many stacks to look through";
    Err(ServiceError::new(
        "DescribeStacks",
        prefix,
        Kind::Refused,
        words,
    ))
}

/// Reads a function. None if it does not exist.
pub(crate) async fn function(config: &SdkConfig, name: &str) -> Result<Option<Function>> {
    let client = lambda::Client::new(config);
    let sent = client
        .get_function_configuration()
        .function_name(name)
        .send();
    let answer = sent.await;
    let answer = answer.map_err(|error| service_error("GetFunctionConfiguration", name, &error));
    let found = if_there(answer)?;
    Ok(found.map(|answer| {
        let variables = answer.environment().and_then(|known| known.variables());
        let variables = variables.into_iter().flatten();
        let reason = answer.state_reason().or(answer.last_update_status_reason());
        Function {
            state: answer.state().map(|state| state.as_str().to_owned()),
            last_update: answer
                .last_update_status()
                .map(|status| status.as_str().to_owned()),
            reason: reason.map(str::to_owned),
            timeout: answer
                .timeout()
                .and_then(|seconds| seconds.try_into().ok())
                .unwrap_or_default(),
            variables: variables
                .filter(|(_, value)| !value.is_empty())
                .map(|(name, _)| name.clone())
                .collect(),
        }
    }))
}

/// An event source mapping of a function.
pub(crate) async fn sources(config: &SdkConfig, function: &str) -> Result<Vec<Source>> {
    use lambda::types::FunctionResponseType::ReportBatchItemFailures;
    let client = lambda::Client::new(config);
    let sent = client.list_event_source_mappings().function_name(function);
    let answer = sent.send().await;
    let answer = answer.map_err(|error| service_error("ListEventSourceMappings", function, &error));
    let Some(answer) = if_there(answer)? else {
        return Ok(Vec::new());
    };
    let sources = answer.event_source_mappings().iter().map(|source| Source {
        id: source.uuid().unwrap_or_default().to_owned(),
        queue: source
            .event_source_arn()
            .and_then(|arn| arn.rsplit(':').next())
            .unwrap_or_default()
            .to_owned(),
        state: source.state().unwrap_or_default().to_owned(),
        batch: source.batch_size(),
        reports_failures: source
            .function_response_types()
            .contains(&ReportBatchItemFailures),
    });
    Ok(sources.collect())
}

/// Reads a queue of the account. None if it does not exist.
pub(crate) async fn queue(config: &SdkConfig, name: &str) -> Result<Option<Queue>> {
    let client = aws_sdk_sqs::Client::new(config);
    let sent = client.get_queue_url().queue_name(name).send().await;
    let answer = sent.map_err(|error| service_error("GetQueueUrl", name, &error));
    let Some(url) = if_there(answer)?.and_then(|answer| answer.queue_url) else {
        return Ok(None);
    };
    let call = client.get_queue_attributes().queue_url(&url);
    let sent = call.attribute_names(Attribute::All).send().await;
    let answer = sent.map_err(|error| service_error("GetQueueAttributes", name, &error));
    Ok(if_there(answer)?.map(|answer| {
        let number = |name: &Attribute| {
            let attributes = answer.attributes()?;
            attributes.get(name)?.parse().ok()
        };
        let number = |name| number(&name).unwrap_or_default();
        let attributes = answer.attributes();
        Queue {
            depth: Depth {
                waiting: number(Attribute::ApproximateNumberOfMessages),
                in_flight: number(Attribute::ApproximateNumberOfMessagesNotVisible),
                delayed: number(Attribute::ApproximateNumberOfMessagesDelayed),
            },
            hidden: number(Attribute::VisibilityTimeout),
            redrives: attributes
                .and_then(|known| known.get(&Attribute::RedrivePolicy))
                .is_some_and(|policy| policy.contains("deadLetterTargetArn")),
            url,
        }
    }))
}

/// Reads a schedule. None if it does not exist.
pub(crate) async fn schedule(config: &SdkConfig, name: &str) -> Result<Option<Schedule>> {
    let client = scheduler::Client::new(config);
    let sent = client.get_schedule().name(name).send().await;
    let answer = sent.map_err(|error| service_error("GetSchedule", name, &error));
    Ok(if_there(answer)?.map(|answer| Schedule {
        enabled: answer.state() != Some(&scheduler::types::ScheduleState::Disabled),
        expression: answer.schedule_expression().unwrap_or_default().to_owned(),
    }))
}

/// Number of subscriptions of a topic, and how many of them are not confirmed.
pub(crate) async fn subscriptions(config: &SdkConfig, topic: &str) -> Result<(usize, usize)> {
    let client = aws_sdk_sns::Client::new(config);
    let (mut all, mut pending, mut token) = (0, 0, None);
    for _ in 0..MOST_PAGES {
        let call = client.list_subscriptions_by_topic().topic_arn(topic);
        let sent = call.set_next_token(token).send().await;
        let page =
            sent.map_err(|error| service_error("ListSubscriptionsByTopic", topic, &error))?;
        all += page.subscriptions().len();
        let arns = page
            .subscriptions()
            .iter()
            .filter_map(|of| of.subscription_arn());
        // It stands in place of an ARN until the subscription is confirmed (SNS reference).
        pending += arns.filter(|arn| *arn == "PendingConfirmation").count();
        token = page.next_token().map(str::to_owned);
        if token.is_none() {
            return Ok((all, pending));
        }
    }
    Err(too_many("ListSubscriptionsByTopic", topic))
}

/// A list that is longer than can be checked is no list to judge by.
fn too_many(operation: &'static str, thing: &str) -> ServiceError {
    let words = "the list is too long to be checked";
    ServiceError::new(operation, thing, Kind::Refused, words)
}

/// The management account of the organization.
pub(crate) async fn owner(config: &SdkConfig) -> Result<String> {
    let thing = "the organization";
    let sent = organizations::Client::new(config)
        .describe_organization()
        .send()
        .await;
    let answer = sent.map_err(|error| service_error("DescribeOrganization", thing, &error))?;
    let organization = answer.organization();
    let owner = organization.and_then(|organization| organization.master_account_id());
    owner.map(str::to_owned).ok_or_else(|| {
        let words = "the answer has no management account";
        ServiceError::new("DescribeOrganization", thing, Kind::Refused, words)
    })
}

/// The delegated administrators of Private Marketplace.
pub(crate) async fn administrators(config: &SdkConfig) -> Result<Vec<String>> {
    let client = organizations::Client::new(config);
    let (mut found, mut token) = (Vec::new(), None);
    for _ in 0..MOST_PAGES {
        let call = client.list_delegated_administrators();
        let call = call.service_principal(PRINCIPAL).set_next_token(token);
        let sent = call.send().await;
        let page =
            sent.map_err(|error| service_error("ListDelegatedAdministrators", PRINCIPAL, &error))?;
        let ids = page.delegated_administrators().iter();
        found.extend(ids.filter_map(|one| one.id().map(str::to_owned)));
        token = page.next_token().map(str::to_owned);
        if token.is_none() {
            return Ok(found);
        }
    }
    Err(too_many("ListDelegatedAdministrators", PRINCIPAL))
}

/// The services that the organization trusts.
pub(crate) async fn trusted(config: &SdkConfig) -> Result<Vec<String>> {
    let client = organizations::Client::new(config);
    let (mut found, mut token) = (Vec::new(), None);
    for _ in 0..MOST_PAGES {
        let call = client.list_aws_service_access_for_organization();
        let sent = call.set_next_token(token).send().await;
        let page = sent.map_err(|error| {
            service_error(
                "ListAWSServiceAccessForOrganization",
                "the organization",
                &error,
            )
        })?;
        let services = page.enabled_service_principals().iter();
        found.extend(services.filter_map(|one| one.service_principal().map(str::to_owned)));
        token = page.next_token().map(str::to_owned);
        if token.is_none() {
            return Ok(found);
        }
    }
    Err(too_many(
        "ListAWSServiceAccessForOrganization",
        "the organization",
    ))
}

/// The variables and the profile that send calls elsewhere than to AWS.
pub(crate) fn endpoints(
    config: &SdkConfig,
    variables: impl Iterator<Item = (String, String)>,
) -> Vec<(String, String)> {
    let mut found: BTreeMap<_, _> = variables
        .filter(|(name, value)| name.starts_with("AWS_ENDPOINT_URL") && !value.is_empty())
        .collect();
    if let Some(url) = config.endpoint_url()
        && !found.values().any(|known| known == url)
    {
        found.insert("the profile's endpoint_url".to_owned(), url.to_owned());
    }
    found.into_iter().collect()
}
