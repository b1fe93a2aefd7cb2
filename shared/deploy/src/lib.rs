//! What the operator's command and the AWS on one machine share: stacks, code buckets, packages with the
//! Lambdas' code, and progress on stderr.
//!
//! Every step can be repeated: whatever an interrupted run has left is taken up by the next.

pub mod binaries;
pub mod bucket;
pub mod change;
pub mod elf;
pub mod installation;
pub mod local;
pub mod package;
pub mod progress;
pub mod signals;
pub mod stack;
mod step;
pub mod template;

use std::path::Path;

use aws_config::SdkConfig;
use pmp_sync_domain::error::ServiceError;
use pmp_sync_domain::ids::AccountId;

/// An account with credentials to act in it.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its number.
    pub id: AccountId,
    /// Its credentials, and where its calls go.
    pub config: SdkConfig,
}

/// What can go wrong with a deployment.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// AWS refused, or did not answer.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// A file cannot be read.
    #[error("{path}: {error}")]
    File {
        /// Its path.
        path: String,
        /// Why not.
        error: std::io::Error,
    },
    /// What was asked for cannot be done.
    #[error("{message}")]
    Invalid {
        /// What is wrong with it.
        message: String,
        /// What to ask for.
        remedy: String,
    },
    /// Something that is needed is not there.
    #[error("{message}")]
    Missing {
        /// What is missing.
        message: String,
        /// How it comes there.
        remedy: String,
    },
    /// A stack, or what belongs to it, could not be brought to what is wanted.
    #[error("{message}")]
    Failed {
        /// What went wrong.
        message: String,
        /// How to go on.
        remedy: String,
    },
    /// It did not happen in time.
    #[error("{0}")]
    Late(String),
}

impl DeployError {
    /// What an error means that a file gives.
    fn file(path: &Path) -> impl Fn(std::io::Error) -> Self + use<'_> {
        move |error| Self::File {
            path: path.display().to_string(),
            error,
        }
    }
}
