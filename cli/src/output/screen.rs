//! Where output goes: how wide it is, and whether it shows colours.

use std::io::{IsTerminal, Stderr, Stdout};

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};
use console::Term;

/// The least width that tables are laid out for.
const NARROWEST: usize = 40;

/// What is known of the place where output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Screen {
    /// Columns of text. None if lines may have any length, as in a pipe or a file.
    pub(crate) width: Option<usize>,
    /// True if colours are shown.
    pub(crate) colours: bool,
}

impl Screen {
    /// Lines of any length, without colours.
    #[cfg(test)]
    pub(crate) const PLAIN: Self = Self {
        width: None,
        colours: false,
    };

    pub(crate) fn stdout() -> Self {
        let stream: Stdout = std::io::stdout();
        Self::of(&stream, &Term::stdout())
    }

    pub(crate) fn stderr() -> Self {
        let stream: Stderr = std::io::stderr();
        Self::of(&stream, &Term::stderr())
    }

    fn of<S: RawStream + IsTerminal>(stream: &S, terminal: &Term) -> Self {
        let columns = std::env::var("COLUMNS").ok();
        let size = || terminal.size_checked().map(|(_, columns)| columns);
        Self {
            width: width(columns.as_deref(), size),
            // NO_COLOR, CLICOLOR, CLICOLOR_FORCE and TERM=dumb, as the help of commands follows them. There, a 0
            // forces colours as well.
            colours: matches!(
                AutoStream::choice(stream),
                ColorChoice::Always | ColorChoice::AlwaysAnsi
            ) && (IsTerminal::is_terminal(stream) || !is_zero("CLICOLOR_FORCE")),
        }
    }
}

fn is_zero(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| value == "0")
}

/// COLUMNS, then the width of the terminal.
fn width(columns: Option<&str>, terminal: impl Fn() -> Option<u16>) -> Option<usize> {
    let told = columns.and_then(|text| text.trim().parse().ok());
    let told = told.filter(|columns| *columns > 0);
    let width = told.or_else(|| terminal().map(usize::from));
    width.map(|width: usize| width.max(NARROWEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_come_before_the_terminal_and_a_pipe_has_none() {
        for (columns, terminal, expected) in [
            (Some("100"), Some(80), Some(100)),
            (Some("0"), Some(80), Some(80)),
            (Some("wide"), Some(80), Some(80)),
            (None, Some(80), Some(80)),
            (Some("80"), None, Some(80)),
            (Some("5"), None, Some(NARROWEST)),
            (None, None, None),
        ] {
            assert_eq!(width(columns, || terminal), expected, "{columns:?}");
        }
    }
}
