//! Commands as they are shown, with the options that are in force.

use std::borrow::Cow;

use pmp_sync_domain::approval::Hold;
use pmp_sync_domain::hint::{Advice, Hint};
use pmp_sync_domain::ids::{ExperienceId, MemberName};

use crate::options::{Common, DEFAULT_NAME};

/// The options with which a command reaches the same installation, between `pmp-sync` and the rest
/// of its line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flags(String);

impl Flags {
    /// The options that this command was run with.
    pub(crate) fn of(common: &Common) -> Self {
        let profile = common.management_profile.iter();
        let profile = profile.map(|name| format!(" --management-profile {}", shell(name)));
        let stacks = Self::of_stacks(&common.name);
        Self(stacks.0 + &profile.collect::<String>())
    }

    /// Only the name of the stacks, for readers with credentials of their own.
    pub(crate) fn of_stacks(name: &str) -> Self {
        if name == DEFAULT_NAME {
            Self::default()
        } else {
            Self(format!(" --name {}", shell(name)))
        }
    }

    /// A command, by what follows `pmp-sync` in it.
    pub(crate) fn command(&self, rest: &str) -> String {
        format!("pmp-sync{} {rest}", self.0)
    }

    /// The command of a hint.
    pub(crate) fn line(&self, hint: &Hint) -> String {
        self.command(&hint.arguments().join(" "))
    }

    /// What to do, with its commands.
    pub(crate) fn advice(&self, advice: &Advice) -> String {
        advice.text(|hint| self.line(hint))
    }

    /// A whole command of the usual installation.
    fn given(&self, command: &str) -> String {
        let rest = command.strip_prefix("pmp-sync ");
        rest.map_or_else(|| command.to_owned(), |rest| self.command(rest))
    }

    /// The command that approves a hold. `member` is needed where several have an experience of that id.
    pub(crate) fn approve(
        &self,
        hold: &Hold,
        experience: &ExperienceId,
        member: Option<&MemberName>,
    ) -> String {
        let mut hint = hold.approve(experience);
        if let Hint::Approve { member: of, .. } = &mut hint {
            *of = member.cloned();
        }
        self.line(&hint)
    }

    /// A text with commands in backticks.
    pub(crate) fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.0.is_empty() {
            return Cow::Borrowed(text);
        }
        let parts = text.split('`').enumerate();
        let parts = parts.map(|(place, part)| match place % 2 {
            0 => Cow::Borrowed(part),
            _ => Cow::Owned(self.given(part)),
        });
        Cow::Owned(parts.collect::<Vec<_>>().join("`"))
    }
}

/// A word of a command line, quoted for a shell if necessary.
pub(crate) fn shell(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.@:/-".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_for_stacks_of_another_name() {
        let told = "see `pmp-sync holds`, then `config show`; pmp-sync is fine";
        assert_eq!(Flags::of_stacks(DEFAULT_NAME).text(told), told);
        assert_eq!(
            Flags::of_stacks("x").text(told),
            "see `pmp-sync --name x holds`, then `config show`; pmp-sync is fine"
        );
        let common = Common {
            json: false,
            utc: false,
            name: "x".to_owned(),
            management_profile: Some("head office".to_owned()),
        };
        assert_eq!(
            Flags::of(&common).command("status"),
            "pmp-sync --name x --management-profile 'head office' status"
        );
    }

    #[test]
    fn a_command_is_one_that_a_shell_takes_as_it_is() {
        let other = Flags::of_stacks("other");
        assert_eq!(
            Flags::default().given("pmp-sync approve X"),
            "pmp-sync approve X"
        );
        assert_eq!(other.command("resume"), "pmp-sync --name other resume");
        assert_eq!(
            other.given("pmp-sync approve X"),
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
