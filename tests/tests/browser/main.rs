//! The report in a browser: what somebody sees, clicks, types and hears. Headless Chromium by chromedriver.
//!
//! Run by `cargo test -p pmp-sync-tests --test browser -- --ignored`, as CI does, where there is no Chromium it
//! fails. With `PMP_SYNC_SCREENSHOTS=FOLDER` pictures of the pages are put there. `PMP_SYNC_AXE` is the path of axe-core,
//! as `tests/axe/install` prints it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that finds something wrong is to panic, and figures are to be seen"
)]

mod access;
mod browser;
mod figures;
mod hostile;
mod matrix;
mod sample;
mod saved;
