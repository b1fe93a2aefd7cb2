//! Making a transition on a lane through the ledger: the one way in which a lane's state is written.

use crate::error::{Kind, ServiceError};
use crate::ids::LaneId;
use crate::lane::{LaneState, Refusal};
use crate::ports::{Answer, Clock, Lanes};

/// How often a transition is made again because the item was written in between.
const MOST_CONFLICTS: usize = 8;

/// A transition that has been written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transited {
    /// The state on which it was made.
    pub before: LaneState,
    /// The state as it stands now.
    pub after: LaneState,
}

/// Makes `transition` on `state`, as it was read, and writes the result on condition that nothing
/// was written in between; otherwise reads again and makes it again. Nothing if the transition is
/// refused: somebody was faster.
pub async fn transit<L: Lanes, K: Clock>(
    lanes: &L,
    clock: &K,
    lane: &LaneId,
    state: LaneState,
    transition: impl Fn(&LaneState) -> Result<LaneState, Refusal> + Send + Sync,
) -> Answer<Option<Transited>> {
    let mut before = state;
    for _ in 0..MOST_CONFLICTS {
        let Ok(mut after) = transition(&before) else {
            return Ok(None);
        };
        after.schema = crate::SCHEMA;
        after.updated_at = Some(clock.now());
        match lanes.store(lane, before.rev, &after).await {
            Ok(()) => {
                after.rev = before.rev + 1;
                return Ok(Some(Transited { before, after }));
            }
            Err(error) if error.kind == Kind::Conflict => before = lanes.state(lane).await?,
            Err(error) => return Err(error),
        }
    }
    Err(ServiceError::new(
        "store",
        lane.to_string(),
        Kind::Conflict,
        "the lane was written by others each time",
    ))
}
