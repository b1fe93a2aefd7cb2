//! The events of a world's schedule.

use pmp_sync_domain::ids::{ChangeSetId, ExperienceId, LaneId, ProductId};
use pmp_sync_domain::lane::{MemberRules, Suspension};
use pmp_sync_domain::policy::Action;
use serde_json::{Value, json};

/// An event of the schedule.
#[derive(Debug, Clone)]
pub(crate) enum ScheduledEvent {
    /// The hourly run.
    HourlyRun,
    /// An operator starts a sync of everything or of a part.
    SyncRequested,
    /// An operator replays the dead letters.
    Replay,
    /// The management lists change.
    ManagementEdit,
    /// A management list is emptied by mistake, and comes back.
    ManagementEmptied(ExperienceId),
    /// A management experience loses its policy, or has it again.
    NoPolicy(ExperienceId, bool),
    /// The next read of a management list returns a part of it only.
    ShortRead(ExperienceId),
    /// A management list loses a good part at once, or one product every hour.
    Shrinks(ExperienceId),
    Erodes(ExperienceId),
    /// A member's administrator edits its list by hand.
    MemberEdit,
    /// Another program's change set locks a member experience.
    ForeignLock,
    /// A second installation starts a change set on a member experience.
    AnotherInstallation,
    /// The dead letters of a member expire or are purged.
    LettersLost,
    /// Another version of the configuration.
    Configuration,
    /// An operator suspends something, or resumes everything.
    SuspendOn,
    SuspendOff,
    /// The operator's command marks a lane, or takes the mark away.
    Mark(LaneId, Option<Suspension>),
    /// A member changes the rules in its stack.
    Rules(usize, MemberRules),
    /// A member account cannot be reached, or can be again.
    Unreachable(usize, bool),
    /// An experience is archived or disabled, or comes back.
    Archived(ExperienceId, bool),
    Disabled(ExperienceId, bool),
    /// A product cannot be changed, or can be again.
    Bad(ProductId, bool),
    /// The next change set that ends fails because of the service.
    ServerFault,
    /// An operation is denied, or allowed again.
    Denied(Option<&'static str>),
    /// A run was named by a clock that was ahead: every later one seems to step back.
    ClockAhead,
    /// An administrator cancels a change set.
    Cancel(ChangeSetId),
    /// The service no longer knows a change set.
    Forget(ChangeSetId),
    /// A message that cannot be parsed.
    Garbage,
    /// An operator looks at what is held on a lane, and sends a request about it.
    Considered(LaneId),
    /// A request that was written a while ago arrives.
    Asked(String),
    /// An operator approves everything that is held, now and every hour.
    Approvals,
    /// AWS Marketplace lists some products no longer, and others again.
    Delisted,
    /// A user of a member requests a product, and that request may end.
    ProductRequest(usize),
    /// The management lists take back a part of what is held on a lane.
    Wavers(LaneId),
    /// They want again what they have just taken back.
    Relapses(ExperienceId, Vec<(ProductId, Action)>),
    /// An operator overrides the freeze of a link.
    FreezeOverridden,
    /// Everything is repaired.
    Repair,
}

/// The body of an event in a queue.
pub(crate) fn envelope(source: &str, detail_type: &str, detail: &Value) -> String {
    json!({ "source": source, "detail-type": detail_type, "detail": detail }).to_string()
}
