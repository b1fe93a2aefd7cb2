//! End to end: the deployed Lambdas, the real templates, real queues. One emulated AWS for the whole
//! binary, accounts of its own for each test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

mod approval;
mod isolation;
mod notices;
mod publication;
#[path = "../../../cli/tests/schemas/mod.rs"]
#[allow(
    dead_code,
    reason = "commands are held against their schemas in other tests"
)]
mod schemas;
mod setup;
mod sync;
mod triggers;
mod trouble;
