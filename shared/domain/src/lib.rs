//! The rules of pmp-sync: ids, policies, links, plans, guards, the lane state machine, messages,
//! and the ports to everything outside.
//!
//! Nothing here does I/O, reads a clock or draws a random number; time and entropy are arguments.
//! `docs/architecture.md` defines the terms.

pub mod answers;
pub mod approval;
pub mod closed_list;
pub mod config;
pub mod delivery;
pub mod drift;
pub mod error;
pub mod experience;
pub mod find_product;
pub mod follows;
pub mod guard;
pub mod hint;
pub mod ids;
pub mod lane;
pub mod link;
pub mod listing;
pub mod notify;
pub mod plan;
pub mod policy;
pub mod ports;
pub mod product;
pub mod product_list;
pub mod reconcile;
pub mod records;
pub mod request_state;
pub mod retry;
pub mod revert;
pub mod run;
#[cfg(feature = "schema")]
pub mod schema;
pub mod sources;
pub mod suggest;
pub mod sync_state;
pub mod text;
pub mod time;
pub mod try_transition;
pub mod undo;
pub mod wire;

pub use jiff::Timestamp;

/// The schema number that this release writes into every message and stored item.
pub const SCHEMA: u32 = 1;
