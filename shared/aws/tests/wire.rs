//! The adapters on the wire: the exact bodies that are sent, and what answers and errors become.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

mod script;

use pmp_sync_aws::catalog::{Catalog, ReadOnlyCatalog};
use pmp_sync_aws::dead_letters::DeadLetterQueue;
use pmp_sync_aws::ledger::Ledger;
use pmp_sync_aws::queue::ChangesQueue;
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::error::Kind;
use pmp_sync_domain::ids::{
    AccountId, ChangeSetName, ExperienceId, ExternalId, LaneId, ProductId, RunId,
};
use pmp_sync_domain::lane::{
    ChangeError, Failed, FailedAlone, Intent, IntentChange, LaneState, Suspension,
};
use pmp_sync_domain::policy::Action;
use pmp_sync_domain::ports::{
    ChangeSetStatus, ChangeSets as _, Claims as _, Close as _, Closing, DeadLetterBox as _,
    Lanes as _, Products as _, Quarantining, ReadBounds, ReadCatalog as _, ReadRuns as _,
    ReadSets as _, SendChanges as _, WriteRuns as _,
};
use pmp_sync_domain::records::{ChangeState, RunRecord, SetOutcome, SetRecord, Suspensions};
use pmp_sync_domain::run::RunStatus;
use pmp_sync_domain::time::later;
use pmp_sync_domain::wire::ChangeMessage;
use serde_json::json;

use crate::script::Script;

fn name() -> ChangeSetName {
    ChangeSetName {
        experience: ExperienceId::new("exp-1").unwrap(),
        seq: 4,
        mark: None,
    }
}

fn change(product: &str, action: Action) -> IntentChange {
    IntentChange {
        product: ProductId::new(product).unwrap(),
        action,
        run: RunId::next(None, 1, 1),
        ordinal: 0,
    }
}

fn lane() -> LaneId {
    "222222222222/exp-1".parse().unwrap()
}

fn intent(changes: impl IntoIterator<Item = IntentChange>) -> Intent {
    Intent {
        token: "token".to_owned(),
        name: None,
        written_at: None,
        at: "2026-01-02T03:04:05Z".parse().unwrap(),
        creates_policy: false,
        changes: changes.into_iter().collect(),
    }
}

#[tokio::test]
async fn the_first_policy_is_created_with_what_goes_into_it() {
    let (script, config) = Script::new([(200, None, json!({ "ChangeSetId": "cs1" }))]).await;
    let intent = Intent {
        creates_policy: true,
        ..intent([change("a", Action::Allow)])
    };
    Catalog::new(&config).start(&name(), &intent).await.unwrap();
    let sent = script.seen().remove(0).body;
    let types: Vec<_> = sent["ChangeSet"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["ChangeType"].clone())
        .collect();
    assert_eq!(
        types,
        ["CreateProcurementPolicy", "AllowProductProcurement"]
    );
    assert_eq!(sent["ChangeSet"][0]["Details"], "{\"Name\":\"pmp-sync\"}");
}

#[tokio::test]
async fn a_change_set_is_one_allow_and_one_deny_with_token_and_name() {
    let (script, config) = Script::new([(200, None, json!({ "ChangeSetId": "cs1" }))]).await;
    let changes = [
        change("a2", Action::Allow),
        change("d1", Action::Deny),
        change("a1", Action::Allow),
    ];
    let id = Catalog::new(&config)
        .start(&name(), &intent(changes))
        .await
        .unwrap();
    assert_eq!(id.as_str(), "cs1");
    let expected = json!({
        "Catalog": "AWSMarketplace",
        "ChangeSetName": "pmp-sync:exp-1:4",
        "ClientRequestToken": "token",
        "ChangeSet": [
            {
                "ChangeType": "AllowProductProcurement",
                "Entity": { "Type": "Experience@1.0", "Identifier": "exp-1" },
                "Details": "{\"Products\":[{\"Ids\":[\"a2\",\"a1\"]}]}",
            },
            {
                "ChangeType": "DenyProductProcurement",
                "Entity": { "Type": "Experience@1.0", "Identifier": "exp-1" },
                "Details": "{\"Products\":[{\"Ids\":[\"d1\"]}]}",
            },
        ],
    });
    assert_eq!(script.seen()[0].path, "/StartChangeSet");
    assert_eq!(script.seen()[0].body, expected);
}

#[tokio::test]
async fn errors_become_what_is_to_be_done_about_them() {
    for (status, error, kind) in [
        (423, "ResourceInUseException", Kind::Locked),
        (402, "ServiceQuotaExceededException", Kind::Throttled),
        (429, "ThrottlingException", Kind::Throttled),
        (403, "AccessDeniedException", Kind::Denied),
        (404, "ResourceNotFoundException", Kind::NotFound),
        (422, "ValidationException", Kind::Refused),
        (500, "InternalServiceException", Kind::Retryable),
    ] {
        let (_script, config) = Script::new([(
            status,
            Some(error),
            json!({ "Message": "in its own words" }),
        )])
        .await;
        let failed = Catalog::new(&config)
            .start(&name(), &intent([change("a", Action::Allow)]))
            .await
            .unwrap_err();
        assert_eq!(
            (failed.kind, failed.code.as_deref(), failed.message.as_str()),
            (kind, Some(error), "in its own words")
        );
    }
}

#[tokio::test]
async fn the_end_of_a_change_set_tells_how_long_it_took_or_why_it_failed() {
    let succeeded = json!({
        "Status": "SUCCEEDED", "StartTime": "2026-01-01T00:00:00Z", "EndTime": "2026-01-01T00:01:30Z",
        "FailureCode": null, "FailureDescription": null, "ChangeSet": [{ "ErrorDetailList": [] }],
    });
    let failed = json!({
        "Status": "FAILED", "FailureCode": "CLIENT_ERROR",
        "ChangeSet": [{ "ChangeType": "AllowProductProcurement", "ErrorDetailList": [{ "ErrorCode": "ENTITY_NOT_FOUND", "ErrorMessage": "no policy" }] }],
    });
    let fault = json!({ "Status": "FAILED", "FailureCode": "SERVER_FAULT", "FailureDescription": "try again" });
    let (_script, config) = Script::new([
        (200, None, succeeded),
        (200, None, failed),
        (200, None, fault),
    ])
    .await;
    let catalog = Catalog::new(&config);
    let id = "cs1".parse().unwrap();
    assert_eq!(
        catalog.status(&id).await.unwrap(),
        ChangeSetStatus::Succeeded(Some(90))
    );
    let told = Failed {
        errors: vec![ChangeError {
            action: Action::Allow,
            code: "ENTITY_NOT_FOUND".to_owned(),
            message: "no policy".to_owned(),
        }],
        description: None,
    };
    assert_eq!(
        catalog.status(&id).await.unwrap(),
        ChangeSetStatus::Failed(told)
    );
    assert_eq!(
        catalog.status(&id).await.unwrap(),
        ChangeSetStatus::ServerFault("try again".to_owned())
    );
}

#[tokio::test]
async fn an_entity_without_text_details_is_read_from_its_document() {
    let entity = json!({
        "EntityType": "ProcurementPolicy@1.0", "EntityIdentifier": "procpolicy-1@3",
        "DetailsDocument": { "Statements": [{ "Effect": "Deny", "Resources": [{ "Type": "Product", "Ids": ["d"] }] }] },
    });
    let (_script, config) = Script::new([(200, None, entity)]).await;
    let policy = ReadOnlyCatalog::new(&config)
        .policy(&"procpolicy-1".parse().unwrap())
        .await
        .unwrap();
    assert_eq!(policy.denied().len(), 1);
}

#[tokio::test]
async fn a_lane_is_written_on_condition_that_nobody_wrote_in_between() {
    let conflict = json!({ "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException", "message": "no" });
    let (script, config) = Script::new([
        (200, None, json!({})),
        (200, None, json!({})),
        (400, None, conflict),
    ])
    .await;
    let ledger = Ledger::new(&config, "ledger", 90);
    ledger
        .store(&lane(), 0, &LaneState::default())
        .await
        .unwrap();
    ledger
        .store(&lane(), 6, &LaneState::default())
        .await
        .unwrap();
    let lost = ledger
        .store(&lane(), 6, &LaneState::default())
        .await
        .unwrap_err();
    assert_eq!(lost.kind, Kind::Conflict);
    let seen = script.seen();
    assert_eq!(seen[0].target, "DynamoDB_20120810.UpdateItem");
    assert_eq!(
        seen[0].body["ConditionExpression"],
        "attribute_not_exists(pk)"
    );
    assert_eq!(seen[1].body["ConditionExpression"], "#rev = :read_rev");
    let values = &seen[1].body["ExpressionAttributeValues"];
    assert_eq!(
        (&values[":read_rev"], &values[":rev"]),
        (&json!({ "N": "6" }), &json!({ "N": "7" }))
    );
    assert_eq!(
        seen[1].body["Key"],
        json!({ "pk": { "S": "LANE#222222222222#exp-1" }, "sk": { "S": "STATE" } })
    );
    let expression = seen[1].body["UpdateExpression"].as_str().unwrap();
    assert!(
        expression.starts_with("SET #phase") || expression.contains("#phase = :phase"),
        "{expression}"
    );
    assert!(
        expression.contains("REMOVE") && expression.contains("#change_set"),
        "{expression}"
    );
}

#[tokio::test]
async fn a_claim_is_conditioned_on_the_run() {
    let lost = json!({ "__type": "ConditionalCheckFailedException", "message": "no" });
    let (script, config) = Script::new([(200, None, json!({})), (400, None, lost)]).await;
    let ledger = Ledger::new(&config, "ledger", 90);
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    assert!(ledger.claim(&message(3), now).await.unwrap());
    assert!(
        !ledger.claim(&message(3), now).await.unwrap(),
        "claimed before"
    );
    let body = &script.seen()[0].body;
    assert_eq!(
        body["ConditionExpression"],
        "(attribute_not_exists(#run) OR #run < :run) AND (attribute_not_exists(#schema) OR #schema <= :schema)"
    );
    let rank = body["ExpressionAttributeValues"][":rank"]["S"]
        .as_str()
        .unwrap();
    assert_eq!(rank, format!("O#{}#000003", message(3).run));
}

fn message(ordinal: u32) -> ChangeMessage {
    ChangeMessage {
        run: RunId::next(None, 1, 1),
        account: lane().account,
        experience: lane().experience,
        product: ProductId::new(format!("p{ordinal}")).unwrap(),
        action: Action::Allow,
        ordinal,
    }
}

#[tokio::test]
async fn entries_that_a_batch_did_not_take_are_sent_again_and_no_others() {
    let partly = json!({
        "Successful": [], "Failed": [{ "Id": "1", "Code": "InternalError", "SenderFault": false }],
    });
    let taken = json!({ "Successful": [], "Failed": [] });
    let (script, config) = Script::new([(200, None, partly), (200, None, taken)]).await;
    ChangesQueue::new(&config, "http://queue")
        .send(&[message(0), message(1), message(2)])
        .await
        .unwrap();
    let sizes: Vec<_> = script
        .seen()
        .iter()
        .map(|seen| seen.body["Entries"].as_array().unwrap().len())
        .collect();
    assert_eq!(sizes, [3, 1]);
    assert_eq!(
        script.seen()[1].body["Entries"][0]["MessageBody"],
        message(1).to_body()
    );
}

#[tokio::test]
async fn what_is_never_taken_is_counted() {
    let refused = json!({ "Successful": [], "Failed": [{ "Id": "0", "Code": "InternalError", "SenderFault": false }] });
    let (script, config) = Script::new(std::iter::repeat_n((200, None, refused), 3)).await;
    let not_sent = ChangesQueue::new(&config, "http://queue")
        .send(&[message(0)])
        .await
        .unwrap_err();
    assert_eq!((not_sent.count, script.seen().len()), (1, 3));
}

fn failed() -> FailedAlone {
    FailedAlone {
        change: change("p1", Action::Deny),
        code: "INVALID_PRODUCT".to_owned(),
        message: "no".to_owned(),
        change_set: "cs1".parse().unwrap(),
    }
}

#[tokio::test]
async fn a_quarantined_change_keeps_a_rank_of_its_own_and_is_read_by_it() {
    let run = RunId::next(None, 1, 1);
    let item = json!({
        "pk": { "S": "LANE#222222222222#exp-1" }, "sk": { "S": "PRODUCT#p1" }, "schema": { "N": "1" },
        "product": { "S": "p1" }, "action": { "S": "deny" }, "run": { "S": run.to_string() }, "ordinal": { "N": "0" },
        "state": { "S": "quarantined" }, "open_rank": { "S": "Q#p1" }, "change_set": { "S": "cs1" },
        "error_code": { "S": "INVALID_PRODUCT" }, "error_message": { "S": "no" },
        "claimed_at": { "S": "2026-01-01T00:00:00Z" }, "quarantined_at": { "S": "2026-01-01T00:00:00Z" },
    });
    let lost = json!({ "__type": "ConditionalCheckFailedException", "message": "no" });
    let (script, config) = Script::new([
        (200, None, json!({})),
        (400, None, lost.clone()),
        (200, None, json!({})),
        (400, None, lost.clone()),
        (200, None, json!({ "Item": item.clone() })),
        (400, None, lost.clone()),
        (200, None, json!({ "Item": item.clone() })),
        (200, None, json!({ "Items": [item] })),
        (400, None, lost),
    ])
    .await;
    let ledger = Ledger::new(&config, "ledger", 90);
    let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    for (at, expected) in [
        (now, Quarantining::Now),
        // Claimed anew meanwhile.
        (now, Quarantining::Gone),
        // By another invocation.
        (later(now, 7), Quarantining::Before(now)),
        // By this one, whose first answer was lost.
        (now, Quarantining::Now),
    ] {
        let quarantined = ledger.quarantine(&lane(), &failed(), at).await;
        assert_eq!(quarantined.unwrap(), expected);
    }
    let found = ledger.quarantined(&lane()).await.unwrap().items;
    assert_eq!(
        (found.len(), found[0].error_code.as_str()),
        (1, "INVALID_PRODUCT")
    );
    ledger
        .release(&lane(), &found[0], now)
        .await
        .expect("a release that comes too late is none");
    let seen = script.seen();
    assert_eq!(
        seen[0].body["ConditionExpression"],
        "#run = :run AND begins_with(#open_rank, :open) AND (attribute_not_exists(#schema) OR #schema <= :schema)"
    );
    let values = &seen[0].body["ExpressionAttributeValues"];
    assert_eq!(values[":rank"], json!({ "S": "Q#p1" }));
    assert_eq!(values[":error_code"], json!({ "S": "INVALID_PRODUCT" }));
    assert_eq!(
        (&seen[7].body["IndexName"], &seen[7].body["ConsistentRead"]),
        (&json!("open"), &json!(true))
    );
    assert_eq!(
        seen[8].body["ConditionExpression"],
        "#run = :run AND #open_rank = :rank AND (attribute_not_exists(#schema) OR #schema <= :schema)"
    );
}

fn ended_set() -> SetRecord {
    SetRecord {
        schema: 1,
        seq: 42,
        change_set: "cs1".parse().unwrap(),
        run: RunId::next(None, 1, 1),
        outcome: SetOutcome::Succeeded,
        detail: None,
        allow: vec!["a".parse().unwrap()],
        deny: Vec::new(),
        started_at: "2026-01-01T00:00:00Z".parse().unwrap(),
        ended_at: "2026-01-01T00:01:00Z".parse().unwrap(),
    }
}

#[tokio::test]
async fn a_change_set_is_put_on_record_by_an_update_and_expires_with_the_runs() {
    let (script, config) = Script::new([(200, None, json!({}))]).await;
    let ledger = Ledger::new(&config, "ledger", 90);
    ledger.keep_set(&lane(), &ended_set()).await.unwrap();
    let seen = script.seen();
    assert_eq!(seen[0].target, "DynamoDB_20120810.UpdateItem");
    let body = &seen[0].body;
    assert_eq!(
        body["Key"],
        json!({ "pk": { "S": "LANE#222222222222#exp-1" }, "sk": { "S": "SET#000000000042" } })
    );
    assert_eq!(
        body["ConditionExpression"],
        "attribute_not_exists(#schema) OR #schema <= :schema"
    );
    let expression = body["UpdateExpression"].as_str().unwrap();
    assert_eq!(
        expression,
        "SET #allow = :allow, #change_set = :change_set, #deny = :deny, \
         #ended_at = if_not_exists(#ended_at, :ended_at), \
         #expires_at = if_not_exists(#expires_at, :expires_at), \
         #outcome = :outcome, #run = :run, #schema = :schema, #seq = :seq, #started_at = :started_at"
    );
    let values = &body["ExpressionAttributeValues"];
    // 2026-01-01T00:01:00Z and ninety days.
    assert_eq!(values[":expires_at"], json!({ "N": "1775001660" }));
    assert_eq!(values[":outcome"], json!({ "S": "succeeded" }));
    assert_eq!(values[":allow"], json!({ "L": [{ "S": "a" }] }));
    assert_eq!(body["ExpressionAttributeNames"]["#run"], "run");
}

#[tokio::test]
async fn the_change_sets_of_a_lane_are_read_to_the_last_page_and_those_of_a_run_by_a_filter() {
    let item = |seq: u64| {
        json!({
            "pk": { "S": "LANE#222222222222#exp-1" }, "sk": { "S": format!("SET#{seq:012}") }, "schema": { "N": "1" },
            "seq": { "N": seq.to_string() }, "change_set": { "S": "cs1" }, "run": { "S": ended_set().run.to_string() },
            "outcome": { "S": "server-fault" }, "detail": { "S": "try again" }, "allow": { "L": [] },
            "deny": { "L": [{ "S": "d" }] }, "started_at": { "S": "2026-01-01T00:00:00Z" },
            "ended_at": { "S": "2026-01-01T00:01:00Z" }, "expires_at": { "N": "1775001660" },
        })
    };
    let key = json!({ "pk": { "S": "x" }, "sk": { "S": "y" } });
    let (script, config) = Script::new([
        (
            200,
            None,
            json!({ "Items": [item(1)], "LastEvaluatedKey": key }),
        ),
        (200, None, json!({ "Items": [item(2)] })),
        (200, None, json!({ "Items": [] })),
    ])
    .await;
    let ledger = Ledger::new(&config, "ledger", 90);
    let sets = ledger.sets(&lane(), None).await.unwrap().items;
    let told: Vec<_> = sets.iter().map(|set| (set.seq, set.outcome)).collect();
    assert_eq!(
        told,
        [(1, SetOutcome::ServerFault), (2, SetOutcome::ServerFault)]
    );
    assert_eq!(sets[0].deny, ["d".parse().unwrap()]);
    let run = ended_set().run;
    let of_run = ledger.sets(&lane(), Some(run)).await.unwrap();
    assert!(of_run.items.is_empty());
    let seen = script.seen();
    for call in &seen {
        assert_eq!(call.body["ConsistentRead"], true);
        let condition = &call.body["KeyConditionExpression"];
        assert_eq!(condition, "pk = :pk AND begins_with(sk, :prefix)");
        let values = &call.body["ExpressionAttributeValues"];
        assert_eq!(values[":prefix"], json!({ "S": "SET#" }));
    }
    assert_eq!(seen[1].body["ExclusiveStartKey"], key);
    assert_eq!(seen[2].body["FilterExpression"], "#run = :run");
}

#[tokio::test]
async fn the_last_changes_of_a_lane_are_read_to_the_last_page_with_strong_consistency() {
    let item = |product: &str, state: &str| {
        json!({
            "pk": { "S": "LANE#222222222222#exp-1" }, "sk": { "S": format!("PRODUCT#{product}") }, "schema": { "N": "1" },
            "product": { "S": product }, "action": { "S": "deny" }, "run": { "S": RunId::next(None, 1, 1).to_string() },
            "ordinal": { "N": "0" }, "state": { "S": state }, "claimed_at": { "S": "2026-01-01T00:00:00Z" },
            "closed_at": { "S": "2026-01-01T00:01:00Z" }, "change_set": { "S": "cs1" },
        })
    };
    let next = json!({ "pk": { "S": "LANE#222222222222#exp-1" }, "sk": { "S": "PRODUCT#p2" } });
    let first = [item("p1", "applied"), item("p2", "holding")];
    let second = [item("~p3", "superseded")];
    let (script, config) = Script::new([
        (
            200,
            None,
            json!({ "Items": first, "LastEvaluatedKey": next }),
        ),
        (200, None, json!({ "Items": second })),
    ])
    .await;
    let ledger = Ledger::new(&config, "ledger", 90);
    let changes = ledger.products(&lane()).await.unwrap().items;
    let states: Vec<_> = changes.iter().map(|change| change.state).collect();
    assert_eq!(
        states,
        [
            ChangeState::Applied,
            ChangeState::Holding,
            ChangeState::Superseded
        ]
    );
    assert_eq!(changes[0].change_set, Some("cs1".parse().unwrap()));
    let seen = script.seen();
    let values = &seen[0].body["ExpressionAttributeValues"];
    // Ids may begin with anything up to `~`; STATE is not among them.
    assert_eq!(
        (
            &values[":pk"]["S"],
            &values[":from"]["S"],
            &values[":to"]["S"]
        ),
        (
            &json!("LANE#222222222222#exp-1"),
            &json!("PRODUCT#"),
            &json!("PRODUCT$")
        )
    );
    assert_eq!(seen[0].body["ConsistentRead"], true);
    assert!(seen[0].body.get("IndexName").is_none());
    assert_eq!(seen[1].body["ExclusiveStartKey"], next);
}

#[tokio::test]
async fn only_a_claimed_change_is_closed_and_never_a_quarantined_one() {
    let (script, config) = Script::new([(200, None, json!({}))]).await;
    let ledger = Ledger::new(&config, "ledger", 90);
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    let run = RunId::next(None, 1, 1);
    let changes = [("p1".parse().unwrap(), run)];
    ledger
        .close(&lane(), &changes, Closing::Applied, None, now)
        .await
        .unwrap();
    let body = &script.seen()[0].body;
    assert_eq!(
        body["ConditionExpression"],
        "#run = :run AND begins_with(#open_rank, :open) AND (attribute_not_exists(#schema) OR #schema <= :schema)"
    );
    assert_eq!(
        body["ExpressionAttributeValues"][":open"],
        json!({ "S": "O#" })
    );
}

#[tokio::test]
async fn dead_letters_are_received_until_nothing_new_comes_and_deleted_by_their_receipt() {
    let message = |id: &str, receipt: &str| {
        json!({
            "MessageId": id, "ReceiptHandle": receipt, "Body": "{}",
            "MessageAttributes": { "reason": { "DataType": "String", "StringValue": "quarantined" } },
        })
    };
    let (script, config) = Script::new([
        (200, None, json!({ "Messages": [message("a", "r1")] })),
        (
            200,
            None,
            json!({ "Messages": [message("a", "r2"), message("b", "r3")] }),
        ),
        (200, None, json!({})),
        (200, None, json!({ "Messages": [] })),
        (200, None, json!({})),
        (200, None, json!({})),
    ])
    .await;
    let queue = DeadLetterQueue::new(&config, "http://queue-dlq");
    let bounds = ReadBounds {
        messages: 100,
        seconds: 30,
    };
    let received = queue.dead_letters(bounds).await.unwrap();
    assert!(!received.cut_off);
    let letters = received.letters;
    let ids: Vec<_> = letters.iter().map(|letter| letter.id.as_str()).collect();
    assert_eq!(ids, ["a", "b"]);
    assert_eq!(letters[0].attributes["reason"], "quarantined");
    queue.delete_dead_letter(&letters[0]).await.unwrap();
    queue.put_dead_letter_back(&letters[1]).await.unwrap();
    let seen = script.seen();
    assert_eq!(seen[0].body["VisibilityTimeout"], 180);
    assert_eq!(seen[4].body["ReceiptHandle"], "r1");
    assert_eq!(
        (
            &seen[5].body["ReceiptHandle"],
            &seen[5].body["VisibilityTimeout"]
        ),
        (&json!("r3"), &json!(0))
    );
}

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
