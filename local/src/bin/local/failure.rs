//! The failures of the command, in the form and with the codes of the operator's command:
//! docs/command-guide.md lists them.

use std::path::Path;

use pmp_sync_deploy::DeployError;
use pmp_sync_local::embedded::EmbeddedError;
use pmp_sync_local::scenario::ScenarioError;
use serde_json::{Value, json};

use crate::hint::with_state;

/// The signal of a program that writes to a pipe which nobody reads. Others end by it.
const SIGPIPE: u8 = 13;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A file cannot be read or written.
    #[error("{path}: {error}")]
    File { path: String, error: std::io::Error },
    /// The state file cannot be read.
    #[error("the state file {path} is broken: {reason}")]
    StateFile { path: String, reason: String },
    /// The emulated AWS failed.
    #[error("{message}")]
    Local { message: String, remedy: String },
    /// A signal, by its number.
    #[error("{message}")]
    Interrupted { signal: u8, message: &'static str },
    /// Nobody reads stdout any more, as after `| head`. There is nothing to report.
    #[error("nobody reads the output any more")]
    NoReader,
}

impl From<DeployError> for Failure {
    fn from(error: DeployError) -> Self {
        Self::local(&error)
    }
}

impl From<EmbeddedError> for Failure {
    fn from(error: EmbeddedError) -> Self {
        Self::local(&error)
    }
}

impl From<ScenarioError> for Failure {
    fn from(error: ScenarioError) -> Self {
        Self::local(&error)
    }
}

impl Failure {
    /// A failure without a remedy of its own.
    pub(crate) fn local(error: &impl std::error::Error) -> Self {
        Self::Local {
            message: error.to_string(),
            remedy: "see the message; `pmp-sync local down` cleans up".to_owned(),
        }
    }

    /// Converts an I/O error of a file.
    pub(crate) fn file(path: &Path) -> impl Fn(std::io::Error) -> Self + use<'_> {
        move |error| Self::File {
            path: path.display().to_string(),
            error,
        }
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::File { .. } | Self::StateFile { .. } => 5,
            Self::Local { .. } => 6,
            // As a shell reports a process that a signal ended.
            Self::Interrupted { signal, .. } => 128 + signal,
            Self::NoReader => 128 + SIGPIPE,
        }
    }

    fn remedy(&self) -> Option<&str> {
        match self {
            Self::StateFile { .. } => Some("remove the file; what runs for it ends then"),
            Self::Local { remedy, .. } => Some(remedy),
            Self::File { .. } | Self::Interrupted { .. } | Self::NoReader => None,
        }
    }

    /// The text for stderr.
    pub(crate) fn report(&self) -> String {
        let remedy = self.remedy().map(|told| format!("\nwhat to do: {told}"));
        format!("error: {self}{}", remedy.unwrap_or_default())
    }

    /// The JSON value for stdout.
    pub(crate) fn answer(&self) -> Value {
        let code = match self {
            Self::File { .. } | Self::StateFile { .. } => "file",
            Self::Local { .. } => "local",
            Self::Interrupted { .. } => "interrupted",
            Self::NoReader => "no-reader",
        };
        json!({ "error": {
            "code": code, "message": with_state(&self.to_string()),
            "what_to_do": self.remedy().map(with_state),
        } })
    }
}
