//! How problems are told: each once, with its place, and bounded.

use std::fmt::Write as _;

use super::*;

/// What is taken out because it is wrong is not missing as well, and nobody is unknown because of it.
#[test]
fn a_text_without_a_schema_is_checked_for_its_values_too() {
    let text = GOOD
        .replace("schema = 1", "")
        .replace("222222222222", "12345");
    let found = problems(&text);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().any(|one| one.contains("schema")), "{found:?}");
    assert!(found.iter().any(|one| one.contains("12345")), "{found:?}");
}

#[test]
fn what_is_beyond_the_list_of_problems_is_told_unless_there_is_nothing() {
    let problem = Problem {
        line: 1,
        column: 2,
        message: "it is wrong".to_owned(),
    };
    let mut invalid = InvalidConfig::one(problem);
    assert_eq!(invalid.count(), 1);
    assert_eq!(
        invalid.to_string(),
        "the configuration is not valid: 1:2: it is wrong"
    );
    invalid.beyond = 1;
    assert_eq!(invalid.count(), 2);
    assert_eq!(
        invalid.to_string(),
        "the configuration is not valid: 1:2: it is wrong; and 1 more"
    );
}

#[test]
fn one_mistake_is_one_problem() {
    for (from, to) in [
        ("name = \"emea\"", "name = 5"),
        ("account = \"222222222222\"", "account = 222222222222"),
        ("schema = 1", "schema = \"1\""),
        ("schema = 1", ""),
        ("member_experience = \"*\"", "member_experience = [\"*\"]"),
        ("member = \"apac\"", ""),
        ("member = \"apac\"", "member = {}"),
        ("[[link]]", "[[link]]\nextra = 1"),
        ("[[member]]", "[[member]"),
    ] {
        let text = GOOD.replacen(from, to, 1);
        assert_ne!(text, GOOD, "{from}");
        let found = problems(&text);
        assert_eq!(found.len(), 1, "{to}: {found:#?}");
    }
}

#[test]
fn a_text_that_is_not_toml_is_read_on() {
    let text = GOOD
        .replace("222222222222", "2222")
        .replacen("[[link]]", "[[link]", 1);
    let found = problems(&text);
    assert!(found.len() >= 2, "{found:#?}");
    assert!(
        found.iter().any(|one| one.contains("\"2222\"")),
        "{found:#?}"
    );
}

#[test]
fn many_problems_are_counted_and_the_first_are_listed() {
    let mut text = GOOD.to_owned();
    for number in 0..60 {
        let _ = write!(
            text,
            "\n[[member]]\nname = \"UPPER {number}\"\naccount = \"{number}\"\nexternal_id = \"external\"\n"
        );
    }
    let invalid = Config::parse(&text).unwrap_err();
    assert_eq!(invalid.problems.len(), MOST_PROBLEMS);
    assert_eq!(invalid.count(), 120);
    assert!(invalid.to_string().ends_with("and 70 more"));
    // The same of problems of form, each of which takes a reading.
    let mut text = GOOD.to_owned();
    for number in 0..60 {
        let _ = writeln!(text, "unknown{number} = 1");
    }
    let invalid = Config::parse(&text).unwrap_err();
    assert_eq!(
        (invalid.problems.len(), invalid.count()),
        (MOST_PROBLEMS, 60)
    );
}

#[test]
fn a_problem_quotes_no_more_than_a_part_of_the_text() {
    let text = GOOD.replace("222222222222", &"2".repeat(10_000));
    let invalid = Config::parse(&text).unwrap_err();
    assert!(
        invalid
            .problems
            .iter()
            .all(|one| one.message.len() <= MOST_MESSAGE)
    );
}

#[test]
fn nobody_is_unknown_if_the_list_of_members_cannot_be_read() {
    let text = r#"schema = 1
member = 5
[[link]]
management_experience = "exp-m"
member = "emea"
member_experience = "exp-1"
"#;
    let found = problems(text);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].starts_with("2:10: "), "{found:#?}");
    // The member of another link that cannot be read hides nobody.
    let text = GOOD
        .replace("member = \"emea\"", "member = 5")
        .replace("member = \"apac\"", "member = \"latam\"");
    let found = problems(&text);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[1].contains("there is no member latam"), "{found:#?}");
}
