//! The adapters of pmp-sync's ports to AWS: Marketplace Catalog and Discovery, SQS, DynamoDB, STS, EventBridge, S3.
//!
//! Only the SDK's standard endpoint variables decide where calls go. Only the SDK retries calls.

#[cfg(feature = "lambda")]
pub mod batch;
pub mod bus;
pub mod caller;
pub mod catalog;
pub mod config;
pub mod dead_letters;
pub mod discovery;
mod errors;
pub mod keys;
pub mod ledger;
pub mod logs;
pub mod marketplace;
pub mod members;
pub mod outbox;
pub mod queue;
mod region;
pub mod report_object;
pub mod system;

pub use self::errors::{BUCKET_ELSEWHERE, error_chain, if_there, service_error};
