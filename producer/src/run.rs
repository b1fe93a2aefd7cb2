//! Runs: how they begin, how they end, and what is announced of them.

pub(crate) mod begin;
pub(crate) mod finish;
pub(crate) mod notify;
