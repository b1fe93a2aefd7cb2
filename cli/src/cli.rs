//! The tree of commands, and the call of each.

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand};
use pmp_sync_deploy::local::LocalCommand;

use crate::client::signals;
use crate::commands::{
    approve, completions, config, deploy, destroy, dlq, doctor, experience, history, holds, local,
    member, plan, reject, report, restore, resume, status, suspend, sync, why,
};
use crate::failure::{ErrorAnswer, Failure, INVALID_INPUT};
use crate::hint::Flags;
use crate::options::{Common, Narrowing};
use crate::output;

/// Keeps AWS Private Marketplace experiences of several organizations equal to those of one.
#[derive(Debug, Parser)]
#[command(name = "pmp-sync", version)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Arguments {
    /// The options that the commands that are shown need.
    pub(crate) fn flags(&self) -> Flags {
        match self.command {
            // It takes its options from its state file.
            Command::Local(_) => Flags::default(),
            _ => Flags::of(&self.common),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The configuration: members and links.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// The member organizations: added, looked at, suspended.
    #[command(subcommand)]
    Member(member::MemberCommand),
    /// The experiences of one account: made, enabled, archived.
    #[command(subcommand)]
    Experience(experience::ExperienceCommand),
    /// What a run would change now, and why it would leave other products alone. Changes nothing.
    Plan(plan::PlanOptions),
    /// Why products stand as they do on the member experiences. Changes nothing.
    Why(why::WhyOptions),
    /// Where every member stands, as one self-contained page. Changes nothing.
    Report(report::ReportOptions),
    /// Whether everything is as it has to be, from credentials to queues, and what to do where it is not.
    /// Changes nothing.
    Doctor(doctor::DoctorOptions),
    /// Asks for a run.
    Sync(sync::SyncOptions),
    /// The last runs, and where each lane stands.
    Status(status::StatusOptions),
    /// Plans that wait for approval, why, and how each is released. Changes nothing.
    Holds(holds::HoldsOptions),
    /// Has a held plan executed, exactly as it was shown, and waits until it is done.
    Approve(approve::ApproveOptions),
    /// Leaves a held plan undone: nobody is asked about it again.
    Reject(reject::RejectOptions),
    /// Plans the rollback to the lists as they were before a run, and holds it for approval.
    Restore(restore::RestoreOptions),
    /// Who asked for what, what was planned, held, approved and done. Changes nothing.
    History(history::HistoryOptions),
    /// Dead letters: changes that were rejected individually, and messages that nobody understands.
    #[command(subcommand)]
    Dlq(dlq::DlqCommand),
    /// The suspension: no change set is started from now on; those in flight are left to end.
    Suspend(Narrowing),
    /// Resumes, and asks for a run.
    Resume(Narrowing),
    /// Creates or updates the stacks of an account, with their code. What would change is shown first.
    #[command(subcommand)]
    Deploy(deploy::DeployCommand),
    /// Deletes the management account's stack and everything that it keeps, once no member is left.
    Destroy(destroy::DestroyOptions),
    /// An AWS on this machine, with the stacks deployed, to try things with.
    #[command(subcommand)]
    Local(LocalCommand),
    /// Prints what a shell needs to complete commands and options.
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}

/// Runs a command.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { common, command } = arguments;
    // `local` handles signals itself.
    if !matches!(command, Command::Local(_)) {
        signals::end_the_command(Flags::of(&common), common.json)?;
    }
    match command {
        Command::Config(command) => config::run(&common, &command).await,
        Command::Member(command) => member::run(&common, &command).await,
        Command::Experience(command) => experience::run(&common, &command).await,
        Command::Plan(options) => plan::run(&common, &options).await,
        Command::Why(options) => why::run(&common, &options).await,
        // Boxed, because the future of the report is large.
        Command::Report(options) => Box::pin(report::run(&common, &options)).await,
        Command::Doctor(options) => Box::pin(doctor::run(&common, &options)).await,
        Command::Sync(options) => sync::run(&common, &options).await,
        Command::Status(options) => status::run(&common, &options).await,
        Command::Holds(options) => holds::run(&common, &options).await,
        Command::Approve(options) => approve::run(&common, &options).await,
        Command::Reject(options) => reject::run(&common, &options).await,
        Command::Restore(options) => restore::run(&common, &options).await,
        Command::History(options) => history::run(&common, &options).await,
        Command::Dlq(command) => dlq::run(&common, &command).await,
        Command::Suspend(options) => suspend::run(&common, &options).await,
        Command::Resume(options) => resume::run(&common, &options).await,
        Command::Deploy(command) => deploy::run(&common, &command).await,
        Command::Destroy(options) => destroy::run(&common, &options).await,
        Command::Local(command) => local::run(&common, &command),
        Command::Completions { shell } => completions::run(shell, Arguments::command()),
    }
}

/// Reports a problem of the command line, or prints help or the version.
pub(crate) fn refuse(error: &clap::Error) -> ExitCode {
    // Errors are ignored, because nobody may be there to read it.
    let _ = error.print();
    // The command line was not understood, so `--json` is looked for in the raw arguments.
    if error.use_stderr() && std::env::args_os().any(|argument| argument == "--json") {
        let message = if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            "a command is missing".to_owned()
        } else {
            let text = error.render().to_string();
            let lines: Vec<_> = text
                .lines()
                .take_while(|line| !line.is_empty())
                .map(str::trim)
                .collect();
            lines.join(" ").trim_start_matches("error: ").to_owned()
        };
        let hint = Some("`pmp-sync help` lists the commands and their options");
        let _ = output::json(&ErrorAnswer::new("command-line", &message, hint));
    }
    if error.exit_code() == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(INVALID_INPUT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    /// clap would confuse the two.
    #[test]
    fn no_command_has_an_option_with_the_id_of_one_that_all_have() {
        fn look(command: &clap::Command, globals: &[String]) {
            for arg in command.get_arguments().filter(|arg| !arg.is_global_set()) {
                let id = arg.get_id().to_string();
                assert!(!globals.contains(&id), "{}: {id}", command.get_name());
            }
            for command in command.get_subcommands() {
                look(command, globals);
            }
        }
        let command = Arguments::command();
        let globals = command.get_arguments().filter(|arg| arg.is_global_set());
        let globals: Vec<_> = globals.map(|arg| arg.get_id().to_string()).collect();
        assert!(globals.len() >= 3);
        for command in command.get_subcommands() {
            look(command, &globals);
        }
    }
}
