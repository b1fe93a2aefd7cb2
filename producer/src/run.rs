//! Runs: how they begin, how their links are worked through, and how they end.

pub(crate) mod begin;
pub(crate) mod finish;
pub(crate) mod notify;
pub(crate) mod work;
