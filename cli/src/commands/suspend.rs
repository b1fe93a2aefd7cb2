//! `pmp-sync suspend`: no change set is started any more. Those in flight are left to end.

use crate::client::context::Context;
use crate::client::scope::check;
use crate::client::suspension::{Done, halves, report, suspend};
use crate::failure::Failure;
use crate::options::{Common, Narrowing};
use crate::progress::Progress;

pub(crate) async fn run(common: &Common, options: &Narrowing) -> Result<(), Failure> {
    let context = Context::new(common).await?;
    let scope = options.scope();
    if !scope.is_everything() {
        // A misspelt name would suspend nothing.
        let stored = context.stored_config().await?;
        for half in halves(&scope) {
            check(half, &stored)?;
        }
    }
    let progress = Progress::new();
    progress.step("suspending");
    let suspended = suspend(&context, &scope, &progress).await;
    progress.finish();
    report(common, Done::Suspended, &scope, &suspended?)
}
