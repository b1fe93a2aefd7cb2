//! A lane's state and the transitions that it may make.
//!
//! Every transition is a pure function of the state as it was read. The ledger writes the result
//! only if nothing was written since (`rev`). A transition that loses to another writer is computed
//! again from the new state. docs/lane-protocol.md has the rules and the reason for each.

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
pub use self::change::{
    Intent, IntentChange, NamedSet, OpenChange, Quarantined, SetContent, StartedSet, counts,
};
pub use self::member_rules::{Denied, InvalidRules, MemberMode, MemberRules};
pub use self::next::{Choice, Next, choose, next, outstanding};
pub use self::state::{
    Block, BlockReason, Ending, LaneState, LaneView, OtherInstallation, Phase, Planned, Rejected,
    Suspension,
};
pub use self::tick::{
    MOST_TICK_DELAY, MOST_WAIT, OnTick, first_tick, later_tick, on_tick, restart_is_due,
};

#[cfg(test)]
mod tests;
