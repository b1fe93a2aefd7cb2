//! The operator's command as an operator uses it: the real binary, and the embedded AWS that it starts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

mod deploy;
mod doctor;
mod holds;
mod lifetime;
mod members;
mod operator;
mod other_emulator;
mod report;
#[path = "../../../cli/tests/schemas/mod.rs"]
mod schemas;
mod setup;
mod trouble;
mod walkthrough;
