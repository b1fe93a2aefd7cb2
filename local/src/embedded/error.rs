//! Why the emulated AWS could not be started.

use pmp_sync_deploy::DeployError;

/// An error of the emulated AWS.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// Something on this machine is missing or failed.
    #[error("{what} failed: {detail}")]
    Machine {
        /// The operation, as a clause.
        what: String,
        /// What went wrong.
        detail: String,
    },
    /// The stacks could not be deployed.
    #[error("deploying to the emulated AWS failed: {0}")]
    Deploy(#[from] DeployError),
}

impl EmbeddedError {
    pub(crate) fn machine(what: impl Into<String>, detail: impl std::fmt::Display) -> Self {
        Self::Machine {
            what: what.into(),
            detail: detail.to_string(),
        }
    }
}
