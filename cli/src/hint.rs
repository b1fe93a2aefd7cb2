//! Commands as they are shown, with the options that are in force.

use std::borrow::Cow;

use pmp_sync_domain::approval::Hold;
use pmp_sync_domain::hint::{Advice, Hint};
use pmp_sync_domain::ids::{ExperienceId, MemberName};

use pmp_sync_report::Commands;
pub(crate) use pmp_sync_report::shell;

use crate::options::Common;

/// The options with which a command reaches the same installation, between `pmp-sync` and the rest
/// of its line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flags(Commands);

impl Flags {
    /// The options that this command was run with.
    pub(crate) fn of(common: &Common) -> Self {
        let stacks = Commands::of_stacks(&common.name);
        Self(match &common.management_profile {
            Some(profile) => stacks.with("--management-profile", profile),
            None => stacks,
        })
    }

    /// A command, by what follows `pmp-sync` in it.
    pub(crate) fn command(&self, rest: &str) -> String {
        self.0.command(rest)
    }

    /// The command of a hint.
    pub(crate) fn line(&self, hint: &Hint) -> String {
        self.0.line(hint)
    }

    /// What to do, with its commands.
    pub(crate) fn advice(&self, advice: &Advice) -> String {
        self.0.advice(advice)
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
        if self.0.are_plain() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::DEFAULT_NAME;

    fn of_stacks(name: &str) -> Flags {
        Flags(Commands::of_stacks(name))
    }

    #[test]
    fn commands_are_told_for_stacks_of_another_name() {
        let told = "see `pmp-sync holds`, then `config show`; pmp-sync is fine";
        assert_eq!(of_stacks(DEFAULT_NAME).text(told), told);
        assert_eq!(
            of_stacks("x").text(told),
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
        let other = of_stacks("other");
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
