//! The member's own rules: parameters of the stack, and the lane's mark of them.

use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::lane::LaneState;
use pmp_sync_domain::policy::Action;
use pmp_sync_domain::ports::{Bus, Clock, Lanes};

use crate::context::Context;
use crate::steps::{Step, announce_settled, transition};

/// Brings the lane's mark in line with the member's rules before anything is decided by it: the
/// mark decides which changes are kept back and which intents are rejected. Returns the state
/// after that, or none if the lane must be read again.
///
/// A lane that was never planned for has nothing to keep back, and gets no state here.
pub(crate) async fn apply_member_rules<L: Lanes, C, O: Bus, S: Clock>(
    context: &Context<L, C, O, S>,
    lane: &LaneId,
    state: LaneState,
) -> Step<Option<LaneState>> {
    let mark = context.member.rules.mark();
    if state.planned.is_none() || state.member == mark {
        return Ok(Some(state));
    }
    let forbidden =
        |state: &LaneState| [Action::Allow, Action::Deny].map(|action| state.is_forbidden(action));
    let before = forbidden(&state);
    let marked = transition(context, lane, state, |state| state.ruled(mark.clone())).await?;
    let Some(state) = marked else {
        return Ok(None);
    };
    tracing::info!(%lane, mode = %context.member.rules.mode, most_denies = context.member.rules.most_denies, "the member's own rules have changed");
    if forbidden(&state) != before {
        // A hint, so that what must be left alone, or no longer, is planned anew at once and
        // not in an hour. One that cannot be put is not repeated: the hourly run plans it anyway.
        let _put = announce_settled(context, lane, state.planned_run()).await;
    }
    Ok(Some(state))
}
