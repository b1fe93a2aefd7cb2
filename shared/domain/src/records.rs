//! The items of the ledger. docs/ledger.md lists their keys.

mod change_set;
mod dead_letter;
mod found;
mod last_change;
mod link;
mod link_state;
mod listing;
mod notices;
mod onboarding;
mod receipt;
mod run;
mod seen_list;
mod suspensions;
mod warning;

pub use self::change_set::{SetOutcome, SetRecord};
pub use self::dead_letter::{DeadLetterOutcome, DeadLetterRecord, LettersLeft};
pub use self::found::{About, Found, UnreadableItem};
pub use self::last_change::{ChangeState, LastChange};
pub use self::link::{LaneEntry, LinkRecord};
pub use self::link_state::{LinkState, Removal, Size};
pub use self::listing::{Answers, KEPT_FOR, LIVE_FOR, Listing, LiveRecord, OTHERS_FOR};
pub use self::notices::{EditMark, HeldMark, Mark, Notices, QuarantineMark};
pub use self::onboarding::Onboarding;
pub use self::receipt::Receipt;
pub use self::run::{MOST_DENIED, MOST_LANES, Progress, Request, RunRecord, overridden};
pub use self::seen_list::{MOST_SEEN, SeenList};
pub use self::suspensions::{MOST_SUSPENSIONS, Suspended, Suspensions, TooManySuspensions};
pub use self::warning::{MOST_WARNINGS, Warning};

#[cfg(test)]
mod tests;
