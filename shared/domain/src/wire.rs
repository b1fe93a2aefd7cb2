//! The wire format: the messages of the worker's inbox and of the producer's inbox, and the events
//! on the bus.
//!
//! Every message of ours carries `schema`. Unknown fields are ignored; a newer `schema` is an
//! error. A message that cannot be understood goes to the dead-letter queue with the reason.

mod announced;
mod approval;
#[cfg(feature = "schema")]
pub mod catalogue;
mod change;
mod chat;
mod dead_letters;
mod envelope;
pub mod events;
pub mod limits;
mod names;
mod product_request;
mod request;
mod retry;
mod size;
mod trigger;

pub use self::announced::{Digest, Digested, MOST_DIGESTED, NotificationTest};
pub use self::approval::approval_requested;
pub use self::change::{ChangeMessage, TickMessage, WorkerMessage};
pub use self::chat::{Chat, ChatContent, ChatMetadata};
pub use self::dead_letters::{
    DeadLetterAction, DeadLetterFilter, DeadLetterRequest, dead_letters_requested,
};
pub use self::envelope::{ChangeSetEvent, Envelope, Event, Unreadable, event};
pub use self::names::*;
pub use self::product_request::{ProductRequestEvent, product_request_received};
pub use self::request::{
    Continuation, Scope, SyncRequest, lane_edited, lane_settled, sync_requested,
};
pub use self::retry::LinkRetry;
pub use self::trigger::Trigger;

#[cfg(test)]
mod tests;
