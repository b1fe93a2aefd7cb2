//! `config rollback`: stores an earlier version again.

use pmp_sync_domain::config::Config;
use pmp_sync_domain::ports::ReadRuns as _;

use super::store::{Storing, Wanted, store};
use crate::client::context::Context;
use crate::failure::Failure;
use crate::options::Common;
use crate::output;

pub(super) async fn run(
    common: &Common,
    version: Option<u64>,
    storing: &Storing,
) -> Result<(), Failure> {
    let context = Context::new(common).await?;
    let current = context.stored_config().await?;
    let version = match version {
        Some(version) => version,
        None => before(&context, current.version).await?,
    };
    let unknown = |message: String| Failure::Unknown {
        message,
        remedy: "`pmp-sync config history` lists the versions".to_owned(),
    };
    if version == 0 {
        return Err(unknown(format!(
            "no version comes before version {}",
            current.version
        )));
    }
    let earlier = context.ledger.config_version(version).await?;
    let Some(earlier) = earlier.filter(|_| version <= current.version) else {
        return Err(unknown(format!(
            "there is no version {version} of the configuration"
        )));
    };
    let config = Config::parse(&earlier.text).map_err(|invalid| {
        let name = format!("version {version}");
        Failure::invalid_config(&name, invalid, "; nothing was stored")
    })?;
    output::note(&format!(
        "version {version} of the configuration is to be in force again"
    ));
    let wanted = Wanted {
        of_version: Some(version),
        ..Wanted::applied(&earlier.text, &config)
    };
    store(common, &context, Some(current), &wanted, storing).await
}

/// The version before the one in force. If that is an earlier one again, the version before it, so that
/// each rollback goes further back.
async fn before(context: &Context, current: u64) -> Result<u64, Failure> {
    let (newest, _) = context.ledger.config_versions(1).await?;
    let newest = newest.items.first();
    let of_version = newest.and_then(|newest| newest.of_version);
    Ok(of_version.unwrap_or(current).saturating_sub(1))
}
