//! The producer: for each link it computes what has to change on the member experience, commits
//! that plan to the lane, and sends one message for each change. It changes no experience itself.
//!
//! It is written against the ports. The feature `lambda` adds the AWS adapters and the Lambda
//! runtime.

mod announce;
mod claims;
mod context;
mod dispatch;
mod handlers;
#[cfg(feature = "lambda")]
pub mod lambda;
mod letters;
mod names;
mod publish;
mod quarantine;
pub mod queries;
mod reach;
mod receipts;
mod reconcile;
mod requests;
mod run;
mod setup;
mod targets;

pub use self::context::{Context, Ledger, Marketplace, Outbox, System, Unannounced};
pub use self::dispatch::dispatch;
pub use self::reconcile::listings::{CachedListings, Listings};
pub use self::reconcile::outcome::{LinkOutcome, ReconcileRequest};
pub use self::reconcile::reconcile;
