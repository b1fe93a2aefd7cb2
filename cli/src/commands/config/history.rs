//! `config history`: who stored which version, when and why, and what it changed.

use pmp_sync_domain::records::{ConfigOrigin, ConfigVersion};
use schemars::JsonSchema;
use serde::Serialize;

use crate::client::context::Context;
use crate::failure::Failure;
use crate::options::Common;
use crate::output::{self, column};

/// The versions of the configuration.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ConfigHistory {
    /// The version in force.
    version: u64,
    /// The newest versions, the newest first.
    versions: Vec<ConfigVersion>,
    /// True if older versions are stored.
    older: bool,
}

pub(super) async fn run(common: &Common, most: u16) -> Result<(), Failure> {
    let context = Context::new(common).await?;
    let current = context.stored_config().await?;
    let (found, older) = context.ledger.config_versions(most).await?;
    let versions = context.readable(found);
    if common.json {
        return output::json(&ConfigHistory {
            version: current.version,
            versions,
            older,
        });
    }
    let columns = [
        column("VERSION").folds(),
        column("STORED"),
        column("BY").folds(),
        column("COMMAND").folds().leaves(1),
        column("REASON").folds(),
        column("WHAT CHANGED").folds(),
    ];
    let rows = versions.iter().map(|version| {
        let in_force = if version.version == current.version {
            " (in force)"
        } else {
            ""
        };
        vec![
            format!("{}{in_force}", version.version),
            output::age(Some(version.applied_at)),
            output::or_dash(version.requester.as_deref().map(output::principal)),
            command(version),
            output::or_dash(version.reason.as_ref()),
            output::or_dash(version.summary.as_ref()),
        ]
    });
    output::table(columns, rows)?;
    if older {
        output::note("older versions: --versions");
    }
    Ok(())
}

/// The command that stored a version.
fn command(version: &ConfigVersion) -> String {
    let Some(origin) = version.origin else {
        return output::dash();
    };
    let name = match origin {
        ConfigOrigin::Apply => "config apply",
        ConfigOrigin::Rollback => "config rollback",
        ConfigOrigin::MemberAdd => "member add",
        ConfigOrigin::MemberMode => "member mode",
        ConfigOrigin::MemberRemove => "member remove",
    };
    match version.of_version {
        Some(of) => format!("{name} {of}"),
        None => name.to_owned(),
    }
}
