//! Change sets of others: hands the producer a hint for each experience that one has changed, so that it plans
//! the link at once. Events are best effort; the hourly run finds the edit without the hint.

use pmp_sync_domain::error::{Kind, LinkError, ServiceError};
use pmp_sync_domain::ids::{ChangeSetId, LaneId};
use pmp_sync_domain::ports::{Bus, ChangeSets};
use pmp_sync_domain::wire::lane_edited;

use crate::context::Context;

/// Deliveries of an event after which its change set is not looked up again.
const MOST_DELIVERIES: u32 = 5;

/// Reports the experiences that a change set has changed. Returns false if the event must be delivered again.
pub(crate) async fn report_edit<L, C: ChangeSets, O: Bus, S>(
    context: &Context<L, C, O, S>,
    change_set: &ChangeSetId,
    deliveries: u32,
) -> bool {
    match report(context, change_set).await {
        Ok(()) => true,
        Err(error) => {
            let is_passing = matches!(error.kind, Kind::Retryable | Kind::Throttled);
            let again = is_passing && deliveries < MOST_DELIVERIES;
            tracing::warn!(%change_set, %error, again, "what a change set of somebody else has changed cannot be reported");
            !again
        }
    }
}

async fn report<L, C: ChangeSets, O: Bus, S>(
    context: &Context<L, C, O, S>,
    change_set: &ChangeSetId,
) -> Result<(), ServiceError> {
    for experience in context.catalog.changed_by(change_set).await? {
        let lane = LaneId {
            account: context.member.account.clone(),
            experience,
        };
        tracing::info!(%lane, %change_set, "somebody else has changed the experience");
        // The event is a hint: one that is not accepted holds back no message.
        if let Err(error) = context.outbox.put(lane_edited(&lane, change_set)).await {
            let error = LinkError::Bus(error);
            tracing::error!(%lane, code = error.code(), %error, "the event that somebody has changed the experience is not accepted");
        }
    }
    Ok(())
}
