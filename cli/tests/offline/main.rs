//! What the command does without an AWS: exit codes, what goes to stdout and what to stderr.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

mod access;
mod approval;
mod approvals;
mod calls;
mod command_line;
mod config;
mod config_change;
mod doctor;
mod held_part;
mod history;
mod history_acts;
mod history_of;
mod history_whole;
mod holds;
mod ledger;
mod local;
mod names;
mod pages;
mod plurals;
mod product_names;
mod reference;
mod report;
mod requests;
#[path = "../schemas/mod.rs"]
mod schemas;
mod setup;
mod sweep;
mod sync;
mod tables;
mod waiting;
mod why;
