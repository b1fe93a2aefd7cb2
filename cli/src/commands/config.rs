//! `pmp-sync config`.

pub(crate) mod history;
mod rollback;
pub(crate) mod store;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use pmp_sync_domain::config;
use schemars::JsonSchema;
use serde::Serialize;

use self::store::{Storing, Wanted, store};
use crate::client::configuration::effect::{ConfigEffect, effect};
use crate::client::configuration::file::{self, remark_missing_links};
use crate::client::context::Context;
use crate::failure::Failure;
use crate::options::Common;
use crate::output;

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check a configuration file. Needs no AWS.
    Validate {
        /// The TOML file; - is stdin.
        file: PathBuf,
    },
    /// Show what a configuration file would change: settings, members, links, and what a run would then do in
    /// each member. Changes nothing.
    Diff {
        /// The TOML file; - is stdin.
        file: PathBuf,
        /// Do not ask the producer what it means in each member.
        #[arg(long)]
        no_preview: bool,
    },
    /// Check a configuration file, show what it would change, and store it as the next version.
    Apply {
        /// The TOML file; - is stdin, which needs --yes if something is to be confirmed.
        file: PathBuf,
        #[command(flatten)]
        storing: Storing,
    },
    /// Print the configuration in force.
    Show,
    /// List the versions of the configuration: when, who, why, and what changed. Changes nothing.
    History {
        /// The number of versions to show.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
        versions: u16,
    },
    /// Store an earlier version of the configuration again, as the next version.
    Rollback {
        /// The version [default: the one before that in force].
        version: Option<u64>,
        #[command(flatten)]
        storing: Storing,
    },
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

/// The configuration in force.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Shown {
    /// Its version, from 1.
    version: u64,
    /// The TOML text, as it was applied.
    text: String,
}

pub(crate) async fn run(common: &Common, command: &ConfigCommand) -> Result<(), Failure> {
    match command {
        ConfigCommand::Validate { file } => validate(file, common.json),
        ConfigCommand::Diff { file, no_preview } => diff(common, file, !no_preview).await,
        ConfigCommand::Apply { file, storing } => apply(common, file, storing).await,
        ConfigCommand::Schema => schema(common.json),
        ConfigCommand::Show => show(common).await,
        ConfigCommand::History { versions } => history::run(common, *versions).await,
        ConfigCommand::Rollback { version, storing } => {
            rollback::run(common, *version, storing).await
        }
    }
}

fn validate(file: &Path, as_json: bool) -> Result<(), Failure> {
    let file = file::read(file, "")?;
    remark_missing_links(&file.config);
    let (members, links) = (file.config.members.len(), file.config.links.len());
    if as_json {
        return output::json(&Validated {
            valid: true,
            members,
            links,
        });
    }
    output::line(&format!(
        "{} is valid: {}, {}",
        file.name,
        output::count(members, "member"),
        output::count(links, "link")
    ))
}

async fn diff(common: &Common, file: &Path, asks: bool) -> Result<(), Failure> {
    let file = file::read(file, "")?;
    remark_missing_links(&file.config);
    let context = Context::new(common).await?;
    let stored = context.ledger.current_config().await?;
    let effect = effect(&context, stored.as_ref(), &file.text, &file.config, asks).await?;
    if common.json {
        output::json(&effect)?;
    } else {
        let lines = effect.lines(output::Screen::stdout());
        lines.iter().try_for_each(output::shown)?;
        effect.notes(&context);
    }
    outcome(&effect)
}

/// The exit code: that of the worst change.
fn outcome(effect: &ConfigEffect) -> Result<(), Failure> {
    let links = effect.links.iter().flatten();
    let failing = links.filter(|link| link.is_failing()).count();
    if failing > 0 {
        return Err(Failure::Partial(format!(
            "{} cannot be planned",
            output::count(failing, "link")
        )));
    }
    let held = effect.newly_held().count();
    if held > 0 {
        return Err(Failure::Held(format!(
            "a guard would hold the plans of {}",
            output::count(held, "link")
        )));
    }
    if effect.difference.is_empty() {
        return Ok(());
    }
    Err(Failure::Differs(effect.difference.summary()))
}

async fn apply(common: &Common, file: &Path, storing: &Storing) -> Result<(), Failure> {
    let file = file::read(file, "; nothing was stored")?;
    remark_missing_links(&file.config);
    let context = Context::new(common).await?;
    let stored = context.ledger.current_config().await?;
    let wanted = Wanted::applied(&file.text, &file.config);
    store(common, &context, stored, &wanted, storing).await
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
