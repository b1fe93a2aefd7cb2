//! The failures of the command: a message, what to do, and an exit code.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::Path;

use pmp_sync_aws::BUCKET_ELSEWHERE;
use pmp_sync_deploy::DeployError;
use pmp_sync_domain::config::{InvalidConfig, Problem};
use pmp_sync_domain::error::{FaultRecord, Kind, ServiceError};
use pmp_sync_domain::product_list::InvalidList;
use pmp_sync_domain::wire::limits::TooLarge;
use schemars::JsonSchema;
use serde::Serialize;

use crate::hint::Flags;

/// The exit code for a command line or file that is not valid, and for names of things that do not
/// exist.
pub(crate) const INVALID_INPUT: u8 = 5;
/// The signal of a program that writes to a pipe which nobody reads. Others end by it.
const SIGPIPE: u8 = 13;

/// A failure of the command, or a result with an exit code of its own.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The configuration file has problems.
    #[error("{message}")]
    InvalidConfig {
        message: String,
        /// The path as given on the command line.
        file: String,
        problems: Vec<Problem>,
        /// The number of problems beyond those.
        beyond: usize,
    },
    /// A file is no product list.
    #[error("{message}")]
    InvalidList {
        message: String,
        /// The path as given on the command line.
        file: String,
        problems: Vec<Problem>,
    },
    /// A file cannot be read or written.
    #[error("{path}: {error}")]
    File { path: String, error: std::io::Error },
    /// The command line names something that is not there.
    #[error("{message}")]
    Unknown { message: String, remedy: String },
    /// The command line is understood but cannot be followed.
    #[error("{message}")]
    CommandLine { message: String, remedy: String },
    /// The data has been shown, and the exit code says what it means.
    #[error("{message}")]
    Told { exit: u8, message: String },
    /// AWS refused, or did not answer.
    #[error("{0}")]
    Service(ServiceError),
    /// AWS refused, and there is a better remedy than the general one.
    #[error("{error}")]
    Refusal {
        error: ServiceError,
        remedy: &'static str,
    },
    /// A fault with its stable code and remedy.
    #[error("{}: {}", .0.code, .0.message)]
    Fault(Box<FaultRecord>),
    /// Something needs attention. It has been shown.
    #[error("{0}")]
    NotWell(String),
    /// Something differs. It has been shown.
    #[error("{0}")]
    Differs(String),
    /// Plans wait for approval. They have been shown.
    #[error("{0}")]
    Held(String),
    /// The plan that was named is not the held one.
    #[error("{message}")]
    Stale { message: String, remedy: String },
    /// The producer refused a request about a hold. Nothing was changed.
    #[error("refused: {0}")]
    Refused(String),
    /// Some links or the whole run failed, or cannot continue. It has been shown.
    #[error("{0}")]
    Partial(String),
    /// It did not happen in time.
    #[error("{0}")]
    Late(String),
    /// A stack, or something that belongs to it, could not be brought to the wanted state.
    #[error("{message}")]
    Stack { message: String, remedy: String },
    /// The emulated AWS failed.
    #[error("{message}")]
    Local { message: String, remedy: String },
    /// A signal, by its number.
    #[error("{message}")]
    Interrupted { signal: u8, message: String },
    /// Nobody reads stdout any more, as after `| head`. There is nothing to report, and nobody to report it to.
    #[error("nobody reads the output any more")]
    NoReader,
}

impl From<TooLarge> for Failure {
    fn from(error: TooLarge) -> Self {
        Self::CommandLine {
            message: error.to_string(),
            remedy: "split it into several commands".to_owned(),
        }
    }
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        if error.is_unreadable() {
            return Self::Fault(Box::new(error.item_fault()));
        }
        Self::Service(error)
    }
}

impl From<DeployError> for Failure {
    fn from(error: DeployError) -> Self {
        match error {
            DeployError::Service(error) => Self::from(error),
            DeployError::File { path, error } => Self::File { path, error },
            DeployError::Invalid { message, remedy } => Self::CommandLine { message, remedy },
            DeployError::Missing { message, remedy } => Self::Unknown { message, remedy },
            DeployError::Failed { message, remedy } => Self::Stack { message, remedy },
            DeployError::Late(message) => Self::Late(message),
        }
    }
}

impl Failure {
    /// A failure of the emulated AWS without a remedy of its own.
    pub(crate) fn local(error: &impl std::error::Error) -> Self {
        Self::Local {
            message: error.to_string(),
            remedy: "see the message; `pmp-sync local down` cleans up".to_owned(),
        }
    }

    /// A configuration that is not valid. `consequence` says what that means for the command.
    pub(crate) fn invalid_config(file: &str, invalid: InvalidConfig, consequence: &str) -> Self {
        let count = invalid.count();
        let plural = if count == 1 { "" } else { "s" };
        Self::InvalidConfig {
            message: format!("{count} problem{plural} in the configuration{consequence}"),
            file: file.to_owned(),
            problems: invalid.problems,
            beyond: invalid.beyond,
        }
    }

    /// A file that is no product list.
    pub(crate) fn invalid_list(file: &str, invalid: InvalidList) -> Self {
        Self::InvalidList {
            message: format!("{file}: {invalid}"),
            file: file.to_owned(),
            problems: invalid.problems,
        }
    }

    /// Converts an I/O error of a file.
    pub(crate) fn file(path: &Path) -> impl Fn(std::io::Error) -> Self + use<'_> {
        move |error| Self::File {
            path: path.display().to_string(),
            error,
        }
    }

    /// The exit code, as listed in docs/command-guide.md.
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
            | Self::InvalidList { .. }
            | Self::File { .. }
            | Self::CommandLine { .. } => INVALID_INPUT,
            Self::Told { exit, .. } => *exit,
            Self::Local { .. } => 6,
            // As a shell reports a process that a signal ended.
            Self::Interrupted { signal, .. } => 128 + signal,
            Self::NoReader => 128 + SIGPIPE,
        }
    }

    /// The stable code for programs, as listed in docs/command-guide.md.
    fn code(&self) -> &str {
        match self {
            Self::InvalidConfig { .. } => "config",
            Self::InvalidList { .. } => "list",
            Self::File { .. } => "file",
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
            Self::NoReader => "no-reader",
        }
    }

    fn remedy(&self) -> Option<Cow<'_, str>> {
        let remedy: Option<&str> = match self {
            Self::Fault(fault) => return Some(fault.advice().to_string().into()),
            Self::Refusal { remedy, .. } => Some(*remedy),
            Self::Service(error) if error.code.as_deref() == Some(BUCKET_ELSEWHERE) => {
                Some("name a bucket in us-east-1 with --bucket, or leave it out")
            }
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
                Kind::Locked | Kind::Refused | Kind::Unreadable => return None,
            }),
            Self::Unknown { remedy, .. }
            | Self::CommandLine { remedy, .. }
            | Self::Stack { remedy, .. }
            | Self::Local { remedy, .. }
            | Self::Stale { remedy, .. } => Some(remedy),
            Self::InvalidConfig { .. }
            | Self::InvalidList { .. }
            | Self::File { .. }
            | Self::NotWell(_)
            | Self::Differs(_)
            | Self::Held(_)
            | Self::Refused(_)
            | Self::Partial(_)
            | Self::Told { .. }
            | Self::Late(_)
            | Self::Interrupted { .. }
            | Self::NoReader => None,
        };
        remedy.map(Cow::Borrowed)
    }

    /// The text for stderr.
    pub(crate) fn report(&self) -> String {
        let mut text = match self {
            // The data was shown, and nothing went wrong.
            Self::Differs(words) | Self::Held(words) => words.clone(),
            Self::Told { message, .. } => message.clone(),
            _ => format!("error: {self}"),
        };
        if let Self::InvalidConfig { file, problems, .. }
        | Self::InvalidList { file, problems, .. } = self
        {
            // The form `file:line:column`, which editors understand.
            for problem in problems {
                let _ = write!(text, "\n{file}:{problem}");
            }
        }
        if let Self::InvalidConfig { beyond, .. } = self
            && *beyond > 0
        {
            let _ = write!(text, "\nand {beyond} more");
        }
        if let Some(remedy) = self.remedy() {
            let _ = write!(text, "\nwhat to do: {remedy}");
        }
        text
    }

    /// Converts the failure to a fault. `otherwise` is the remedy if the failure has none.
    pub(crate) fn record(&self, otherwise: &str) -> FaultRecord {
        if let Self::Fault(fault) = self {
            return FaultRecord::clone(fault);
        }
        FaultRecord {
            code: self.code().to_owned(),
            message: self.message(),
            remedy: self
                .remedy()
                .map_or_else(|| otherwise.to_owned(), Cow::into_owned),
            hint: None,
        }
    }

    /// The message, without the code.
    fn message(&self) -> String {
        match self {
            // A fault has a code of its own.
            Self::Fault(fault) => fault.message.clone(),
            other => other.to_string(),
        }
    }

    /// The failure of one of several things, in the form of `--json`.
    pub(crate) fn detail(&self, flags: &Flags) -> ErrorDetail {
        self.answer(flags).error
    }

    /// The JSON value for stdout.
    pub(crate) fn answer(&self, flags: &Flags) -> ErrorAnswer {
        let remedy = self.remedy();
        let remedy = remedy.as_deref().map(|remedy| flags.text(remedy));
        let message = self.message();
        let mut answer = ErrorAnswer::new(self.code(), &flags.text(&message), remedy.as_deref());
        if let Self::InvalidConfig { problems, .. } | Self::InvalidList { problems, .. } = self {
            answer.valid = Some(false);
            answer.problems = problems.iter().map(ProblemAnswer::new).collect();
        }
        if let Self::InvalidConfig { beyond, .. } = self {
            answer.problems_beyond = *beyond;
        }
        answer
    }
}

/// A failure in the form of `--json`, for every command.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ErrorAnswer {
    error: ErrorDetail,
    /// False for a configuration or a product list that is not valid; absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    valid: Option<bool>,
    /// The problems of a configuration or a product list that is not valid.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<ProblemAnswer>,
    /// The number of problems beyond those that are listed.
    #[serde(skip_serializing_if = "is_zero")]
    problems_beyond: usize,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// The error.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ErrorDetail {
    /// The stable code, as listed in docs/command-guide.md.
    code: String,
    /// What went wrong, as a sentence.
    message: String,
    /// What to do. Null if there is nothing to do.
    what_to_do: Option<String>,
}

/// One thing that is wrong with a file, and where.
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
            message: message.to_owned(),
            what_to_do: what_to_do.map(ToOwned::to_owned),
        };
        Self {
            error,
            valid: None,
            problems: Vec::new(),
            problems_beyond: 0,
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
