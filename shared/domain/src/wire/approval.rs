//! Requests about holds: approval, rejection, rollback.

use serde::{Deserialize, Serialize};

use super::envelope::{Envelope, Event, Unreadable, check_schema, event, shape};
use super::names::{APPROVAL_REQUESTED, REJECTION_REQUESTED, RESTORE_REQUESTED, REVERT_REQUESTED};
use crate::approval::{ApprovalAction, ApprovalRequest};
use crate::ids::{AccountId, ExperienceId, LaneId, PlanHash, RunId};

/// `Approval Requested`, `Rejection Requested`, `Restore Requested`, `Revert Requested`: an operator
/// decides on a plan that was shown, or requests a rollback.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct ApprovalDetail {
    /// The member account.
    member_account: AccountId,
    /// The member experience.
    experience: ExperienceId,
    /// The run whose plan was shown. For a rollback, the run before which the lists are wanted
    /// back, or whose changes are to be taken back.
    run: RunId,
    /// The hash of the plan that was shown. Only for an approval and a rejection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    plan_hash: Option<PlanHash>,
    /// Id of the request, by which its run is found. The event's id if it is left out.
    #[serde(default)]
    request_id: Option<String>,
    /// The requester: an ARN if the operator's command sent it.
    #[serde(default)]
    requester: Option<String>,
    /// Why, in the words of the requester: one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The event Approval Requested, Rejection Requested, Restore Requested or Revert Requested.
pub fn approval_requested(request: ApprovalRequest) -> Event {
    let detail_type = match request.action {
        ApprovalAction::Approve => APPROVAL_REQUESTED,
        ApprovalAction::Reject => REJECTION_REQUESTED,
        ApprovalAction::Restore => RESTORE_REQUESTED,
        ApprovalAction::Revert => REVERT_REQUESTED,
    };
    event(
        detail_type,
        &ApprovalDetail {
            member_account: request.lane.account,
            experience: request.lane.experience,
            run: request.run,
            plan_hash: request.plan_hash,
            request_id: request.request_id,
            requester: request.requester,
            reason: request.reason,
        },
    )
}

/// Reads the event. An approval or a rejection names the plan that was shown.
pub(super) fn parse(envelope: Envelope) -> Result<ApprovalRequest, Unreadable> {
    if envelope.detail.get("schema").is_some() {
        check_schema(&envelope.detail)?;
    }
    let detail = ApprovalDetail::deserialize(&envelope.detail).map_err(shape)?;
    let action = match envelope.detail_type.as_str() {
        APPROVAL_REQUESTED => ApprovalAction::Approve,
        REJECTION_REQUESTED => ApprovalAction::Reject,
        RESTORE_REQUESTED => ApprovalAction::Restore,
        _ => ApprovalAction::Revert,
    };
    let is_answer = action.undo(detail.run).is_none();
    if is_answer && detail.plan_hash.is_none() {
        return Err(shape("the field \"plan_hash\" is missing"));
    }
    Ok(ApprovalRequest {
        action,
        lane: LaneId {
            account: detail.member_account,
            experience: detail.experience,
        },
        run: detail.run,
        plan_hash: detail.plan_hash,
        request_id: detail.request_id.or(envelope.id),
        requester: detail.requester,
        account: envelope.account,
        reason: detail.reason,
    })
}
