//! Commands as they are shown.

use pmp_sync_domain::hint::{Advice, Hint};

/// The name of the usual installation, which commands need not give.
pub const USUAL_NAME: &str = "pmp-sync";

/// How commands are written: with the options that reach this installation, between `pmp-sync` and the rest of a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commands(String);

impl Commands {
    /// Only the name of the stacks, for readers with credentials of their own.
    pub fn of_stacks(name: &str) -> Self {
        if name == USUAL_NAME {
            Self::default()
        } else {
            Self(format!(" --name {}", shell(name)))
        }
    }

    /// The same with another option, as a shell takes it.
    #[must_use]
    pub fn with(self, option: &str, value: &str) -> Self {
        Self(format!("{} {option} {}", self.0, shell(value)))
    }

    /// True if a line needs no option.
    pub fn are_plain(&self) -> bool {
        self.0.is_empty()
    }

    /// A command, by what follows `pmp-sync` in it.
    pub fn command(&self, rest: &str) -> String {
        format!("pmp-sync{} {rest}", self.0)
    }

    /// The command of a hint.
    pub fn line(&self, hint: &Hint) -> String {
        self.command(&hint.arguments().join(" "))
    }

    /// What to do, with its commands.
    pub fn advice(&self, advice: &Advice) -> String {
        advice.text(|hint| self.line(hint))
    }
}

/// A word of a command line, quoted for a shell if necessary.
pub fn shell(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.@:/-".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
