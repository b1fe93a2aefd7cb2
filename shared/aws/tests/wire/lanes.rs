//! The items of a lane: its state, its changes and its change sets.

use pmp_sync_aws::ledger::Ledger;
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::error::Kind;
use pmp_sync_domain::ids::RunId;
use pmp_sync_domain::lane::{FailedAlone, LaneState};
use pmp_sync_domain::policy::Action;
use pmp_sync_domain::ports::{
    Claims as _, Close as _, Closing, Lanes as _, Products as _, Quarantining, ReadSets as _,
    WriteRuns as _,
};
use pmp_sync_domain::records::{ChangeState, SetOutcome, SetRecord};
use pmp_sync_domain::time::later;
use serde_json::json;

use crate::script::Script;
use crate::{change, lane, message};

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
