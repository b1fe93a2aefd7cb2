//! Deployment: stacks, code buckets, packages with the functions' code, and progress on stderr. The
//! operator's command and `pmp-sync-local` share it.
//!
//! Every step can be repeated, and continues what an interrupted one has left.

pub mod binaries;
pub mod bucket;
pub mod change;
pub mod elf;
pub mod installation;
pub mod local;
pub mod package;
pub mod progress;
pub mod retained;
pub mod signals;
pub mod stack;
mod step;
pub mod template;
pub mod time;

use std::path::Path;

use aws_config::SdkConfig;
use pmp_sync_domain::error::ServiceError;
use pmp_sync_domain::ids::AccountId;

/// An account with credentials to act in it.
#[derive(Debug, Clone)]
pub struct Account {
    /// The account id, 12 digits.
    pub id: AccountId,
    /// The SDK configuration with its credentials and endpoints.
    pub config: SdkConfig,
}

/// An error of a deployment.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// AWS refused, or did not answer.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// A file cannot be read.
    #[error("{path}: {error}")]
    File {
        /// The path of the file.
        path: String,
        /// The I/O error.
        error: std::io::Error,
    },
    /// The request cannot be fulfilled.
    #[error("{message}")]
    Invalid {
        /// What is wrong, as a sentence.
        message: String,
        /// What to request instead.
        remedy: String,
    },
    /// Something that is needed is missing.
    #[error("{message}")]
    Missing {
        /// What is missing.
        message: String,
        /// How to get it.
        remedy: String,
    },
    /// A stack, or something that belongs to it, could not be brought to the wanted state.
    #[error("{message}")]
    Failed {
        /// What went wrong, as a sentence.
        message: String,
        /// What to do about it.
        remedy: String,
    },
    /// It did not happen in time.
    #[error("{0}")]
    Late(String),
}

impl DeployError {
    /// Converts an I/O error of a file.
    fn file(path: &Path) -> impl Fn(std::io::Error) -> Self + use<'_> {
        move |error| Self::File {
            path: path.display().to_string(),
            error,
        }
    }
}
