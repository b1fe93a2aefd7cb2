//! The messages as they stand on the wire.

use serde_json::Value;

use super::*;
use crate::ids::{LaneId, RunId};
use crate::policy::Action;

const FIXTURES: [(&str, &str); 4] = [
    ("change", include_str!("../../fixtures/change-1.json")),
    ("tick", include_str!("../../fixtures/tick-1.json")),
    (
        "change-set-event",
        include_str!("../../fixtures/change-set-event.json"),
    ),
    (
        "foreign-change-set-event",
        include_str!("../../fixtures/change-set-event-foreign.json"),
    ),
];

fn fixture(name: &str) -> &'static str {
    FIXTURES.iter().find(|(n, _)| *n == name).unwrap().1
}

#[test]
fn a_change_is_read_and_written_as_the_fixture_has_it() {
    let WorkerMessage::Change(change) = WorkerMessage::parse(fixture("change")).unwrap() else {
        panic!()
    };
    let written: Value = serde_json::from_str(&change.to_body()).unwrap();
    let expected: Value = serde_json::from_str(fixture("change")).unwrap();
    assert_eq!(written, expected);
    assert_eq!((change.action, change.ordinal), (Action::Deny, 7));
}

#[test]
fn a_tick_is_read_and_written_as_the_fixture_has_it() {
    let WorkerMessage::Tick(tick) = WorkerMessage::parse(fixture("tick")).unwrap() else {
        panic!()
    };
    let written: Value = serde_json::from_str(&tick.to_body()).unwrap();
    let expected: Value = serde_json::from_str(fixture("tick")).unwrap();
    assert_eq!(written, expected);
}

#[test]
fn a_finished_change_set_tells_the_lane_only_if_it_is_ours() {
    let WorkerMessage::ChangeSet(ours) = WorkerMessage::parse(fixture("change-set-event")).unwrap()
    else {
        panic!()
    };
    assert!(ours.is_ours());
    assert_eq!(ours.lane().map(|name| name.seq), Some(12));
    let WorkerMessage::ChangeSet(other) =
        WorkerMessage::parse(fixture("foreign-change-set-event")).unwrap()
    else {
        panic!()
    };
    assert!(!other.is_ours());
    assert_eq!(other.lane(), None);
}

#[test]
fn newer_fields_are_ignored_and_a_newer_schema_is_not_understood() {
    let newer = fixture("change").replace("\"schema\": 1", "\"schema\": 1, \"priority\": 3");
    assert!(WorkerMessage::parse(&newer).is_ok());
    let newer = fixture("change").replace("\"schema\": 1", "\"schema\": 2");
    assert_eq!(WorkerMessage::parse(&newer), Err(Unreadable::Schema(2)));
}

#[test]
fn what_is_not_understood_says_why() {
    for body in [
        "",
        "{",
        "[]",
        "{}",
        "null",
        r#"{"schema":1}"#,
        r#"{"schema":1,"kind":"other"}"#,
        r#"{"schema":1,"kind":"tick","account":"1","experience":"exp-1","number":1}"#,
    ] {
        assert!(
            matches!(WorkerMessage::parse(body), Err(Unreadable::Shape(_))),
            "{body}"
        );
    }
    let event = r#"{"source":"aws.ec2","detail-type":"Instance State-change","detail":{}}"#;
    let error = WorkerMessage::parse(event).unwrap_err().to_string();
    assert!(error.contains("aws.ec2"), "{error}");
    assert!(matches!(
        Trigger::parse(event),
        Err(Unreadable::UnknownEvent { .. })
    ));
    let cut =
        r#"{"source":"aws.marketplacecatalog","detail-type":"Change Set Failed","detail":{}}"#;
    assert!(matches!(
        WorkerMessage::parse(cut),
        Err(Unreadable::Shape(_))
    ));
}

#[test]
fn every_trigger_is_read() {
    assert_eq!(
        Trigger::parse(
            r#"{"source":"pmp-sync.schedule","detail-type":"Scheduled Sync","detail":{"scheduled":"x"}}"#
        ),
        Ok(Trigger::Schedule)
    );
    let body = |(source, detail_type, detail): Event| {
        serde_json::json!({"id":"e-1","source":source,"detail-type":detail_type,"detail":detail})
            .to_string()
    };
    let scope = Scope {
        members: vec!["emea".parse().unwrap()],
        experiences: vec![],
    };
    assert_eq!(
        Trigger::parse(&body(sync_requested(SyncRequest {
            scope: scope.clone(),
            request_id: Some("r-1".to_owned()),
            override_reason: Some("a launch".to_owned()),
            ..SyncRequest::default()
        }))),
        Ok(Trigger::SyncRequested(SyncRequest {
            scope,
            request_id: Some("r-1".to_owned()),
            override_reason: Some("a launch".to_owned()),
            ..SyncRequest::default()
        }))
    );
    let bare = r#"{"id":"e-1","source":"pmp-sync","detail-type":"Sync Requested"}"#;
    assert!(matches!(
        Trigger::parse(bare),
        Ok(Trigger::SyncRequested(_))
    ));
    let array = r#"["e","pmp-sync.schedule","Scheduled Sync",null,null,null]"#;
    assert!(Trigger::parse(array).is_err());
    let by_hand = r#"{"id":"e-1","source":"pmp-sync","detail-type":"Sync Requested","detail":{}}"#;
    assert_eq!(
        Trigger::parse(by_hand),
        Ok(Trigger::SyncRequested(SyncRequest {
            request_id: Some("e-1".to_owned()),
            ..SyncRequest::default()
        }))
    );
    let misspelt = by_hand.replace(
        "\"detail\":{}",
        "\"detail\":{\"scope\":{\"member\":[\"emea\"]}}",
    );
    assert!(
        Trigger::parse(&misspelt).is_err(),
        "a scope that is not understood must not become everything"
    );
    let lane: LaneId = "222222222222/exp-1".parse().unwrap();
    let run = RunId::next(None, 1, 1);
    assert_eq!(
        Trigger::parse(&body(lane_settled(&lane, Some(run)))),
        Ok(Trigger::LaneSettled {
            lane,
            run: Some(run)
        })
    );
    let rest = Continuation {
        run,
        config_version: 3,
        links: vec![4, 5],
        scopes: vec![Scope::default()],
        number: 3,
    };
    assert_eq!(
        Trigger::parse(&rest.to_body()),
        Ok(Trigger::Continuation(rest))
    );
    assert!(
        matches!(Trigger::parse(fixture("change-set-event")), Ok(Trigger::ManagementChangeSet(event)) if event.is_ours())
    );
}
