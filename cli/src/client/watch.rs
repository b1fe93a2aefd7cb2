//! Repeats what a command shows, drawn in place on a terminal, and otherwise one block for each
//! change.

use std::io::IsTerminal as _;
use std::time::Duration;

use super::context::Context;
use crate::failure::Failure;
use crate::hint::Flags;
use crate::options::Common;
use crate::output::{self, Line};

/// Consecutive reads that may fail before it gives up.
const MOST_FAILURES: usize = 3;
/// Moves to the first line, and clears the screen.
const HOME: &str = "\u{1b}[H\u{1b}[2J";

/// What is shown.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// Lines for stdout.
    pub(crate) data: Vec<Line>,
    /// Notes about what may need attention, for stderr.
    pub(crate) notes: Vec<String>,
}

impl Told {
    /// Shows it once.
    pub(crate) fn show(&self, context: &Context) -> Result<(), Failure> {
        self.data.iter().try_for_each(output::shown)?;
        self.notes.iter().for_each(|note| context.note(note));
        Ok(())
    }
}

/// Reads and shows until a signal ends it. `once` is the command that prints one JSON value.
pub(crate) async fn watch(
    common: &Common,
    context: &Context,
    interval: Duration,
    once: &str,
    read: impl AsyncFn() -> Result<Told, Failure>,
) -> Result<(), Failure> {
    if common.json {
        return Err(Failure::CommandLine {
            message: "--watch goes on, and --json is one value".to_owned(),
            remedy: format!("call `{once}` as often as you want to know"),
        });
    }
    let in_place = std::io::stdout().is_terminal();
    if !in_place {
        // That time goes by is no change.
        output::leave_out_ages();
    }
    let mut shown = None;
    let mut failures = 0;
    loop {
        match read().await {
            Ok(told) => {
                failures = 0;
                if shown.as_ref() != Some(&told) {
                    output::verbatim(&block(&told, &context.flags, in_place, shown.is_none()))?;
                    shown = Some(told);
                }
            }
            Err(failure) => {
                failures += 1;
                if shown.is_none() || failures >= MOST_FAILURES {
                    return Err(failure);
                }
                context.note(&failure.report());
            }
        }
        tokio::time::sleep(interval).await;
    }
}

/// The text of one read. Without a terminal an empty line separates blocks.
fn block(told: &Told, flags: &Flags, in_place: bool, is_first: bool) -> String {
    let start = match (in_place, is_first) {
        (true, _) => HOME,
        (false, true) => "",
        (false, false) => "\n",
    };
    let data = told.data.iter().cloned();
    let notes = told.notes.iter().map(|note| Line::from(&*flags.text(note)));
    let lines: Vec<_> = data.chain(notes).collect();
    let lines: Vec<_> = lines.iter().map(Line::as_str).collect();
    format!("{start}{}\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_terminal_is_sent_what_moves_its_cursor() {
        let told = Told {
            data: vec!["a".into(), Line::default(), "b".into()],
            notes: vec!["note".to_owned()],
        };
        assert_eq!(
            block(&told, &Flags::default(), false, true),
            "a\n\nb\nnote\n"
        );
        assert_eq!(
            block(&told, &Flags::default(), false, false),
            "\na\n\nb\nnote\n"
        );
        assert!(block(&told, &Flags::default(), true, false).starts_with(HOME));
    }
}
