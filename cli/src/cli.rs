//! The tree of commands, and the call of each.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use pmp_sync_deploy::local::LocalCommand;
use pmp_sync_domain::text::beginning;

use crate::client::signals;
use crate::commands::{
    approve, completions, config, deploy, destroy, dlq, doctor, drift, experience, history, holds,
    local, member, notify, plan, product, reject, report, requests, restore, resume, revert, scp,
    status, suspend, sync, why,
};
use crate::failure::{ErrorAnswer, Failure, INVALID_INPUT};
use crate::help::with_help;
use crate::hint::Flags;
use crate::options::Common;
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
    /// Validate, apply and show the configuration.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Add, change, list and remove members.
    #[command(subcommand)]
    Member(member::MemberCommand),
    /// Create, enable, disable and archive experiences of one account.
    #[command(subcommand)]
    Experience(experience::ExperienceCommand),
    /// List, search, allow, deny, import and export the products of the management experience.
    #[command(subcommand)]
    Product(product::ProductCommand),
    /// Preview the next sync. Changes nothing.
    Plan(plan::PlanOptions),
    /// Explain why products are allowed or denied on the member experiences. Changes nothing.
    Why(why::WhyOptions),
    /// Show products that somebody else has changed, since when, and who it was. Changes nothing.
    Drift(drift::DriftOptions),
    /// Print a service control policy that reserves changes of a member's governed experiences for its
    /// worker and named roles. Changes nothing.
    Scp(scp::ScpOptions),
    /// Write one self-contained page about all members. Changes nothing.
    Report(report::ReportOptions),
    /// Check the whole setup, from the credentials to the queues. Changes nothing.
    Doctor(doctor::DoctorOptions),
    /// Start a sync.
    Sync(sync::SyncOptions),
    /// Show the last runs and the state of each lane. Changes nothing.
    Status(status::StatusOptions),
    /// List the plans that wait for approval, and what is frozen. Changes nothing.
    Holds(holds::HoldsOptions),
    /// Execute held plans exactly as they were shown, and wait until they are done. Of a member, a link, or all links that
    /// have the plan.
    Approve(approve::ApproveOptions),
    /// Reject held plans. They are not executed, and not announced again. Of a member, a link, or all links that have the
    /// plan.
    Reject(reject::RejectOptions),
    /// Plan a rollback to the lists before a run, and hold it for approval.
    Restore(restore::RestoreOptions),
    /// Plan to take back what a run has changed, and nothing that came later, and hold it for approval.
    Revert(revert::RevertOptions),
    /// Show who requested what, what was planned, held and approved, and what was done. Changes nothing.
    History(history::HistoryOptions),
    /// List, replay and discard dead letters: changes that were rejected individually, and unreadable messages.
    #[command(subcommand)]
    Dlq(dlq::DlqCommand),
    /// List what users of all members request, and until when. approve and decline record an answer, and change the
    /// management experience. The requests themselves are answered in the members' consoles.
    Requests(requests::RequestsOptions),
    /// Test whether announcements arrive by mail and in a chat.
    #[command(subcommand)]
    Notify(notify::NotifyCommand),
    /// Start no change set from now on. Change sets in flight are left to end.
    Suspend(suspend::SuspendOptions),
    /// End a suspension, and start a sync.
    Resume(resume::ResumeOptions),
    /// Create or update the stacks of an account, with their code. Shows first what would change.
    #[command(subcommand)]
    Deploy(deploy::DeployCommand),
    /// Delete the stack of the management account and everything that it keeps, once no member is left.
    Destroy(destroy::DestroyOptions),
    /// Run an emulated AWS on this machine, with the stacks deployed, to try things with.
    #[command(subcommand)]
    Local(LocalCommand),
    /// Print the completion script of a shell. It completes members, experiences and runs as well, as commands have
    /// last seen them.
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}

/// The commands with their help.
pub(crate) fn command() -> clap::Command {
    with_help(Arguments::command())
}

/// Parses a command line.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Arguments, clap::Error> {
    let words: Vec<_> = words.into_iter().collect();
    parse_with(command(), &words).map_err(|error| {
        if !error.use_stderr() {
            return error;
        }
        // The usage in an error shows each option whose variable is set, as if it were needed.
        let plain = command().mut_args(|arg| arg.env(clap::builder::Resettable::Reset));
        match parse_with(plain, &words) {
            Err(plain) if plain.kind() == error.kind() => plain,
            Err(_) | Ok(_) => error,
        }
    })
}

fn parse_with(mut command: clap::Command, words: &[OsString]) -> Result<Arguments, clap::Error> {
    let matches = command.try_get_matches_from_mut(words);
    matches
        .and_then(|matches| Arguments::from_arg_matches(&matches))
        .map_err(|error| shortened(error).format(&mut command))
}

/// The most bytes that are repeated of a word that is not understood.
const MOST_REPEATED: usize = 100;

/// An error that does not repeat the whole of a long word of the command line.
fn shortened(mut error: clap::Error) -> clap::Error {
    for kind in [
        ContextKind::InvalidArg,
        ContextKind::InvalidSubcommand,
        ContextKind::InvalidValue,
    ] {
        let long = match error.get(kind) {
            Some(ContextValue::String(text)) if text.len() > MOST_REPEATED => text,
            _ => continue,
        };
        let cut = format!("{}...", beginning(long, MOST_REPEATED));
        error.insert(kind, ContextValue::String(cut));
    }
    error
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
        // Boxed, because the future of an import is large.
        Command::Product(command) => Box::pin(product::run(&common, &command)).await,
        Command::Plan(options) => plan::run(&common, &options).await,
        Command::Why(options) => why::run(&common, &options).await,
        Command::Drift(options) => drift::run(&common, &options).await,
        Command::Scp(options) => scp::run(&common, &options).await,
        // Boxed, because the future of the report is large.
        Command::Report(options) => Box::pin(report::run(&common, &options)).await,
        Command::Doctor(options) => Box::pin(doctor::run(&common, &options)).await,
        Command::Sync(options) => sync::run(&common, &options).await,
        Command::Status(options) => status::run(&common, &options).await,
        Command::Holds(options) => Box::pin(holds::run(&common, &options)).await,
        Command::Approve(options) => Box::pin(approve::run(&common, &options)).await,
        Command::Reject(options) => Box::pin(reject::run(&common, &options)).await,
        Command::Restore(options) => Box::pin(restore::run(&common, &options)).await,
        Command::Revert(options) => Box::pin(revert::run(&common, &options)).await,
        Command::History(options) => history::run(&common, &options).await,
        Command::Dlq(command) => dlq::run(&common, &command).await,
        Command::Requests(options) => Box::pin(requests::run(&common, &options)).await,
        Command::Notify(command) => notify::run(&common, &command).await,
        Command::Suspend(options) => suspend::run(&common, &options).await,
        Command::Resume(options) => resume::run(&common, &options).await,
        Command::Deploy(command) => deploy::run(&common, &command).await,
        Command::Destroy(options) => destroy::run(&common, &options).await,
        Command::Local(command) => local::run(&common, &command),
        Command::Completions { shell } => completions::run(shell),
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
