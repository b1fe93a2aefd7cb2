//! The commands that are told: by the name of the stacks, if it is not the usual one.

use std::borrow::Cow;
use std::sync::OnceLock;

use pmp_sync_domain::approval::Hold;
use pmp_sync_domain::ids::{ExperienceId, MemberName};

use crate::options::DEFAULT_NAME;

static NAME: OnceLock<String> = OnceLock::new();

/// The name of the stacks that the command is about, once it is known.
pub(crate) fn about(name: &str) {
    // There is one command line in a process.
    let _ = NAME.set(name.to_owned());
}

fn name() -> &'static str {
    NAME.get().map_or(DEFAULT_NAME, String::as_str)
}

/// The command that releases a hold; of which member, where several have an experience of that id.
pub(crate) fn approve(
    hold: &Hold,
    experience: &ExperienceId,
    member: Option<&MemberName>,
) -> String {
    let mut command = named(name(), &hold.command(experience));
    if let Some(member) = member {
        command = format!("{command} --member {member}");
    }
    command
}

/// The beginning of every command: by the name of the stacks, if it is not the usual one.
pub(crate) fn command(name: &str, rest: &str) -> String {
    if name == DEFAULT_NAME {
        format!("pmp-sync {rest}")
    } else {
        format!("pmp-sync --name {} {rest}", shell(name))
    }
}

/// A command that is told elsewhere, for these stacks.
pub(crate) fn named(name: &str, told: &str) -> String {
    let rest = told.strip_prefix("pmp-sync ");
    rest.map_or_else(|| told.to_owned(), |rest| command(name, rest))
}

/// A word of a command, so that a shell takes it as it is.
pub(crate) fn shell(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.@:/-".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Text with commands in backticks, each for these stacks.
pub(crate) fn text(told: &str) -> Cow<'_, str> {
    for_stacks(name(), told)
}

fn for_stacks<'a>(name: &str, told: &'a str) -> Cow<'a, str> {
    if name == DEFAULT_NAME || !told.contains("pmp-sync ") {
        return Cow::Borrowed(told);
    }
    let begins = format!("pmp-sync --name {} ", shell(name));
    let told = told
        .replace("`pmp-sync ", &format!("`{begins}"))
        // The one that is told to be copied as it is; in backticks it has its name by now.
        .replace("pmp-sync approve ", &format!("{begins}approve "));
    // Some tell it already.
    Cow::Owned(told.replace(&format!("{begins}--name "), "pmp-sync --name "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_for_stacks_of_another_name() {
        let told = "see `pmp-sync holds`, then `pmp-sync --name x status`; pmp-sync is fine";
        assert_eq!(for_stacks(DEFAULT_NAME, told), told);
        let approve = "if it is right: pmp-sync approve X";
        let named = "if it is right: pmp-sync --name x approve X";
        assert_eq!(for_stacks("x", approve), named);
        assert_eq!(for_stacks("x", named), named);
        assert_eq!(
            for_stacks("x", told),
            "see `pmp-sync --name x holds`, then `pmp-sync --name x status`; pmp-sync is fine"
        );
    }

    #[test]
    fn a_command_is_one_that_a_shell_takes_as_it_is() {
        assert_eq!(command("pmp-sync", "resume"), "pmp-sync resume");
        assert_eq!(command("other", "resume"), "pmp-sync --name other resume");
        assert_eq!(
            named("other", "pmp-sync approve X"),
            "pmp-sync --name other approve X"
        );
        for (word, taken) in [
            ("prod-abc", "prod-abc"),
            ("a$(b)", "'a$(b)'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
        ] {
            assert_eq!(shell(word), taken);
        }
    }
}
