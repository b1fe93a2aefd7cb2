//! The configuration: any text is read whole or refused with places that lie within it.

#![no_main]

use std::fmt::Write as _;

use libfuzzer_sys::fuzz_target;
use pmp_sync_domain::config::{Config, InvalidConfig, Problem};
use pmp_sync_domain::ids::{ExperienceId, ProductId};
use pmp_sync_domain::link::{Link, Target};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let outcome = Config::parse(text);
    assert_eq!(Config::parse(text), outcome, "read twice");
    match &outcome {
        Ok(config) => check_valid(config),
        Err(invalid) => check_invalid(text, invalid),
    }
    // A byte order mark is one at the beginning only.
    if !text.starts_with('\u{feff}') {
        check_one_line_lower(text, &outcome);
    }
});

fn check_valid(config: &Config) {
    let written = write(config);
    assert_eq!(Config::parse(&written).as_ref(), Ok(config), "{written}");
    for (name, member) in &config.members {
        assert_eq!(*name, member.name);
        let claimed = |link: &&Link| link.member.name == *name && link.target == Target::EveryLive;
        assert!(config.links.iter().filter(claimed).count() <= 1);
    }
    for (place, link) in config.links.iter().enumerate() {
        assert_eq!(config.members.get(&link.member.name), Some(&link.member));
        let Target::One(experience) = &link.target else {
            continue;
        };
        assert!(!config.is_free(experience) && !config.is_followed(experience));
        let is_same = |other: &Link| other.target == link.target;
        assert!(!config.links.iter().skip(place + 1).any(is_same));
    }
}

fn check_invalid(text: &str, invalid: &InvalidConfig) {
    assert!(!invalid.problems.is_empty(), "refused without a reason");
    let lines: Vec<_> = text.split('\n').collect();
    let mut last = (1, 1);
    for problem in &invalid.problems {
        let Problem {
            line,
            column,
            message,
        } = problem;
        assert!(*line >= 1 && *column >= 1, "{problem}");
        assert!(!message.is_empty(), "{problem}");
        let Some(found) = lines.get(line - 1) else {
            panic!("{problem}: the text has {} lines", lines.len())
        };
        let characters = found.chars().count();
        assert!(
            *column <= characters + 1,
            "{problem}: the line has {characters} characters"
        );
        assert!(
            (*line, *column) >= last,
            "{problem}: not in the order of the text"
        );
        last = (*line, *column);
    }
}

/// With a comment in front everything stays as it was, one line lower; only what is wrong with the
/// text as a whole, such as a missing key, is told at its beginning in both.
fn check_one_line_lower(text: &str, outcome: &Result<Config, InvalidConfig>) {
    let mut lowered = Config::parse(&format!("# one more line\n{text}"));
    if let (Err(lowered), Err(invalid)) = (&mut lowered, outcome) {
        for (problem, before) in lowered.problems.iter_mut().zip(&invalid.problems) {
            let is_of_the_whole = |problem: &Problem| (problem.line, problem.column) == (1, 1);
            if !(is_of_the_whole(problem) && is_of_the_whole(before)) {
                problem.line -= 1;
            }
        }
    }
    assert_eq!(&lowered, outcome);
}

/// The configuration as a text that says the same.
fn write(config: &Config) -> String {
    let mut text = "schema = 1\n".to_owned();
    for member in config.members.values() {
        text.push_str("[[member]]\n");
        line(&mut text, "name", member.name.as_str());
        line(&mut text, "account", member.account.as_str());
        line(&mut text, "external_id", member.external_id.as_str());
        if let Some(role) = &member.role {
            line(&mut text, "role", role);
        }
        if let Some(queue) = &member.queue {
            line(&mut text, "queue", queue);
        }
    }
    for link in &config.links {
        text.push_str("[[link]]\n");
        let sources: Vec<_> = link.sources.iter().map(ExperienceId::as_str).collect();
        let sources = toml::Value::from(sources);
        writeln!(text, "management_experiences = {sources}").expect("a text takes any text");
        line(&mut text, "conflict", link.conflict.as_str());
        line(&mut text, "member", link.member.name.as_str());
        line(&mut text, "member_experience", &link.target.to_string());
        line(&mut text, "mode", &link.policy.mode.to_string());
        list(&mut text, "protect", &link.policy.protect);
        list(&mut text, "exclude", &link.policy.exclude);
    }
    text
}

fn line(text: &mut String, key: &str, value: &str) {
    let value = toml::Value::from(value);
    writeln!(text, "{key} = {value}").expect("a text takes any text");
}

fn list<'a>(text: &mut String, key: &str, products: impl IntoIterator<Item = &'a ProductId>) {
    let products: Vec<_> = products.into_iter().map(ProductId::as_str).collect();
    let products = toml::Value::from(products);
    writeln!(text, "{key} = {products}").expect("a text takes any text");
}
