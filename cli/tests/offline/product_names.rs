//! How products and management experiences are named by commands that change the management list.

use pmp_sync_domain::config::Config;
use serde_json::{Value, json};

use crate::ledger::{EXPERIENCE, Table};
use crate::setup::{Answer, FakeAws, Home, text};

pub(crate) const HEADQUARTERS: &str = "exp-4s8kd0qmw1x2y";
pub(crate) const REGIONAL: &str = "exp-7r9eg0ional77";

/// Two management experiences: one member follows both, and another the first.
pub(crate) fn two_sources() -> Table {
    let text = format!(
        "schema = 1\n[[member]]\nname = \"emea\"\naccount = \"222222222222\"\nexternal_id = \"of-emea\"\n\
         [[member]]\nname = \"apac\"\naccount = \"333333333333\"\nexternal_id = \"of-apac\"\n\
         [[link]]\nmanagement_experiences = [\"{HEADQUARTERS}\", \"{REGIONAL}\"]\nmember = \"emea\"\n\
         member_experience = \"{EXPERIENCE}\"\nmode = \"mirror\"\n\
         [[link]]\nmanagement_experience = \"{HEADQUARTERS}\"\nmember = \"apac\"\n\
         member_experience = \"exp-0000000000apac\"\nmode = \"mirror\"\n"
    );
    Config::parse(&text).unwrap();
    Table::with_config(&text)
}

/// A policy with allowed and denied products.
fn policy(allowed: &[&str], denied: &[&str]) -> (&'static str, Value) {
    let of = |effect: &str, ids: &[&str]| json!({ "Effect": effect, "Resources": [{ "Type": "Product", "Ids": ids }] });
    let details = json!({ "Statements": [of("Allow", allowed), of("Deny", denied)] });
    ("ProcurementPolicy@1.0", details)
}

fn experience(name: &str, policy: &str) -> (&'static str, Value) {
    let details = json!({ "Name": name, "Status": "Enabled", "ProcurementPolicies": [policy] });
    ("Experience@1.0", details)
}

pub(crate) fn entity(id: &str) -> (&'static str, Value) {
    match id {
        HEADQUARTERS => experience("Headquarters", "procpolicy-hq"),
        REGIONAL => experience("Regional", "procpolicy-regional"),
        "procpolicy-hq" => policy(&["prod-palmyra4", "prod-kept"], &["prod-denied"]),
        "procpolicy-regional" => policy(&["prod-other"], &["prod-palmyra4"]),
        _ => ("", Value::Null),
    }
}

pub(crate) fn entities(kind: &str) -> Vec<(String, String)> {
    let of = |id: &str, name: &str| (id.to_owned(), name.to_owned());
    match kind {
        "Experience" => vec![of(HEADQUARTERS, "Headquarters"), of(REGIONAL, "Regional")],
        _ => Vec::new(),
    }
}

fn aws(table: Table) -> FakeAws {
    FakeAws::with_table(table).with_catalog(entity, entities)
}

/// Products that the ledger knows by name.
fn known() -> Table {
    let mut table = Table::linked();
    table.put_listing("prod-palmyra5", "Writer Palmyra X5", "prodview-x5");
    table.put_listing("prod-plus", "Cohere Command R+", "prodview-plus");
    table.put_listing("prod-plain", "Cohere Command R", "prodview-plain");
    table
}

/// What a change is that nobody has agreed to: it is shown, and nothing is started.
fn shown(aws: &FakeAws, home: &Home, arguments: &[&str]) -> Answer {
    let arguments = [&["product"], arguments, &["--no-preview"]].concat();
    aws.run(home, &arguments).ended_with(5)
}

#[track_caller]
fn tells(answer: &Answer, words: &[&str]) {
    for words in words {
        assert!(answer.stderr.contains(words), "{words}: {answer:?}");
    }
}

#[test]
fn a_full_name_with_its_punctuation_is_meant_before_a_part_of_another() {
    let (home, aws) = (Home::new(), aws(known()));
    let plain = shown(&aws, &home, &["allow", "cohere command r"]);
    tells(
        &plain,
        &["1 to allow", "allow prod-plain (Cohere Command R)"],
    );
    let plus = shown(&aws, &home, &["allow", "Cohere Command R+"]);
    tells(
        &plus,
        &["1 to allow", "allow prod-plus (Cohere Command R+)"],
    );
}

#[test]
fn what_only_aws_marketplace_knows_by_a_part_of_its_name_is_said_before_it_is_changed() {
    let (home, aws) = (Home::new(), aws(known()));
    for action in ["allow", "deny"] {
        let told = shown(&aws, &home, &[action, "sd 3.5"]);
        let changed = format!("{action} prod-stability");
        tells(
            &told,
            &[
                "\"sd 3.5\" is prod-stability (Stability AI SD 3.5 Large)",
                &changed,
            ],
        );
    }
}

/// The ledger knows one Palmyra, and AWS Marketplace has another.
#[test]
fn a_part_of_a_name_is_looked_for_in_aws_marketplace_although_the_ledger_knows_one() {
    let (home, aws) = (Home::new(), aws(known()));
    for action in ["allow", "deny"] {
        let told = shown(&aws, &home, &[action, "palmyra", "--json"]);
        told.is_json_failure("unknown");
        tells(
            &told,
            &[
                "does not name one product",
                "prod-palmyra5 (Writer Palmyra X5), prod-palmyra4",
            ],
        );
    }
    let file = home.file("one.csv", "name\npalmyra\n");
    let told = shown(&aws, &home, &["import", text(&file)]);
    tells(
        &told,
        &["one.csv:2:1: \"palmyra\" does not name one product"],
    );
    // The whole name is enough.
    let told = shown(&aws, &home, &["deny", "Writer Palmyra X5"]);
    tells(&told, &["deny prod-palmyra5"]);
}

#[test]
fn one_letter_and_a_control_character_name_no_product() {
    let (home, aws) = (Home::new(), aws(known()));
    let told = shown(&aws, &home, &["allow", "r"]);
    tells(&told, &["AWS Marketplace has no product \"r\""]);
    let file = home.file("letters.csv", "name\nr\np\0q\n");
    let told = aws.run(&home, &["product", "diff", text(&file)]);
    tells(
        &told.ended_with(5),
        &["letters.csv:3:1:", "control character"],
    );
    let file = home.file("letter.csv", "name\nr\n");
    let told = aws.run(&home, &["product", "diff", text(&file)]);
    tells(
        &told.ended_with(5),
        &["letter.csv:2:1: AWS Marketplace has no product \"r\""],
    );
}

#[test]
fn a_column_that_answers_yes_or_no_is_refused() {
    let (home, aws) = (Home::new(), aws(known()));
    let file = home.file(
        "list.csv",
        "product,approved\nprod-plain,yes\nprod-plus,no\n",
    );
    let told = shown(&aws, &home, &["import", text(&file), "--json"]);
    told.is_json_failure("list");
    tells(
        &told,
        &["list.csv:1:9: the column \"approved\" says allowed or denied"],
    );
}

#[test]
fn a_product_that_aws_marketplace_does_not_list_is_warned_of() {
    let (home, aws) = (Home::new(), aws(known()));
    let warning = "warning: AWS Marketplace does not list prod-zzznotlisted";
    for action in ["allow", "deny"] {
        let told = shown(&aws, &home, &[action, "prod-zzznotlisted", "prod-listed"]);
        tells(&told, &[warning, "There is no terminal to ask at"]);
        assert!(!told.stderr.contains("list prod-listed"), "{told:?}");
    }
    let file = home.file("list.csv", "product_id\nprod-zzznotlisted\n");
    tells(&shown(&aws, &home, &["import", text(&file)]), &[warning]);
    let typo = shown(&aws, &home, &["allow", "prod-palmyra6"]);
    tells(&typo, &["did you mean prod-palmyra5 (Writer Palmyra X5"]);
    // What the ledger knows to be listed, and what is taken off a list, is not asked for.
    let before = aws.looked_up();
    let told = shown(&aws, &home, &["allow", "prod-plain"]);
    assert!(!told.stderr.contains("warning"), "{told:?}");
    shown(&aws, &home, &["deny", "prod-kept"]);
    assert_eq!(aws.looked_up(), before);
    // Only the first few are looked up.
    let rows: Vec<_> = (10..40).map(|number| format!("prod-zzz{number}")).collect();
    let file = home.file("many.csv", &format!("product_id\n{}\n", rows.join("\n")));
    let told = shown(&aws, &home, &["import", text(&file)]);
    tells(
        &told,
        &[
            "does not list prod-zzz10, ",
            "10 more new products not looked up",
        ],
    );
    assert_eq!(aws.looked_up().len(), before.len() + 20);
}

/// What is not named is of interest only where a file may be the whole list.
#[test]
fn others_are_mentioned_only_for_a_file() {
    let (home, aws) = (Home::new(), aws(known()));
    for action in ["allow", "deny"] {
        let told = shown(&aws, &home, &[action, "prod-plain"]);
        tells(&told, &[&format!("1 to {action}")]);
        for words in ["--exact", "not named", "un-list"] {
            assert!(!told.stderr.contains(words), "{words}: {told:?}");
        }
    }
    let file = home.file("list.csv", "product_id\nprod-plain\n");
    let told = shown(&aws, &home, &["import", text(&file)]);
    tells(
        &told,
        &["2 products allowed and not named: left alone (--exact denies what is not named)"],
    );
    let told = shown(&aws, &home, &["import", "--exact", text(&file)]);
    tells(
        &told,
        &["2 to deny", "1 product denied and not named: left alone"],
    );
}

#[test]
fn a_misspelt_name_is_a_question_whoever_knows_the_right_one() {
    let (home, known) = (Home::new(), aws(known()));
    let question = "AWS Marketplace has no product \"Palmira X5\"; did you mean prod-palmyra5 (Writer Palmyra X5";
    let told = shown(&known, &home, &["allow", "Palmira X5"]);
    tells(&told, &[question, "product search WORD"]);
    // Nobody has looked up a name yet: the words of the name are looked for one by one.
    let new = aws(Table::linked());
    tells(&shown(&new, &home, &["deny", "Palmira X5"]), &[question]);
    let file = home.file("list.csv", "name\nPalmira X5\n");
    tells(&shown(&new, &home, &["import", text(&file)]), &[question]);
    let told = shown(&new, &home, &["allow", "nothing like it"]);
    assert!(!told.stderr.contains("did you mean"), "{told:?}");
}

#[test]
fn a_management_experience_that_does_not_exist_is_a_question() {
    let (home, aws) = (Home::new(), aws(two_sources()));
    for arguments in [
        &["product", "list", "--management-experience"][..],
        &["product", "export", "--management-experience"],
        &["product", "allow", "prod-x", "--management-experience"],
        &["product", "search", "palmyra", "--management-experience"],
        &["experience", "archive", "--experience"],
        &["experience", "enable", "--yes", "--experience"],
        &["experience", "disable", "--experience"],
        &["experience", "revive", "--experience"],
        &[
            "experience",
            "associate",
            "--principal",
            "o-abcdefghij",
            "--experience",
        ],
        &["experience", "disassociate", "--yes", "--experience"],
    ] {
        for (named, told) in [
            (
                "exp-7r9eg0ional78",
                "this account has no experience exp-7r9eg0ional78; did you mean exp-7r9eg0ional77 (Regional)?",
            ),
            ("exp-nope", "this account has no experience exp-nope"),
            (
                "Regoinal",
                "no experience of this account is named \"Regoinal\"; did you mean exp-7r9eg0ional77 (Regional)?",
            ),
        ] {
            let arguments = [arguments, &[named, "--json"]].concat();
            let answer = aws.run(&home, &arguments).ended_with(5);
            answer.is_json_failure("unknown");
            tells(&answer, &[told, "experience list"]);
        }
    }
}

#[test]
fn a_management_experience_is_named_by_its_name_and_several_are_listed_with_theirs() {
    let (home, aws) = (Home::new(), aws(two_sources()));
    let several = aws.run(&home, &["product", "list"]).ended_with(5);
    tells(
        &several,
        &["could be meant: exp-4s8kd0qmw1x2y (Headquarters), exp-7r9eg0ional77 (Regional)"],
    );
    for named in [REGIONAL, "Regional", "regional", "Regio"] {
        let list = [
            "product",
            "list",
            "--management-experience",
            named,
            "--json",
        ];
        let list = aws.run(&home, &list).ended_with(0).json();
        assert_eq!(list["management_experience"], REGIONAL, "{named}");
    }
    let enabled = ["experience", "enable", "--experience", "Regional", "--json"];
    let enabled = aws.run(&home, &enabled).ended_with(0).json();
    assert_eq!(enabled["experience"], REGIONAL);
}

#[test]
fn a_search_needs_no_management_experience() {
    let (home, aws) = (Home::new(), aws(two_sources()));
    let found = aws.run(&home, &["product", "search", "palmyra", "--json"]);
    let found = found.ended_with(0).json();
    assert_eq!(
        found["management_experiences"],
        json!([HEADQUARTERS, REGIONAL])
    );
    let (first, second) = (&found["products"][0], &found["products"][1]);
    assert_eq!(
        (&first["product_id"], &first["standings"]),
        (
            &json!("prod-palmyra4"),
            &json!({ HEADQUARTERS: "allowed", REGIONAL: "denied" })
        )
    );
    assert_eq!(
        second["standings"],
        json!({ HEADQUARTERS: "unlisted", REGIONAL: "unlisted" })
    );
    let table = aws
        .run(&home, &["product", "search", "palmyra"])
        .ended_with(0);
    let words = table
        .stdout
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    for part in [
        "allowed in exp-4s8kd0qmw1x2y (Headquarters)",
        "denied in exp-7r9eg0ional77 (Regional)",
    ] {
        assert!(words.contains(part), "{part}: {table:?}");
    }
    let narrowed = [
        "product",
        "search",
        "palmyra",
        "--management-experience",
        "Regional",
    ];
    let narrowed = aws.run(&home, &narrowed).ended_with(0);
    assert!(narrowed.stdout.contains("denied "), "{narrowed:?}");
}

#[test]
fn a_search_finds_a_product_by_its_id_and_its_page() {
    let (home, aws) = (Home::new(), aws(two_sources()));
    for (named, id) in [
        ("prod-palmyra5", "prod-palmyra5"),
        (
            "https://aws.amazon.com/marketplace/pp/prodview-elsewhere",
            "prod-listed",
        ),
    ] {
        let found = aws.run(&home, &["product", "search", named, "--json"]);
        let found = found.ended_with(0).json();
        assert_eq!(found["products"][0]["product_id"], id, "{found}");
    }
    let none = aws.run(&home, &["product", "search", "prod-zzznotlisted"]);
    tells(&none.ended_with(0), &["AWS Marketplace does not list it"]);
}
