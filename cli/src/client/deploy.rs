//! Deployment and deletion of stacks, for every command that needs it.

pub(crate) mod account;
pub(crate) mod bucket;
pub(crate) mod change;
pub(crate) mod code;
pub(crate) mod elf;
pub(crate) mod leftover;
pub(crate) mod stack;
mod step;
pub(crate) mod template;

use pmp_sync_domain::ids::AccountId;

/// The names of the stacks, as in infra/README.md.
pub(crate) fn management_stack(name: &str) -> String {
    format!("{name}-management")
}

pub(crate) fn access_stack(name: &str, account: &AccountId) -> String {
    format!("{name}-member-access-{account}")
}

pub(crate) fn member_stack(name: &str) -> String {
    format!("{name}-member")
}
