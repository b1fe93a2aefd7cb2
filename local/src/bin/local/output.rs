//! What every command takes, and how each writes.

use std::io::{ErrorKind, Write as _};
use std::path::Path;

use clap::Args;
use pmp_sync_local::scenario::NAME;
use serde::Serialize;

use crate::failure::Failure;
use crate::hint::with_state;

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Print JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// What the stacks' resources are named after: their parameter Name.
    #[arg(long, global = true, default_value = NAME, env = "PMP_SYNC_NAME")]
    pub(crate) name: String,
}

/// Writes a line to stdout.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    writeln!(std::io::stdout(), "{text}").map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::NoReader,
        _ => Failure::file(Path::new("stdout"))(error),
    })
}

/// Writes a JSON value to stdout.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let failed = Failure::file(Path::new("stdout"));
    let text = serde_json::to_string(value).map_err(|error| failed(error.into()))?;
    line(&text)
}

/// Writes a line to stderr. Its commands name the state file that was given.
pub(crate) fn note(text: &str) {
    // Errors are ignored, because nobody may be there to read it.
    let _ = writeln!(std::io::stderr(), "{}", with_state(text));
}
