//! The worker: takes changes from its queue, applies them in one change set at a time on each
//! member experience, and settles them. One instance serves one member account.
//!
//! It is written against the ports. The feature `lambda` adds the AWS adapters and the Lambda
//! runtime.

mod advance;
mod claim;
mod context;
mod edits;
mod find;
mod inbox;
#[cfg(feature = "lambda")]
pub mod lambda;
mod member_rules;
mod others;
mod policy;
mod requests;
mod settle;
mod start;
mod steps;

pub use self::advance::advance;
pub use self::context::{Catalog, Context, Ledger, Membership, Outbox, System};
pub use self::inbox::handle;
