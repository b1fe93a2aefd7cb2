//! Colours by meaning. Words carry the meaning too, so that nothing is lost without colours.

use anstyle::{AnsiColor, Style};

/// What a word on the screen means. Later ones are worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Meaning {
    /// Nothing in particular.
    Plain,
    /// The name of a column, or a heading.
    Heading,
    /// Allowed, in sync, or otherwise well.
    Allow,
    /// Denied.
    Deny,
    /// Something to know: it differs, is frozen, suspended or stale.
    Notice,
    /// Waits for approval.
    Held,
    /// Failed, blocked, or refused.
    Fault,
}

const ALLOW: &[&str] = &[
    "allow",
    "allowed",
    "ok",
    "in sync",
    "completed",
    "active",
    "enabled",
    "approved",
    "created",
    "add",
];
const DENY: &[&str] = &["deny", "denied", "remove"];
const NOTICE: &[&str] = &[
    "warn",
    "unknown",
    "differs",
    "frozen",
    "suspended",
    "stale",
    "superseded",
    "quarantined",
    "disabled",
    "archived",
    "contested",
    "left out",
    "no link",
    "not configured",
    "expired",
    "no targets",
];
const HELD: &[&str] = &["held", "open", "waiting", "waits for approval"];
const FAULT: &[&str] = &[
    "fail",
    "fails",
    "failed",
    "fault",
    "blocked",
    "partial",
    "interrupted",
    "refused",
    "rejected",
    "no policy",
];

impl Meaning {
    /// The meaning of the words of a cell, such as `held` or `suspended, blocked`: that of the worst.
    pub(crate) fn of(text: &str) -> Self {
        let words = text.split([',', ':', ';', '(']);
        let meanings = words.map(|word| {
            let word = word.trim().replace('_', " ").to_lowercase();
            let is_in = |list: &[&str]| list.contains(&word.as_str());
            match () {
                () if is_in(FAULT) => Self::Fault,
                () if is_in(HELD) => Self::Held,
                () if is_in(NOTICE) => Self::Notice,
                () if is_in(DENY) => Self::Deny,
                () if is_in(ALLOW) => Self::Allow,
                () => Self::Plain,
            }
        });
        meanings.max().unwrap_or(Self::Plain)
    }

    const fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Heading => Style::new().bold(),
            Self::Allow => AnsiColor::Green.on_default(),
            Self::Deny => AnsiColor::Magenta.on_default(),
            Self::Notice => AnsiColor::Cyan.on_default(),
            Self::Held => AnsiColor::Yellow.on_default(),
            Self::Fault => AnsiColor::Red.on_default().bold(),
        }
    }

    /// The text in its colour, if colours are shown.
    pub(crate) fn paint(self, text: &str, colours: bool) -> String {
        if !colours || self == Self::Plain || text.is_empty() {
            return text.to_owned();
        }
        let style = self.style();
        format!("{style}{text}{style:#}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_several_words_gives_the_colour() {
        for (text, meaning) in [
            ("active", Meaning::Allow),
            ("FAIL", Meaning::Fault),
            ("suspended, frozen, blocked", Meaning::Fault),
            ("in_sync", Meaning::Allow),
            ("deny", Meaning::Deny),
            ("held (2 reasons)", Meaning::Held),
            ("idle", Meaning::Plain),
            ("-", Meaning::Plain),
        ] {
            assert_eq!(Meaning::of(text), meaning, "{text}");
        }
    }

    #[test]
    fn each_meaning_has_a_colour_of_its_own_and_only_where_colours_are_shown() {
        let all = [
            Meaning::Heading,
            Meaning::Allow,
            Meaning::Deny,
            Meaning::Notice,
            Meaning::Held,
            Meaning::Fault,
        ];
        let mut painted: Vec<_> = all.map(|meaning| meaning.paint("x", true)).into();
        assert!(painted.iter().all(|text| text.starts_with('\u{1b}')));
        painted.sort();
        painted.dedup();
        assert_eq!(painted.len(), all.len());
        assert!(all.iter().all(|meaning| meaning.paint("x", false) == "x"));
    }
}
