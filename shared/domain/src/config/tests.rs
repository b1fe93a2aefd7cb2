//! Which configurations are valid, and what is refused and where.

mod problems;

use super::*;
use crate::link::{LiveCheck, Mode};
use crate::sources::Conflict;

const GOOD: &str = include_str!("../../fixtures/config-1.toml");

fn problems(text: &str) -> Vec<String> {
    Config::parse(text)
        .unwrap_err()
        .problems
        .iter()
        .map(Problem::to_string)
        .collect()
}

#[test]
fn the_fixture_is_read_whole() {
    let config = Config::parse(GOOD).unwrap();
    assert_eq!(config.members.len(), 2);
    let [emea, all] = config.links.as_slice() else {
        panic!("{:?}", config.links)
    };
    assert_eq!(emea.policy.mode, Mode::Additive);
    assert_eq!(emea.policy.protect.len(), 1);
    assert_eq!(all.target, Target::EveryLive);
    assert_eq!(all.policy, LinkPolicy::default());
    let free = |text: &str| config.is_free(&text.parse().unwrap());
    assert!(free("exp-0"));
    assert!(!free(emea.sources.first().as_str()) && !free("exp-9d1kq27hs0abc"));
}

#[test]
fn a_wrong_value_is_told_with_its_line_and_column() {
    let text = GOOD.replace("\"222222222222\"", "\"2222\"");
    assert_eq!(
        problems(&text),
        ["6:11: \"2222\" is not an account id: twelve digits"]
    );
}

#[test]
fn every_problem_is_told_at_once_and_in_order() {
    let text = GOOD
        .replace("\"222222222222\"", "\"2222\"")
        .replace("exp-9d1kq27hs0abc", "9d1")
        .replace("member = \"apac\"", "member = \"apacc\"");
    let found = problems(&text);
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(
        found[1].contains("\"9d1\" is not an experience id"),
        "{found:#?}"
    );
    assert!(found[2].contains("there is no member apacc"), "{found:#?}");
}

#[test]
fn an_unknown_key_and_broken_syntax_are_refused() {
    let unknown = problems(&GOOD.replace("protect", "protected"));
    assert!(
        unknown[0].starts_with("18:") && unknown[0].contains("protected"),
        "{unknown:?}"
    );
    let syntax = problems("schema = 1\n[[member]\n");
    assert!(syntax[0].starts_with("2:"), "{syntax:?}");
    assert!(problems("schema = 2")[0].contains("schema 2 is not known"));
    assert!(problems("")[0].contains("schema"));
}

#[test]
fn a_member_experience_stands_in_one_link_only() {
    let twice = format!(
        "{GOOD}\n[[link]]\nmanagement_experience = \"exp-other\"\nmember = \"emea\"\nmember_experience = \"exp-9d1kq27hs0abc\"\n"
    );
    assert!(problems(&twice)[0].contains("is in another link already"));
}

#[test]
fn two_members_share_neither_name_nor_account() {
    let text = GOOD.replace("333333333333", "222222222222");
    assert!(problems(&text)[0].contains("is already that of member"));
    let text = GOOD
        .replace("name = \"apac\"", "name = \"emea\"")
        .replace("member = \"apac\"", "member = \"emea\"");
    assert!(problems(&text)[0].contains("there is already a member emea"));
}

const GUARDED: &str = include_str!("../../fixtures/config-1-b.toml");

#[test]
fn guards_are_on_without_being_named() {
    let config = Config::parse(GOOD).unwrap();
    assert_eq!(config.links[0].guard, Guard::default());
    assert!(config.links[0].guard.exempt.is_empty());
    assert!(!config.links[0].policy.frozen);
    assert_eq!(config.links[0].live_check, LiveCheck::Warn);
}

#[test]
fn a_link_has_the_limits_of_all_but_for_its_own() {
    let config = Config::parse(GUARDED).unwrap();
    let [all, own] = config.links.as_slice() else {
        panic!("{:?}", config.links)
    };
    let limits = &all.guard.limits;
    assert_eq!((limits.removals, limits.most_removals), (5, 30));
    // Limits that are not set keep their default.
    assert_eq!((limits.removals_percent, limits.shrink_percent), (5, 50));
    let short = (limits.short_list_removals, limits.short_list_percent);
    assert_eq!(short, (3, 25));
    let limits = &own.guard.limits;
    assert_eq!((limits.removals, limits.most_removals), (5, 200));
    assert_eq!((limits.removals_percent, limits.shrink_percent), (2, 50));
    let exempt: Vec<_> = own.guard.exempt.iter().map(|name| name.as_str()).collect();
    assert_eq!(exempt, ["shrink"]);
    assert!(own.policy.frozen && !all.policy.frozen);
    assert_eq!(own.live_check, LiveCheck::Require);
}

#[test]
fn one_person_approves_unless_the_text_says_two() {
    let people = |text: &str| Config::parse(text).map(|config| config.people);
    assert_eq!(people(GOOD), Ok(People::One));
    let with = |people: &str| format!("{GOOD}\n[approval]\npeople = {people}\n");
    assert_eq!(people(&with("1")), Ok(People::One));
    assert_eq!(people(&with("2")), Ok(People::Two));
    let line = GOOD.lines().count() + 3;
    for (wrong, words) in [
        ("0", "0 is not a number of people from 1 to 2"),
        ("3", "3 is not a number of people from 1 to 2"),
        ("-1", "a whole number from 0 on is expected"),
        ("\"two\"", "a whole number from 0 on is expected"),
    ] {
        let found = problems(&with(wrong));
        assert_eq!(found.len(), 1, "{found:?}");
        let is_there = found[0].starts_with(&format!("{line}:10: "));
        assert!(is_there && found[0].contains(words), "{wrong}: {found:?}");
    }
    let unknown = problems(&format!("{GOOD}\n[approval]\nboth = 2\n"));
    assert!(unknown[0].contains("known is `people`"), "{unknown:?}");
}

const NOTIFIED: &str = include_str!("../../fixtures/config-1-c.toml");

#[test]
fn a_link_is_stale_after_a_day_unless_the_text_says_otherwise() {
    let hours = |text: &str| -> Vec<_> {
        let config = Config::parse(text).unwrap();
        config
            .links
            .iter()
            .map(|link| link.stale_after_hours)
            .collect()
    };
    assert_eq!(hours(GOOD), [24, 24]);
    assert_eq!(hours(NOTIFIED), [72]);
    assert_eq!(hours(&NOTIFIED.replace("= 72", "= 8760")), [8760]);
}

#[test]
fn hours_that_make_no_sense_are_told_with_their_place() {
    for (wrong, place, words) in [
        ("0", "4:21: ", "0 is not a number of hours from 1 to 8760"),
        ("8761", "4:21: ", "8761 is not a number"),
        ("99999999999", "4:21: ", "is not a number of hours"),
        ("-1", "4:21: ", ""),
        ("\"72\"", "4:21: ", ""),
        (
            "72\nsilent = true",
            "5:1: ",
            "`silent` is not known here; known is `stale_after_hours`",
        ),
    ] {
        let found = problems(&NOTIFIED.replace("= 72", &format!("= {wrong}")));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with(place) && found[0].contains(words),
            "{wrong}: {found:?}"
        );
    }
}

#[test]
fn everything_may_be_frozen_at_once() {
    let text = GOOD.replacen("schema = 1", "schema = 1\nfreeze = true", 1);
    let config = Config::parse(&text).unwrap();
    assert!(config.links.iter().all(|link| link.policy.frozen));
}

#[test]
fn limits_and_names_that_make_no_sense_are_told_with_their_place() {
    for (from, to, place, words) in [
        (
            "removals = 5",
            "removals = 5001",
            "5:12",
            "5001 is more than 5000",
        ),
        (
            "removals = 5",
            "removals = -1",
            "5:12",
            "a whole number from 0 on is expected, not -1",
        ),
        (
            "removals = 5",
            "removals = \"five\"",
            "5:12",
            "a whole number from 0 on is expected, not the text \"five\"",
        ),
        (
            "freeze = true",
            "freeze = 1",
            "28:10",
            "true or false is expected, not 1",
        ),
        (
            "exempt = [\"shrink\"]",
            "exempt = \"shrink\"",
            "29:63",
            "a list in brackets is expected, not the text \"shrink\"",
        ),
        (
            "name = \"emea\"",
            "name = 1.5",
            "9:8",
            "text in quotes is expected, not 1.5",
        ),
        (
            "[guard]\nremovals = 5\nmost_removals = 30",
            "guard = [1]",
            "4:9",
            "a table is expected, not a list",
        ),
        (
            "guard = { removals_percent = 2, most_removals = 200, exempt = [\"shrink\"] }",
            "guard = [2]",
            "29:9",
            "a table is expected, not a list",
        ),
        ("name = \"emea\"\n", "", "8:1", "`name` is missing"),
        (
            "removals_percent = 2",
            "short_list_removals = 5001",
            "29:33",
            "5001 is more than 5000",
        ),
        (
            "removals_percent = 2",
            "short_list_percent = 101",
            "29:32",
            "101 is more than 100",
        ),
        (
            "removals_percent = 2",
            "removals_percent = 101",
            "29:30",
            "101 is more than 100",
        ),
        (
            "\"shrink\"",
            "\"shrinks\"",
            "29:64",
            "there is no guard \"shrinks\"",
        ),
        // Nobody is exempt from everything, and nobody without a name.
        (
            "most_removals = 30",
            "exempt = [\"shrink\"]",
            "6:1",
            "`exempt` is not known here; known are `removals`, ",
        ),
        (
            "\"require\"",
            "\"maybe\"",
            "31:14",
            "`maybe` is not known here; known are `require`, `warn`, `off`",
        ),
    ] {
        let found = problems(&GUARDED.replacen(from, to, 1));
        assert!(
            found[0].starts_with(&format!("{place}: ")) && found[0].contains(words),
            "{to}: {found:?}"
        );
    }
}

#[test]
fn a_text_that_is_not_utf8_is_told_with_the_place_where_it_ceases_to_be() {
    assert_eq!(not_utf8("# ü\n".as_bytes()), None);
    let problem = not_utf8(b"# \xc3\xbc\nschema \xff = 1").unwrap();
    assert_eq!((problem.line, problem.column), (2, 8), "{problem}");
}

#[test]
fn a_star_leaves_out_what_is_followed_and_what_another_member_has() {
    let config = Config::parse(
        r#"
        schema = 1
        member = [
            { name = "emea", account = "222222222222", external_id = "id" },
            { name = "apac", account = "333333333333", external_id = "id" },
        ]
        link = [
            { management_experience = "exp-a", member = "apac", member_experience = "*" },
            { management_experience = "exp-b", member = "emea", member_experience = "exp-1" },
            { management_experience = "exp-c", member = "apac", member_experience = "exp-2" },
        ]
        "#,
    )
    .unwrap();
    let star = &config.links[0];
    for (experience, is_named, is_followed, path) in [
        ("exp-a", false, true, Some("exp-a -> exp-a")),
        ("exp-b", false, true, Some("exp-a -> exp-b -> exp-1")),
        ("exp-1", true, false, Some("exp-b -> exp-1")),
        ("exp-2", true, false, None),
        ("exp-9", false, false, None),
    ] {
        let id = experience.parse().unwrap();
        assert_eq!(config.is_named(&id), is_named, "{experience}");
        assert_eq!(config.is_followed(&id), is_followed, "{experience}");
        assert_eq!(config.is_free(&id), !is_named && !is_followed);
        let left_out = config.left_out_of(star, &id).map(|path| path.to_string());
        assert_eq!(left_out.as_deref(), path, "{experience}");
    }
}

#[test]
fn a_limit_may_be_the_highest_and_a_text_the_longest() {
    let limit = |most: usize| {
        let guard = format!("{GOOD}\n[guard]\nremovals = {most}\n");
        Config::parse(&guard).is_ok()
    };
    assert!(limit(MOST_LIMIT) && !limit(MOST_LIMIT + 1));
    let long = |bytes: usize| {
        let fill = "#".repeat(bytes - GOOD.len());
        Config::parse(&format!("{GOOD}{fill}"))
    };
    assert!(long(MOST_BYTES).is_ok());
    let error = long(MOST_BYTES + 1).unwrap_err();
    let [problem] = error.problems.as_slice() else {
        panic!("{error}")
    };
    assert_eq!((problem.line, problem.column), (1, 1));
    let told = format!("{} bytes exceed the limit", MOST_BYTES + 1);
    assert!(problem.message.starts_with(&told), "{problem}");
    assert!(error.to_string().contains(&problem.to_string()), "{error}");
}

#[test]
fn a_role_is_an_arn_and_a_queue_is_a_url() {
    let with = |key: &str, value: &str| {
        let account = "account = \"222222222222\"\n";
        let text = GOOD.replace(account, &format!("{account}{key} = \"{value}\"\n"));
        assert!(text.contains(value), "{text}");
        Config::parse(&text).map_err(|error| error.to_string())
    };
    let role = "arn:aws:iam::222222222222:role/pmp-sync";
    let config = with("role", role).unwrap();
    let emea = &config.members[&"emea".parse().unwrap()];
    assert_eq!(emea.role.as_deref(), Some(role));
    for not in ["arn:aws:iam::222222222222:user/a", "x:role/pmp-sync"] {
        let told = with("role", not).unwrap_err();
        assert!(told.contains("is not the ARN of a role"), "{told}");
    }
    for queue in ["https://sqs.example/q", "http://127.0.0.1/q"] {
        let config = with("queue", queue).unwrap();
        let emea = &config.members[&"emea".parse().unwrap()];
        assert_eq!(emea.queue.as_deref(), Some(queue));
    }
    let told = with("queue", "sqs.example/q").unwrap_err();
    assert!(told.contains("is not the URL of a queue"), "{told}");
}

#[test]
fn a_value_of_another_kind_is_told_in_plain_words() {
    for (told, expected) in [
        (
            "unknown variant `a`, expected `b` or `c`",
            "`a` is not known here; known are `b`, `c`",
        ),
        (
            "unknown variant `a`, expected `b`",
            "`a` is not known here; known is `b`",
        ),
        (
            "invalid type: map, expected a boolean",
            "true or false is expected, not a table",
        ),
        (
            "invalid type: sequence, expected a string",
            "text in quotes is expected, not a list",
        ),
    ] {
        assert_eq!(words::plain(told), expected);
    }
}

const SEVERAL: &str = include_str!("../../fixtures/config-1-d.toml");

#[test]
fn a_link_may_follow_several_and_a_list_of_one_is_the_same_as_one() {
    let config = Config::parse(SEVERAL).unwrap();
    let [base, regional, alone] = config.links.as_slice() else {
        panic!("{:?}", config.links)
    };
    assert_eq!(base.sources.to_string(), "exp-base, exp-emea");
    assert_eq!(
        (base.conflict, regional.conflict),
        (Conflict::Deny, Conflict::Allow)
    );
    let single = SEVERAL.replace(
        "management_experiences = [\"exp-base\"]",
        "management_experience = \"exp-base\"",
    );
    assert_ne!(single, SEVERAL);
    assert_eq!(Config::parse(&single).unwrap().links[2], *alone);
    // `*` takes none of them.
    for followed in ["exp-base", "exp-emea", "exp-apac"] {
        let followed = followed.parse().unwrap();
        assert!(config.is_followed(&followed) && !config.is_free(&followed));
    }
}

#[test]
fn a_list_of_management_experiences_that_cannot_be_followed_is_told_at_its_place() {
    let many: Vec<_> = (0..11).map(|number| format!("\"exp-{number}\"")).collect();
    for (list, place, message) in [
        ("[]", "9:26", "no management experience is listed"),
        (
            "[\"exp-base\", \"exp-base\"]",
            "9:39",
            "exp-base is listed twice",
        ),
        (
            "[\"exp-base\", \"x\"]",
            "9:39",
            "\"x\" is not an experience id",
        ),
        (&format!("[{}]", many.join(", ")), "9:26", "at most 10"),
    ] {
        let text = SEVERAL.replacen("[\"exp-base\", \"exp-emea\"]", list, 1);
        let found = problems(&text);
        assert!(
            found[0].starts_with(&format!("{place}: ")),
            "{list}: {found:?}"
        );
        assert!(found[0].contains(message), "{list}: {found:?}");
    }
    let both = SEVERAL.replacen(
        "conflict = \"deny\"",
        "management_experience = \"exp-base\"",
        1,
    );
    let found = problems(&both);
    assert_eq!(
        found,
        ["9:26: a link has management_experience or management_experiences, not both"]
    );
    let neither = SEVERAL.replacen(
        "management_experiences = [\"exp-base\", \"exp-emea\"]\n",
        "",
        1,
    );
    let found = problems(&neither);
    assert_eq!(found, ["8:1: `management_experience` is missing"]);
    let rule = SEVERAL.replacen("conflict = \"deny\"", "conflict = \"none\"", 1);
    let found = problems(&rule);
    assert!(
        found[0].starts_with("10:12: `none` is not known here"),
        "{found:?}"
    );
}

#[test]
fn problems_of_form_hide_neither_each_other_nor_problems_of_value() {
    let text = r#"schema = 1
fridge = true
[[member]]
name = "emea"
account = 222222222222
external_id = "external-emea"
[[member]]
name = "apac"
account = "3333"
external_id = "external-apac"
region = "eu"
[[link]]
management_experience = "exp-m"
member = "emea"
member_experience = "exp-1"
mode = "mirrored"
protect = ["prod-a", 7, "prod b"]
[[link]]
member = "latam"
member_experience = "exp-2"
freeze = "yes"
[[link]]
management_experience = "exp-m"
member = "apac"
"#;
    let found = problems(text);
    let places: Vec<_> = found
        .iter()
        .map(|problem| problem.split(": ").next().unwrap())
        .collect();
    assert_eq!(
        places,
        [
            "2:1", "5:11", "9:11", "11:1", "16:8", "17:22", "17:25", "18:1", "19:10", "21:10",
            "22:1"
        ],
        "{found:#?}"
    );
}
