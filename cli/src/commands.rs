//! One module for each command: its options, execution and output. No command uses another.
//! `client` has what they share.

pub(crate) mod approve;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod deploy;
pub(crate) mod destroy;
pub(crate) mod dlq;
pub(crate) mod doctor;
pub(crate) mod drift;
pub(crate) mod experience;
pub(crate) mod history;
pub(crate) mod holds;
pub(crate) mod local;
pub(crate) mod member;
pub(crate) mod notify;
pub(crate) mod plan;
pub(crate) mod product;
pub(crate) mod reject;
pub(crate) mod report;
pub(crate) mod requests;
pub(crate) mod restore;
pub(crate) mod resume;
pub(crate) mod revert;
pub(crate) mod scp;
pub(crate) mod status;
pub(crate) mod suspend;
pub(crate) mod sync;
pub(crate) mod why;
