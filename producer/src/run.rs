//! Runs: begin, reconcile their links, end.

pub(crate) mod begin;
pub(crate) mod finish;
pub(crate) mod notify;
pub(crate) mod retry;
pub(crate) mod work;
