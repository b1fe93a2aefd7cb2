//! Help: the commands grouped by task, and two examples for each.

use std::fmt::Write as _;

use clap::Command;

use crate::output::{fold, screen_width};

/// The commands, by what they are for. A command that is in none of them is listed under `MORE`.
const GROUPS: &[(&str, &[&str])] = &[
    (
        "See what is going on",
        &[
            "status", "plan", "why", "history", "drift", "doctor", "report",
        ],
    ),
    (
        "Sync, and decide what is held",
        &[
            "sync", "holds", "approve", "reject", "suspend", "resume", "revert", "restore",
        ],
    ),
    ("Change what is allowed", &["product", "requests", "dlq"]),
    (
        "Configure",
        &["config", "member", "experience", "notify", "scp"],
    ),
    (
        "Install, and try out",
        &["deploy", "destroy", "local", "completions"],
    ),
];
const MORE: &str = "More";

/// The examples of each command below its path in brackets.
const EXAMPLES: &str = include_str!("help/examples.txt");

/// The width of help that goes to a pipe or a file.
const WIDTH: usize = 100;

/// The commands with their groups and examples.
pub(crate) fn with_help(command: Command) -> Command {
    let command = command.disable_help_subcommand(false);
    let template = template(&command);
    with_examples(command, "").help_template(template)
}

/// The template of the help of `pmp-sync` itself.
fn template(command: &Command) -> String {
    let mut text = "{about-with-newline}\n{usage-heading} {usage}\n".to_owned();
    let in_groups = GROUPS.iter().flat_map(|(_, names)| *names);
    let in_groups: Vec<_> = in_groups.copied().collect();
    let shown = command.get_subcommands().filter(|one| !one.is_hide_set());
    let others = shown.map(Command::get_name);
    let others: Vec<_> = others.filter(|name| !in_groups.contains(name)).collect();
    let width = screen_width().unwrap_or(WIDTH);
    let longest = in_groups.iter().chain(&others).map(|name| name.len()).max();
    let longest = longest.unwrap_or(0);
    for (task, names) in GROUPS.iter().copied().chain([(MORE, others.as_slice())]) {
        let found = names
            .iter()
            .filter_map(|name| command.find_subcommand(name));
        let found: Vec<_> = found.collect();
        if found.is_empty() {
            continue;
        }
        let _ = write!(text, "\n{task}:\n");
        for command in found {
            let about = command.get_about().map(ToString::to_string);
            let about = about.unwrap_or_default();
            // What follows is in the help of the command.
            let first = about.split(". ").next().unwrap_or_default();
            let name = command.get_name();
            let mut start = format!("  {name:longest$}  ");
            for part in fold(first, width.saturating_sub(longest + 4)) {
                let _ = writeln!(text, "{start}{part}");
                start = " ".repeat(longest + 4);
            }
        }
    }
    text.push_str(
        "\nOptions:\n{options}\n\n`pmp-sync help COMMAND` explains a command, with examples.\n",
    );
    text
}

/// Adds the examples to a command and everything below it.
fn with_examples(command: Command, path: &str) -> Command {
    let names = command
        .get_subcommands()
        .map(|one| one.get_name().to_owned());
    let names: Vec<_> = names.collect();
    let command = names.into_iter().fold(command, |command, name| {
        let path = format!("{path} {name}");
        command.mut_subcommand(name, |below| with_examples(below, path.trim_start()))
    });
    match told(path) {
        Some(text) => command.after_help(text),
        None => command,
    }
}

/// The examples of a command, as its help shows them.
fn told(path: &str) -> Option<String> {
    let mut text = "Examples:".to_owned();
    let mut found = false;
    for (line, what) in examples(path) {
        found = true;
        let _ = write!(text, "\n  pmp-sync {line}\n      {what}");
    }
    found.then_some(text)
}

/// The examples of a command: a line without `pmp-sync` at its beginning, and what it does.
pub(crate) fn examples(path: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let head = format!("[{path}]");
    let below = EXAMPLES.lines().skip_while(move |line| *line != head);
    let mut lines = below.skip(1).take_while(|line| !line.is_empty());
    std::iter::from_fn(move || Some((lines.next()?, lines.next()?.trim_start())))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Arguments;

    /// The paths of the commands that do something.
    fn paths(command: &Command, path: &str, found: &mut BTreeSet<String>) {
        let below = command.get_subcommands();
        let below: Vec<_> = below
            .filter(|one| !one.is_hide_set() && one.get_name() != "help")
            .collect();
        if !path.is_empty() && !command.is_subcommand_required_set() {
            found.insert(path.to_owned());
        }
        for one in below {
            let path = format!("{path} {}", one.get_name());
            paths(one, path.trim_start(), found);
        }
    }

    /// The words of a command line, as a shell splits them. Examples quote with `'` alone.
    fn words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        let mut is_quoted = false;
        for char in line.chars() {
            match (char, is_quoted) {
                ('\'', _) => is_quoted = !is_quoted,
                (' ', false) => words.push(String::new()),
                _ => words.last_mut().unwrap().push(char),
            }
        }
        assert!(!is_quoted, "{line}");
        words
    }

    #[test]
    fn every_command_is_in_one_group() {
        let command = Arguments::command();
        let grouped: Vec<_> = GROUPS.iter().flat_map(|(_, names)| *names).collect();
        for one in command.get_subcommands().filter(|one| !one.is_hide_set()) {
            let name = one.get_name();
            let times = grouped.iter().filter(|in_it| **in_it == &name).count();
            assert_eq!(times, 1, "`{name}` belongs into one group of the help");
        }
    }

    #[test]
    fn every_command_has_two_examples_that_it_parses() {
        let command = Arguments::command();
        let mut commands = BTreeSet::new();
        paths(&command, "", &mut commands);
        let heads = EXAMPLES.lines();
        let heads = heads.filter_map(|line| line.strip_prefix('[')?.strip_suffix(']'));
        let gone: Vec<_> = heads.filter(|of| !commands.contains(*of)).collect();
        assert_eq!(gone, [] as [&str; 0], "no such commands");
        for of in &commands {
            let examples: Vec<_> = examples(of).collect();
            assert!(examples.len() >= 2, "`{of}` needs two examples");
            assert_ne!(examples[0].0, examples[1].0, "{of}");
            for (line, what) in examples {
                assert!(line.starts_with(of.as_str()), "{of}: {line}");
                assert!(!what.is_empty() && !what.ends_with('.'), "{of}: {what}");
                let words = std::iter::once("pmp-sync".to_owned()).chain(words(line));
                let parsed = command.clone().try_get_matches_from(words);
                assert!(parsed.is_ok(), "pmp-sync {line}: {}", parsed.unwrap_err());
            }
        }
    }

    #[test]
    fn help_shows_every_command_under_its_task_and_the_examples_of_each() {
        let mut command = with_help(Arguments::command());
        let help = command.render_long_help().to_string();
        for (task, names) in GROUPS {
            assert!(help.contains(&format!("\n{task}:\n")), "{help}");
            for name in names
                .iter()
                .filter(|name| command.find_subcommand(name).is_some())
            {
                assert_eq!(
                    help.matches(&format!("\n  {name} ")).count(),
                    1,
                    "{name}: {help}"
                );
            }
        }
        assert!(!help.contains(MORE) && help.contains("--json"), "{help}");
        let sync = command.find_subcommand_mut("sync").unwrap();
        let help = sync.render_help().to_string();
        assert!(
            help.contains("Examples:\n  pmp-sync sync --wait\n"),
            "{help}"
        );
    }
}
