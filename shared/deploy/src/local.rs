//! The interface between `pmp-sync local` and `pmp-sync-local`: command line and output.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};

/// The name of the program, which is beside the operator's command.
pub const PROGRAM: &str = "pmp-sync-local";

/// The commands.
#[derive(Debug, Clone, Subcommand)]
pub enum LocalCommand {
    /// Starts it, deploys one management and two member accounts, and returns when it is ready.
    Up(UpOptions),
    /// Ends it, and prints the command that unsets its variables.
    Down(StateOption),
    /// Shows what runs, until when, and the variables that reach it.
    Status(StateOption),
    /// Holds it.
    #[command(hide = true)]
    Serve(UpOptions),
}

/// Where the state file is.
#[derive(Debug, Clone, Default, Args)]
pub struct StateOption {
    /// The state file, if it is not in its usual place.
    #[arg(long)]
    pub state: Option<PathBuf>,
}

/// How it is started.
#[derive(Debug, Clone, Args)]
pub struct UpOptions {
    /// How long it lives, such as 30m or 8h [default: 8h].
    #[arg(long, value_parser = duration)]
    pub ttl: Option<Duration>,
    /// Another emulator of the Catalog API instead of ours. Nothing is seeded there.
    #[arg(long, value_name = "URL")]
    pub catalog_endpoint: Option<String>,
    /// How long a change set takes, in seconds. Of our emulator only [default: 1].
    #[arg(long, value_parser = change_set_seconds)]
    pub change_set_seconds: Option<f64>,
    /// Where the state file is.
    #[command(flatten)]
    pub state: StateOption,
}

// The defaults are not clap's, because it must be known whether an option was given.
impl UpOptions {
    /// How long it lives.
    pub fn ttl(&self) -> Duration {
        self.ttl.unwrap_or(Duration::from_hours(8))
    }

    /// How long a change set takes.
    pub fn change_set_seconds(&self) -> f64 {
        self.change_set_seconds.unwrap_or(1.0)
    }
}

impl LocalCommand {
    /// Where its state file is.
    pub fn state(&self) -> &StateOption {
        match self {
            Self::Up(options) | Self::Serve(options) => &options.state,
            Self::Down(state) | Self::Status(state) => state,
        }
    }

    /// The arguments that parse to this command.
    pub fn arguments(&self) -> Vec<OsString> {
        let (word, options) = match self {
            Self::Up(options) => ("up", Some(options)),
            Self::Down(_) => ("down", None),
            Self::Status(_) => ("status", None),
            Self::Serve(options) => ("serve", Some(options)),
        };
        let mut line = vec![word.into()];
        let mut add = |option: &str, value: Option<OsString>| {
            line.extend(
                value
                    .map(|value| [option.into(), value])
                    .into_iter()
                    .flatten(),
            );
        };
        if let Some(options) = options {
            let seconds = |time: Duration| format!("{}s", time.as_secs()).into();
            add("--ttl", options.ttl.map(seconds));
            let url = options.catalog_endpoint.as_ref();
            add("--catalog-endpoint", url.map(Into::into));
            let seconds = options.change_set_seconds;
            let seconds = seconds.map(|seconds| seconds.to_string().into());
            add("--change-set-seconds", seconds);
        }
        add("--state", self.state().state.clone().map(Into::into));
        line
    }
}

/// What the state file holds, and what `up` and `status` print.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct State {
    /// Schema number of the state file.
    pub schema: u32,
    /// The id of the process.
    pub pid: u32,
    /// The endpoint of AWS.
    pub endpoint: String,
    /// The endpoint of AWS Marketplace.
    pub catalog_endpoint: String,
    /// When it ends automatically.
    pub ends_at: String,
    /// The management account.
    pub management_account: String,
    /// Its experience. Null with another emulator, in which nothing is created.
    pub management_experience: Option<String>,
    /// The member organizations.
    pub members: Vec<StateMember>,
    /// Organizations in which nothing is deployed. Absent in files of earlier releases.
    #[serde(default)]
    pub empty: Vec<StateOrganization>,
    /// The variables to set in order to use it, with the permissions of the management account.
    pub variables: BTreeMap<String, String>,
    /// The options with which it was started. Absent in files of earlier releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<StateOptions>,
}

/// A member organization of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StateMember {
    /// The name of the member.
    pub name: String,
    /// Its account.
    pub account: String,
    /// The external id that its roles require.
    pub external_id: String,
    /// Its experience. Null with another emulator.
    pub experience: Option<String>,
}

/// An organization in which nothing is deployed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StateOrganization {
    /// Its name.
    pub name: String,
    /// The account in which pmp-sync could be deployed.
    pub account: String,
}

/// The options with which it was started.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StateOptions {
    /// The stacks' parameter `Name`.
    pub name: String,
    /// How long it lives.
    pub ttl_seconds: u64,
    /// How long a change set takes.
    pub change_set_seconds: f64,
}

/// The output of `down`.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Ended {
    /// False if nothing was running.
    pub ended: bool,
}

/// Parses a duration such as 30m, of at most a day.
pub fn duration(text: &str) -> Result<Duration, String> {
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
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        command: LocalCommand,
    }

    #[test]
    fn every_command_is_passed_on_as_it_was_given() {
        for text in [
            "up",
            "up --ttl 600s --catalog-endpoint http://x --change-set-seconds 0.5 --state /a",
            "down --state /a",
            "status",
            "serve --ttl 3600s",
        ] {
            let words = std::iter::once("pmp-sync-local").chain(text.split(' '));
            let line = Line::try_parse_from(words).unwrap_or_else(|error| panic!("{error}"));
            let passed = line.command.arguments();
            let words: Vec<_> = passed.iter().map(|word| word.to_string_lossy()).collect();
            assert_eq!(words.join(" "), text);
        }
    }
}
