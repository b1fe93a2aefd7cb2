//! The command line.

mod approval;
pub(crate) mod deploy;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use pmp_sync_domain::ids::{ExperienceId, MemberName, ProductId, RunId};
use pmp_sync_domain::wire::Scope;

use crate::failure::{ErrorAnswer, INVALID_INPUT};
use crate::output;

pub(crate) use self::approval::{ApprovalOptions, HashDigits, HoldsOptions, RestoreOptions};

/// The stacks' parameter Name when nobody says otherwise.
pub(crate) const DEFAULT_NAME: &str = "pmp-sync";

/// Keeps AWS Private Marketplace experiences of several organizations equal to those of one.
#[derive(Debug, Parser)]
#[command(name = "pmp-sync", version)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Common {
    /// Print JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// What the stacks' resources are named after: their parameter Name.
    // Not by the id of its field, which some commands have for what they are about.
    #[arg(
        id = "stacks",
        long = "name",
        value_name = "NAME",
        global = true,
        default_value = DEFAULT_NAME,
        env = "PMP_SYNC_NAME"
    )]
    pub(crate) name: String,
    /// The profile of the AWS configuration with the management account's credentials. They are those
    /// of the SDK's default chain otherwise.
    #[arg(
        long,
        global = true,
        value_name = "PROFILE",
        env = "PMP_SYNC_MANAGEMENT_PROFILE"
    )]
    pub(crate) management_profile: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The configuration: members and links.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// The member organizations: added, looked at, suspended.
    #[command(subcommand)]
    Member(crate::member::MemberCommand),
    /// The experiences of one account: made, enabled, archived.
    #[command(subcommand)]
    Experience(crate::experience::ExperienceCommand),
    /// What a run would change now, and why it would leave other products alone. Changes nothing.
    Plan(PlanOptions),
    /// Why products stand as they do on the member experiences. Changes nothing.
    Why(crate::why::WhyOptions),
    /// Where every member stands, as one self-contained page. Changes nothing.
    Report(crate::report::ReportOptions),
    /// Whether everything is as it has to be, from credentials to queues, and what to do where it is not.
    /// Changes nothing.
    Doctor(crate::doctor::DoctorOptions),
    /// Asks for a run.
    Sync(SyncOptions),
    /// The last runs, and where each lane stands.
    Status(StatusOptions),
    /// Plans that wait for approval, why, and how each is released. Changes nothing.
    Holds(HoldsOptions),
    /// Has a held plan executed, exactly as it was shown, and waits until it is done.
    Approve(ApprovalOptions),
    /// Leaves a held plan undone: nobody is asked about it again.
    Reject(ApprovalOptions),
    /// Plans the rollback to the lists as they were before a run, and holds it for approval.
    Restore(RestoreOptions),
    /// Who asked for what, what was planned, held, approved and done. Changes nothing.
    History(HistoryOptions),
    /// Dead letters: changes that were rejected individually, and messages that nobody understands.
    #[command(subcommand)]
    Dlq(DlqCommand),
    /// The suspension: no change set is started from now on; those in flight are left to end.
    Suspend(SuspendOptions),
    /// Resumes, and asks for a run.
    Resume(SuspendOptions),
    /// Creates or updates the stacks of an account, with their code. What would change is shown first.
    #[command(subcommand)]
    Deploy(deploy::DeployCommand),
    /// Deletes the management account's stack and everything that it keeps, once no member is left.
    Destroy(deploy::DestroyOptions),
    /// An AWS on this machine, with the stacks deployed, to try things with.
    #[command(subcommand)]
    Local(LocalCommand),
    /// Prints what a shell needs to complete commands and options.
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Writes what is generated of the documentation.
    #[command(hide = true)]
    Reference {
        /// The folder `docs` of the repository.
        folder: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Checks a configuration file. Needs no AWS.
    Validate {
        /// The TOML file.
        file: PathBuf,
    },
    /// Checks a configuration file and stores it as the next version.
    Apply {
        /// The TOML file.
        file: PathBuf,
    },
    /// Prints the configuration that is in force.
    Show,
    /// Prints the JSON Schema of a configuration file, for editors. Needs no AWS.
    Schema,
}

/// What a request is about; everything that is not narrowed is in it.
#[derive(Debug, Clone, Args)]
pub(crate) struct Narrowing {
    /// Only this member. May be given several times.
    #[arg(long = "member", value_name = "NAME")]
    members: Vec<MemberName>,
    /// Only this member experience. May be given several times.
    #[arg(long = "experience", value_name = "ID")]
    experiences: Vec<ExperienceId>,
}

impl Narrowing {
    pub(crate) fn is_everything(&self) -> bool {
        self.scope().is_everything()
    }

    pub(crate) fn scope(&self) -> Scope {
        Scope {
            members: self.members.clone(),
            experiences: self.experiences.clone(),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct PlanOptions {
    #[command(flatten)]
    pub(crate) narrowing: Narrowing,
    /// List every product.
    #[arg(long)]
    pub(crate) products: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SyncOptions {
    #[command(flatten)]
    pub(crate) narrowing: Narrowing,
    /// Wait until the run has ended.
    #[arg(long)]
    pub(crate) wait: bool,
    /// How long to wait, in seconds.
    #[arg(long, default_value_t = 3600, requires = "wait")]
    pub(crate) timeout: u64,
    /// Plan for frozen links as if they were not. Needs --reason, which is kept with the run.
    #[arg(long = "override", requires = "reason")]
    pub(crate) overriding: bool,
    /// Why frozen links are to be planned for: 1 to 200 characters.
    #[arg(long, value_name = "TEXT", requires = "overriding", value_parser = reason)]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct StatusOptions {
    /// One run, with what it planned for each link.
    #[arg(long)]
    pub(crate) run: Option<RunId>,
    /// How many runs are shown.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(crate) runs: u16,
    /// Look again and again until Ctrl-C: drawn in place on a terminal, otherwise a block for each change.
    #[arg(long, conflicts_with = "run")]
    pub(crate) watch: bool,
    /// How long to wait between two looks, such as 5s or 1m.
    #[arg(long, default_value = "5s", requires = "watch", value_parser = duration)]
    pub(crate) interval: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct HistoryOptions {
    /// One run, with everything that is known of it.
    pub(crate) run: Option<RunId>,
    /// How many runs are shown.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(crate) limit: u16,
    /// Write every event of the run, or of all runs that are kept, as one JSON object on a line,
    /// oldest first.
    #[arg(long, conflicts_with = "limit")]
    pub(crate) export: bool,
}

/// What the suspension is about; everything if nothing is named.
#[derive(Debug, Args)]
pub(crate) struct SuspendOptions {
    /// Only this member. May be given several times.
    #[arg(long = "member", value_name = "NAME")]
    pub(crate) members: Vec<MemberName>,
    /// Only the link to this member experience. May be given several times.
    #[arg(long = "link", value_name = "EXPERIENCE")]
    pub(crate) links: Vec<ExperienceId>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DlqCommand {
    /// Lists them, with what a replay would do with each now. Changes nothing.
    List(DlqFilter),
    /// Everything about one of them.
    Show {
        /// Its id, or the beginning of it.
        id: String,
        #[command(flatten)]
        filter: DlqFilter,
    },
    /// Issues again what is still wanted, drops what is not, and keeps what cannot be understood.
    Replay(ReplayOptions),
    /// Deletes them for good; a change that is still wanted is tried again by the next run. A dry run
    /// unless --yes is given.
    Discard(DiscardOptions),
}

/// Which dead letters; everything that is not narrowed is in it.
#[derive(Debug, Clone, Args)]
pub(crate) struct DlqFilter {
    /// Only of this member. May be given several times.
    #[arg(long = "member", value_name = "NAME")]
    pub(crate) members: Vec<MemberName>,
    /// Only changes of this product. May be given several times.
    #[arg(long = "product", value_name = "ID")]
    pub(crate) products: Vec<ProductId>,
    /// Only those dead-lettered for this reason, such as quarantined, unreadable, unknown-run, wrong-account,
    /// receive-count. May be given several times.
    #[arg(long = "reason", value_name = "REASON")]
    pub(crate) reasons: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayOptions {
    #[command(flatten)]
    pub(crate) filter: DlqFilter,
    /// Only show what would be done.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How long to wait until they have been looked at, in seconds.
    #[arg(long, default_value_t = 900)]
    pub(crate) timeout: u64,
}

#[derive(Debug, Args)]
pub(crate) struct DiscardOptions {
    #[command(flatten)]
    pub(crate) filter: DlqFilter,
    /// Only show what would be deleted, which is what happens without --yes.
    #[arg(long, conflicts_with = "yes")]
    pub(crate) dry_run: bool,
    /// Delete them.
    #[arg(long)]
    pub(crate) yes: bool,
    /// How long to wait until they have been looked at, in seconds.
    #[arg(long, default_value_t = 900)]
    pub(crate) timeout: u64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LocalCommand {
    /// Starts it, deploys one management and two member accounts, and returns when it is ready.
    Up(UpOptions),
    /// Ends it.
    Down {
        /// The state file, if it is not in its usual place.
        #[arg(long)]
        state: Option<PathBuf>,
    },
    #[command(hide = true)]
    Serve(UpOptions),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct UpOptions {
    /// How long it lives, such as 30m or 8h [default: 8h].
    #[arg(long, value_parser = duration)]
    pub(crate) ttl: Option<Duration>,
    /// Another emulator of the Catalog API instead of ours. Nothing is seeded there.
    #[arg(long, value_name = "URL")]
    pub(crate) catalog_endpoint: Option<String>,
    /// How long a change set takes, in seconds. Of our emulator only [default: 1].
    #[arg(long, value_parser = change_set_seconds)]
    pub(crate) change_set_seconds: Option<f64>,
    /// The state file, if it is not to be in its usual place.
    #[arg(long)]
    pub(crate) state: Option<PathBuf>,
}

// The defaults are here and not clap's: whether an option was given has to be known.
impl UpOptions {
    pub(crate) fn ttl(&self) -> Duration {
        self.ttl.unwrap_or(Duration::from_hours(8))
    }

    pub(crate) fn change_set_seconds(&self) -> f64 {
        self.change_set_seconds.unwrap_or(1.0)
    }
}

/// Tells what is wrong with a command line, or what was asked about the command itself.
pub(crate) fn refuse(error: &clap::Error) -> ExitCode {
    // Nobody may be there to read it.
    let _ = error.print();
    // The command line is not understood: whether JSON is wanted can only be guessed from it.
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

fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    if !(1..=200).contains(&text.chars().count()) || text.chars().any(char::is_control) {
        return Err("1 to 200 characters on one line are expected".to_owned());
    }
    Ok(text.to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    let expected = || "a number and s, m or h is expected, such as 30m; at most 24h".to_owned();
    let unit = text.chars().last().ok_or_else(expected)?;
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        _ => return Err(expected()),
    };
    let number: u64 = text
        .strip_suffix(unit)
        .and_then(|number| number.parse().ok())
        .ok_or_else(expected)?;
    let seconds = number
        .checked_mul(factor)
        .filter(|seconds| (1..=86_400).contains(seconds))
        .ok_or_else(expected)?;
    Ok(Duration::from_secs(seconds))
}

fn change_set_seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("a number of seconds from 0 to 3600 is expected".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    /// clap takes the one for the other otherwise.
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

    #[test]
    fn a_reason_is_one_line_that_says_something() {
        let longest = "\u{e4}".repeat(200);
        for good in ["x", " a launch ", longest.as_str()] {
            assert_eq!(reason(good), Ok(good.trim().to_owned()));
        }
        let too_long = "x".repeat(201);
        for wrong in ["", "  ", "two\nlines", too_long.as_str()] {
            assert!(reason(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("90s").map(|d| d.as_secs()), Ok(90));
        assert_eq!(duration("8h").map(|d| d.as_secs()), Ok(28_800));
        for wrong in [
            "",
            "8",
            "h",
            "-1h",
            "25h",
            "0s",
            "8 h",
            "99999999999999999999h",
        ] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
