//! How products, runs and links are named on the command line, and how products are shown.

use pmp_sync_domain::run::RunStatus;
use serde_json::{Value, json};

use crate::ledger::{EXPERIENCE, Table, ended, run};
use crate::setup::{FakeAws, Home};

/// A ledger that knows three products by name.
fn table() -> Table {
    let mut table = Table::linked();
    table.put_listing("prod-aaaa", "MongoDB Atlas", "prodview-atlas");
    table.put_listing("prod-bbbb", "MongoDB Enterprise", "prodview-enterprise");
    table.put_listing("prod-cccc", "Trend Micro Cloud One", "prodview-trend");
    table
}

/// The producer's answer about one product.
fn answer(product: &str, standing: &str) -> Value {
    json!({ "schema": 1, "config_version": 7, "links": [{
        "member": "emea", "account": "222222222222", "experience": EXPERIENCE,
        "management_experience": "exp-4s8kd0qmw1x2y", "mode": "mirror", "answers": [{
            "product": product, "desired": standing, "standing": standing,
            "why": { "answer": "in_sync" },
        }],
    }] })
}

fn aws(table: Table, product: &str, standing: &str) -> FakeAws {
    FakeAws::answering(table, &answer(product, standing))
}

/// The products that the producer was last asked about.
fn asked(aws: &FakeAws) -> Value {
    aws.sent().last().unwrap()["detail"]["products"].clone()
}

#[test]
fn a_product_is_found_by_its_id_its_name_a_part_of_it_and_its_page() {
    let home = Home::new();
    let aws = aws(table(), "prod-aaaa", "allowed");
    for named in [
        "prod-aaaa",
        "MongoDB Atlas",
        "mongodb atlas",
        "atlas",
        "https://aws.amazon.com/marketplace/pp/prodview-atlas?ref_=x",
        "prodview-atlas",
    ] {
        let told = aws.run(&home, &["why", named, "--json"]).ended_with(0);
        let names = &told.json()["names"];
        assert_eq!(names, &json!({ "prod-aaaa": "MongoDB Atlas" }), "{told:?}");
        assert_eq!(asked(&aws), json!(["prod-aaaa"]), "{named}");
        let says = told
            .stderr
            .contains("is prod-aaaa (MongoDB Atlas, by Example Corp.)");
        assert_eq!(says, named != "prod-aaaa", "{told:?}");
    }
    let shown = aws.run(&home, &["why", "atlas"]).ended_with(0);
    let line = shown.stdout.lines().nth(1).unwrap();
    assert!(
        line.contains("prod-aaaa") && line.contains("MongoDB Atlas"),
        "{line}"
    );
}

#[test]
fn several_are_listed_and_none_is_a_question_and_nothing_is_asked_of_the_producer() {
    let home = Home::new();
    let aws = aws(table(), "prod-aaaa", "allowed");
    for (named, told) in [
        (
            "MongoDB",
            "means 2 products:\n  prod-aaaa (MongoDB Atlas, by Example Corp.)",
        ),
        ("MongDB", "did you mean prod-aaaa (MongoDB Atlas"),
        ("Trend Mirco", "did you mean prod-cccc"),
        ("nothing like it", "no known product has the name or id"),
        ("https://example.com/x", "is not a page of AWS Marketplace"),
        (
            "prodview-unknown",
            "AWS Marketplace has no page prodview-unknown",
        ),
    ] {
        let answer = aws.run(&home, &["why", named, "--json"]).ended_with(5);
        answer.is_json_failure("unknown");
        assert!(answer.stderr.contains(told), "{answer:?}");
    }
    assert_eq!(aws.invocations(), 0);
}

#[test]
fn a_page_that_the_ledger_does_not_know_is_asked_for() {
    let home = Home::new();
    let aws = aws(table(), "prod-listed", "allowed");
    let told = aws.run(
        &home,
        &["why", "aws.amazon.com/marketplace/pp/prodview-elsewhere"],
    );
    let told = told.ended_with(0);
    assert!(
        told.stderr.contains("is prod-listed (Listed Elsewhere)"),
        "{told:?}"
    );
    assert_eq!(asked(&aws), json!(["prod-listed"]));
    let line = told.stdout.lines().nth(1).unwrap();
    assert!(line.contains("Listed Elsewhere"), "{line}");
}

/// "Unlisted, in sync" would be true of each typo.
#[test]
fn an_id_that_nobody_knows_is_no_answer() {
    let home = Home::new();
    let nowhere = aws(table(), "prod-doesnotexist", "unlisted");
    let told = nowhere.run(&home, &["why", "prod-doesnotexist", "--json"]);
    let told = told.ended_with(5);
    told.is_json_failure("unknown");
    assert!(
        told.stderr.contains("AWS Marketplace does not list it"),
        "{told:?}"
    );
    let typo = aws(table(), "prod-aaab", "unlisted");
    let told = typo.run(&home, &["why", "prod-aaab"]).ended_with(5);
    assert!(
        told.stderr
            .contains("did you mean prod-aaaa (MongoDB Atlas"),
        "{told:?}"
    );
    // It exists, and no list has it.
    let elsewhere = aws(table(), "prod-listed", "unlisted");
    elsewhere.run(&home, &["why", "prod-listed"]).ended_with(0);
    // A list has it, whatever AWS Marketplace says.
    let listed = aws(table(), "prod-private", "allowed");
    listed.run(&home, &["why", "prod-private"]).ended_with(0);
}

#[test]
fn a_run_is_named_by_the_beginning_of_its_id_or_as_the_last() {
    let home = Home::new();
    let mut table = table();
    for number in [1, 2, 40_000] {
        let record = ended(number, "schedule", None, RunStatus::Completed);
        table.put_run(&record);
    }
    let aws = FakeAws::with_table(table);
    let [first, second, last] = [1, 2, 40_000].map(|number| run(number).to_string());
    // The first two are an hour apart, and the third is years later.
    let shared = first
        .bytes()
        .zip(second.bytes())
        .take_while(|(a, b)| a == b)
        .count();
    let unique = &second[..=shared];
    for (named, id) in [
        ("last", &last),
        (unique, &second),
        (unique.to_lowercase().as_str(), &second),
        (first.as_str(), &first),
    ] {
        let told = aws.run(&home, &["status", "--run", named, "--json"]);
        let told = told.ended_with(0).json();
        assert_eq!(told["run"]["run"], **id, "{named}");
        let told = aws.run(&home, &["history", named, "--json"]);
        assert_eq!(told.ended_with(0).json()["run"]["run"], **id, "{named}");
    }
    let several = aws.run(&home, &["history", &first[..shared]]).ended_with(5);
    assert!(several.stderr.contains(&first) && several.stderr.contains(&second));
    assert!(
        several.stderr.contains("several runs begin with"),
        "{several:?}"
    );
    let mut typo = first.clone();
    typo.replace_range(25.., if first.ends_with('0') { "1" } else { "0" });
    let none = aws.run(&home, &["history", &typo]).ended_with(5);
    assert!(
        none.stderr.contains(&format!("did you mean {first}")),
        "{none:?}"
    );
    let none = aws.run(&home, &["history", "7"]).ended_with(5);
    assert!(
        none.stderr.contains("no run has an id that begins with 7"),
        "{none:?}"
    );
}

#[test]
fn a_misspelt_member_or_experience_is_a_question() {
    let home = Home::new();
    let aws = FakeAws::with_table(table());
    for (arguments, told) in [
        (&["plan", "--member", "emae"][..], "did you mean emea?"),
        (&["dlq", "list", "--member", "emae"], "did you mean emea?"),
        (
            &["member", "mode", "emae", "mirror", "--no-sync"],
            "did you mean emea?",
        ),
        (
            &["restore", "last", "--member", "emae"],
            "did you mean emea?",
        ),
        (
            &["sync", "--member", "apac", "--experience", EXPERIENCE],
            "exp-9d1kq27hs0abc is an experience of emea, not of apac",
        ),
        (
            &["plan", "--member", "apac", "--experience", EXPERIENCE],
            "exp-9d1kq27hs0abc is an experience of emea, not of apac",
        ),
        (
            &[
                "member",
                "mode",
                "apac",
                "mirror",
                "--experience",
                EXPERIENCE,
                "--no-sync",
            ],
            "apac has no link to exp-9d1kq27hs0abc; it is an experience of emea",
        ),
    ] {
        let answer = aws.run(&home, arguments).ended_with(5);
        assert!(answer.stderr.contains(told), "{answer:?}");
    }
}
