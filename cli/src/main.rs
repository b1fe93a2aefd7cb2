//! `pmp-sync`, the operator's command: configuration, plan, sync, status, and an AWS on this machine.
//! Data goes to stdout, everything else to stderr. docs/cli.md has the exit codes.

mod args;
mod config;
mod context;
mod daemon;
mod failure;
mod local;
mod output;
mod plan;
mod status;
mod sync;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Arguments, Command, ConfigCommand, LocalCommand};
use crate::failure::Failure;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::note(&failure.report());
            ExitCode::from(failure.exit_code())
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { common, command } = arguments;
    match command {
        Command::Config(ConfigCommand::Validate { file }) => config::validate(&file, common.json),
        Command::Config(ConfigCommand::Apply { file }) => config::apply(&common, &file).await,
        Command::Config(ConfigCommand::Show) => config::show(&common).await,
        Command::Plan(options) => plan::run(&common, &options).await,
        Command::Sync(options) => sync::run(&common, &options).await,
        Command::Status(options) => status::run(&common, &options).await,
        Command::Local(LocalCommand::Up(options)) => local::up(&common, &options).await,
        Command::Local(LocalCommand::Down { state }) => local::down(state.as_deref()).await,
        Command::Local(LocalCommand::Serve(options)) => daemon::serve(&common, &options).await,
    }
}
