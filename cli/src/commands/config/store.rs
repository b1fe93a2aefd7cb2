//! Stores a configuration: shows what it changes, asks if it takes something away or a guard would hold a
//! plan, and records who stored it and why.

use clap::Args;
use pmp_sync_aws::system::SystemClock;
use pmp_sync_domain::config::Config;
use pmp_sync_domain::ports::{Clock as _, StoredConfig};
use pmp_sync_domain::records::{ConfigOrigin, ConfigVersion};
use schemars::JsonSchema;
use serde::Serialize;

use crate::client::configuration::effect::{ConfigEffect, effect};
use crate::client::confirm::confirm;
use crate::client::context::Context;
use crate::client::product_list::change::reason;
use crate::failure::Failure;
use crate::options::Common;
use crate::output::{self, Screen};

/// How a configuration is stored.
#[derive(Debug, Clone, Args)]
pub(crate) struct Storing {
    /// Why. It is recorded with the version and the principal whose credentials are used.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(crate) reason: Option<String>,
    /// Do not ask. What a guard holds waits for its approval all the same.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Do not ask the producer what it means in each member.
    #[arg(long)]
    pub(crate) no_preview: bool,
}

/// The result of `config apply` and `config rollback`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Applied {
    /// The version that is in force from the next run on.
    version: u64,
    /// False if it was in force already. Nothing was stored then.
    stored: bool,
    /// What it changes. Absent if nothing was stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    effect: Option<ConfigEffect>,
}

/// A configuration that is to be stored.
pub(super) struct Wanted<'a> {
    pub(super) text: &'a str,
    pub(super) config: &'a Config,
    /// The version that is stored again.
    pub(super) of_version: Option<u64>,
}

impl<'a> Wanted<'a> {
    /// That of a file.
    pub(super) fn applied(text: &'a str, config: &'a Config) -> Self {
        Self {
            text,
            config,
            of_version: None,
        }
    }
}

pub(super) async fn store(
    common: &Common,
    context: &Context,
    stored: Option<StoredConfig>,
    wanted: &Wanted<'_>,
    storing: &Storing,
) -> Result<(), Failure> {
    if let Some(current) = &stored
        && current.text == wanted.text
    {
        return tell(common, current.version, None);
    }
    let asks = !storing.no_preview;
    let (text, config) = (wanted.text, wanted.config);
    let effect = effect(context, stored.as_ref(), text, config, asks).await?;
    // On stderr: stdout has the result.
    let lines = effect.lines(Screen::stderr());
    lines.iter().for_each(output::note_shown);
    effect.notes(context);
    if let Some(question) = effect.question() {
        confirm(storing.yes, &format!("{question} Store the configuration?"))?;
    }
    let seen = stored.map(|stored| stored.version);
    let origin = match wanted.of_version {
        Some(_) => ConfigOrigin::Rollback,
        None => ConfigOrigin::Apply,
    };
    let requester = context.requester().await;
    let about = ConfigVersion {
        of_version: wanted.of_version,
        ..ConfigVersion::after(seen, origin, SystemClock.now())
    };
    let about = about
        .asked(requester.as_deref(), storing.reason.as_deref())
        .changing(&effect.difference.summary());
    let version = context.ledger.put_config(text, &about, seen).await?;
    tell(common, version, Some(effect))
}

fn tell(common: &Common, version: u64, effect: Option<ConfigEffect>) -> Result<(), Failure> {
    let stored = effect.is_some();
    if common.json {
        return output::json(&Applied {
            version,
            stored,
            effect,
        });
    }
    output::line(&if stored {
        format!("version {version} of the configuration is in force from the next run on")
    } else {
        format!("version {version} of the configuration is the same; nothing was stored")
    })
}
