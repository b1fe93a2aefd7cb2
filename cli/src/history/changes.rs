//! What was done on a lane for a run, one for each change set: joined to the history here and nowhere else.

use pmp_sync_domain::ids::{LaneId, RunId};
use serde_json::Value;

/// The change sets of a lane that carried changes of a run.
pub(super) fn changes_of(_run: RunId, _lane: &LaneId) -> Vec<Value> {
    Vec::new()
}
