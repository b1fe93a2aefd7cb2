//! `pmp-sync`, the operator's command. Data goes to stdout, everything else to stderr.
//! docs/command-guide.md lists the exit codes.

mod cli;
mod client;
mod commands;
mod failure;
mod help;
mod hint;
mod options;
mod output;
mod progress;
#[cfg(test)]
mod reference;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before there is another thread.
    if client::complete::answered(cli::command, std::env::args_os().collect()) {
        return ExitCode::SUCCESS;
    }
    run()
}

#[tokio::main]
async fn run() -> ExitCode {
    let arguments = match cli::parse(std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(error) => return cli::refuse(&error),
    };
    let (flags, as_json) = (arguments.flags(), arguments.common.json);
    output::show_times(arguments.common.utc || as_json);
    // Boxed, because it is as large as the largest command.
    match Box::pin(cli::run(arguments)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::failure(&failure, &flags, as_json);
            ExitCode::from(failure.exit_code())
        }
    }
}
