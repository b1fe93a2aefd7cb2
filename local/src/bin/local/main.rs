//! `pmp-sync-local`: the emulated AWS with everything deployed, started and ended. `pmp-sync local` runs it.
//! Data goes to stdout, everything else to stderr.

mod control;
mod failure;
mod serve;
mod start;
mod state;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use clap::{Args, Parser};
use pmp_sync_deploy::local::LocalCommand;
use pmp_sync_local::scenario::NAME;
use serde::Serialize;

use crate::failure::Failure;

/// An AWS on this machine, with the stacks deployed, to try things with.
#[derive(Debug, Parser)]
#[command(name = "pmp-sync-local", version)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: LocalCommand,
}

#[derive(Debug, Args)]
struct Common {
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
    /// What the stacks' resources are named after: their parameter Name.
    #[arg(long, global = true, default_value = NAME, env = "PMP_SYNC_NAME")]
    name: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { common, command } = Arguments::parse();
    let outcome = match command {
        LocalCommand::Up(options) => control::up(&common, &options).await,
        LocalCommand::Down(given) => control::down(&common, &given).await,
        LocalCommand::Status(given) => control::status(&common, &given).await,
        LocalCommand::Serve(options) => serve::serve(&common, &options).await,
    };
    let Err(failure) = outcome else {
        return ExitCode::SUCCESS;
    };
    note(&failure.report());
    if common.json {
        let _ = json(&failure.answer());
    }
    ExitCode::from(failure.exit_code())
}

/// Writes a line to stdout.
fn line(text: &str) -> Result<(), Failure> {
    writeln!(std::io::stdout(), "{text}").map_err(Failure::file(Path::new("stdout")))
}

/// Writes a JSON value to stdout.
fn json(value: &impl Serialize) -> Result<(), Failure> {
    let failed = Failure::file(Path::new("stdout"));
    let text = serde_json::to_string(value).map_err(|error| failed(error.into()))?;
    line(&text)
}

/// Writes a line to stderr.
fn note(text: &str) {
    // Errors are ignored, because nobody may be there to read it.
    let _ = writeln!(std::io::stderr(), "{text}");
}
