//! `pmp-sync reject`: leaves a held plan unexecuted.

use pmp_sync_domain::approval::ApprovalAction;

use crate::client::approval::{ApprovalOptions, Named, named, request, serve};
use crate::failure::Failure;
use crate::options::Common;
use crate::output;

/// What is rejected.
pub(crate) type RejectOptions = ApprovalOptions;

pub(crate) async fn run(common: &Common, options: &ApprovalOptions) -> Result<(), Failure> {
    let Named {
        context,
        known,
        run,
        hash,
    } = named(common, options).await?;
    let served = serve(
        common,
        &context,
        request(ApprovalAction::Reject, &known.lane, run, Some(hash)),
        options.patience.timeout,
    )
    .await?;
    if common.json {
        return Ok(());
    }
    let name = served.name();
    output::line(&format!("{name}: rejected; nothing of it is executed"))
}
