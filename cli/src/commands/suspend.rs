//! `pmp-sync suspend`: no change set is started any more. Those in flight are left to end.

use clap::Args;

use crate::client::context::Context;
use crate::client::product_list::change::reason;
use crate::client::scope::check;
use crate::client::suspension::{Done, halves, report, suspend};
use crate::failure::Failure;
use crate::options::{Common, Narrowing};
use crate::progress::Progress;

/// What is suspended; everything that is not narrowed is.
#[derive(Debug, Args)]
pub(crate) struct SuspendOptions {
    #[command(flatten)]
    narrowing: Narrowing,
    /// Why, for the record: `pmp-sync history` shows it.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: Option<String>,
}

pub(crate) async fn run(common: &Common, options: &SuspendOptions) -> Result<(), Failure> {
    let context = Context::new(common).await?;
    let scope = options.narrowing.scope();
    if !scope.is_everything() {
        // A misspelt name would suspend nothing.
        let stored = context.stored_config().await?;
        for half in halves(&scope) {
            check(half, &stored)?;
        }
    }
    let progress = Progress::new();
    progress.step("suspending");
    let suspended = suspend(&context, &scope, options.reason.as_deref(), &progress).await;
    progress.finish();
    let suspended = suspended?;
    report(common, Done::Suspended, &scope, &suspended)
}
