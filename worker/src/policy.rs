//! Reading the member's policy, and what it means if that fails.

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::lane::{Block, BlockReason, LaneState};
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::ports::{Clock, ReadCatalog};

use crate::context::Context;

/// The result of reading the member's policy.
pub(crate) enum Reading {
    Policy(PolicySnapshot),
    /// There is no policy, which blocks the lane unless its plan creates one.
    NoPolicy(Block),
    Blocked(Block),
    Later,
}

pub(crate) async fn read_policy<L, C: ReadCatalog, O, S: Clock>(
    context: &Context<L, C, O, S>,
    lane: &LaneId,
    state: &LaneState,
) -> Reading {
    let reading = async {
        let experience = context.catalog.experience(&lane.experience).await?;
        if experience.archived {
            return Ok(Err(BlockReason::Archived));
        }
        match &experience.policy {
            Some(policy) => context.catalog.policy(policy).await.map(Ok),
            None => Ok(Err(BlockReason::NoPolicy)),
        }
    };
    let now = context.now();
    match reading.await {
        Ok(Ok(policy)) => Reading::Policy(policy),
        Ok(Err(BlockReason::NoPolicy)) => Reading::NoPolicy(Block {
            reason: BlockReason::NoPolicy,
            detail: lane.experience.to_string(),
            since: now,
        }),
        Ok(Err(reason)) => Reading::Blocked(Block {
            reason,
            detail: lane.experience.to_string(),
            since: now,
        }),
        Err(error) => match error.kind {
            Kind::Denied => Reading::Blocked(block(BlockReason::AccessDenied, &error, now)),
            Kind::NotFound => Reading::Blocked(block(BlockReason::NotFound, &error, now)),
            Kind::Refused | Kind::Unreadable => {
                Reading::Blocked(block(BlockReason::Refused, &error, now))
            }
            Kind::Retryable | Kind::Throttled | Kind::Locked | Kind::Conflict => {
                tracing::warn!(%lane, back_off = state.back_off, %error, "the member experience cannot be read now");
                Reading::Later
            }
        },
    }
}

pub(crate) fn block(reason: BlockReason, error: &ServiceError, since: Timestamp) -> Block {
    Block {
        reason,
        detail: error.to_string(),
        since,
    }
}
