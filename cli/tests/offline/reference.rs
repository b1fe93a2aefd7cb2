//! The schemas that are checked in refuse what is wrong, and take what was ever put on the bus.

use serde_json::json;

use crate::schemas;

#[test]
fn what_a_schema_does_not_know_is_told_by_the_tests() {
    let arguments = ["--json", "config", "apply", "x.toml"].map(str::to_owned);
    let good = json!({ "version": 1, "stored": true });
    assert_eq!(schemas::complaint(&arguments, &good), None);
    for wrong in [
        json!({ "version": 1, "stored": true, "more": 1 }),
        json!({ "version": 1 }),
        json!({ "version": "1", "stored": true }),
        json!({ "error": { "code": "aws", "message": "" } }),
    ] {
        assert!(schemas::complaint(&arguments, &wrong).is_some(), "{wrong}");
    }
    let error = json!({ "error": { "code": "aws", "message": "", "what_to_do": null } });
    assert_eq!(schemas::complaint(&arguments, &error), None);
    let approval = json!({
        "schema": 1, "at": "2026-01-01T00:00:00Z", "run": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "lane": null,
        "member": "emea", "event": "approved", "wanted": "approve", "plan_hash": null,
        "of": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "requester": null, "account": null, "why": null, "reason": null, "names": {},
    });
    assert_eq!(schemas::of("history-export", &approval), None);
    for (key, value) in [
        ("more", json!(1)),
        ("at", json!("today")),
        ("run", json!("x")),
    ] {
        let mut wrong = approval.clone();
        wrong[key] = value;
        assert!(schemas::of("history-export", &wrong).is_some(), "{wrong}");
    }
}

/// What was ever put on the bus is described by what is checked in.
#[test]
fn the_fixtures_of_events_are_valid_against_their_schemas() {
    let fixtures = schemas::folder().join("../../shared/domain/fixtures/events");
    let fixtures = std::fs::read_dir(fixtures).unwrap();
    let fixtures: Vec<_> = fixtures.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(fixtures.len(), 13, "{fixtures:?}");
    for path in fixtures {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let schema = format!("events/{}", name.replace("-1-named", "").replace("-1", ""));
        let text = std::fs::read_to_string(&path).unwrap();
        let mut detail: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(schemas::of(&schema, &detail), None, "{name}");
        let without = detail.as_object_mut().unwrap();
        without.remove("message");
        assert!(
            schemas::of(&schema, &detail).is_some(),
            "{name} needs no message"
        );
    }
}
