//! The items of the ledger. docs/ledger.md lists their keys.

mod act;
mod change_set;
mod config_version;
mod dead_letter;
mod found;
mod last_change;
mod link;
mod link_state;
mod list_edit;
mod listing;
mod notices;
mod onboarding;
mod pending_retry;
mod product_request;
mod receipt;
mod request_answer;
mod run;
mod seen_list;
mod suspensions;
mod warning;

pub use self::act::{ActKind, OperatorAct};
pub use self::change_set::{SetOutcome, SetRecord};
pub use self::config_version::{ConfigOrigin, ConfigVersion, MOST_SUMMARY};
pub use self::dead_letter::{DeadLetterOutcome, DeadLetterRecord, LettersLeft};
pub use self::found::{About, Found, UnreadableItem};
pub use self::last_change::{ChangeState, LastChange};
pub use self::link::{HeldPart, LaneEntry, LinkRecord};
pub use self::link_state::{LinkState, Removal, Size};
pub use self::list_edit::{Applied, EditStatus, ListEdit};
pub use self::listing::{
    Answers, KEPT_FOR, LIVE_FOR, Listing, LiveRecord, NAMED_FOR, NAMELESS_FOR, OTHERS_FOR,
    RETRIED_AFTER, names_of,
};
pub use self::notices::{EditMark, HeldMark, Mark, Notices, QuarantineMark};
pub use self::onboarding::Onboarding;
pub use self::pending_retry::{MOST_PENDING, PendingRetry};
pub use self::product_request::{
    DroppedRequests, MOST_OPEN_REQUESTS, MOST_REQUESTS, OPEN_FOR, ProductRequest, REQUEST_KEPT,
    RequestBounds, RequestCounts,
};
pub use self::receipt::Receipt;
pub use self::request_answer::{Answered, RequestAnswer};
pub use self::run::{MOST_DENIED, MOST_LANES, Progress, Request, RunRecord, overridden};
pub use self::seen_list::{MOST_SEEN, SeenList};
pub use self::suspensions::{MOST_SUSPENSIONS, Suspended, Suspensions, TooManySuspensions};
pub use self::warning::{MOST_WARNINGS, Warning};
pub use crate::request_state::RequestState;

#[cfg(test)]
mod tests;
