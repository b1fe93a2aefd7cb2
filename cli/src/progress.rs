//! What is being done right now, on stderr.

pub(crate) use pmp_sync_deploy::progress::Progress;
