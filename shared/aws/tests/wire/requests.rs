//! Procurement requests: what the member's role writes, and what is read of its items.

use pmp_sync_aws::ledger::Ledger;
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::error::Kind;
use pmp_sync_domain::ids::AccountId;
use pmp_sync_domain::ports::{AnnounceRequests as _, ProductRequests as _};
use pmp_sync_domain::records::{ProductRequest, RequestAnswer, RequestState};
use serde_json::{Value, json};

use crate::script::{Script, Seen};

const FIXTURE: &str = include_str!("../../../domain/fixtures/product-request-1.json");
const ANSWER: &str = include_str!("../../../domain/fixtures/request-answer-1.json");

fn account() -> AccountId {
    "222222222222".parse().unwrap()
}

fn now() -> Timestamp {
    "2026-11-10T00:00:00Z".parse().unwrap()
}

fn request(state: RequestState, rev: u64) -> ProductRequest {
    let known: ProductRequest = serde_json::from_str(FIXTURE).unwrap();
    ProductRequest {
        state,
        rev,
        ..known
    }
}

async fn ledger(answers: impl IntoIterator<Item = Value>) -> (Script, Ledger) {
    let answers = answers.into_iter().map(|answer| (200, None, answer));
    let (script, config) = Script::new(answers).await;
    (script, Ledger::new(&config, "ledger", 90))
}

fn expression(seen: &Seen) -> &str {
    seen.body["UpdateExpression"].as_str().unwrap()
}

#[tokio::test]
async fn a_request_is_written_by_an_update_under_the_members_own_key() {
    let (script, ledger) = ledger([json!({}), json!({})]).await;
    let open = request(RequestState::Open, 0);
    ledger.put_product_request(&open).await.unwrap();
    let declined = request(RequestState::Declined, 1);
    ledger.put_product_request(&declined).await.unwrap();
    let seen = script.seen();
    for call in &seen {
        assert!(call.target.ends_with(".UpdateItem"), "{}", call.target);
        let key = &call.body["Key"];
        assert_eq!(key["pk"]["S"], "PRODUCT_REQUESTS#222222222222");
        assert_eq!(key["sk"]["S"], "pr-2b7kexample4ma");
        let names = call.body["ExpressionAttributeNames"].to_string();
        assert!(!names.contains("announced_at"), "the producer's mark stays");
        let values = &call.body["ExpressionAttributeValues"];
        // 90 days after it was recorded.
        assert_eq!(values[":expires_at"]["N"], "1801468802");
    }
    assert_eq!(
        seen[0].body["ConditionExpression"],
        "attribute_not_exists(pk)"
    );
    let values = &seen[0].body["ExpressionAttributeValues"];
    assert_eq!(values[":rev"]["N"], "1");
    assert_eq!(
        values[":open_rank"]["S"],
        "W#001796203800#pr-2b7kexample4ma"
    );
    assert!(!expression(&seen[0]).contains("REMOVE"));
    assert_eq!(seen[1].body["ConditionExpression"], "#rev = :read_rev");
    assert_eq!(
        seen[1].body["ExpressionAttributeValues"][":read_rev"]["N"],
        "1"
    );
    assert!(expression(&seen[1]).ends_with(" REMOVE open_rank"));
}

#[tokio::test]
async fn those_that_wait_are_counted_and_read_by_their_rank_and_an_expired_one_is_not() {
    let counted = [json!({ "Count": 3 }), json!({ "Count": 7 })];
    let (script, ledger) = ledger(counted.into_iter().chain([json!({ "Items": [] })])).await;
    let counts = ledger
        .count_product_requests(&account(), now())
        .await
        .unwrap();
    assert_eq!((counts.open, counts.kept), (3, 7));
    let found = ledger
        .open_product_requests(&account(), now())
        .await
        .unwrap();
    assert!(found.items.is_empty());
    let seen = script.seen();
    for place in [0, 2] {
        assert_eq!(seen[place].body["IndexName"], "open");
        assert_eq!(seen[place].body["ConsistentRead"], true);
        let values = &seen[place].body["ExpressionAttributeValues"];
        let from = format!("W#{:012}#", now().as_second() + 1);
        assert_eq!(values[":from"]["S"], from.as_str());
        assert_eq!(values[":to"]["S"], "W$");
    }
    assert_eq!(seen[0].body["Select"], "COUNT");
    assert!(seen[1].body.get("IndexName").is_none());
}

/// Whoever has the member's role can write what it likes there.
#[tokio::test]
async fn what_a_member_wrote_is_its_own_whatever_it_says_and_a_newer_item_hides_no_other() {
    let item = |account: &str, schema: &str| {
        json!({
            "pk": { "S": "PRODUCT_REQUESTS#222222222222" }, "sk": { "S": "pr-1" },
            "schema": { "N": schema }, "rev": { "N": "1" }, "account": { "S": account },
            "request": { "S": "pr-1" }, "state": { "S": "open" }, "product": { "S": "prod-1" },
            "title": { "S": "a\u{1b}b" }, "experience": { "S": "exp-1" },
            "recorded_at": { "S": "2026-11-01T00:00:00Z" },
        })
    };
    let items = json!({ "Items": [item("333333333333", "1"), item("222222222222", "999")] });
    let (_, ledger) = ledger([items]).await;
    let found = ledger.product_requests(&account()).await.unwrap();
    assert_eq!(found.items.len(), 1);
    assert_eq!(found.items[0].account, account());
    assert_eq!(found.items[0].title.as_deref(), Some("a b"));
    assert_eq!(found.unreadable.len(), 1);
}

#[tokio::test]
async fn what_is_dropped_is_counted_and_what_is_announced_is_marked() {
    let (script, ledger) = ledger([json!({}), json!({})]).await;
    ledger
        .drop_product_request(&account(), now())
        .await
        .unwrap();
    let open = request(RequestState::Open, 1);
    ledger
        .announced_product_request(&open, now())
        .await
        .unwrap();
    let seen = script.seen();
    assert_eq!(seen[0].body["Key"]["sk"]["S"], "#dropped");
    assert!(expression(&seen[0]).ends_with("ADD dropped :one"));
    assert_eq!(expression(&seen[1]), "SET announced_at = :now");
    assert!(
        seen[1].body["ConditionExpression"]
            .as_str()
            .unwrap()
            .starts_with("attribute_exists(pk)")
    );
}

#[tokio::test]
async fn a_request_that_another_invocation_wrote_is_a_conflict_and_one_that_has_expired_needs_no_mark()
 {
    let failed = || {
        (
            400,
            Some("ConditionalCheckFailedException"),
            json!({ "message": "no" }),
        )
    };
    let (_, config) = Script::new([failed(), failed()]).await;
    let ledger = Ledger::new(&config, "ledger", 90);
    let open = request(RequestState::Open, 1);
    let error = ledger.put_product_request(&open).await.unwrap_err();
    assert_eq!(error.kind, Kind::Conflict);
    ledger
        .announced_product_request(&open, now())
        .await
        .unwrap();
}

#[tokio::test]
async fn an_answer_is_in_a_partition_that_no_member_can_write() {
    let (script, ledger) = ledger([json!({})]).await;
    let answer: RequestAnswer = serde_json::from_str(ANSWER).unwrap();
    ledger.put_request_answer(&answer).await.unwrap();
    let item = &script.seen()[0].body["Item"];
    assert_eq!(item["pk"]["S"], "REQUEST_ANSWERS");
    assert_eq!(item["sk"]["S"], "222222222222#pr-2b7kexample4ma");
    assert_eq!(item["denied"]["BOOL"], true);
    assert!(item["expires_at"]["N"].is_string());
}
