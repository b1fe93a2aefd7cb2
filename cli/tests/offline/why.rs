//! `pmp-sync why`: what it sends, shows and ends with.

use std::time::Duration;

use serde_json::{Value, json};

use crate::setup::{FakeAws, Home, fixture, text, unnamed};

const EMEA: &str = "exp-9d1kq27hs0abc";

/// The producer's answer for one member experience.
fn report(answers: &Value) -> Value {
    json!({ "schema": 1, "config_version": 7, "links": [{
        "member": "emea", "account": "222222222222", "experience": EMEA,
        "management_experience": "exp-4s8kd0qmw1x2y", "mode": "mirror", "answers": answers,
    }] })
}

fn in_sync(product: &str) -> Value {
    json!({
        "product": product, "desired": "allowed", "standing": "allowed",
        "why": { "answer": "in_sync", "since": "2026-01-01T00:00:00Z", "run": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "change_set": "cs1" },
    })
}

fn differs(product: &str, why: &Value) -> Value {
    json!({
        "product": product, "desired": "allowed", "standing": "denied", "wanted": "allow", "why": why,
        "edited_since": "2026-01-01T01:00:00Z",
    })
}

fn held() -> Value {
    json!({
        "answer": "held", "reasons": [{ "guard": "most-removals", "count": 60, "limit": 50 }],
        "run": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "since": "2026-01-01T00:00:00Z",
        "approve": { "command": "approve", "run": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "experience": EMEA, "plan_hash": "0".repeat(64) },
    })
}

fn failing() -> Value {
    json!({ "product": "prod-f", "why": { "answer": "failing", "code": "PMS-3001", "message": "no role", "remedy": "check external_id" } })
}

fn aws(answer: &Value) -> FakeAws {
    let config = std::fs::read_to_string(fixture()).unwrap();
    FakeAws::start(&config, answer, Duration::ZERO)
}

#[test]
fn the_worst_answer_is_the_exit_code() {
    let home = Home::new();
    let planned = differs("prod-p", &json!({ "answer": "planned" }));
    let held = differs("prod-h", &held());
    let (calm, failing) = (in_sync("prod-a"), failing());
    for (answers, code) in [
        (json!([calm]), 0),
        (json!([calm, planned]), 2),
        (json!([planned, held, calm]), 3),
        (json!([failing, held, planned]), 4),
    ] {
        let answer = report(&answers);
        let aws = aws(&answer);
        let told = aws
            .run(&home, &["why", "prod-a", "--json"])
            .ended_with(code);
        assert_eq!(told.json(), unnamed(&answer));
        let shown = aws.run(&home, &["why", "prod-a"]).ended_with(code);
        assert_eq!(
            shown.stdout.lines().count(),
            1 + answers.as_array().unwrap().len()
        );
        assert!(!shown.stderr.contains("error"), "{shown:?}");
    }
}

#[test]
fn the_table_says_what_since_when_and_what_to_do() {
    let home = Home::new();
    let answers = json!([in_sync("prod-a"), differs("prod-h", &held()), failing()]);
    let aws = aws(&report(&answers));
    let shown = aws.run(&home, &["why", "prod-a", "prod-h", "prod-f"]);
    let shown = shown.ended_with(4);
    let lines: Vec<_> = shown.stdout.lines().collect();
    for (line, expected) in [
        (
            lines[0],
            &[
                "PRODUCT",
                "NAME",
                "MEMBER",
                "EXPERIENCE",
                "ANSWER",
                "SINCE",
                "WHAT TO DO",
            ][..],
        ),
        (
            lines[1],
            &[
                "prod-a",
                "emea",
                EMEA,
                "allowed, in sync by run 01ARZ3NDEKTSV4RRFFQ69G5FAV, change set cs1",
                "2026-01-01T00:00:00Z",
            ],
        ),
        (
            lines[2],
            &[
                "denied, should be allowed: held by run",
                "more than 50; edited outside since 2026-01-01T01:00:00Z",
                "pmp-sync approve 01ARZ3NDEKTSV4RRFFQ69G5FAV --experience exp-9d1kq27hs0abc --plan 0000",
            ],
        ),
        (lines[3], &["PMS-3001: no role", "check external_id"]),
    ] {
        for words in expected {
            assert!(line.contains(words), "{words}: {line}");
        }
    }
    assert!(
        shown
            .stderr
            .ends_with("of 3 answers, 1 in sync, 0 differing, 1 held, 1 failing\n"),
        "{shown:?}"
    );
}

#[test]
fn the_producer_is_asked_for_the_products_of_arguments_and_file_each_once() {
    let home = Home::new();
    let file = home.file("products", "# these\nprod-b\n\nprod-a\n");
    let aws = aws(&report(&json!([])));
    let arguments = [
        "why",
        "prod-a",
        "--file",
        text(&file),
        "--member",
        "emea",
        "--experience",
        EMEA,
    ];
    aws.run(&home, &arguments).ended_with(0);
    let sent = aws.sent();
    let expected = json!({
        "source": "pmp-sync", "detail-type": "Why Requested",
        "detail": { "scope": { "members": ["emea"], "experiences": [EMEA] }, "products": ["prod-a", "prod-b"] },
    });
    assert_eq!(sent, [expected]);
}

#[test]
fn what_cannot_be_asked_is_refused_before_anything_is_asked() {
    let home = Home::new();
    let aws = aws(&report(&json!([])));
    let wrong = home.file("wrong", "prod-a\nprod b\n");
    let none = home.file("none", "# nothing\n");
    let many = (0..2_001).map(|number| format!("prod-{number}\n"));
    let many = home.file("many", &many.collect::<String>());
    let elsewhere = [
        "why",
        "a",
        "--member",
        "emea",
        "--experience",
        "exp-0000000000000",
    ];
    for (arguments, code, word, why) in [
        (&["why"][..], 5, "command-line", "required"),
        (&["why", "prod a"], 5, "unknown", "prod a"),
        (
            &["why", "--file", text(&none)],
            5,
            "command-line",
            "no product is named",
        ),
        (
            &["why", "--file", "-"],
            5,
            "command-line",
            "no product is named",
        ),
        (
            &["why", "--file", text(&many)],
            5,
            "command-line",
            "2001 products",
        ),
        (&["why", "--file", text(&wrong)], 5, "unknown", "prod b"),
        (&["why", "--file", "not-there"], 5, "file", "not-there"),
        (&["why", "a", "--member", "nobody"], 5, "unknown", "nobody"),
        (&elsewhere, 5, "unknown", "exp-0000000000000"),
    ] {
        let answer = aws.run(&home, &[arguments, &["--json"]].concat());
        let answer = answer.ended_with(code);
        assert_eq!(answer.json()["error"]["code"], word, "{answer:?}");
        assert!(answer.stderr.contains(why), "{why}: {answer:?}");
    }
    assert_eq!(aws.invocations(), 0);
}

#[test]
fn plan_tells_what_was_edited_outside_and_since_when() {
    let home = Home::new();
    let link = |edited: &[&str], since: Option<&str>| {
        json!({
            "member": "emea", "experience": EMEA, "decision": "commit", "allow": ["prod-a"], "deny": [], "removals": 0,
            "fewest_change_sets": 1, "left_alone": [], "contradictory": [], "fault": null,
            "edited": edited, "edited_since": since,
            "account": "222222222222", "management_experience": "exp-4s8kd0qmw1x2y", "mode": "mirror", "plan_hash": null,
        })
    };
    let edited = link(&["prod-a"], Some("2026-01-01T00:00:00Z"));
    let mut before = link(&[], None);
    before
        .as_object_mut()
        .unwrap()
        .retain(|name, _| !name.starts_with("edited"));
    let aws = aws(&json!({ "schema": 1, "config_version": 7, "links": [edited, before] }));
    // Something differs.
    let shown = aws.run(&home, &["plan", "--products"]).ended_with(2);
    let lines: Vec<_> = shown.stdout.lines().collect();
    assert!(lines[0].ends_with("EDITED OUTSIDE"), "{shown:?}");
    assert!(
        lines[1].ends_with("1 since 2026-01-01T00:00:00Z"),
        "{shown:?}"
    );
    assert!(lines[2].ends_with('0'), "{shown:?}");
    let listed = format!("emea {EMEA} edited outside prod-a");
    assert!(lines.contains(&listed.as_str()), "{shown:?}");
}

#[test]
fn a_fault_of_the_producer_is_one_of_the_command() {
    let home = Home::new();
    let aws = aws(
        &json!({ "fault": { "code": "PMS-8001", "message": "the request is too large", "remedy": "name fewer products" } }),
    );
    let answer = aws.run(&home, &["why", "prod-a", "--json"]).ended_with(1);
    answer.is_json_failure("PMS-8001");
    assert!(
        answer.stderr.contains("what to do: name fewer products"),
        "{answer:?}"
    );
}
