//! `pmp-sync config`: what it tells of a file, and what it shows of what is stored.

use serde_json::{Value, json};

use crate::setup::{FakeAws, Home, fixture, text};

const BROKEN: &str = r#"schema = 1

[[member]]
name = "emea"
account = "2222"
external_id = "x"

[[link]]
management_experience = "exp-4s8kd0qmw1x2y"
member = "nobody"
member_experience = "exp-9d1kq27hs0abc"
protect = ["prod-1", "prod 2"]
"#;

/// Where the four things that are wrong with it stand.
const PLACES: [(u64, u64, &str); 4] = [
    (5, 11, "\"2222\""),
    (6, 15, "\"x\""),
    (10, 10, "nobody"),
    (12, 22, "\"prod 2\""),
];

#[test]
fn config_validate_tells_what_a_valid_configuration_holds() {
    let (home, file) = (Home::new(), fixture());
    let answer = home.run(&["config", "validate", &file]);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert_eq!(
        answer.stdout,
        format!("{file} is valid: 2 members, 2 links\n")
    );
    assert_eq!(answer.stderr, "");

    for arguments in [
        ["config", "validate", &file, "--json"],
        ["--json", "config", "validate", &file],
    ] {
        let answer = home.run(&arguments);
        assert_eq!(answer.code, Some(0), "{answer:?}");
        assert_eq!(
            answer.json(),
            json!({ "valid": true, "members": 2, "links": 2 })
        );
        assert_eq!(answer.stderr, "");
    }
}

#[test]
fn config_validate_tells_every_problem_with_file_line_and_column() {
    let home = Home::new();
    let file = home.file("broken.toml", BROKEN);
    let answer = home.run(&["config", "validate", text(&file)]);
    assert_eq!((answer.code, answer.stdout.as_str()), (Some(5), ""));
    let prefix = format!("{}:", file.display());
    let told: Vec<_> = answer
        .stderr
        .lines()
        .filter_map(|line| line.strip_prefix(&prefix))
        .collect();
    assert_eq!(told.len(), PLACES.len(), "{}", answer.stderr);
    for (told, (line, column, what)) in told.iter().zip(PLACES) {
        assert!(told.starts_with(&format!("{line}:{column}: ")), "{told}");
        assert!(told.contains(what), "{told}");
    }
    assert!(answer.stderr.contains("4 problems"), "{}", answer.stderr);
    // It would have stored nothing in any case.
    assert!(!answer.stderr.contains("stored"), "{}", answer.stderr);

    let answer = home.run(&["config", "validate", text(&file), "--json"]);
    assert_eq!(answer.code, Some(5), "{answer:?}");
    let value = answer.json();
    assert_eq!(value["valid"], false);
    answer.is_json_failure("config");
    let problems = value["problems"].as_array().unwrap();
    assert_eq!(problems.len(), PLACES.len(), "{value}");
    for (problem, (line, column, what)) in problems.iter().zip(PLACES) {
        assert_eq!(
            (&problem["line"], &problem["column"]),
            (&json!(line), &json!(column))
        );
        assert!(problem["message"].as_str().unwrap().contains(what));
    }
    assert!(answer.stderr.contains(&format!("{prefix}5:11: ")));
}

#[test]
fn config_validate_tells_where_a_file_that_is_not_toml_goes_wrong() {
    let home = Home::new();
    let file = home.file("broken.toml", "schema = 1\n[[member]\n");
    let answer = home.run(&["config", "validate", text(&file)]);
    assert_eq!((answer.code, answer.stdout.as_str()), (Some(5), ""));
    let place = format!("{}:2:", file.display());
    assert!(answer.stderr.contains(&place), "{}", answer.stderr);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let home = Home::new();
    let missing = home.path().join("not-there.toml");
    let folder = home.path().join("folder");
    std::fs::create_dir(&folder).unwrap();
    for path in [&missing, &folder] {
        for command in ["validate", "apply"] {
            let answer = home.run(&["config", command, text(path)]);
            assert_eq!((answer.code, answer.stdout.as_str()), (Some(5), ""));
            assert!(answer.stderr.contains(text(path)), "{}", answer.stderr);
            let answer = home.run(&["config", command, text(path), "--json"]);
            answer.ended_with(5).is_json_failure("file");
        }
    }
}

#[test]
fn a_file_that_is_not_utf8_is_told_with_line_and_column() {
    let home = Home::new();
    let file = home.path().join("latin.toml");
    std::fs::write(&file, b"schema = 1\n# caf\xe9\n").unwrap();
    for command in ["validate", "apply"] {
        let answer = home.run(&["config", command, text(&file)]).ended_with(5);
        let told = format!(
            "{}:2:6: the configuration is not valid UTF-8",
            file.display()
        );
        assert!(answer.stderr.contains(&told), "{answer:?}");
        let answer = home.run(&["config", command, text(&file), "--json"]);
        answer.ended_with(5).is_json_failure("config");
    }
}

#[test]
fn the_schema_takes_what_is_valid_and_not_what_is_wrong_in_itself() {
    let home = Home::new();
    let answer = home.run(&["config", "schema"]).ended_with(0);
    let schema: Value = serde_json::from_str(&answer.stdout).unwrap();
    let short = home.run(&["config", "schema", "--json"]).ended_with(0);
    assert_eq!(
        serde_json::from_str::<Value>(&short.stdout).unwrap(),
        schema
    );
    let validator = jsonschema::validator_for(&schema).unwrap();
    let is_valid = |text: &str| {
        let value: Value = toml::from_str(text).unwrap();
        let file = home.file("some.toml", text);
        let read = home.run(&["config", "validate", crate::setup::text(&file)]);
        (validator.is_valid(&value), read.code == Some(0))
    };
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/domain/fixtures");
    let mut fixtures = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            fixtures.push(std::fs::read_to_string(path).unwrap());
        }
    }
    assert!(fixtures.len() >= 2);
    for fixture in &fixtures {
        assert_eq!(is_valid(fixture), (true, true), "{fixture}");
    }
    let guarded = fixtures
        .iter()
        .find(|text| text.contains("[guard]"))
        .unwrap();
    for (from, to) in [
        ("schema = 1", "schema = 2"),
        ("schema = 1", ""),
        ("removals = 5", "removals = 5001"),
        ("removals = 5", "removals = -1"),
        ("removals = 5", "removal = 5"),
        ("removals_percent = 2", "removals_percent = 101"),
        ("\"shrink\"", "\"shrinks\""),
        ("\"require\"", "\"maybe\""),
        ("\"222222222222\"", "\"2222\""),
        ("\"222222222222\"", "222222222222"),
        ("name = \"emea\"", "name = \"Emea\""),
        ("\"exp-9d1kq27hs0abc\"", "\"exp-9d1kq27hs0abc@3\""),
        ("\"exp-9d1kq27hs0abc\"", "\"**\""),
        ("\"3f6c7f0e-emea\"", "\"3\""),
        ("\"3f6c7f0e-emea\"", "\"3f6c7f0e-emea\"\nrole = \"Reader\""),
        ("\"3f6c7f0e-emea\"", "\"3f6c7f0e-emea\"\nqueue = \"queue\""),
        ("freeze = true", "freeze = true\nprotect = [\"prod a\"]"),
    ] {
        let text = guarded.replacen(from, to, 1);
        assert_ne!(text, *guarded, "{from}");
        assert_eq!(is_valid(&text), (false, false), "{to}");
    }
    // And what the two are to agree on where a key has a form of its own.
    for (from, to) in [
        (
            "\"3f6c7f0e-emea\"",
            "\"3f\"\nrole = \"arn:aws:iam::222222222222:role/reader\"",
        ),
        (
            "\"3f6c7f0e-emea\"",
            "\"3f\"\nqueue = \"https://sqs.us-east-1.amazonaws.com/2/q\"",
        ),
        ("\"exp-9d1kq27hs0abc\"", "\"*\""),
        (
            "freeze = true",
            "protect = [\"prod-a\", \"!$%&()*+-./:;<=>?@[]^_{|}~\"]",
        ),
    ] {
        let text = guarded.replacen(from, to, 1);
        assert_ne!(text, *guarded, "{from}");
        assert_eq!(is_valid(&text), (true, true), "{to}");
    }
}

#[test]
fn config_apply_refuses_a_broken_file_before_it_calls_aws() {
    let home = Home::new();
    let file = home.file("broken.toml", BROKEN);
    let answer = home.run(&["config", "apply", text(&file), "--json"]);
    assert_eq!(answer.code, Some(5), "{answer:?}");
    assert_eq!(answer.json()["problems"].as_array().unwrap().len(), 4);
    answer.is_json_failure("config");
    let told = "4 problems in the configuration; nothing was stored\n";
    assert!(answer.stderr.contains(told), "{}", answer.stderr);
}

#[test]
fn one_is_told_in_the_singular_and_a_configuration_without_links_is_remarked() {
    let home = Home::new();
    let both = std::fs::read_to_string(fixture()).unwrap();
    let member = "schema = 1\n[[member]]\nname = \"emea\"\naccount = \"222222222222\"\nexternal_id = \"3f6c7f0e-emea\"\n";
    let link = "[[link]]\nmanagement_experience = \"exp-4s8kd0qmw1x2y\"\nmember = \"emea\"\nmember_experience = \"*\"\n";
    let linked = format!("{member}{link}");
    let remark = "no link is configured: nothing will be kept in sync\n";
    for (toml, counts, stderr) in [
        (both.as_str(), "2 members, 2 links", ""),
        (&linked, "1 member, 1 link", ""),
        (member, "1 member, 0 links", remark),
        ("schema = 1\n", "0 members, 0 links", remark),
    ] {
        let file = home.file("pmp-sync.toml", toml);
        let file = text(&file);
        let answer = home.run(&["config", "validate", file]).ended_with(0);
        assert_eq!(answer.stdout, format!("{file} is valid: {counts}\n"));
        assert_eq!(answer.stderr, stderr);
        let answer = home.run(&["config", "validate", file, "--json"]);
        assert_eq!(answer.json()["valid"], true);
        assert_eq!(answer.stderr, stderr);
    }
}

#[test]
fn config_show_prints_the_text_as_it_is_stored() {
    let home = Home::new();
    for stored in ["schema = 1", "schema = 1\r\n", "\n\nschema = 1 \n\n \n"] {
        let aws = FakeAws::with_config(stored);
        let answer = aws.run(&home, &["config", "show"]).ended_with(0);
        assert_eq!(answer.stdout, stored);
        assert_eq!(answer.stderr, "version 7\n");
        let answer = aws.run(&home, &["config", "show", "--json"]).ended_with(0);
        assert_eq!(answer.json(), json!({ "version": 7, "text": stored }));
    }
}
