//! What was done on a lane for a run, one for each change set: joined to the history here and nowhere else.

use pmp_sync_domain::ids::{LaneId, RunId};
use pmp_sync_domain::ports::ReadSets as _;
use pmp_sync_domain::records::SetRecord;

use crate::context::Context;
use crate::failure::Failure;

/// The change sets of these lanes that carried changes of a run, with their lanes.
pub(super) async fn changes_of<'a>(
    context: &Context,
    run: RunId,
    lanes: impl IntoIterator<Item = &'a LaneId>,
) -> Result<Vec<(LaneId, SetRecord)>, Failure> {
    let mut changes = Vec::new();
    for lane in lanes {
        let sets = context.ledger.sets(lane, Some(run)).await?;
        changes.extend(sets.into_iter().map(|set| (lane.clone(), set)));
    }
    Ok(changes)
}
