//! What the command ends with when it does not succeed: a message, what to do, and an exit code.

use std::fmt::Write as _;

use pmp_sync_domain::error::{FaultRecord, Kind, ServiceError};
use pmp_sync_local::embedded::EmbeddedError;
use pmp_sync_local::scenario::ScenarioError;

/// A failure of the command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The configuration file has problems, which have been told.
    #[error("{0}")]
    InvalidConfig(String),
    /// A file can not be read or written.
    #[error("{path}: {error}")]
    File { path: String, error: std::io::Error },
    /// AWS refused, or did not answer.
    #[error("{0}")]
    Service(#[from] ServiceError),
    /// A fault with a code and a way forward.
    #[error("{}: {}", .0.code, .0.message)]
    Fault(FaultRecord),
    /// Not everything is as it should be; it has been shown.
    #[error("{0}")]
    NotWell(String),
    /// It did not happen in time.
    #[error("{0}")]
    Late(String),
    /// The embedded AWS.
    #[error("{0}")]
    Local(String),
}

impl From<EmbeddedError> for Failure {
    fn from(error: EmbeddedError) -> Self {
        Self::Local(error.to_string())
    }
}

impl From<ScenarioError> for Failure {
    fn from(error: ScenarioError) -> Self {
        Self::Local(error.to_string())
    }
}

impl Failure {
    /// docs/cli.md lists them; clap uses 2 for a wrong command line.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::NotWell(_) | Self::Fault(_) => 1,
            Self::InvalidConfig(_) | Self::File { .. } => 3,
            Self::Service(_) => 4,
            Self::Late(_) => 5,
            Self::Local(_) => 6,
        }
    }

    fn remedy(&self) -> Option<&str> {
        match self {
            Self::Fault(fault) => Some(&fault.remedy),
            Self::Service(error) => Some(match error.kind {
                Kind::NotFound => {
                    "check that the management stack is deployed in this account, and --name if it has another name"
                }
                Kind::Denied => {
                    "check that the credentials are those of the management account and allow this"
                }
                Kind::Throttled | Kind::Retryable => {
                    "check the credentials and the network, then try again"
                }
                Kind::Conflict => {
                    "somebody else was faster: look at what stands now, then try again"
                }
                Kind::Locked | Kind::Refused => return None,
            }),
            Self::Local(_) => {
                Some("see the log that is named above, if one is; `pmp-sync local down` cleans up")
            }
            _ => None,
        }
    }

    /// For a person.
    pub(crate) fn report(&self) -> String {
        let mut text = format!("error: {self}");
        if let Some(remedy) = self.remedy() {
            let _ = write!(text, "\nwhat to do: {remedy}");
        }
        text
    }
}
