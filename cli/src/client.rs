//! What commands share: access to AWS, the management account and the producer, runs, holds, stacks and
//! experiences.

pub(crate) mod access;
pub(crate) mod account;
pub(crate) mod approval;
pub(crate) mod complete;
pub(crate) mod configuration;
pub(crate) mod confirm;
pub(crate) mod context;
pub(crate) mod experience;
pub(crate) mod holds;
pub(crate) mod invoke;
pub(crate) mod leftover;
pub(crate) mod management_list;
pub(crate) mod memory;
pub(crate) mod plan;
pub(crate) mod product_list;
pub(crate) mod products;
pub(crate) mod record;
pub(crate) mod removal;
pub(crate) mod requests;
pub(crate) mod rollback;
pub(crate) mod run;
pub(crate) mod scope;
pub(crate) mod signals;
pub(crate) mod suspension;
pub(crate) mod trail;
pub(crate) mod wait;
pub(crate) mod watch;
