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
use pmp_sync_domain::wire::Continuation;
use serde_json::json;

use crate::script::Script;

fn run() -> RunId {
    RunId::next(None, 1, 1)
}

#[tokio::test]
async fn messages_are_returned_together_and_one_that_is_not_is_an_error() {
    let failed = json!({ "Failed": [
        { "Id": "1", "SenderFault": true, "Code": "ReceiptHandleIsInvalid", "Message": "expired" }
    ] });
    let (script, config) = Script::new([(200, None, json!({})), (200, None, failed)]).await;
    let inbox = RequestsInbox::new(&config, "http://queue/inbox.fifo");
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
    let seen = &script.seen()[0];
    assert!(seen.target.ends_with("ChangeMessageVisibilityBatch"));
    let entry = |id: &str, receipt: &str| json!({ "Id": id, "ReceiptHandle": receipt, "VisibilityTimeout": 5 });
    assert_eq!(
        seen.body["Entries"],
        json!([entry("0", "a"), entry("1", "b")])
    );
}

#[tokio::test]
async fn each_continuation_of_a_run_has_a_deduplication_id_of_its_own() {
    let (script, config) = Script::new([(200, None, json!({})), (200, None, json!({}))]).await;
    let inbox = RequestsInbox::new(&config, "http://queue/inbox.fifo");
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
