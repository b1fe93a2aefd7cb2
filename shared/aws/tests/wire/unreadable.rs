//! Items with schema 999, one stored kind at a time: a read says so and hides no other item, and no
//! write goes over one.

use std::fmt::Debug;

use pmp_sync_aws::ledger::Ledger;
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ids::{ProductId, RunId};
use pmp_sync_domain::lane::{LaneState, Quarantined};
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::ports::{
    Claims as _, Close as _, Closing, Lanes as _, Products as _, Quarantining, ReadRuns as _,
    ReadSets as _, Receipts as _, WriteRuns as _,
};
use pmp_sync_domain::records::{
    About, DeadLetterRecord, Found, LinkRecord, LinkState, LiveRecord, Receipt, RunRecord,
    SetRecord, Suspensions,
};
use serde_json::{Value, json};

use crate::script::Script;
use crate::{lane, message};

type Answer = (u16, Option<&'static str>, Value);

fn product() -> ProductId {
    "prod-a".parse().unwrap()
}

fn run() -> RunId {
    RunId::next(None, 1, 1)
}

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn item(pk: &str, sk: &str) -> Value {
    json!({ "pk": { "S": pk }, "sk": { "S": sk }, "schema": { "N": "999" } })
}

async fn ledger(answers: impl IntoIterator<Item = Answer>) -> (Script, Ledger) {
    let (script, config) = Script::new(answers).await;
    (script, Ledger::new(&config, "ledger", 90))
}

/// The ledger finds one item by its key.
async fn with_item(pk: &str, sk: &str) -> Ledger {
    ledger([(200, None, json!({ "Item": item(pk, sk) }))])
        .await
        .1
}

/// The ledger finds one item by a query.
async fn with_items(pk: &str, sk: &str) -> Ledger {
    ledger([(200, None, json!({ "Items": [item(pk, sk)] }))])
        .await
        .1
}

/// The ledger finds one item among several keys.
async fn with_one_of(pk: &str, sk: &str) -> Ledger {
    let items = json!({ "Responses": { "ledger": [item(pk, sk)] } });
    ledger([(200, None, items)]).await.1
}

fn is_unread<T: Debug>(kind: &str, read: Result<T, ServiceError>) {
    let error = read.expect_err(kind);
    assert_eq!(error.kind, Kind::Unreadable, "{kind}: {error}");
    assert_eq!(error.item_fault().code, "PMS-4004", "{kind}");
    assert!(error.message.contains("999"), "{kind}: {error}");
}

fn is_found<T: Debug>(kind: &str, read: Result<Found<T>, ServiceError>, about: Option<&About>) {
    let found = read.unwrap();
    assert!(found.items.is_empty(), "{kind}: {:?}", found.items);
    assert_eq!(found.unreadable.len(), 1, "{kind}");
    let unreadable = &found.unreadable[0];
    assert_eq!(unreadable.error.item_fault().code, "PMS-4004", "{kind}");
    assert_eq!(unreadable.about.as_ref(), about, "{kind}");
}

#[tokio::test]
async fn an_item_that_is_read_by_its_key_is_said_to_be_unreadable() {
    let lane_key = "LANE#222222222222#exp-1";
    let run_key = format!("RUN#{}", run());
    let found = with_item(lane_key, "STATE").await;
    is_unread("lane state", found.state(&lane()).await);
    let found = with_item("LINK_STATES", "222222222222#exp-1").await;
    is_unread("link state", found.link_state(&lane()).await);
    let found = with_item("RUN", &run().to_string()).await;
    is_unread("run", found.run(run()).await);
    let found = with_items(&run_key, "LINK#222222222222#exp-1").await;
    is_unread("link", found.link(run(), &lane()).await);
    let found = with_items(&run_key, "LISTS#222222222222#exp-1#0000").await;
    is_unread("lists", found.lists(run(), &lane()).await);
    let found = with_item("CONFIG", "current").await;
    is_unread("configuration", found.config().await);
    let found = with_item("CONFIG", "v#00000003").await;
    is_unread("version", found.config_version(3).await);
    let found = with_item("CONFIG", "suspensions").await;
    is_unread("suspensions", found.suspensions().await);
    let found = with_item("MEMBER", "222222222222").await;
    is_unread("member", found.onboarding(&lane().account).await);
}

#[tokio::test]
async fn an_item_among_others_is_told_beside_them() {
    let of_product = About::Product(product());
    let lane_key = "LANE#222222222222#exp-1";
    let run_key = format!("RUN#{}", run());
    let found = with_items(lane_key, "PRODUCT#prod-a").await;
    is_found(
        "claimed change",
        found.open(&lane()).await,
        Some(&of_product),
    );
    let found = with_items(lane_key, "PRODUCT#prod-a").await;
    let quarantined = found.quarantined(&lane()).await;
    is_found("quarantined change", quarantined, Some(&of_product));
    let found = with_items(lane_key, "PRODUCT#prod-a").await;
    is_found("change", found.products(&lane()).await, Some(&of_product));
    let found = with_items(lane_key, "SET#000000000001").await;
    is_found("change set", found.sets(&lane(), None).await, None);
    let found = with_items("LANES", "222222222222#exp-1").await;
    let of_lane = About::Lane(Box::new(lane()));
    is_found("lane entry", found.lanes().await, Some(&of_lane));
    let found = with_items("RUN", &run().to_string()).await;
    is_found("newest runs", found.newest_runs(5).await, None);
    let found = with_items("RUN", &run().to_string()).await;
    is_found("unfinished runs", found.unfinished_runs(5).await, None);
    let found = with_items("LINK_STATES", "222222222222#exp-1").await;
    is_found("link states", found.link_states().await, None);
    let found = with_items(&run_key, "DEAD#1").await;
    is_found("dead letter", found.dead_letters(run()).await, None);
    let found = with_items(&run_key, "LINK#222222222222#exp-1").await;
    is_found("links", found.links(run()).await, None);
    let found = with_items("MEMBER", "222222222222").await;
    is_found("members", found.onboardings().await, None);
    let found = with_one_of("LIVE", "prod-a").await;
    is_found(
        "listing",
        found.live(&[product()].into()).await,
        Some(&of_product),
    );
    let key = "event:e1".to_owned();
    let found = with_one_of("REQUEST#event:e1", "RECEIPT").await;
    let of_request = About::Request(key.as_str().into());
    is_found(
        "receipt",
        found.receipts(&[key].into()).await,
        Some(&of_request),
    );
}

#[tokio::test]
async fn an_unreadable_last_run_is_replaced_by_the_newest_run_on_record_and_is_not_written() {
    let newest = RunId::next(None, now().as_millisecond() + 5_000, 1);
    let by_key = json!({ "Item": item("RUN", "#last") });
    let on_record = json!({ "Items": [item("RUN", &newest.to_string())] });
    let (script, found) = ledger([(200, None, by_key), (200, None, on_record)]).await;
    assert!(found.next_run(now(), 7).await.unwrap() > newest);
    assert_eq!(script.seen().len(), 2, "nothing is written");
}

/// The condition of a write does not hold; the item that is there has schema 999.
fn refused() -> Answer {
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
        "message": "The conditional request failed",
        "Item": item("LANE#222222222222#exp-1", "PRODUCT#prod-a"),
    });
    (400, None, body)
}

/// What the last write is conditioned on.
fn condition(script: &Script) -> String {
    let seen = script.seen();
    let writes = seen
        .iter()
        .rev()
        .find(|call| call.target.ends_with("PutItem") || call.target.ends_with("UpdateItem"));
    let condition = &writes.unwrap().body["ConditionExpression"];
    condition.as_str().unwrap_or_default().to_owned()
}

fn fixture<T: serde::de::DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).unwrap()
}

fn is_kept<T: Debug>(kind: &str, script: &Script, written: Result<T, ServiceError>) {
    let error = written.expect_err(kind);
    assert_eq!(error.kind, Kind::Unreadable, "{kind}: {error}");
    let condition = condition(script);
    assert!(
        condition.contains("#schema <= :schema"),
        "{kind}: {condition}"
    );
}

#[tokio::test]
async fn a_write_without_another_condition_goes_over_no_newer_item() {
    let link: LinkRecord = fixture(include_str!("../../fixtures/link-1.json"));
    let link = LinkRecord {
        allow: [].into(),
        deny: [].into(),
        ..link
    };
    let (script, kept) = ledger([refused()]).await;
    let run_record: RunRecord = fixture(include_str!("../../fixtures/run-1-c.json"));
    is_kept("run", &script, kept.put_run(&run_record).await);
    let (script, kept) = ledger([refused()]).await;
    is_kept("link", &script, kept.put_link(&link).await);
    let (script, kept) = ledger([refused()]).await;
    is_kept("lane entry", &script, kept.register(&lane(), &link).await);
    let (script, kept) = ledger([(200, None, json!({})), refused()]).await;
    let lists = PolicySnapshot::new([product()], []);
    let written = kept.put_lists(run(), &lane(), &lists, now()).await;
    is_kept("lists", &script, written);
    let (script, kept) = ledger([refused()]).await;
    let live: LiveRecord = fixture(include_str!("../../fixtures/live-1.json"));
    is_kept("listing", &script, kept.put_live(&live).await);
    let (script, kept) = ledger([refused()]).await;
    let letter: DeadLetterRecord = fixture(include_str!("../../fixtures/dead-letter-1.json"));
    is_kept(
        "dead letter",
        &script,
        kept.put_dead_letter(run(), &letter).await,
    );
    let (script, kept) = ledger([refused()]).await;
    let claimed = kept.claim(&message(0), now()).await;
    is_kept("claim", &script, claimed);
}

/// Writes of what was read are conditioned on that, and a newer release writes another revision.
#[tokio::test]
async fn a_write_of_what_was_read_goes_over_no_newer_item() {
    let (script, kept) = ledger([refused()]).await;
    let stored = kept.store(&lane(), 6, &LaneState::default()).await;
    assert_eq!(stored.unwrap_err().kind, Kind::Conflict);
    assert_eq!(condition(&script), "#rev = :read_rev");
    let (script, kept) = ledger([refused()]).await;
    let suspensions = Suspensions {
        rev: 3,
        ..Suspensions::default()
    };
    let stored = kept.put_suspensions(&suspensions).await;
    assert_eq!(stored.unwrap_err().kind, Kind::Conflict);
    assert_eq!(condition(&script), "#rev = :rev");
    let (script, kept) = ledger([refused()]).await;
    let state = LinkState {
        rev: 3,
        ..LinkState::default()
    };
    let stored = kept.put_link_state(&lane(), &state).await;
    assert_eq!(stored.unwrap_err().kind, Kind::Conflict);
    assert_eq!(condition(&script), "#rev = :rev");
    let receipt: Receipt = fixture(include_str!("../../fixtures/receipt-1.json"));
    for (before, expected) in [
        (None, "attribute_not_exists(pk)"),
        (Some(run()), "#run = :before"),
    ] {
        let (script, kept) = ledger([refused()]).await;
        let stored = kept.put_receipt(&receipt, before).await;
        assert_eq!(stored.unwrap_err().kind, Kind::Conflict);
        assert_eq!(condition(&script), expected);
    }
    let (script, kept) = ledger([refused()]).await;
    let account = lane().account;
    let experience = lane().experience;
    let stored = kept.set_onboarding_experience(&account, &experience, now());
    assert_eq!(stored.await.unwrap_err().kind, Kind::Conflict);
    assert!(condition(&script).contains("#schema <= :schema"));
}

/// The worker and the producer go on without these items.
#[tokio::test]
async fn a_newer_change_is_neither_closed_nor_quarantined_nor_released() {
    let newer = "#schema <= :schema";
    let (script, kept) = ledger([refused()]).await;
    let changes = [(product(), run())];
    let lane = lane();
    let closed = kept.close(&lane, &changes, Closing::Applied, None, now());
    closed.await.unwrap();
    assert!(condition(&script).contains(newer));
    let quarantined: Quarantined = fixture(
        r#"{"product":"prod-a","action":"allow","run":"01KDVDP300000000000000000G","error_code":"E","error_message":"m","change_set":"cs1","quarantined_at":"2026-01-01T00:00:00Z"}"#,
    );
    let (script, kept) = ledger([refused()]).await;
    kept.release(&lane, &quarantined, now()).await.unwrap();
    assert!(condition(&script).contains(newer));
    let failed = fixture(
        r#"{"change":{"product":"prod-a","action":"allow","run":"01KDVDP300000000000000000G","ordinal":0},"code":"E","message":"m","change_set":"cs1"}"#,
    );
    let mut found = item("LANE#222222222222#exp-1", "PRODUCT#prod-a");
    found["open_rank"] = json!({ "S": "Q#prod-a" });
    let (script, kept) = ledger([refused(), (200, None, json!({ "Item": found }))]).await;
    let outcome = kept.quarantine(&lane, &failed, now()).await.unwrap();
    assert_eq!(outcome, Quarantining::Gone);
    assert!(condition(&script).contains(newer));
    let (script, kept) = ledger([refused()]).await;
    let set: SetRecord = fixture(include_str!("../../fixtures/set-1.json"));
    kept.keep_set(&lane, &set).await.unwrap();
    assert!(condition(&script).contains(newer));
}
