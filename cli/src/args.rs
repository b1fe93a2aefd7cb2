//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use pmp_sync_domain::ids::{ExperienceId, MemberName, RunId};
use pmp_sync_domain::message::Scope;

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
    #[arg(long, global = true, default_value = "pmp-sync", env = "PMP_SYNC_NAME")]
    pub(crate) name: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The configuration: members and links.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// What a run would change now, and why it would leave other products alone. Changes nothing.
    Plan(PlanOptions),
    /// Asks for a run.
    Sync(SyncOptions),
    /// The last runs, and where each lane stands.
    Status(StatusOptions),
    /// An AWS on this machine, with the stacks deployed, to try things with.
    #[command(subcommand)]
    Local(LocalCommand),
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
}

#[derive(Debug, Args)]
pub(crate) struct StatusOptions {
    /// One run, with what it planned for each link.
    #[arg(long)]
    pub(crate) run: Option<RunId>,
    /// How many runs are shown.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(crate) runs: u16,
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
    /// How long it lives, such as 30m or 8h.
    #[arg(long, default_value = "8h", value_parser = duration)]
    pub(crate) ttl: std::time::Duration,
    /// Another emulator of the Catalog API instead of ours. Nothing is seeded there.
    #[arg(long, value_name = "URL")]
    pub(crate) catalog_endpoint: Option<String>,
    /// How long a change set takes, in seconds. Of our emulator only.
    #[arg(long, default_value_t = 1.0, value_parser = change_set_seconds)]
    pub(crate) change_set_seconds: f64,
    /// The state file, if it is not to be in its usual place.
    #[arg(long)]
    pub(crate) state: Option<PathBuf>,
}

fn duration(text: &str) -> Result<std::time::Duration, String> {
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
    Ok(std::time::Duration::from_secs(seconds))
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
