//! Failures end to end: the deployed Lambdas behind proxies that cut, drop and kill, an emulator that
//! throttles and fails. One emulated AWS for the whole binary, accounts of its own for each test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

mod doubles;
mod everything;
mod kills;
mod pauses;
mod quarantine;
mod setup;
