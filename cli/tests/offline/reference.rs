//! What is generated of the documentation is what is checked in.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;

use crate::schemas;
use crate::setup::{Home, text};

/// Every file under a folder, by its path in it.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
                found.insert(name.to_owned(), std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn what_is_generated_is_what_is_checked_in() {
    let home = Home::new();
    let made = home.path().join("docs");
    home.run(&["reference", text(&made)]).ended_with(0);
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let made = files(&made);
    assert!(made.len() > 20, "{:?}", made.keys());
    let again = "write it anew with `cargo run -p pmp-sync -- reference docs`";
    for (name, text) in &made {
        let is = std::fs::read_to_string(docs.join(name)).unwrap_or_default();
        assert!(is == *text, "docs/{name} is not up to date: {again}");
    }
    // Of a command that is no more nothing stays.
    for name in files(&docs.join("schemas")).keys() {
        let name = format!("schemas/{name}");
        assert!(made.contains_key(&name), "docs/{name} is not generated");
    }
}

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
        "of": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "requester": null, "account": null, "why": null,
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
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let fixtures = files(&root.join("shared/domain/fixtures/events"));
    assert_eq!(fixtures.len(), 6, "{:?}", fixtures.keys());
    for (name, text) in fixtures {
        let schema = root
            .join("docs/schemas/events")
            .join(name.replace("-1", ""));
        let schema = serde_json::from_str(&std::fs::read_to_string(schema).unwrap()).unwrap();
        let schema = jsonschema::validator_for(&schema).unwrap();
        let mut detail: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(schema.is_valid(&detail), "{name}");
        let without = detail.as_object_mut().unwrap();
        without.remove("message");
        assert!(!schema.is_valid(&detail), "{name} needs no message");
    }
}
