//! The change sets of a run, joined to the history here and nowhere else.

use pmp_sync_domain::ids::{LaneId, RunId};
use pmp_sync_domain::ports::ReadSets as _;
use pmp_sync_domain::records::SetRecord;

use crate::client::context::Context;
use crate::failure::Failure;

/// Reads the change sets of these lanes that contained changes of a run.
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
