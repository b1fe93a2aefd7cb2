//! `pmp-sync config`.

use std::path::Path;

use pmp_sync_aws::system::SystemClock;
use pmp_sync_domain::config::{self, Config, Problem, not_utf8};
use pmp_sync_domain::ports::Clock as _;
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::Common;
use crate::context::Context;
use crate::failure::Failure;
use crate::output;

/// A configuration file that is valid.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Validated {
    /// True. A file that is not valid is told as an error.
    valid: bool,
    /// How many members it has.
    members: usize,
    /// How many links it has.
    links: usize,
}

/// What came of a configuration that was to be stored.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Applied {
    /// The version that is in force from the next run on.
    version: u64,
    /// False if it was in force already: nothing was stored then.
    stored: bool,
}

/// The configuration in force.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Shown {
    /// Its version.
    version: u64,
    /// The TOML text, as it was applied.
    text: String,
}

/// Reads and checks a file. `consequence` is what the problems mean for the command.
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

/// It is valid, but hardly what is wanted.
fn remark_missing_links(config: &Config) {
    if config.links.is_empty() {
        output::note("no link is configured: nothing will be kept in sync");
    }
}

/// `config validate`
pub(crate) fn validate(file: &Path, as_json: bool) -> Result<(), Failure> {
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

/// `config apply`
pub(crate) async fn apply(common: &Common, file: &Path) -> Result<(), Failure> {
    let (text, config) = checked(file, "; nothing was stored")?;
    remark_missing_links(&config);
    let context = Context::new(common).await;
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

/// `config show`
pub(crate) async fn show(common: &Common) -> Result<(), Failure> {
    let context = Context::new(common).await;
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

/// `config schema`
pub(crate) fn schema(as_json: bool) -> Result<(), Failure> {
    let schema = config::schema();
    if as_json {
        return output::json(&schema);
    }
    output::line(&output::pretty(&schema)?)
}
