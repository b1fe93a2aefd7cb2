//! The messages: what the worker's inbox and the producer's inbox carry, as they stand on the wire.
//!
//! Each of our own carries `schema`; fields that are not known are ignored, a newer `schema` is not
//! understood. What is not understood is told with the reason, and goes to the dead-letter queue.

mod approval;
#[cfg(feature = "schema")]
pub mod catalogue;
mod change;
mod dead_letters;
mod envelope;
pub mod events;
mod names;
mod request;
mod trigger;

pub use self::approval::approval_requested;
pub use self::change::{ChangeMessage, TickMessage, WorkerMessage};
pub use self::dead_letters::{
    DeadLetterAction, DeadLetterFilter, DeadLetterRequest, dead_letters_requested,
};
pub use self::envelope::{ChangeSetEvent, Envelope, Event, Unreadable, event};
pub use self::names::*;
pub use self::request::{Continuation, Scope, SyncRequest, lane_settled, sync_requested};
pub use self::trigger::Trigger;

#[cfg(test)]
mod tests;
