//! Requests about holds: approval, rejection, and the rollback.

use serde::{Deserialize, Serialize};

use super::{
    APPROVAL_REQUESTED, Envelope, Event, REJECTION_REQUESTED, RESTORE_REQUESTED, Unreadable,
    check_schema, event, shape,
};
use crate::hold::{ApprovalAction, ApprovalRequest};
use crate::ids::{AccountId, ExperienceId, LaneId, RunId};
use crate::plan::PlanHash;

/// `Approval Requested`, `Rejection Requested`, `Restore Requested`: somebody decides on a plan that was
/// shown, or wants the lists back.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct ApprovalDetail {
    /// The member account.
    member_account: AccountId,
    /// The member experience.
    experience: ExperienceId,
    /// The run whose plan was shown; the run before which the lists are wanted back.
    run: RunId,
    /// The hash of the plan that was shown; of an approval and a rejection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    plan_hash: Option<PlanHash>,
    /// The request's own id, by which its run is found; the event's if it is left out.
    #[serde(default)]
    request_id: Option<String>,
    /// Who asks.
    #[serde(default)]
    requester: Option<String>,
}

/// The event Approval Requested, Rejection Requested or Restore Requested.
pub fn approval_requested(request: ApprovalRequest) -> Event {
    let detail_type = match request.action {
        ApprovalAction::Approve => APPROVAL_REQUESTED,
        ApprovalAction::Reject => REJECTION_REQUESTED,
        ApprovalAction::Restore => RESTORE_REQUESTED,
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
        _ => ApprovalAction::Restore,
    };
    if action != ApprovalAction::Restore && detail.plan_hash.is_none() {
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
    })
}
