//! Outside edits, and the question why products stand as they do, over the stateful fakes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

mod agreement;
mod answers;
mod edits;
#[path = "../fakes/mod.rs"]
mod fakes;
mod report;
mod setup;
