//! The other items of the ledger: suspensions, members that are added, and runs.

use pmp_sync_aws::ledger::Ledger;
use pmp_sync_domain::error::Kind;
use pmp_sync_domain::ids::{AccountId, ExperienceId, ExternalId, RunId};
use pmp_sync_domain::lane::Suspension;
use pmp_sync_domain::ports::{ReadRuns as _, WriteRuns as _};
use pmp_sync_domain::records::{RunRecord, Suspensions};
use pmp_sync_domain::run::RunStatus;
use serde_json::json;

use crate::script::Script;

#[tokio::test]
async fn the_suspension_is_written_on_condition_that_nobody_wrote_in_between() {
    let (script, config) = Script::new([
        (200, None, json!({})),
        (200, None, json!({})),
        (200, None, json!({})),
    ])
    .await;
    let ledger = Ledger::new(&config, "ledger", 90);
    assert_eq!(ledger.suspensions().await.unwrap(), Suspensions::default());
    let mut suspensions = Suspensions {
        all: Some(Suspension {
            by: None,
            since: "2026-01-01T00:00:00Z".parse().unwrap(),
        }),
        ..Suspensions::default()
    };
    ledger.put_suspensions(&suspensions).await.unwrap();
    suspensions.rev = 3;
    ledger.put_suspensions(&suspensions).await.unwrap();
    let seen = script.seen();
    assert_eq!(
        seen[1].body["ConditionExpression"],
        "attribute_not_exists(pk)"
    );
    assert_eq!(seen[1].body["Item"]["rev"], json!({ "N": "1" }));
    assert_eq!(seen[2].body["ConditionExpression"], "#rev = :rev");
    assert_eq!(seen[2].body["Item"]["rev"], json!({ "N": "4" }));
}

#[tokio::test]
async fn an_account_gets_one_external_id_and_keeps_it() {
    let account = AccountId::new("444444444444").unwrap();
    let now = "2026-01-02T03:04:05Z".parse().unwrap();
    let item = json!({
        "pk": { "S": "MEMBER" }, "sk": { "S": "444444444444" }, "schema": { "N": "1" },
        "account": { "S": "444444444444" }, "external_id": { "S": "first" },
        "created_at": { "S": "2026-01-01T00:00:00Z" }, "updated_at": { "S": "2026-01-01T00:00:00Z" },
    });
    let failed = Some("ConditionalCheckFailedException");
    let (script, config) = Script::new([
        (200, None, json!({})),
        (200, None, json!({})),
        // Somebody else was faster.
        (200, None, json!({})),
        (400, failed, json!({ "message": "no" })),
        (200, None, json!({ "Item": item.clone() })),
        // It stands already.
        (200, None, json!({ "Item": item })),
    ])
    .await;
    let ledger = Ledger::new(&config, "ledger", 90);
    let begin = async |id: &str| {
        let id = ExternalId::new(id).unwrap();
        let known = ledger.begin_onboarding(&account, id, now).await.unwrap();
        known.external_id.to_string()
    };
    assert_eq!(begin("mine").await, "mine");
    assert_eq!(begin("second").await, "first");
    assert_eq!(begin("third").await, "first");
    let seen = script.seen();
    let targets: Vec<_> = seen
        .iter()
        .map(|call| call.target.rsplit('.').next().unwrap())
        .collect();
    let expected = [
        "GetItem", "PutItem", "GetItem", "PutItem", "GetItem", "GetItem",
    ];
    assert_eq!(targets, expected);
    assert_eq!(
        seen[1].body["ConditionExpression"],
        "attribute_not_exists(pk)"
    );
    assert_eq!(seen[1].body["Item"]["external_id"]["S"], "mine");
    assert_eq!(seen[2].body["ConsistentRead"], true);
}

#[tokio::test]
async fn the_experience_of_an_account_is_set_beside_what_else_its_item_has() {
    let account = AccountId::new("444444444444").unwrap();
    let failed = Some("ConditionalCheckFailedException");
    let (script, config) = Script::new([
        (200, None, json!({})),
        (400, failed, json!({ "message": "no" })),
    ])
    .await;
    let ledger = Ledger::new(&config, "ledger", 90);
    let experience = ExperienceId::new("exp-9").unwrap();
    let now = "2026-01-02T03:04:05Z".parse().unwrap();
    let set = async || {
        let set = ledger.set_onboarding_experience(&account, &experience, now);
        set.await
    };
    set().await.unwrap();
    assert_eq!(set().await.unwrap_err().kind, Kind::Conflict);
    let sent = &script.seen()[0];
    assert!(sent.target.ends_with(".UpdateItem"), "{}", sent.target);
    assert_eq!(sent.body["Key"]["sk"]["S"], "444444444444");
    let values = &sent.body["ExpressionAttributeValues"];
    assert_eq!(values[":experience"]["S"], "exp-9");
    assert_eq!(values[":now"]["S"], "2026-01-02T03:04:05Z");
    assert_eq!(
        sent.body["ConditionExpression"],
        "attribute_exists(pk) AND (attribute_not_exists(#schema) OR #schema <= :schema)"
    );
}

#[tokio::test]
async fn a_run_is_in_the_index_of_what_is_open_until_it_has_ended() {
    let (script, config) = Script::new([(200, None, json!({})), (200, None, json!({}))]).await;
    let ledger = Ledger::new(&config, "table", 90);
    let at = "2026-01-02T03:04:05Z".parse().unwrap();
    let run: RunId = "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
    let mut record = RunRecord::new(run, 1, Vec::new(), at);
    ledger.put_run(&record).await.unwrap();
    record.status = RunStatus::Completed;
    ledger.put_run(&record).await.unwrap();
    let seen = script.seen();
    let rank = |place: usize| seen[place].body["Item"]["open_rank"]["S"].clone();
    assert_eq!(rank(0), run.to_string());
    assert!(rank(1).is_null(), "{:?}", seen[1]);
}

#[tokio::test]
async fn a_failure_that_did_not_stand_is_voided_where_it_is_and_not_read_again() {
    let run = RunId::next(None, 0, 0);
    let account = AccountId::new("444444444444").unwrap();
    let void = json!({
        "pk": { "S": format!("RUN#{run}") }, "sk": { "S": "LINK#444444444444#*" }, "schema": { "N": "1" },
        "run": { "S": run.to_string() }, "member": { "S": "emea" }, "account": { "S": "444444444444" },
        "management_experience": { "S": "exp-m" }, "mode": { "S": "mirror" }, "status": { "S": "failed" },
        "at": { "S": "2026-01-01T00:00:00Z" }, "void": { "BOOL": true },
    });
    let mut stands = void.clone();
    stands["void"] = json!({ "BOOL": false });
    let failed = Some("ConditionalCheckFailedException");
    let (script, config) = Script::new([
        (200, None, json!({})),
        (400, failed, json!({ "message": "no" })),
        (200, None, json!({ "Items": [void] })),
        (200, None, json!({ "Items": [stands] })),
    ])
    .await;
    let ledger = Ledger::new(&config, "ledger", 90);
    ledger.void_failure(run, &account).await.unwrap();
    // There is none.
    ledger.void_failure(run, &account).await.unwrap();
    assert!(ledger.links(run).await.unwrap().items.is_empty());
    assert_eq!(ledger.links(run).await.unwrap().items.len(), 1);
    let seen = script.seen();
    assert_eq!(
        seen[0].body["Key"]["sk"],
        json!({ "S": "LINK#444444444444#*" })
    );
    let condition = seen[0].body["ConditionExpression"].as_str().unwrap();
    assert!(
        condition.starts_with("attribute_exists(#pk) AND "),
        "{condition}"
    );
}
