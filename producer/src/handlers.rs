//! One handler for each kind of trigger.

pub(crate) mod approval;
pub(crate) mod continuation;
pub(crate) mod dead_letters;
pub(crate) mod requests;
pub(crate) mod settled;
pub(crate) mod sync;
