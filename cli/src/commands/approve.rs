//! `pmp-sync approve`: executes held plans, and waits until they are done.

use pmp_sync_domain::approval::ApprovalAction;

use crate::client::approval::answer::answer;
use crate::client::approval::meant::ApprovalOptions;
use crate::failure::Failure;
use crate::options::Common;

/// What is approved.
pub(crate) type ApproveOptions = ApprovalOptions;

pub(crate) async fn run(common: &Common, options: &ApprovalOptions) -> Result<(), Failure> {
    answer(common, options, ApprovalAction::Approve).await
}
