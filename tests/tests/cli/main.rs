//! The operator's command as an operator uses it: the real binary, and the emulated AWS that it starts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]
#![allow(
    clippy::print_stderr,
    reason = "how long something took is told beside the outcome"
)]

mod buckets;
mod deploy;
mod doctor;
mod holds;
mod lifetime;
mod members;
mod operator;
mod other_emulator;
mod products;
mod removal;
mod report;
mod requests;
mod retained;
#[path = "../../../cli/tests/schemas/mod.rs"]
mod schemas;
mod setup;
mod trouble;
mod walkthrough;
