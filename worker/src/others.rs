//! Other installations of pmp-sync on the same experience: noticed by the names of their change
//! sets, and recorded in the lane, so that the producer reports them. Nothing else follows.

use pmp_sync_domain::ids::{ChangeSetId, ChangeSetName, LaneId};
use pmp_sync_domain::lane::{Counts, LaneState, OtherInstallation};
use pmp_sync_domain::ports::{ChangeSets, Clock, Lanes};

use crate::context::Context;
use crate::steps::{Step, transition};

/// Records another installation if one of these change sets, which have just ended, is of it.
/// Returns the state after that, or none if the lane must be read again.
pub(crate) async fn notice_others<L: Lanes, C, O, S: Clock>(
    context: &Context<L, C, O, S>,
    lane: &LaneId,
    state: LaneState,
    ended: &[(ChangeSetName, ChangeSetId)],
) -> Step<Option<LaneState>> {
    let now = context.now();
    let mine = &context.member.installation;
    let mut others = ended
        .iter()
        .filter_map(|(name, id)| OtherInstallation::of(name, id, now, mine));
    match others.next() {
        Some(other) => record(context, lane, state, &other).await,
        None => Ok(Some(state)),
    }
}

/// Looks for change sets of other installations before the first change set of a plan. Events report
/// them too, but are best effort. A failure delays nothing.
pub(crate) async fn look_for_others<L: Lanes, C: ChangeSets, O, S: Clock>(
    context: &Context<L, C, O, S>,
    lane: &LaneId,
    state: LaneState,
) -> Step<Option<LaneState>> {
    let is_first = |state: &LaneState| {
        let planned = state.planned.as_ref();
        planned.is_some_and(|planned| planned.taken == Counts::default())
    };
    if !is_first(&state) {
        return Ok(Some(state));
    }
    let newest = match context.catalog.newest(&lane.experience).await {
        Ok(newest) => newest,
        Err(error) => {
            tracing::warn!(%lane, %error, "the change sets of the experience cannot be listed");
            return Ok(Some(state));
        }
    };
    let (now, mine) = (context.now(), &context.member.installation);
    let others = newest.iter().filter_map(|set| {
        let name = set.name.parse().ok()?;
        OtherInstallation::of(&name, &set.id, set.started?, mine)
    });
    let last = others.max_by_key(|other| other.seen);
    match last.filter(|other| other.is_active(now)) {
        Some(other) => record(context, lane, state, &other).await,
        None => Ok(Some(state)),
    }
}

/// A lane that was never planned for gets no state here.
async fn record<L: Lanes, C, O, S: Clock>(
    context: &Context<L, C, O, S>,
    lane: &LaneId,
    state: LaneState,
    other: &OtherInstallation,
) -> Step<Option<LaneState>> {
    if state.planned.is_none() || state.contested(other.clone()).is_err() {
        return Ok(Some(state));
    }
    tracing::error!(%lane, code = OtherInstallation::CODE, installation = %other.installation, change_set = %other.change_set, "another installation of pmp-sync changes this experience");
    transition(context, lane, state, |state| state.contested(other.clone())).await
}
