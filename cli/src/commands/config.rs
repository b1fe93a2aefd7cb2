//! `pmp-sync config`.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use pmp_sync_aws::system::SystemClock;
use pmp_sync_domain::config::{self, Config, Problem, not_utf8};
use pmp_sync_domain::ports::Clock as _;
use schemars::JsonSchema;
use serde::Serialize;

use crate::client::context::Context;
use crate::failure::Failure;
use crate::options::Common;
use crate::output;

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check a configuration file. Needs no AWS.
    Validate {
        /// The TOML file.
        file: PathBuf,
    },
    /// Check a configuration file, and store it as the next version.
    Apply {
        /// The TOML file.
        file: PathBuf,
    },
    /// Print the configuration in force.
    Show,
    /// Print the JSON Schema of a configuration file, for editors. Needs no AWS.
    Schema,
}

/// The result of `config validate`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Validated {
    /// Always true. A file that is not valid is an error.
    valid: bool,
    /// Number of members.
    members: usize,
    /// Number of links.
    links: usize,
}

/// The result of `config apply`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Applied {
    /// The version that is in force from the next run on.
    version: u64,
    /// False if it was in force already. Nothing was stored then.
    stored: bool,
}

/// The configuration in force.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Shown {
    /// Its version, from 1.
    version: u64,
    /// The TOML text, as it was applied.
    text: String,
}

/// Reads and checks a file. `consequence` says what problems mean for the command.
fn checked(file: &Path, consequence: &str) -> Result<(String, Config), Failure> {
    let invalid = |problems: Vec<Problem>| {
        let count = output::count(problems.len(), "problem");
        Failure::InvalidConfig {
            message: format!("{count} in the configuration{consequence}"),
            file: file.display().to_string(),
            problems,
        }
    };
    let bytes = std::fs::read(file).map_err(Failure::file(file))?;
    if let Some(problem) = not_utf8(&bytes) {
        return Err(invalid(vec![problem]));
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let config = Config::parse(&text).map_err(|wrong| invalid(wrong.problems))?;
    Ok((text, config))
}

/// Notes a configuration without links, which is valid but hardly wanted.
fn remark_missing_links(config: &Config) {
    if config.links.is_empty() {
        output::note("no link is configured: nothing will be kept in sync");
    }
}

pub(crate) async fn run(common: &Common, command: &ConfigCommand) -> Result<(), Failure> {
    match command {
        ConfigCommand::Validate { file } => validate(file, common.json),
        ConfigCommand::Apply { file } => apply(common, file).await,
        ConfigCommand::Schema => schema(common.json),
        ConfigCommand::Show => show(common).await,
    }
}

fn validate(file: &Path, as_json: bool) -> Result<(), Failure> {
    let (_, config) = checked(file, "")?;
    remark_missing_links(&config);
    let (members, links) = (config.members.len(), config.links.len());
    if as_json {
        return output::json(&Validated {
            valid: true,
            members,
            links,
        });
    }
    output::line(&format!(
        "{} is valid: {}, {}",
        file.display(),
        output::count(members, "member"),
        output::count(links, "link")
    ))
}

async fn apply(common: &Common, file: &Path) -> Result<(), Failure> {
    let (text, config) = checked(file, "; nothing was stored")?;
    remark_missing_links(&config);
    let context = Context::new(common).await?;
    let current = context.ledger.current_config().await?;
    let (version, stored) = match current {
        Some(current) if current.text == text => (current.version, false),
        current => {
            let seen = current.map(|stored| stored.version);
            (
                context
                    .ledger
                    .put_config(&text, seen, SystemClock.now())
                    .await?,
                true,
            )
        }
    };
    if common.json {
        return output::json(&Applied { version, stored });
    }
    output::line(&if stored {
        format!("version {version} of the configuration is in force from the next run on")
    } else {
        format!("version {version} of the configuration is the same; nothing was stored")
    })
}

async fn show(common: &Common) -> Result<(), Failure> {
    let context = Context::new(common).await?;
    let stored = context.stored_config().await?;
    if common.json {
        return output::json(&Shown {
            version: stored.version,
            text: stored.text,
        });
    }
    output::note(&format!("version {}", stored.version));
    output::verbatim(&stored.text)
}

fn schema(as_json: bool) -> Result<(), Failure> {
    let schema = config::schema();
    if as_json {
        return output::json(&schema);
    }
    output::line(&output::pretty(&schema)?)
}
