//! `pmp-sync config`.

use std::path::Path;

use pmp_sync_aws::edge::SystemClock;
use pmp_sync_domain::config::{Config, InvalidConfig};
use pmp_sync_domain::ports::Clock as _;
use serde_json::json;

use crate::args::Common;
use crate::context::Context;
use crate::failure::Failure;
use crate::output;

fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|error| Failure::File {
        path: file.display().to_string(),
        error,
    })
}

/// Tells every problem, in the form that editors understand.
fn refuse(file: &Path, invalid: &InvalidConfig, as_json: bool) -> Failure {
    if as_json {
        let problems: Vec<_> = invalid
            .problems
            .iter()
            .map(|problem| json!({ "line": problem.line, "column": problem.column, "message": problem.message }))
            .collect();
        if let Err(failure) = output::json(&json!({ "valid": false, "problems": problems })) {
            return failure;
        }
    }
    let list: Vec<_> = invalid
        .problems
        .iter()
        .map(|problem| format!("{}:{problem}", file.display()))
        .collect();
    let count = list.len();
    let noun = if count == 1 { "problem" } else { "problems" };
    Failure::InvalidConfig(format!(
        "{count} {noun} in the configuration; nothing was stored\n{}",
        list.join("\n")
    ))
}

/// `config validate`
pub(crate) fn validate(file: &Path, as_json: bool) -> Result<(), Failure> {
    let config = Config::parse(&read(file)?).map_err(|invalid| refuse(file, &invalid, as_json))?;
    let (members, links) = (config.members.len(), config.links.len());
    if as_json {
        return output::json(&json!({ "valid": true, "members": members, "links": links }));
    }
    output::line(&format!(
        "{} is valid: {members} members, {links} links",
        file.display()
    ))
}

/// `config apply`
pub(crate) async fn apply(common: &Common, file: &Path) -> Result<(), Failure> {
    let text = read(file)?;
    Config::parse(&text).map_err(|invalid| refuse(file, &invalid, common.json))?;
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
        return output::json(&json!({ "version": version, "stored": stored }));
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
    let Some(stored) = context.ledger.current_config().await? else {
        return Err(Failure::Fault(
            pmp_sync_domain::error::RunError::NoConfig.record(),
        ));
    };
    if common.json {
        return output::json(&json!({ "version": stored.version, "text": stored.text }));
    }
    output::note(&format!("version {}", stored.version));
    output::line(stored.text.trim_end())
}
