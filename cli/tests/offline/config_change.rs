//! What a configuration would change: shown, asked for, recorded, and taken back.

use serde_json::{Value, json};

use crate::ledger::Table;
use crate::setup::{Answer, FakeAws, Home, PRINCIPAL, fixture, text};

/// A link as the producer plans it.
fn link(member: &str, account: &str, experience: &str, removals: usize, held: bool) -> Value {
    let deny: Vec<_> = (0..removals).map(|n| format!("prod-{n}")).collect();
    let reason = json!({ "guard": "most-removals", "count": removals, "limit": 50 });
    let state = match (removals, held) {
        (0, _) => "in_sync",
        (_, true) => "held",
        (_, false) => "planned",
    };
    json!({
        "member": member, "account": account, "experience": experience,
        "management_experience": "exp-4s8kd0qmw1x2y", "mode": "mirror", "state": state,
        "decision": if held { "held" } else if removals > 0 { "commit" } else { "in_sync" },
        "allow": [], "deny": deny, "removals": removals, "fewest_change_sets": removals.div_ceil(50),
        "plan_hash": null, "left_alone": [], "contradictory": [],
        "held_for": if held { json!([reason]) } else { json!([]) }, "fault": null,
    })
}

fn page(links: &[Value]) -> Value {
    json!({ "schema": 1, "config_version": 7, "links": links })
}

/// The stored configuration is the fixture. With a file, a guard would hold 326 denies of `emea`.
fn aws() -> FakeAws {
    FakeAws::planning(Table::linked(), |asked| {
        let emea = |removals| {
            link(
                "emea",
                "222222222222",
                "exp-9d1kq27hs0abc",
                removals,
                removals > 50,
            )
        };
        match &asked["detail"]["config"] {
            Value::Null => page(&[emea(0)]),
            _ => page(&[emea(326)]),
        }
    })
}

/// A file in which the link of `emea` denies, too.
fn mirror(home: &Home) -> String {
    let stored = std::fs::read_to_string(fixture()).unwrap();
    let changed = stored.replace("\"additive\"", "\"mirror\"");
    assert_ne!(changed, stored);
    text(&home.file("mirror.toml", &changed)).to_owned()
}

/// A file without the member `apac`, as an older one may be.
fn older(home: &Home) -> String {
    let stored = std::fs::read_to_string(fixture()).unwrap();
    let mut kept = Vec::new();
    for table in stored.split("\n\n") {
        if !table.contains("\"apac\"") {
            kept.push(table);
        }
    }
    text(&home.file("older.toml", &kept.join("\n\n"))).to_owned()
}

#[track_caller]
fn says(answer: &Answer, words: &[&str]) {
    for word in words {
        let is_there = answer.stdout.contains(word) || answer.stderr.contains(word);
        assert!(is_there, "{word:?} is missing: {answer:?}");
    }
}

/// What a typo in the id of a management experience leads to is stored by nobody without a word.
#[test]
fn a_link_that_could_not_be_planned_is_asked_about_before_it_is_stored() {
    let home = Home::new();
    let aws = FakeAws::planning(Table::linked(), |asked| {
        let mut emea = link("emea", "222222222222", "exp-9d1kq27hs0abc", 0, false);
        if !asked["detail"]["config"].is_null() {
            emea["state"] = json!("held");
            emea["decision"] = json!("held");
            emea["fault"] = json!({
                "code": "PMS-2001", "message": "the management experience exp-nope does not exist", "remedy": "check it",
            });
        }
        page(&[emea])
    });
    let file = mirror(&home);
    let diff = aws.run(&home, &["config", "diff", &file]).ended_with(4);
    says(
        &diff,
        &["exp-nope does not exist", "1 link cannot be planned"],
    );
    let refused = aws.run(&home, &["config", "apply", &file]).ended_with(5);
    says(
        &refused,
        &[
            "exp-nope does not exist",
            "1 link cannot be planned",
            "--yes",
        ],
    );
    let stored = aws.run(&home, &["config", "apply", &file, "--yes"]);
    says(
        &stored.ended_with(0),
        &["exp-nope does not exist", "version 8"],
    );
}

#[test]
fn config_diff_shows_settings_and_what_a_run_would_then_do() {
    let (home, aws) = (Home::new(), aws());
    let file = mirror(&home);
    let answer = aws.run(&home, &["config", "diff", &file]).ended_with(3);
    says(
        &answer,
        &[
            "compared with version 7",
            "mode: additive -> mirror (emea exp-9d1kq27hs0abc)",
            "326 (now 0)",
            "a guard would hold it",
            "a guard would hold the plans of 1 link",
        ],
    );
    assert_eq!(aws.written(), Vec::<Value>::new());
    let answer = aws
        .run(&home, &["config", "diff", &file, "--json"])
        .ended_with(3);
    let value = answer.json();
    assert_eq!(value["version"], 7);
    assert_eq!(value["difference"]["changed"][0]["key"], "mode");
    let link = &value["links"][0];
    assert_eq!(
        (&link["newly_held"], &link["after"]["deny"]),
        (&json!(true), &json!(326))
    );
    // Without the producer, the settings alone.
    let before = aws.invocations();
    let answer = aws.run(&home, &["config", "diff", &file, "--no-preview"]);
    says(&answer.ended_with(2), &["mode: additive -> mirror"]);
    assert_eq!(aws.invocations(), before);
    // The same means 0.
    let answer = aws
        .run(&home, &["config", "diff", &fixture()])
        .ended_with(0);
    says(&answer, &["it means the same as version 7"]);
}

#[test]
fn config_apply_asks_when_a_guard_would_hold_a_plan() {
    let (home, aws) = (Home::new(), aws());
    let file = mirror(&home);
    let answer = aws.run(&home, &["config", "apply", &file]).ended_with(5);
    says(
        &answer,
        &[
            "a guard would hold the plans of 1 link",
            "--yes",
            "326 (now 0)",
        ],
    );
    assert_eq!(aws.written(), Vec::<Value>::new());
    let arguments = [
        "config",
        "apply",
        &file,
        "--yes",
        "--reason",
        "the pilot is over",
    ];
    let answer = aws.run(&home, &arguments).ended_with(0);
    says(&answer, &["version 8 of the configuration is in force"]);
    let written = aws.written();
    let item = &written[0]["TransactItems"][0]["Put"]["Item"];
    assert_eq!(item["requester"]["S"], PRINCIPAL);
    assert_eq!(item["reason"]["S"], "the pilot is over");
    assert_eq!(item["origin"]["S"], "apply");
    let summary = item["summary"]["S"].as_str().unwrap();
    assert!(summary.contains("mode: additive -> mirror"), "{summary}");
    assert_eq!(item["version"]["N"], "8");
}

#[test]
fn config_apply_asks_when_an_older_file_would_drop_a_member() {
    let (home, aws) = (Home::new(), aws());
    let file = older(&home);
    let answer = aws.run(&home, &["config", "apply", &file, "--no-preview"]);
    says(
        &answer.ended_with(5),
        &[
            "1 member removed: apac",
            "1 link removed: apac *",
            "1 member would be gone",
        ],
    );
    assert_eq!(aws.written(), Vec::<Value>::new());
}

#[test]
fn a_change_that_takes_nothing_away_is_stored_without_a_question() {
    let aws = FakeAws::answering(Table::linked(), &page(&[]));
    let home = Home::new();
    let stored = std::fs::read_to_string(fixture()).unwrap();
    let file = home.file("new.toml", &format!("{stored}\n# a comment\n"));
    let answer = aws
        .run(&home, &["config", "apply", text(&file)])
        .ended_with(0);
    says(&answer, &["it means the same as version 7", "version 8"]);
    assert_eq!((aws.invocations(), aws.written().len()), (0, 1));
}

#[test]
fn a_producer_that_cannot_answer_stores_nothing() {
    let aws = FakeAws::answering(
        Table::linked(),
        &json!({ "errorMessage": "unknown field `config`, expected one of", "errorType": "x" }),
    );
    let home = Home::new();
    let answer = aws.run(&home, &["config", "apply", &mirror(&home), "--yes"]);
    says(&answer.ended_with(1), &["--no-preview goes on without it"]);
    assert_eq!(aws.written(), Vec::<Value>::new());
}

fn versions() -> Table {
    let mut table = Table::linked();
    let stored = std::fs::read_to_string(fixture()).unwrap();
    let older = json!({ "schema": 1, "version": 5, "text": stored.replace("additive", "mirror"), "applied_at": "2025-12-01T00:00:00Z" });
    table.put("CONFIG", "v#00000005", &older);
    let old = json!({ "schema": 1, "version": 6, "text": stored.replace("additive", "observe"),
        "applied_at": "2025-12-02T00:00:00Z", "origin": "apply", "requester": PRINCIPAL,
        "reason": "a pilot", "summary": "mode: mirror -> observe (emea exp-9d1kq27hs0abc)" });
    table.put("CONFIG", "v#00000006", &old);
    table
}

#[test]
fn config_history_says_when_who_why_and_what() {
    let (home, aws) = (Home::new(), FakeAws::with_table(versions()));
    let answer = aws.run(&home, &["config", "history"]).ended_with(0);
    says(
        &answer,
        &[
            "7 (in force)",
            "assumed-role/Operator/alice",
            "a pilot",
            "mirror -> observe",
            "config apply",
        ],
    );
    let value = aws
        .run(&home, &["config", "history", "--json"])
        .ended_with(0)
        .json();
    let numbers: Vec<_> = value["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["version"])
        .collect();
    assert_eq!(numbers, [7, 6, 5]);
    assert_eq!(
        (&value["version"], &value["older"]),
        (&json!(7), &json!(false))
    );
    assert!(value["versions"][0].get("text").is_none());
    let value = aws
        .run(&home, &["config", "history", "--versions", "2", "--json"])
        .json();
    assert_eq!(value["older"], true);
    assert_eq!(value["versions"].as_array().unwrap().len(), 2);
}

#[test]
fn config_rollback_stores_an_earlier_version_again_through_the_same_question() {
    let home = Home::new();
    let aws = FakeAws::planning(versions(), |asked| {
        let emea = |removals| {
            link(
                "emea",
                "222222222222",
                "exp-9d1kq27hs0abc",
                removals,
                removals > 50,
            )
        };
        match &asked["detail"]["config"] {
            Value::Null => page(&[emea(0)]),
            text if text.as_str().unwrap().contains("\"mirror\"") => page(&[emea(60)]),
            _ => page(&[emea(0)]),
        }
    });
    // Without a number, the version before.
    let answer = aws
        .run(&home, &["config", "rollback", "--reason", "too early"])
        .ended_with(0);
    says(
        &answer,
        &[
            "version 6 of the configuration is to be in force again",
            "version 8",
        ],
    );
    let item = &aws.written()[0]["TransactItems"][0]["Put"]["Item"];
    assert_eq!(
        (&item["origin"]["S"], &item["of_version"]["N"]),
        (&json!("rollback"), &json!("6"))
    );
    let answer = aws.run(&home, &["config", "rollback", "5"]).ended_with(5);
    says(&answer, &["a guard would hold the plans of 1 link"]);
    for (version, words) in [
        ("4", "there is no version 4"),
        ("9", "there is no version 9"),
        ("0", "no version comes before"),
    ] {
        let answer = aws
            .run(&home, &["config", "rollback", version])
            .ended_with(5);
        says(&answer, &[words, "config history"]);
    }
}

#[test]
fn plan_with_a_file_says_what_it_changes_and_ends_as_a_plan_does() {
    let (home, aws) = (Home::new(), aws());
    let file = mirror(&home);
    let answer = aws.run(&home, &["plan", "--config", &file]).ended_with(3);
    says(
        &answer,
        &["which is not applied", "mode: additive -> mirror", "326"],
    );
    assert_eq!(aws.run(&home, &["plan"]).code, Some(0));
    // Names are those of the file.
    let answer = aws.run(&home, &["plan", "--config", &file, "--member", "nobody"]);
    says(&answer.ended_with(5), &["no link has the member nobody"]);
}

#[test]
fn a_link_that_only_observes_ends_a_plan_with_2_and_is_marked() {
    let mut observing = link("emea", "222222222222", "exp-9d1kq27hs0abc", 0, false);
    observing["mode"] = "observe".into();
    observing["state"] = "differs".into();
    observing["if_acting"] = json!({
        "mode": "mirror", "decision": "held", "allow": ["prod-new"], "deny": ["prod-old"], "removals": 1,
        "fewest_change_sets": 1, "left_alone": [],
        "held_for": [{ "guard": "first-mirror", "removals": 1, "allowed": 9 }],
    });
    let aws = FakeAws::answering(Table::linked(), &page(&[observing]));
    let home = Home::new();
    let answer = aws.run(&home, &["plan", "--products"]).ended_with(2);
    says(
        &answer,
        &[
            "nothing is going to happen, because the mode is observe",
            "in mode mirror, it would make 1 allow, 1 deny (1 removal, 1 change set)",
            "a guard would hold it",
            "would deny prod-old (not going to happen)",
        ],
    );
}

#[test]
fn a_configuration_is_read_from_standard_input_within_bounds() {
    let home = Home::new();
    // Nothing is on it here.
    let answer = home.run(&["config", "validate", "-"]).ended_with(5);
    says(&answer, &["stdin:1:1: `schema` is missing"]);
    let large = home.file("large.toml", &"# x\n".repeat(200_000));
    let answer = home
        .run(&["config", "validate", text(&large)])
        .ended_with(5);
    says(&answer, &["exceed the limit of 350000"]);
}
