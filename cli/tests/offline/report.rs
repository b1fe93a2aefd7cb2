//! `pmp-sync report`: what it asks, writes, refuses and ends with.

use std::time::Duration;

use serde_json::{Value, json};

use crate::setup::{FakeAws, Home, fixture, text};

const EMEA: &str = "exp-9d1kq27hs0abc";
const MANAGEMENT: &str = "exp-4s8kd0qmw1x2y";

/// The producer's answer to both of what it is asked: standings and dead letters.
fn answer(emea: &Value) -> Value {
    let mut link = json!({
        "member": "emea", "account": "222222222222", "experience": EMEA, "management_experience": MANAGEMENT,
        "mode": "mirror", "differing": [], "whys": [], "denied_besides": ["prod-x"], "held_for": [],
    });
    let fields = link.as_object_mut().unwrap();
    fields.extend(emea.as_object().unwrap().clone());
    json!({
        "schema": 1, "config_version": 7,
        "management": [{ "experience": MANAGEMENT, "allowed": ["prod-a", "prod-b"], "denied": ["prod-c"], "oddities": [] }],
        "links": [link], "letters": [], "faults": [],
    })
}

fn aws(emea: &Value) -> FakeAws {
    let config = std::fs::read_to_string(fixture()).unwrap();
    FakeAws::start(&config, &answer(emea), Duration::ZERO)
}

fn differing() -> Value {
    json!({
        "differing": [
            { "product": "prod-a", "standing": "denied", "wanted": "allow", "why": 0 },
            { "product": "prod-c", "standing": "allowed", "wanted": "deny", "why": 1 },
        ],
        "whys": [
            { "answer": "planned" },
            {
                "answer": "quarantined", "action": "deny", "error_code": "INVALID_PRODUCT", "error_message": "no such product",
                "change_set": "cs1", "run": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "since": "2026-01-01T00:00:00Z",
            },
        ],
    })
}

#[test]
fn the_page_is_written_and_the_model_is_printed() {
    let home = Home::new();
    let aws = aws(&differing());
    let page = home.path().join("report.html");
    let arguments = [
        "report",
        "--html",
        text(&page),
        "--json",
        "--member",
        "emea",
    ];
    let model = aws.run(&home, &arguments).ended_with(0).json();
    assert_eq!(
        (&model["schema"], &model["counts"]["quarantined"]),
        (&json!(1), &json!(1))
    );
    let link = &model["links"][0];
    assert_eq!(
        (&link["member"], &link["state"]),
        (&json!("emea"), &json!("quarantined"))
    );
    let reason = |place: usize| {
        let place = link["differing"][place]["why"].as_u64().unwrap();
        &model["reasons"][usize::try_from(place).unwrap()]
    };
    assert_eq!(
        reason(0)["command"],
        format!("pmp-sync sync --wait --member emea --experience {EMEA}")
    );
    assert_eq!(
        reason(1)["command"],
        "pmp-sync dlq replay --member emea --product prod-c"
    );
    assert_eq!(reason(1)["kind"], "quarantined");
    let html = std::fs::read_to_string(&page).unwrap();
    for part in [
        "<!doctype html>",
        "Content-Security-Policy",
        "emea",
        EMEA,
        "prod-c",
    ] {
        assert!(html.contains(part), "{part}");
    }
    let sent = aws.sent();
    let asked: Vec<_> = sent
        .iter()
        .map(|event| event["detail-type"].as_str().unwrap())
        .collect();
    assert!(
        asked.contains(&"Report Requested") && asked.contains(&"Dead Letters Requested"),
        "{asked:?}"
    );
    for event in sent {
        let detail = &event["detail"];
        let members = detail["scope"]["members"]
            .as_array()
            .or(detail["filter"]["members"].as_array());
        assert_eq!(members, Some(&vec![json!("emea")]), "{detail}");
    }
}

#[test]
fn nothing_is_replaced_unasked_and_a_place_is_needed() {
    let home = Home::new();
    let aws = aws(&json!({}));
    let page = home.file("report.html", "mine");
    let page = text(&page);
    let refused = aws
        .run(&home, &["report", "--html", page, "--json"])
        .ended_with(5);
    refused.is_json_failure("file");
    assert_eq!(
        aws.invocations(),
        0,
        "it is refused before anything is asked"
    );
    assert_eq!(std::fs::read_to_string(page).unwrap(), "mine");
    aws.run(
        &home,
        &["report", "--html", page, "--member", "emea", "--force"],
    )
    .ended_with(0);
    assert!(
        std::fs::read_to_string(page)
            .unwrap()
            .starts_with("<!doctype html>")
    );
    let nowhere = aws.run(&home, &["report"]).ended_with(5);
    assert!(nowhere.stderr.contains("--html"), "{nowhere:?}");
    aws.run(&home, &["report", "--html", "-", "--json"])
        .ended_with(5);
    let unknown = ["report", "--html", "-", "--member", "nobody"];
    let unknown = aws.run(&home, &unknown).ended_with(5);
    assert!(
        unknown.stderr.contains("no link has the member nobody"),
        "{unknown:?}"
    );
    let shown = aws
        .run(&home, &["report", "--html", "-", "--member", "emea"])
        .ended_with(0);
    assert!(shown.stdout.starts_with("<!doctype html>") && shown.stdout.ends_with("</html>\n"));
}

#[test]
fn a_member_that_cannot_be_looked_at_is_in_the_report_with_its_way_forward() {
    let home = Home::new();
    let fault = json!({ "fault": { "code": "PMS-3001", "message": "no role", "remedy": "check external_id" } });
    let aws = aws(&fault);
    let page = home.path().join("report.html");
    let arguments = [
        "report",
        "--html",
        text(&page),
        "--json",
        "--member",
        "emea",
    ];
    let answer = aws.run(&home, &arguments).ended_with(4);
    let model = answer.json();
    assert_eq!(model["links"][0]["state"], "unreachable");
    assert_eq!(model["attention"][0]["kind"], "unreachable");
    assert!(
        answer
            .stderr
            .contains("1 of 1 member experience cannot be looked at"),
        "{answer:?}"
    );
    let html = std::fs::read_to_string(&page).unwrap();
    // A code is kept on one line.
    assert!(html.contains("PMS-3001:</span> no role") && html.contains("check external_id"));
}

#[test]
fn a_producer_that_does_not_understand_the_question_is_told_for_each_member() {
    let home = Home::new();
    let config = std::fs::read_to_string(fixture()).unwrap();
    let aws = FakeAws::start(&config, &json!({ "unexpected": true }), Duration::ZERO);
    let answer = aws.run(&home, &["report", "--json"]).ended_with(4);
    let model = answer.json();
    let links = model["links"].as_array().unwrap();
    assert!(!links.is_empty(), "{model}");
    for link in links {
        assert_eq!(link["state"], "unreachable");
        let remedy = link["fault"]["remedy"].as_str().unwrap();
        assert!(
            remedy.contains("deploy the management stack anew"),
            "{remedy}"
        );
        assert!(link["dead_letters"].is_null());
    }
}
