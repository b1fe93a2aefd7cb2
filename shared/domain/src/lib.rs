//! The rules of pmp-sync: ids, policies, links, plans, the lane state machine, messages and the
//! ports through which the rest of the world is reached.
//!
//! Nothing here does I/O, reads a clock or draws a random number; time and entropy are arguments.
//! The words are those of `docs/architecture.md`.

pub mod batch;
pub mod config;
pub mod dead_letters;
pub mod delivery;
pub mod doctor;
pub mod drift;
pub mod error;
pub mod experience;
pub mod guard;
pub mod hold;
pub mod ids;
pub mod lane;
pub mod link;
pub mod live;
pub mod message;
pub mod notify;
pub mod onboarding;
pub mod plan;
pub mod policy;
pub mod ports;
pub mod preview;
pub mod reconcile;
pub mod report;
pub mod run;
#[cfg(feature = "schema")]
pub mod schema;
pub mod try_transition;
pub mod why;

pub use jiff::Timestamp;

/// The schema number that this release writes into every message and stored item.
pub const SCHEMA: u32 = 1;
