//! `pmp-sync reject`: leaves held plans unexecuted.

use pmp_sync_domain::approval::ApprovalAction;

use crate::client::approval::answer::answer;
use crate::client::approval::meant::ApprovalOptions;
use crate::failure::Failure;
use crate::options::Common;

/// What is rejected.
pub(crate) type RejectOptions = ApprovalOptions;

pub(crate) async fn run(common: &Common, options: &ApprovalOptions) -> Result<(), Failure> {
    answer(common, options, ApprovalAction::Reject).await
}
