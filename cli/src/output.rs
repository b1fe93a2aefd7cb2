//! Writing: data to stdout, notes to stderr.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

use comfy_table::{ContentArrangement, Table, presets};
use jiff::Timestamp;
use serde::Serialize;

use crate::failure::Failure;

fn broken(error: std::io::Error) -> Failure {
    Failure::File {
        path: "stdout".to_owned(),
        error,
    }
}

/// A line of data.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    writeln!(std::io::stdout(), "{text}").map_err(broken)
}

/// Data as it is, without a newline of ours.
pub(crate) fn verbatim(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(broken)
}

/// So many of something that takes an s: `1 link`, `2 links`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// How many products were edited outside of pmp-sync, and since when that has been seen.
pub(crate) fn edited(count: usize, since: Option<Timestamp>) -> String {
    // To the second: nobody compares nanoseconds on a screen.
    let since = since.and_then(|at| Timestamp::from_second(at.as_second()).ok());
    match since {
        Some(since) if count > 0 => format!("{count} since {since}"),
        _ => count.to_string(),
    }
}

static PRINTED_JSON: AtomicBool = AtomicBool::new(false);

/// True once there is a JSON value on stdout. There is to be one, whatever comes of the command.
pub(crate) fn has_printed_json() -> bool {
    PRINTED_JSON.load(Ordering::Relaxed)
}

/// One JSON value.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|error| broken(error.into()))?;
    PRINTED_JSON.store(true, Ordering::Relaxed);
    line(&text)
}

/// Something for the person at the terminal. Nobody may be there to read it.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A table without lines, which is readable when piped as well.
pub(crate) fn table(header: &[&str], rows: Vec<Vec<String>>) -> Result<(), Failure> {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header);
    table.add_rows(rows);
    for row in table.to_string().lines() {
        line(row.trim_end())?;
    }
    Ok(())
}
