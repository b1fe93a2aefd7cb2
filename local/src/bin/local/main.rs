//! `pmp-sync-local`: the emulated AWS with everything deployed, started and ended. `pmp-sync local` runs it.
//! Data goes to stdout, everything else to stderr.

mod control;
mod failure;
mod hint;
mod output;
mod serve;
mod start;
mod state;

use std::process::ExitCode;

use clap::Parser;
use pmp_sync_deploy::local::LocalCommand;
use pmp_sync_deploy::time::show_times;

use crate::failure::Failure;
use crate::output::{Common, json, note};

/// An AWS on this machine, with the stacks deployed, to try things with.
#[derive(Debug, Parser)]
#[command(name = "pmp-sync-local", version)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: LocalCommand,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { common, command } = Arguments::parse();
    // The process that serves reports to the one that started it, which knows what was given.
    if !matches!(command, LocalCommand::Serve(_)) {
        hint::show_state(command.state());
    }
    show_times(common.json);
    let outcome = match command {
        LocalCommand::Up(options) => control::up(&common, &options).await,
        LocalCommand::Down(given) => control::down(&common, &given).await,
        LocalCommand::Status(given) => control::status(&common, &given).await,
        LocalCommand::Serve(options) => serve::serve(&common, &options).await,
    };
    let Err(failure) = outcome else {
        return ExitCode::SUCCESS;
    };
    if !matches!(failure, Failure::NoReader) {
        note(&failure.report());
        if common.json {
            let _ = json(&failure.answer());
        }
    }
    ExitCode::from(failure.exit_code())
}
