//! Finds the change set of an intent that may or may not have been started.

use pmp_sync_domain::ids::{ChangeSetId, LaneId};
use pmp_sync_domain::lane::{Intent, LaneState};
use pmp_sync_domain::ports::ChangeSets;

use crate::context::Context;
use crate::steps::Step;

/// Finds the change set of the lane's intent by its name. One that does not have the intent's
/// content, or was started before the intent was written, is of somebody else.
pub(crate) async fn find_started<L, C: ChangeSets, O, S>(
    context: &Context<L, C, O, S>,
    lane: &LaneId,
    state: &LaneState,
    intent: &Intent,
) -> Step<Option<ChangeSetId>> {
    let Some(name) = state.change_set_name(&lane.experience) else {
        return Ok(None);
    };
    let named = context.catalog.named(&name).await?;
    let (mine, others): (Vec<_>, Vec<_>) =
        named.into_iter().partition(|set| intent.is_started_by(set));
    for set in others {
        tracing::warn!(%lane, seq = state.seq, change_set = %set.id, "a change set has the name of the intent, but not its content or its time: it is not the lane's");
    }
    Ok(mine.into_iter().next().map(|set| set.id))
}
