//! Single writes and sends that several steps make.

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::error::{LinkError, ServiceError};
use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::ids::RunId;
use pmp_sync_domain::lane::{LaneState, OpenChange, Rejected};
use pmp_sync_domain::ports::{Bus, Clock, Close, Closing, Lanes, SendTicks};
use pmp_sync_domain::try_transition::try_transition;
use pmp_sync_domain::wire::{TickMessage, lane_settled};

use crate::context::{Context, System};

pub(crate) type Step<T> = Result<T, ServiceError>;

/// Makes a transition from the current state. Returns none if the state rejects it because
/// another writer was faster.
pub(crate) async fn transition<L: Lanes, C, O, S: Clock>(
    context: &Context<L, C, O, S>,
    lane: &LaneId,
    state: LaneState,
    transition: impl Fn(&LaneState) -> Result<LaneState, Rejected> + Send + Sync,
) -> Step<Option<LaneState>> {
    let transitioned =
        try_transition(&context.ledger, &context.system, lane, state, transition).await?;
    Ok(transitioned.map(|transitioned| transitioned.after))
}

pub(crate) async fn close<L: Close, C, O, S: Clock>(
    context: &Context<L, C, O, S>,
    lane: &LaneId,
    changes: &[OpenChange],
    closing: Closing,
) -> Step<()> {
    let changes: Vec<_> = changes
        .iter()
        .map(|change| (change.product.clone(), change.run))
        .collect();
    tracing::info!(%lane, changes = changes.len(), closing = closing.as_str(), "changes are closed without a change set");
    context
        .ledger
        .close(lane, &changes, closing, None, context.now())
        .await
}

pub(crate) async fn send_tick<L, C, O: SendTicks, S: Clock>(
    context: &Context<L, C, O, S>,
    lane: &LaneId,
    number: u64,
    due: Timestamp,
) -> Step<()> {
    let seconds = due
        .duration_since(context.now())
        .as_secs_f64()
        .ceil()
        .clamp(0.0, 900.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to what SQS takes"
    )]
    let delay = seconds as u16;
    context
        .outbox
        .tick(&TickMessage::new(lane, number), delay)
        .await
}

/// Puts Lane Settled on the bus. The event is a hint, and the producer looks for itself in its next
/// run: the error is logged here, and fails no step.
pub(crate) async fn announce_settled<L, C, O: Bus, S>(
    context: &Context<L, C, O, S>,
    lane: &LaneId,
    run: Option<RunId>,
) -> Result<(), ServiceError> {
    let put = context.outbox.put(lane_settled(lane, run)).await;
    if let Err(error) = &put {
        let error = LinkError::Bus(error.clone());
        tracing::error!(%lane, code = error.code(), %error, "the event that the lane has settled is not accepted");
    }
    put
}

/// When a lane that backs off now tries again.
pub(crate) fn back_off_until<L, C, O, S: System>(
    context: &Context<L, C, O, S>,
    state: &LaneState,
) -> Timestamp {
    state.back_off_until(context.now(), context.system.bits())
}
