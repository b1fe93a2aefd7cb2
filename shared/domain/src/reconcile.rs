//! The decision on one lane: from what was read of it ([`Observation`]) to what is done with it
//! ([`Decision`]) and what is remembered of it. Pure: the producer reads before and writes after.

mod course;
mod decide;
mod draft;
mod goal;
mod memory;
mod observation;

pub use self::course::{Course, PlanOnLane, TRUST, is_announced, is_busy};
pub use self::decide::{Decision, decide, decide_plan};
pub use self::draft::Draft;
pub use self::goal::{DesiredState, Goal, SourceState};
pub use self::memory::{
    after_block, after_commit, after_hold, after_observing, after_suspension, before_commit,
    hold_of_rollback, new_hold, notices_of_fault,
};
pub use self::observation::{GuardVerdict, Observation, Quarantine, Reads, Records};
