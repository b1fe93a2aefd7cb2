//! `pmp-sync resume`: ends a suspension, and starts a sync.

use clap::Args;
use pmp_sync_domain::wire::SyncRequest;

use crate::client::context::Context;
use crate::client::product_list::change::reason;
use crate::client::run;
use crate::client::suspension::{Done, halves, report, resume};
use crate::failure::Failure;
use crate::options::{Common, Narrowing};

/// What is resumed; everything if nothing is named.
#[derive(Debug, Args)]
pub(crate) struct ResumeOptions {
    #[command(flatten)]
    narrowing: Narrowing,
    /// Why, for the record: `pmp-sync history` shows it.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: Option<String>,
}

pub(crate) async fn run(common: &Common, options: &ResumeOptions) -> Result<(), Failure> {
    let context = Context::new(common).await?;
    let scope = options.narrowing.scope();
    let resumed = resume(&context, &scope, options.reason.as_deref()).await?;
    // What was kept back is planned now, not with the next hourly run.
    for scope in halves(&scope) {
        let wanted = SyncRequest {
            scope,
            ..SyncRequest::default()
        };
        run::request(&context, wanted).await?;
    }
    report(common, Done::Resumed, &scope, &resumed)
}
