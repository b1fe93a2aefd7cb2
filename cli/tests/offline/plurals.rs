//! A number stands with the form of its noun: never `1 products`. Texts that people read are made of literals in the
//! sources, so a literal in which a number that may be one stands before a plural is the fault.

use std::path::{Path, PathBuf};

/// Sources whose texts people read.
const SOURCES: [&str; 8] = [
    "shared/domain/src",
    "shared/aws/src",
    "shared/deploy/src",
    "shared/report/src",
    "producer/src",
    "worker/src",
    "cli/src",
    "local/src",
];

/// What pmp-sync counts.
const PLURALS: [&str; 44] = [
    "accounts",
    "allows",
    "approvals",
    "attempts",
    "changes",
    "checks",
    "days",
    "denies",
    "edits",
    "entries",
    "events",
    "experiences",
    "findings",
    "holds",
    "hours",
    "items",
    "lanes",
    "letters",
    "links",
    "members",
    "messages",
    "minutes",
    "notices",
    "ones",
    "organizations",
    "parts",
    "people",
    "plans",
    "principals",
    "problems",
    "products",
    "queues",
    "reasons",
    "removals",
    "requests",
    "rows",
    "runs",
    "sets",
    "stacks",
    "subscriptions",
    "texts",
    "times",
    "versions",
    "warnings",
];

/// Where the number is never one, and why.
const NEVER_ONE: &[(&str, &str)] = &[
    (
        "{} of {} parts",
        "a record of one part is not stored in parts",
    ),
    ("has more than {} changes", "a constant"),
    ("not done within {} minutes", "a constant"),
    ("{} changes all the time", "a verb"),
    (
        "{0} management experiences are listed",
        "more than a link may follow",
    ),
    ("{who} of member {member} requests", "a verb"),
    ("requested {requests} times", "told from 2 on"),
    ("{} change sets in a row", "from a constant on"),
    (
        "{count} changes were rejected individually",
        "from a constant on",
    ),
    ("more than {MOST", "a constant"),
    ("{} products, and {MOST_PRODUCTS}", "more than the constant"),
    (
        "{} products are named, and {MOST_PRODUCTS}",
        "more than the constant",
    ),
    ("means {count} products", "one is what is meant"),
    ("{member} has several experiences", "no number"),
    ("means requests for several", "no number"),
    ("{starts} change sets", "from a constant on"),
    ("{faults} change sets", "from a constant on"),
    ("{count} dead letters have", "one is what is meant"),
    (
        "{count} member experiences {does}",
        "a digest is of several",
    ),
    ("{count} plans wait", "one has a text of its own"),
    ("{VERSIONS} versions", "a constant"),
    ("{function} the messages", "no number"),
    ("{name} hides messages", "no number"),
    ("{}: {} requests {} in", "a verb"),
    (
        "{requests} in {members} members",
        "one has a text of its own",
    ),
    ("{} products", "the name of an experience"),
    ("{:?} does not take changes", "no number"),
    ("{MOST_", "a constant"),
    ("of {needed} people", "two, or nobody is waited for"),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && name != "tests" && name != "bin" {
            sources(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") && !name.ends_with("tests.rs") {
            found.push(path);
        }
    }
}

/// The texts in quotes, without those of the tests.
fn literals(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]\nmod tests").next().unwrap();
    let code = source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let code = code.collect::<Vec<_>>().join("\n");
    let (mut texts, mut text, mut is_in) = (Vec::new(), String::new(), false);
    let mut chars = code.chars();
    let mut before = ' ';
    while let Some(char) = chars.next() {
        match char {
            '\\' if is_in => text.extend(['\\', chars.next().unwrap_or(' ')]),
            // `'"'` is a character.
            '"' if is_in || before != '\'' => {
                if is_in {
                    texts.push(std::mem::take(&mut text));
                }
                is_in = !is_in;
            }
            _ if is_in => text.push(char),
            _ => {}
        }
        before = char;
    }
    texts
}

/// The places of a text where a number in braces is followed, after at most three words, by a plural.
fn numbered(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (place, _) in text.match_indices('}') {
        let Some(begin) = text[..place].rfind('{') else {
            continue;
        };
        let behind = &text[place + 1..];
        if !behind.starts_with(' ') {
            continue;
        }
        let words = behind.trim_start().split(' ').take(4);
        for (count, word) in words.enumerate() {
            // Behind a word may be a full stop.
            let plain = word.trim_end_matches(|char: char| !char.is_ascii_alphabetic());
            if PLURALS.contains(&plain) {
                let rest: Vec<_> = behind.trim_start().split(' ').take(count + 1).collect();
                found.push(format!("{} {}", &text[begin..=place], rest.join(" ")));
                break;
            }
            let is_noun = !["of", "that", "is", "are", "in", "on", "by", "with"].contains(&word);
            if !is_noun || word.chars().any(|char| !char.is_ascii_lowercase()) {
                break;
            }
        }
    }
    found
}

#[test]
fn no_text_has_a_number_that_may_be_one_before_a_plural() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut complaints = Vec::new();
    let mut seen = 0;
    for folder in SOURCES {
        let mut files = Vec::new();
        sources(&root.join(folder), &mut files);
        for file in files {
            let source = std::fs::read_to_string(&file).unwrap();
            for text in literals(&source) {
                seen += 1;
                let is_known = NEVER_ONE.iter().any(|(part, _)| text.contains(part));
                for number in numbered(&text).iter().filter(|_| !is_known) {
                    complaints.push(format!("{}: {number}, in {text:?}", file.display()));
                }
            }
        }
    }
    assert!(seen > 2_000, "{seen}");
    assert!(
        complaints.is_empty(),
        "`pmp_sync_domain::text::count` has the form of the noun:\n{}",
        complaints.join("\n")
    );
}

#[test]
fn the_sweep_finds_what_it_is_for() {
    for (text, count) in [
        ("changed {new} products of {}", 1),
        ("it sent {} changes, of {} allows and {} denies", 3),
        ("{count} quarantined changes", 1),
        ("{} is held", 0),
        ("{} of {}", 0),
        ("products: {}", 0),
    ] {
        assert_eq!(numbered(text).len(), count, "{text}");
    }
    let source =
        "let a = \"one {} links\"; // \"{} links\"\n#[cfg(test)]\nmod tests { \"{} links\" }";
    assert_eq!(literals(source)[0], "one {} links");
}
