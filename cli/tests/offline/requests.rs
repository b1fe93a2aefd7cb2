//! Requests of members' users: how they are named, and what an answer to them does.

use serde_json::{Value, json};

use crate::ledger::{EXPERIENCE, Table};
use crate::product_names::{HEADQUARTERS, REGIONAL, entities, entity, two_sources};
use crate::setup::{Answer, FakeAws, Home};

const EMEA: &str = "222222222222";
const APAC: &str = "333333333333";

fn put(table: &mut Table, account: &str, id: &str, product: &str, title: &str) {
    let experience = match account {
        EMEA => EXPERIENCE,
        _ => "exp-0000000000apac",
    };
    let request = json!({
        "schema": 1, "rev": 1, "account": account, "request": id, "state": "open", "product": product,
        "title": title, "experience": experience, "requested_at": "2099-01-01T00:00:00Z",
        "recorded_at": "2099-01-01T00:00:00Z",
    });
    table.put(&format!("PRODUCT_REQUESTS#{account}"), id, &request);
}

fn put_answer(table: &mut Table, account: &str, id: &str, reason: &str) {
    let answer = json!({
        "schema": 1, "account": account, "request": id, "product": "prod-kept", "answered": "declined",
        "reason": reason, "at": "2099-01-02T00:00:00Z",
    });
    table.put("REQUEST_ANSWERS", &format!("{account}#{id}"), &answer);
}

/// Requests for a product that headquarters allows and the region denies, and for one that all allow.
fn table() -> Table {
    let mut table = two_sources();
    put(
        &mut table,
        EMEA,
        "pr-1111",
        "prod-palmyra4",
        "Writer Palmyra X4",
    );
    put(&mut table, EMEA, "pr-2222", "prod-kept", "Example Database");
    put(&mut table, APAC, "pr-3333", "prod-kept", "Example Database");
    put(
        &mut table,
        APAC,
        "pr-4444",
        "prod-listed",
        "Listed Elsewhere",
    );
    table.put_listing("prod-kept", "Example Database", "prodview-kept");
    table
}

/// The producer's plans: the product stays denied in emea if its management experiences disagree.
fn plans(_: &Value) -> Value {
    let link = |member: &str, account: &str, experience: &str, fields: &Value| {
        let mut link = json!({
            "member": member, "account": account, "experience": experience, "mode": "mirror",
            "decision": "in_sync", "allow": [], "deny": [], "removals": 0, "fewest_change_sets": 0,
            "plan_hash": null, "left_alone": [], "contradictory": [], "held_for": [], "fault": null,
        });
        let all = link.as_object_mut().unwrap();
        all.extend(fields.as_object().unwrap().clone());
        link
    };
    let conflicts = json!([
        { "allowed_by": [REGIONAL], "denied_by": [HEADQUARTERS], "products": ["prod-palmyra4"] },
    ]);
    let both = json!({ "management_experience": HEADQUARTERS,
        "management_experiences": [HEADQUARTERS, REGIONAL], "conflicts": conflicts });
    let one = json!({ "management_experience": HEADQUARTERS });
    json!({ "schema": 1, "config_version": 7, "links": [
        link("emea", EMEA, EXPERIENCE, &both),
        link("apac", APAC, "exp-0000000000apac", &one),
    ] })
}

fn aws(table: Table) -> FakeAws {
    FakeAws::planning(table, plans).with_catalog(entity, entities)
}

#[track_caller]
fn tells(answer: &Answer, words: &[&str]) {
    for words in words {
        assert!(answer.stderr.contains(words), "{words}: {answer:?}");
    }
}

/// The requests of whose answers a record was written.
fn recorded(aws: &FakeAws) -> Vec<String> {
    let items = aws.put();
    let answers = items
        .iter()
        .filter(|item| item["pk"]["S"] == "REQUEST_ANSWERS");
    let ids = answers.map(|item| item["request"]["S"].as_str().unwrap().to_owned());
    ids.collect()
}

#[test]
fn a_request_is_not_approved_while_another_management_experience_denies_the_product() {
    let (home, aws) = (Home::new(), aws(table()));
    let refused = aws.run(
        &home,
        &["requests", "approve", "pr-1111", "--yes", "--json"],
    );
    let refused = refused.ended_with(5);
    refused.is_json_failure("command-line");
    tells(
        &refused,
        &[
            "prod-palmyra4 would stay denied: it is allowed by exp-7r9eg0ional77 and denied by exp-4s8kd0qmw1x2y",
            "decline the request",
        ],
    );
    assert_eq!(aws.put(), [] as [Value; 0]);
}

#[test]
fn an_answer_that_is_on_record_stays_while_others_wait() {
    let home = Home::new();
    let mut table = table();
    put_answer(&mut table, EMEA, "pr-2222", "too expensive");
    let aws = aws(table.clone());
    let approve = [
        "requests",
        "approve",
        "example database",
        "--experience",
        "Headquarters",
        "--yes",
        "--json",
    ];
    let approved = aws.run(&home, &approve).ended_with(0);
    tells(
        &approved,
        &["pr-2222 of emea was declined: too expensive; it stays as it is"],
    );
    assert_eq!(approved.json()["requests"].as_array().unwrap().len(), 1);
    assert_eq!(recorded(&aws), ["pr-3333"]);
    // Once all are answered, a new answer replaces them, and that is said.
    put_answer(&mut table, APAC, "pr-3333", "too late");
    let aws = self::aws(table);
    let approved = aws.run(&home, &approve).ended_with(0);
    tells(
        &approved,
        &["pr-3333 of apac was declined: too late; this answer replaces it"],
    );
    assert_eq!(recorded(&aws).len(), 2);
}

#[test]
fn requests_are_named_as_products_are_or_by_the_beginning_of_their_ids() {
    let (home, aws) = (Home::new(), aws(table()));
    for (named, count) in [
        ("pr-3", 1),
        ("pr-3333", 1),
        ("prod-kept", 2),
        ("Database: Example", 2),
        ("aws.amazon.com/marketplace/pp/prodview-elsewhere", 1),
        (
            "https://aws.amazon.com/marketplace/pp/prodview-kept?ref_=x",
            2,
        ),
    ] {
        let decline = [
            "requests", "decline", named, "--reason", "no", "--yes", "--json",
        ];
        let declined = aws.run(&home, &decline).ended_with(0).json();
        let requests = declined["requests"].as_array().unwrap();
        assert_eq!(requests.len(), count, "{named}: {declined}");
    }
    for (arguments, told) in [
        (
            &["Exampel Databse"][..],
            "did you mean prod-kept (Example Database",
        ),
        (&["pr-3334"], "did you mean pr-3333?"),
        (
            &["pr-3333", "--member", "emea"],
            "no request of emea, but 1 request of apac",
        ),
        (&["pr-3333", "--member", "apca"], "did you mean apac?"),
        (
            &["pr-3333", "--experience", "exp-nope"],
            "no experience exp-nope",
        ),
        (
            &["pr-3333", "--experience", "Regoinal"],
            "did you mean exp-7r9eg0ional77 (Regional)?",
        ),
    ] {
        for command in ["approve", "decline"] {
            if command == "decline" && arguments.contains(&"--experience") {
                continue;
            }
            let mut all = [&["requests", command], arguments, &["--json"]].concat();
            if command == "decline" {
                all.extend(["--reason", "no"]);
            }
            let answer = aws.run(&home, &all).ended_with(5);
            answer.is_json_failure("unknown");
            tells(&answer, &[told]);
        }
    }
}

#[test]
fn the_list_is_narrowed_to_a_product_as_products_are_named_and_a_typo_is_a_question() {
    let (home, aws) = (Home::new(), aws(table()));
    for named in [
        "prod-kept",
        "example database",
        "Database: Example",
        "prodview-kept",
        "https://aws.amazon.com/marketplace/pp/prodview-kept",
    ] {
        let listed = aws.run(&home, &["requests", "--product", named, "--json"]);
        let listed = listed.ended_with(0).json();
        let requests = listed["requests"].as_array().unwrap();
        assert_eq!(requests.len(), 2, "{named}: {listed}");
    }
    let none = aws.run(&home, &["requests", "--product", "nothing like it"]);
    tells(&none.ended_with(5), &["no known product has the name"]);
    let typo = aws.run(&home, &["requests", "--product", "Exampel Databse"]);
    tells(
        &typo.ended_with(0),
        &["did you mean prod-kept (Example Database"],
    );
    for arguments in [
        &["requests", "--member", "emae"][..],
        &["requests", "--member", "emae", "--watch"],
        &["scp", "--member", "emae"],
    ] {
        let answer = aws.run(&home, arguments).ended_with(5);
        tells(&answer, &["no member is named emae; did you mean emea?"]);
    }
}

#[test]
fn a_reason_says_something_and_a_long_one_is_not_repeated() {
    let (home, aws) = (Home::new(), aws(table()));
    let long = "x".repeat(2_000);
    for command in ["approve", "decline"] {
        for reason in ["", "  ", &long] {
            let all = ["requests", command, "pr-3333", "--reason", reason, "--yes"];
            let answer = aws.run(&home, &all).ended_with(5);
            tells(&answer, &["1 to 1000 bytes are expected"]);
            assert!(answer.stderr.len() < 600, "{answer:?}");
        }
    }
    assert_eq!(aws.put(), [] as [Value; 0]);
}
