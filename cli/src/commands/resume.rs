//! `pmp-sync resume`: ends a suspension, and starts a sync.

use pmp_sync_domain::wire::SyncRequest;

use crate::client::context::Context;
use crate::client::run;
use crate::client::suspension::{Done, halves, report, resume};
use crate::failure::Failure;
use crate::options::{Common, Narrowing};

pub(crate) async fn run(common: &Common, options: &Narrowing) -> Result<(), Failure> {
    let context = Context::new(common).await?;
    let scope = options.scope();
    let resumed = resume(&context, &scope).await?;
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
