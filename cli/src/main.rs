//! `pmp-sync`, the operator's command. Data goes to stdout, everything else to stderr.
//! docs/command-guide.md lists the exit codes.

mod cli;
mod client;
mod commands;
mod failure;
mod hint;
mod options;
mod output;
mod progress;
#[cfg(test)]
mod reference;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::Arguments;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return cli::refuse(&error),
    };
    let (flags, as_json) = (arguments.flags(), arguments.common.json);
    // Boxed, because it is as large as the largest command.
    match Box::pin(cli::run(arguments)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::failure(&failure, &flags, as_json);
            ExitCode::from(failure.exit_code())
        }
    }
}
