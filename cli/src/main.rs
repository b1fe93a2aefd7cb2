//! `pmp-sync`, the operator's command: configuration, plan, sync, holds, status,
//! history, dead letters, the suspensions, and an AWS on this machine.
//! Data goes to stdout, everything else to stderr. docs/command-guide.md has the exit codes.

mod approval;
mod args;
mod ask;
mod completions;
mod config;
mod context;
mod daemon;
mod deploy;
mod destroy;
mod dlq;
mod doctor;
mod experience;
mod failure;
mod hints;
mod history;
mod holds;
mod invoke;
mod local;
mod member;
mod output;
mod plan;
mod reference;
mod report;
mod schemas;
mod scope;
mod signals;
mod start;
mod state;
mod status;
mod suspensions;
mod sync;
mod why;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Arguments, Command, ConfigCommand, LocalCommand};
use crate::failure::Failure;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return args::refuse(&error),
    };
    let as_json = arguments.common.json;
    // Boxed: it is as large as the largest command.
    match Box::pin(run(arguments)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::failure(&failure, as_json);
            ExitCode::from(failure.exit_code())
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { common, command } = arguments;
    // What `local` starts it ends itself, and by whatever name.
    if !matches!(command, Command::Local(_)) {
        hints::about(&common.name);
        signals::end_the_command(common.json)?;
    }
    match command {
        Command::Config(ConfigCommand::Validate { file }) => config::validate(&file, common.json),
        Command::Config(ConfigCommand::Apply { file }) => config::apply(&common, &file).await,
        Command::Config(ConfigCommand::Schema) => config::schema(common.json),
        Command::Config(ConfigCommand::Show) => config::show(&common).await,
        Command::Member(command) => member::run(&common, &command).await,
        Command::Experience(command) => experience::run(&common, &command).await,
        Command::Plan(options) => plan::run(&common, &options).await,
        Command::Why(options) => why::run(&common, &options).await,
        // Boxed: the future that gathers everything is large.
        Command::Report(options) => Box::pin(report::run(&common, &options)).await,
        Command::Doctor(options) => Box::pin(doctor::run(&common, &options)).await,
        Command::Sync(options) => sync::run(&common, &options).await,
        Command::Status(options) => status::run(&common, &options).await,
        Command::Holds(options) => holds::run(&common, &options).await,
        Command::Approve(options) => approval::approve(&common, &options).await,
        Command::Reject(options) => approval::reject(&common, &options).await,
        Command::Restore(options) => approval::restore(&common, &options).await,
        Command::History(options) => history::run(&common, &options).await,
        Command::Dlq(command) => dlq::run(&common, &command).await,
        Command::Suspend(options) => suspensions::suspend(&common, &options).await,
        Command::Resume(options) => suspensions::resume(&common, &options).await,
        Command::Deploy(command) => deploy::run(&common, &command).await,
        Command::Destroy(options) => destroy::run(&common, &options).await,
        Command::Local(LocalCommand::Up(options)) => local::up(&common, &options).await,
        Command::Local(LocalCommand::Down { state }) => {
            local::down(&common, state.as_deref()).await
        }
        Command::Completions { shell } => completions::run(shell),
        Command::Reference { folder } => reference::write(&folder),
        Command::Local(LocalCommand::Serve(options)) => daemon::serve(&common, &options).await,
    }
}
