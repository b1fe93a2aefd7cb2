//! The product lists of a management experience: which one is meant, what is on them, what they are
//! called, and how they are changed with the operator's credentials.

pub(crate) mod change;
pub(crate) mod effect;
pub(crate) mod managed;
pub(crate) mod names;
mod unlisted;
