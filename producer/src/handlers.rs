//! One file a trigger.

pub(crate) mod approval;
pub(crate) mod dead_letters;
