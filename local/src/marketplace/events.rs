//! Events of finished change sets and of procurement requests. They go to every target of the matching
//! rules on the default bus of the owning account and of its delegated administrators. Like AWS, ministack accepts no event
//! whose source begins with `aws.`, so the emulator delivers to the targets directly.

use aws_config::SdkConfig;
use aws_sdk_eventbridge::types::{RuleState, Target};
use serde_json::{Value, json};

use super::changes::{ChangeSet, Status};
use super::entities::seconds;
use super::pattern::matches;

/// The most pages of a bus's rules that are read, with 100 rules each.
const MOST_PAGES: usize = 10;

/// Access to the emulated AWS: an SDK configuration for each account.
pub(crate) type Accounts = std::sync::Arc<dyn Fn(&str) -> SdkConfig + Send + Sync>;

/// The event of a finished change set on the bus of `account`.
pub(crate) fn envelope(set: &ChangeSet, account: &str) -> Option<Value> {
    let detail_type = match set.status {
        Status::Succeeded => "Change Set Succeeded",
        Status::Failed => "Change Set Failed",
        Status::Cancelled => "Change Set Cancelled",
        Status::Preparing | Status::Applying => return None,
    };
    let mut detail = json!({
        "requestId": format!("request-{}", set.id),
        "Catalog": "AWSMarketplace",
        "ChangeSetId": set.id,
        "ChangeSetName": set.name,
        "StartTime": seconds(set.started),
        "EndTime": set.ended.map(seconds),
    });
    if let (Some((code, _)), Value::Object(fields)) = (&set.failure, &mut detail) {
        fields.insert("FailureCode".to_owned(), json!(code));
    }
    Some(json!({
        "version": "0",
        "id": format!("event-{}-{account}", set.id),
        "detail-type": detail_type,
        "source": "aws.marketplacecatalog",
        "account": account,
        "time": set.ended.map(seconds),
        "region": "us-east-1",
        "resources": [set.arn()],
        "detail": detail,
    }))
}

/// Delivers an event to one account's bus. An event that cannot be delivered is logged and lost,
/// because events of the service are best effort.
pub(crate) async fn deliver(accounts: &Accounts, event: &Value, account: &str) {
    let config = accounts(account);
    let client = aws_sdk_eventbridge::Client::new(&config);
    let mut token = None;
    for _ in 0..MOST_PAGES {
        let page = match client.list_rules().set_next_token(token).send().await {
            Ok(page) => page,
            Err(error) => {
                tracing::warn!(account, ?error, "the rules of an account cannot be listed");
                return;
            }
        };
        for rule in page.rules() {
            let pattern = rule
                .event_pattern()
                .and_then(|text| serde_json::from_str::<Value>(text).ok());
            let enabled = rule.state() != Some(&RuleState::Disabled);
            let (Some(name), Some(pattern)) = (rule.name(), pattern) else {
                continue;
            };
            if !enabled || !matches(&pattern, event) {
                continue;
            }
            match client.list_targets_by_rule().rule(name).send().await {
                Ok(answer) => {
                    for target in answer.targets() {
                        send(accounts, target, event).await;
                    }
                }
                Err(error) => tracing::warn!(
                    account,
                    rule = name,
                    ?error,
                    "the targets of a rule cannot be listed"
                ),
            }
        }
        token = page.next_token().map(str::to_owned);
        if token.is_none() {
            return;
        }
    }
}

async fn send(accounts: &Accounts, target: &Target, event: &Value) {
    // arn:aws:sqs:us-east-1:<account>:<queue>
    let fields: Vec<_> = target.arn().split(':').collect();
    let &["arn", _, "sqs", _, account, queue] = fields.as_slice() else {
        tracing::warn!(target = target.arn(), "only queues are reached as targets");
        return;
    };
    let sqs = aws_sdk_sqs::Client::new(&accounts(account));
    let url = match sqs.get_queue_url().queue_name(queue).send().await {
        Ok(answer) => answer.queue_url().unwrap_or_default().to_owned(),
        Err(error) => {
            tracing::warn!(queue, ?error, "the queue of a target is not there");
            return;
        }
    };
    let body = target
        .input()
        .map_or_else(|| event.to_string(), str::to_owned);
    let group = target
        .sqs_parameters()
        .and_then(|parameters| parameters.message_group_id());
    let sent = sqs
        .send_message()
        .queue_url(url)
        .message_body(body)
        .set_message_group_id(group.map(str::to_owned));
    if let Err(error) = sent.send().await {
        tracing::warn!(queue, ?error, "a target did not take the event");
    }
}
