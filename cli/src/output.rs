//! Writing: data to stdout, notes to stderr.

use std::io::Write as _;

use comfy_table::{ContentArrangement, Table, presets};
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

/// One JSON value.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|error| broken(error.into()))?;
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
