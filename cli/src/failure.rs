//! What the command ends with when it does not succeed: a message, what to do, and an exit code.

use std::fmt::Write as _;
use std::path::Path;

use pmp_sync_domain::config::Problem;
use pmp_sync_domain::error::{FaultRecord, Kind, ServiceError};
use pmp_sync_local::embedded::EmbeddedError;
use pmp_sync_local::scenario::ScenarioError;
use schemars::JsonSchema;
use serde::Serialize;

use crate::hints;

/// The exit code for what is wrong with the command line or a file, and for names of things that are
/// not there.
pub(crate) const INVALID_INPUT: u8 = 5;

/// A failure of the command, or an outcome with an exit code of its own.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The configuration file has problems.
    #[error("{message}")]
    InvalidConfig {
        message: String,
        /// As it was given on the command line.
        file: String,
        problems: Vec<Problem>,
    },
    /// A file cannot be read or written.
    #[error("{path}: {error}")]
    File { path: String, error: std::io::Error },
    /// The state file of the embedded AWS is not one.
    #[error("the state file {path} is broken: {reason}")]
    StateFile { path: String, reason: String },
    /// The command line names something that is not there.
    #[error("{message}")]
    Unknown { message: String, remedy: String },
    /// The command line cannot be followed.
    #[error("{message}")]
    CommandLine { message: String, remedy: String },
    /// What was asked for has been shown, and how it stands is in the exit code too.
    #[error("{message}")]
    Told { exit: u8, message: String },
    /// AWS refused, or did not answer.
    #[error("{0}")]
    Service(#[from] ServiceError),
    /// The same, where there is another way.
    #[error("{error}")]
    Refusal {
        error: ServiceError,
        remedy: &'static str,
    },
    /// A fault with a code and a remedy.
    #[error("{}: {}", .0.code, .0.message)]
    Fault(FaultRecord),
    /// Not everything is as it should be; it has been shown.
    #[error("{0}")]
    NotWell(String),
    /// Something would be changed, or is at work; it has been shown.
    #[error("{0}")]
    Differs(String),
    /// Plans wait for approval; they have been shown.
    #[error("{0}")]
    Held(String),
    /// What was named is not what is held.
    #[error("{message}")]
    Stale { message: String, remedy: String },
    /// The producer has refused a request about a hold: nothing was done.
    #[error("refused: {0}")]
    Refused(String),
    /// Some links or the whole run failed, or cannot go on; it has been shown.
    #[error("{0}")]
    Partial(String),
    /// It did not happen in time.
    #[error("{0}")]
    Late(String),
    /// A stack, or what belongs to it, could not be brought to what is wanted.
    #[error("{message}")]
    Stack { message: String, remedy: String },
    /// The embedded AWS.
    #[error("{message}")]
    Local { message: String, remedy: String },
    /// A signal, by its number.
    #[error("{message}")]
    Interrupted { signal: u8, message: &'static str },
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
    /// A failure of the embedded AWS about which nothing more is known.
    pub(crate) fn local(error: &impl std::error::Error) -> Self {
        Self::Local {
            message: error.to_string(),
            remedy: "see the message; `pmp-sync local down` cleans up".to_owned(),
        }
    }

    /// What an error means that a file gives.
    pub(crate) fn file(path: &Path) -> impl Fn(std::io::Error) -> Self + use<'_> {
        move |error| Self::File {
            path: path.display().to_string(),
            error,
        }
    }

    /// docs/command-guide.md lists them.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::NotWell(_)
            | Self::Fault(_)
            | Self::Service(_)
            | Self::Refusal { .. }
            | Self::Stack { .. }
            | Self::Late(_) => 1,
            Self::Differs(_) => 2,
            Self::Held(_) | Self::Stale { .. } | Self::Refused(_) => 3,
            Self::Partial(_) => 4,
            Self::Unknown { .. }
            | Self::InvalidConfig { .. }
            | Self::File { .. }
            | Self::CommandLine { .. }
            | Self::StateFile { .. } => INVALID_INPUT,
            Self::Told { exit, .. } => *exit,
            Self::Local { .. } => 6,
            // As a shell tells it of a process that a signal has ended.
            Self::Interrupted { signal, .. } => 128 + signal,
        }
    }

    /// The stable word or code for programs; docs/command-guide.md lists them.
    fn code(&self) -> &str {
        match self {
            Self::InvalidConfig { .. } => "config",
            Self::File { .. } | Self::StateFile { .. } => "file",
            Self::Unknown { .. } => "unknown",
            Self::CommandLine { .. } => "command-line",
            Self::Service(_) | Self::Refusal { .. } => "aws",
            Self::Fault(fault) => &fault.code,
            Self::NotWell(_) => "not-well",
            Self::Differs(_) => "differs",
            Self::Held(_) => "held",
            Self::Stale { .. } => "stale",
            Self::Refused(_) => "refused",
            Self::Partial(_) => "partial",
            Self::Told { .. } => "told",
            Self::Late(_) => "late",
            Self::Stack { .. } => "stack",
            Self::Local { .. } => "local",
            Self::Interrupted { .. } => "interrupted",
        }
    }

    fn remedy(&self) -> Option<&str> {
        match self {
            Self::Fault(fault) => Some(&fault.remedy),
            Self::Refusal { remedy, .. } => Some(remedy),
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
                    "another writer was faster: look at the current state, then try again"
                }
                Kind::Locked | Kind::Refused => return None,
            }),
            Self::StateFile { .. } => Some("remove the file; what runs for it ends then"),
            Self::Unknown { remedy, .. }
            | Self::CommandLine { remedy, .. }
            | Self::Stack { remedy, .. }
            | Self::Local { remedy, .. }
            | Self::Stale { remedy, .. } => Some(remedy),
            Self::InvalidConfig { .. }
            | Self::File { .. }
            | Self::NotWell(_)
            | Self::Differs(_)
            | Self::Held(_)
            | Self::Refused(_)
            | Self::Partial(_)
            | Self::Told { .. }
            | Self::Late(_)
            | Self::Interrupted { .. } => None,
        }
    }

    /// For a person.
    pub(crate) fn report(&self) -> String {
        let mut text = match self {
            // What was asked for was told: nothing went wrong.
            Self::Differs(words) | Self::Held(words) => words.clone(),
            Self::Told { message, .. } => message.clone(),
            _ => format!("error: {self}"),
        };
        if let Self::InvalidConfig { file, problems, .. } = self {
            // The form that editors understand.
            for problem in problems {
                let _ = write!(text, "\n{file}:{problem}");
            }
        }
        if let Some(remedy) = self.remedy() {
            let _ = write!(text, "\nwhat to do: {remedy}");
        }
        text
    }

    /// As a fault is told beside others; what to do `otherwise`, where nothing is known of it.
    pub(crate) fn record(&self, otherwise: &str) -> FaultRecord {
        FaultRecord {
            code: self.code().to_owned(),
            message: self.message(),
            remedy: self.remedy().unwrap_or(otherwise).to_owned(),
        }
    }

    /// What went wrong, without the code.
    fn message(&self) -> String {
        match self {
            // It has a code of its own.
            Self::Fault(fault) => fault.message.clone(),
            other => other.to_string(),
        }
    }

    /// For a program.
    pub(crate) fn answer(&self) -> ErrorAnswer {
        let mut answer = ErrorAnswer::new(self.code(), &self.message(), self.remedy());
        if let Self::InvalidConfig { problems, .. } = self {
            answer.valid = Some(false);
            answer.problems = problems.iter().map(ProblemAnswer::new).collect();
        }
        answer
    }
}

/// A failure as `--json` prints it, whatever the command.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ErrorAnswer {
    error: ErrorDetail,
    /// False, of a configuration that is not valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    valid: Option<bool>,
    /// What is wrong with a configuration that is not valid.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<ProblemAnswer>,
}

/// What went wrong.
#[derive(Debug, Serialize, JsonSchema)]
struct ErrorDetail {
    /// The stable word or code; docs/command-guide.md lists them.
    code: String,
    /// What went wrong, in words.
    message: String,
    /// What to do; null where there is nothing to say.
    what_to_do: Option<String>,
}

/// One thing that is wrong with a configuration, and where.
#[derive(Debug, Serialize, JsonSchema)]
struct ProblemAnswer {
    /// Line, from 1.
    line: usize,
    /// Column in characters, from 1.
    column: usize,
    /// What is wrong and what would be right.
    message: String,
}

impl ErrorAnswer {
    pub(crate) fn new(code: &str, message: &str, what_to_do: Option<&str>) -> Self {
        let error = ErrorDetail {
            code: code.to_owned(),
            message: hints::text(message).into_owned(),
            what_to_do: what_to_do.map(|told| hints::text(told).into_owned()),
        };
        Self {
            error,
            valid: None,
            problems: Vec::new(),
        }
    }
}

impl ProblemAnswer {
    fn new(problem: &Problem) -> Self {
        Self {
            line: problem.line,
            column: problem.column,
            message: problem.message.clone(),
        }
    }
}
