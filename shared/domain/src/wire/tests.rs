//! The messages as they stand on the wire.

use serde_json::Value;

use super::*;
use crate::approval::{ApprovalAction, ApprovalRequest};
use crate::ids::{ChangeSetId, LaneId, RunId};
use crate::plan::Plan;
use crate::policy::Action;

const FIXTURES: [(&str, &str); 5] = [
    ("change", include_str!("../../fixtures/change-1.json")),
    ("tick", include_str!("../../fixtures/tick-1.json")),
    ("retry", include_str!("../../fixtures/retry-1.json")),
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
            lane: lane.clone(),
            run: Some(run)
        })
    );
    let change_set = ChangeSetId::new("cs-7").unwrap();
    assert_eq!(
        Trigger::parse(&body(lane_edited(&lane, &change_set))),
        Ok(Trigger::LaneEdited {
            lane: lane.clone(),
            change_set
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

/// The event as the bus delivers it.
fn delivered((source, detail_type, detail): Event) -> Value {
    serde_json::json!({
        "id": "e-1",
        "account": "111111111111",
        "source": source,
        "detail-type": detail_type,
        "detail": detail,
    })
}

fn approval(action: ApprovalAction) -> ApprovalRequest {
    ApprovalRequest {
        action,
        lane: "222222222222/exp-1".parse().unwrap(),
        run: RunId::next(None, 1, 1),
        plan_hash: Some(Plan::default().hash()),
        request_id: Some("r-1".to_owned()),
        requester: Some("arn".to_owned()),
        account: Some("111111111111".to_owned()),
        reason: Some("checked with the buyers".to_owned()),
    }
}

fn dead_letters(action: DeadLetterAction) -> DeadLetterRequest {
    DeadLetterRequest {
        action,
        filter: DeadLetterFilter {
            members: vec!["emea".parse().unwrap()],
            products: vec!["prod-1".parse().unwrap()],
            reasons: vec!["unreadable".to_owned()],
        },
        request_id: Some("r-1".to_owned()),
        requester: Some("arn".to_owned()),
    }
}

#[test]
fn a_request_about_a_hold_is_read_as_it_was_sent() {
    for action in [
        ApprovalAction::Approve,
        ApprovalAction::Reject,
        ApprovalAction::Restore,
        ApprovalAction::Revert,
    ] {
        let is_answer = action.undo(approval(action).run).is_none();
        let request = approval(action);
        let event = delivered(approval_requested(request.clone()));
        let read = Trigger::parse(&event.to_string());
        assert_eq!(read, Ok(Trigger::Approval(request)));
        // Only a rollback goes without the hash of a plan.
        let bare = approval_requested(ApprovalRequest {
            plan_hash: None,
            request_id: None,
            ..approval(action)
        });
        match Trigger::parse(&delivered(bare).to_string()) {
            Ok(Trigger::Approval(read)) if !is_answer => {
                assert_eq!((read.action, read.plan_hash), (action, None));
                assert_eq!(read.request_id.as_deref(), Some("e-1"), "the event's id");
            }
            Err(Unreadable::Shape(why)) => {
                assert!(is_answer && why.contains("plan_hash"));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_request_about_dead_letters_is_read_as_it_was_sent() {
    for action in [DeadLetterAction::Replay, DeadLetterAction::Discard] {
        let request = dead_letters(action);
        let event = delivered(dead_letters_requested(request.clone()));
        let read = Trigger::parse(&event.to_string());
        assert_eq!(read, Ok(Trigger::DeadLetters(request)));
    }
}

#[test]
fn a_request_of_a_newer_schema_is_not_understood_and_one_without_a_schema_is() {
    let lane: LaneId = "222222222222/exp-1".parse().unwrap();
    let requests = [
        approval_requested(approval(ApprovalAction::Approve)),
        dead_letters_requested(dead_letters(DeadLetterAction::Replay)),
        sync_requested(SyncRequest::default()),
    ];
    for request in requests {
        let mut event = delivered(request);
        event["detail"]["schema"] = 2.into();
        let read = Trigger::parse(&event.to_string());
        assert_eq!(read, Err(Unreadable::Schema(2)), "{event}");
        event["detail"].as_object_mut().unwrap().remove("schema");
        assert!(Trigger::parse(&event.to_string()).is_ok(), "{event}");
    }
    // A worker always writes it.
    let mut event = delivered(lane_settled(&lane, None));
    event["detail"].as_object_mut().unwrap().remove("schema");
    let why = Trigger::parse(&event.to_string()).unwrap_err().to_string();
    assert!(why.contains("\"schema\" is missing"), "{why}");
}

#[test]
fn each_field_of_a_message_has_a_bound_and_is_named_above_it() {
    let many = |count: usize, text: &str| -> Value { vec![text; count].into() };
    let long = |count: usize| -> Value { "x".repeat(count).into() };
    let sync = delivered(sync_requested(SyncRequest::default()));
    let letters = delivered(dead_letters_requested(dead_letters(
        DeadLetterAction::Replay,
    )));
    let hold = delivered(approval_requested(approval(ApprovalAction::Approve)));
    let ended: Value = serde_json::from_str(fixture("change-set-event")).unwrap();
    let rest = Continuation {
        run: RunId::next(None, 1, 1),
        config_version: 3,
        links: Vec::new(),
        scopes: vec![Scope::default()],
        number: 1,
    };
    let rest: Value = serde_json::from_str(&rest.to_body()).unwrap();
    let places = |count: usize| -> Value { vec![0; count].into() };
    let scopes = |count: usize| -> Value { vec![serde_json::json!({}); count].into() };
    for (event, place, fits, too_large) in [
        (&sync, "/id", long(128), long(129)),
        (&sync, "/account", long(255), long(256)),
        (&sync, "/detail/request_id", long(128), long(129)),
        (&sync, "/detail/requester", long(2_048), long(2_049)),
        (&sync, "/detail/override_reason", long(1_000), long(1_001)),
        (&sync, "/detail/scope/members", many(50, "m"), many(51, "m")),
        (
            &sync,
            "/detail/scope/experiences",
            many(50, "exp-1"),
            many(51, "exp-1"),
        ),
        (&hold, "/detail/reason", long(1_000), long(1_001)),
        (&letters, "/detail/request_id", long(128), long(129)),
        (
            &letters,
            "/detail/filter/members",
            many(50, "m"),
            many(51, "m"),
        ),
        (
            &letters,
            "/detail/filter/products",
            many(1_000, "p"),
            many(1_001, "p"),
        ),
        (
            &letters,
            "/detail/filter/reasons",
            many(20, "r"),
            many(21, "r"),
        ),
        (
            &letters,
            "/detail/filter/reasons",
            vec![long(255)].into(),
            vec![long(256)].into(),
        ),
        (&hold, "/detail/requester", long(2_048), long(2_049)),
        (&ended, "/detail/ChangeSetName", long(255), long(256)),
        (&rest, "/detail/links", places(10_000), places(10_001)),
        (&rest, "/detail/scopes", scopes(10), scopes(11)),
        (
            &rest,
            "/detail/scopes/0/members",
            many(50, "m"),
            many(51, "m"),
        ),
    ] {
        let field = place.rsplit('/').next().unwrap();
        let with = |value: Value| {
            let mut event = event.clone();
            let mut at = &mut event;
            for step in place.split('/').skip(1) {
                at = match step.parse::<usize>() {
                    Ok(number) => &mut at[number],
                    Err(_) => &mut at[step],
                };
            }
            *at = value;
            Trigger::parse(&event.to_string())
        };
        let fits = with(fits);
        assert!(fits.is_ok(), "{place}: {fits:?}");
        let Err(Unreadable::TooLarge(error)) = with(too_large) else {
            panic!("{place}");
        };
        assert_eq!(error.field, field);
        assert_eq!(error.found, error.most + 1);
    }
}

#[test]
fn only_the_end_of_a_change_set_is_one() {
    for ending in ["Succeeded", "Failed", "Cancelled"] {
        let event = fixture("change-set-event").replace("Change Set Succeeded", "Change Set X");
        assert!(Trigger::parse(&event).is_err(), "{event}");
        let event = event.replace("Change Set X", &format!("Change Set {ending}"));
        assert!(Trigger::parse(&event).is_ok(), "{event}");
        let Ok(WorkerMessage::ChangeSet(end)) = WorkerMessage::parse(&event) else {
            panic!("{event}")
        };
        assert_eq!(end.succeeded, ending == "Succeeded");
        // Anybody may put such an event on the bus under another source.
        let event = event.replace("aws.marketplacecatalog", "custom.marketplacecatalog");
        let unknown = Trigger::parse(&event);
        assert!(matches!(unknown, Err(Unreadable::UnknownEvent { .. })));
    }
}

#[test]
fn a_scope_covers_what_its_two_lists_have_in_common() {
    let scope = |members: &[&str], experiences: &[&str]| Scope {
        members: members.iter().map(|name| name.parse().unwrap()).collect(),
        experiences: experiences.iter().map(|id| id.parse().unwrap()).collect(),
    };
    let (emea, one) = ("emea".parse().unwrap(), "exp-1".parse().unwrap());
    for (scope, everything, all_of, covers) in [
        (scope(&[], &[]), true, true, true),
        (scope(&["emea"], &[]), false, true, true),
        (scope(&["apac"], &[]), false, false, false),
        (scope(&[], &["exp-1"]), false, false, true),
        (scope(&[], &["exp-2"]), false, false, false),
        (scope(&["emea"], &["exp-1"]), false, false, true),
        (scope(&["emea"], &["exp-2"]), false, false, false),
        (scope(&["apac"], &["exp-1"]), false, false, false),
    ] {
        assert_eq!(scope.is_everything(), everything, "{scope:?}");
        assert_eq!(scope.is_all_of(&emea), all_of, "{scope:?}");
        assert_eq!(scope.covers(&emea, &one), covers, "{scope:?}");
    }
}

#[test]
fn no_two_continuations_of_a_run_share_a_deduplication_id() {
    let run = RunId::next(None, 1, 1);
    let id = |run, number| {
        let (links, scopes) = (Vec::new(), Vec::new());
        let rest = Continuation {
            run,
            config_version: 1,
            links,
            scopes,
            number,
        };
        rest.deduplication_id()
    };
    let ids = [id(run, 1), id(run, 2), id(RunId::next(None, 2, 1), 1)];
    let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), 3);
    assert_eq!(id(run, 1), ids[0]);
}

#[test]
fn a_retry_is_read_back_while_it_waits_and_when_it_is_due() {
    let retry = LinkRetry {
        id: "01-0-1-some".to_owned(),
        number: 1,
        run: None,
        since: jiff::Timestamp::from_second(7).unwrap(),
        scope: Scope::default(),
    };
    let read = |body: &str| Trigger::parse(body).unwrap();
    assert_eq!(
        read(&retry.to_scheduled()),
        Trigger::RetryScheduled(retry.clone())
    );
    assert_eq!(read(&retry.to_due()), Trigger::RetryDue(retry.clone()));
    let newer = retry.to_due().replace("\"schema\":1", "\"schema\":2");
    assert_ne!(newer, retry.to_due());
    assert!(Trigger::parse(&newer).is_err());
    let long = LinkRetry {
        id: "i".repeat(limits::MOST_ID + 1),
        ..retry
    };
    assert!(Trigger::parse(&long.to_due()).is_err());
}

#[test]
fn what_a_request_says_is_in_one_line_without_what_a_terminal_obeys() {
    let detail = serde_json::json!({
        "requester": "me\n  approved by boss\u{1b}[2J",
        "override_reason": "a\tb",
    });
    let body =
        serde_json::json!({ "source": SOURCE, "detail-type": SYNC_REQUESTED, "detail": detail });
    let Trigger::SyncRequested(request) = Trigger::parse(&body.to_string()).unwrap() else {
        panic!()
    };
    assert_eq!(
        request.requester.as_deref(),
        Some("me   approved by boss [2J")
    );
    assert_eq!(request.override_reason.as_deref(), Some("a b"));
}
