//! Read-only answers for the operator, over the same observation that a run makes.

pub(crate) mod dead_letters;
pub(crate) mod doctor;
pub(crate) mod plan;
pub(crate) mod report;
pub(crate) mod why;
