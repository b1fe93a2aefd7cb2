//! The producer's inbox and the receipts of its requests on the wire.

use std::collections::BTreeSet;

use pmp_sync_aws::ledger::Ledger;
use pmp_sync_aws::queue::RequestsInbox;
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::delivery::Record;
use pmp_sync_domain::error::Kind;
use pmp_sync_domain::ids::RunId;
use pmp_sync_domain::ports::{Inbox as _, Receipts as _};
use pmp_sync_domain::records::Receipt;
use pmp_sync_domain::wire::{Continuation, LinkRetry, Scope, Trigger};
use serde_json::json;

use crate::script::Script;

fn run() -> RunId {
    RunId::next(None, 1, 1)
}

fn inbox_of(config: &aws_config::SdkConfig) -> RequestsInbox {
    RequestsInbox::new(config, "http://queue/inbox.fifo", "http://queue/retries")
}

#[tokio::test]
async fn a_retry_waits_in_a_queue_of_its_own_and_is_handed_to_the_inbox_once() {
    let (script, config) = Script::new([(200, None, json!({})), (200, None, json!({}))]).await;
    let inbox = inbox_of(&config);
    let retry = LinkRetry {
        id: "01-0-1-some".to_owned(),
        number: 1,
        run: Some(run()),
        since: Timestamp::from_second(7).unwrap(),
        scope: Scope::default(),
    };
    inbox.retry_after(&retry, 60).await.unwrap();
    inbox.retry(&retry).await.unwrap();
    let seen = script.seen();
    assert_eq!(seen[0].body["QueueUrl"], "http://queue/retries");
    assert_eq!(seen[0].body["DelaySeconds"], 60);
    assert!(seen[0].body.get("MessageGroupId").is_none());
    assert_eq!(seen[1].body["QueueUrl"], "http://queue/inbox.fifo");
    assert_eq!(seen[1].body["MessageGroupId"], "inbox");
    assert_eq!(seen[1].body["MessageDeduplicationId"], "01-0-1-some");
    let sent = |place: usize| Trigger::parse(seen[place].body["MessageBody"].as_str().unwrap());
    assert_eq!(sent(0), Ok(Trigger::RetryScheduled(retry.clone())));
    assert_eq!(sent(1), Ok(Trigger::RetryDue(retry)));
}

#[tokio::test]
async fn every_message_is_returned_and_one_that_is_not_is_an_error() {
    let failed = json!({
        "__type": "com.amazonaws.sqs#ReceiptHandleIsInvalid",
        "message": "expired"
    });
    let ok = || (200, None, json!({}));
    let (script, config) = Script::new([ok(), ok(), (400, None, failed), ok()]).await;
    let inbox = inbox_of(&config);
    let record = |receipt: &str| Record {
        receipt: receipt.to_owned(),
        ..Record::default()
    };
    let records = [record("a"), record("b")];
    inbox.return_after(&records, 5).await.unwrap();
    let error = inbox.return_after(&records, 5).await.unwrap_err();
    assert_eq!(
        (error.kind, error.code.as_deref()),
        (Kind::Refused, Some("ReceiptHandleIsInvalid"))
    );
    let seen = script.seen();
    assert_eq!(seen.len(), 4);
    let returned: BTreeSet<_> = seen[..2]
        .iter()
        .map(|seen| {
            assert!(seen.target.ends_with("ChangeMessageVisibility"));
            assert_eq!(seen.body["VisibilityTimeout"], 5);
            seen.body["ReceiptHandle"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(returned, BTreeSet::from(["a".to_owned(), "b".to_owned()]));
}

#[tokio::test]
async fn each_continuation_of_a_run_has_a_deduplication_id_of_its_own() {
    let (script, config) = Script::new([(200, None, json!({})), (200, None, json!({}))]).await;
    let inbox = inbox_of(&config);
    for number in [1, 2] {
        let rest = Continuation {
            run: run(),
            config_version: 1,
            links: vec![0],
            scopes: Vec::new(),
            number,
        };
        inbox.go_on(&rest).await.unwrap();
    }
    let ids: BTreeSet<_> = script
        .seen()
        .iter()
        .map(|seen| seen.body["MessageDeduplicationId"].to_string())
        .collect();
    assert_eq!(ids.len(), 2);
}

#[tokio::test]
async fn a_receipt_replaces_none_or_the_one_that_was_read() {
    let (script, config) = Script::new([(200, None, json!({})), (200, None, json!({}))]).await;
    let ledger = Ledger::new(&config, "ledger", 90);
    let receipt = Receipt {
        schema: 1,
        request: "event:e".to_owned(),
        run: run(),
        attempts: 1,
        at: Timestamp::from_second(0).unwrap(),
    };
    ledger.put_receipt(&receipt, None).await.unwrap();
    ledger.put_receipt(&receipt, Some(run())).await.unwrap();
    let seen = script.seen();
    assert_eq!(
        seen[0].body["ConditionExpression"],
        "attribute_not_exists(pk)"
    );
    assert_eq!(seen[1].body["ConditionExpression"], "#run = :before");
    let item = &seen[0].body["Item"];
    assert_eq!(item["pk"]["S"], "REQUEST#event:e");
    assert_eq!(item["expires_at"]["N"], "1296000");
}
