//! A lane's state and the transitions that it may make.
//!
//! Every transition is a pure function of the state as it was read; the ledger writes its result
//! only if nothing has been written in between (`rev`), so a transition that is refused or lost to
//! another writer is made again from what stands now. docs/lane-protocol.md has the rules and why
//! each is there.

mod batch;
mod bisect;
mod change;
mod member_rules;
mod next;
mod room;
mod state;
mod tick;
mod transitions;

pub use self::batch::{BATCH, Counts, is_worthwhile};
pub use self::bisect::{Bisect, ChangeError, Failed, FailedAlone, MOST_ALONE};
pub use self::change::{Intent, IntentChange, OpenChange, Quarantined, counts};
pub use self::member_rules::{Denied, InvalidRules, MemberMode, MemberRules};
pub use self::next::{Choice, Next, choose, next, outstanding};
pub use self::state::{
    Block, BlockReason, Ending, LaneState, LaneView, Phase, Planned, Rejected, Suspension,
};
pub use self::tick::{
    MOST_TICK_DELAY, MOST_WAIT, OnTick, first_tick, later_tick, on_tick, restart_is_due,
};

#[cfg(test)]
mod tests;
