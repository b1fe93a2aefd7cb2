//! Errors of calls, classified by what the caller can do; and the faults of runs and links, each
//! with a stable code, what is concerned, and the remedy. docs/errors/ has a page for each code.

mod publish;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::follows::FollowPath;
use crate::hint::{Advice, Hint};
use crate::ids::{AccountId, ExperienceId, MemberName};
use crate::text::count as counted;

pub use self::publish::NotPublished;

/// What a caller can do about a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The same call may succeed later. It is unknown whether it took effect.
    Retryable,
    /// Too many calls. The call had no effect.
    Throttled,
    /// A change set locks the entity.
    Locked,
    /// The caller lacks a permission. The call had no effect.
    Denied,
    /// What the call names does not exist.
    NotFound,
    /// The condition of a conditional write did not hold.
    Conflict,
    /// The service rejected the request, or its answer cannot be understood.
    Refused,
    /// This release cannot read a stored item: a newer release wrote it, or it is damaged. It is
    /// never overwritten.
    Unreadable,
}

/// A call to a service that failed, after the SDK's own retries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{operation} of {thing} failed{}: {message}", CodeInBrackets(self.code.as_deref()))]
pub struct ServiceError {
    /// What was called, such as `DescribeEntity`.
    pub operation: &'static str,
    /// The id of what the call was about.
    pub thing: String,
    /// What the caller can do about it.
    pub kind: Kind,
    /// The service's own error code.
    pub code: Option<String>,
    /// The message of the service or of the transport.
    pub message: String,
}

struct CodeInBrackets<'a>(Option<&'a str>);

impl fmt::Display for CodeInBrackets<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |code| write!(f, " ({code})"))
    }
}

impl ServiceError {
    /// An error without a code of the service.
    pub fn new(
        operation: &'static str,
        thing: impl Into<String>,
        kind: Kind,
        message: impl Into<String>,
    ) -> Self {
        Self {
            operation,
            thing: thing.into(),
            kind,
            code: None,
            message: message.into(),
        }
    }

    /// True if it concerns one stored item that this release cannot read.
    pub fn is_unreadable(&self) -> bool {
        self.kind == Kind::Unreadable
    }

    /// The fault of an item of the ledger that cannot be read.
    pub fn item_fault(&self) -> FaultRecord {
        let error = LinkError::Ledger(self.clone());
        error.record()
    }
}

/// The code of an item of the ledger that cannot be read.
pub const UNREADABLE_ITEM: &str = "PMS-4004";

/// The code of a failure of the ledger.
fn ledger_code(error: &ServiceError) -> &'static str {
    if error.is_unreadable() {
        UNREADABLE_ITEM
    } else {
        "PMS-4001"
    }
}

/// What to do about a failure of the ledger.
fn ledger_remedy(error: &ServiceError) -> &'static str {
    if error.is_unreadable() {
        "bring every stack to the newest release that is in use; if no release wrote the item like this, restore it from a backup of the ledger"
    } else {
        "see the message of the service; the request is tried again from the inbox"
    }
}

/// A failure of the ledger as a sentence.
fn ledger_words(error: &ServiceError) -> String {
    if error.is_unreadable() {
        format!(
            "the item {} of the ledger cannot be read: {}",
            error.thing, error.message
        )
    } else {
        format!("the ledger failed: {error}")
    }
}

/// The most bytes of the message of a fault. It may quote what a service answered.
const MOST_MESSAGE: usize = 4_000;

fn bounded(message: &str) -> String {
    crate::text::beginning(message, MOST_MESSAGE).to_owned()
}

/// Why a run could serve no link at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// No configuration is stored.
    #[error("no configuration is stored")]
    NoConfig,
    /// This release cannot read the stored configuration.
    #[error("version {0} of the configuration is not valid: {1}")]
    Config(u64, String),
    /// A request names a lane that no link serves.
    #[error("no link of the configuration serves {0}")]
    NoLink(String),
    /// A question is too large for one answer.
    #[error("the request is too large: {0}")]
    TooLarge(String),
    /// The ledger refused or did not answer, or has an item that cannot be read.
    #[error("{}", ledger_words(.0))]
    Ledger(#[from] ServiceError),
}

impl RunError {
    /// The stable code, `PMS-nnnn`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoConfig => "PMS-1002",
            Self::Config(..) => "PMS-1001",
            Self::NoLink(_) => "PMS-1003",
            Self::TooLarge(_) => "PMS-8001",
            Self::Ledger(error) => ledger_code(error),
        }
    }

    /// True if a later try may succeed without anybody's action. Otherwise the request is answered
    /// with the fault.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Ledger(error) if !error.is_unreadable())
    }

    /// The fault in the form in which it is stored and shown.
    pub fn record(&self) -> FaultRecord {
        let (remedy, hint) = match self {
            Self::NoConfig => ("apply a configuration", Some(Hint::ConfigApply)),
            Self::Config(..) => ("apply a valid configuration", Some(Hint::ConfigApply)),
            Self::NoLink(_) => (
                "check the experience against the configuration and the lanes there are",
                Some(Hint::Status { run: None }),
            ),
            Self::TooLarge(_) => (
                "name fewer products, or narrow the question with --member and --experience",
                None,
            ),
            Self::Ledger(error) => (ledger_remedy(error), None),
        };
        FaultRecord {
            code: self.code().to_owned(),
            message: bounded(&self.to_string()),
            remedy: remedy.to_owned(),
            hint,
        }
    }
}

/// How long each retry comes after the attempt before it, in seconds. A role or a policy that was
/// just created or changed takes effect a little later. The last is the longest delay of a message
/// (SQS reference).
pub const RETRY_AFTER: [u16; 3] = [60, 300, 900];

/// Why the same attempt may succeed soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MayPass {
    /// A service did not answer, or other writers were faster.
    Passing,
    /// A permission is missing, perhaps only not yet.
    Denied,
}

/// Why a link could not be planned or sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The management experience does not exist, or the producer may not see it.
    #[error(
        "the management experience {0} does not exist, or the management account may not see it"
    )]
    ManagementNotFound(ExperienceId),
    /// The management experience or its policy cannot be read.
    #[error("the management experience {0} cannot be read: {1}")]
    ManagementUnreadable(ExperienceId, ServiceError),
    /// The member's role cannot be assumed.
    #[error("the role of the member account {0} cannot be assumed: {1}")]
    MemberUnreachable(AccountId, ServiceError),
    /// `*` would cover an experience that is followed, or that a link of another member names.
    #[error("`*` leaves out {0}, which another link follows or names: {1}")]
    LeftOut(ExperienceId, FollowPath),
    /// `*` would cover an experience that is of a lane of another member's `*`.
    #[error("`*` leaves out {0}, which `*` of member {1} covers as well")]
    Shared(ExperienceId, MemberName),
    /// The member experience does not exist.
    #[error("the member experience {1} does not exist in the organization of account {0}")]
    MemberNotFound(AccountId, ExperienceId),
    /// The member experience is archived.
    #[error("the member experience {1} of account {0} is archived")]
    MemberArchived(AccountId, ExperienceId),
    /// The member experience cannot be read.
    #[error("the member organization of account {0} cannot be read: {1}")]
    MemberUnreadable(AccountId, ServiceError),
    /// A link to every live experience of the member covers none.
    #[error("the organization of account {0} has no live experience that the link covers")]
    NoTargets(AccountId),
    /// The changes queue did not accept this number of messages.
    #[error("the changes queue of account {0} did not take {messages}: {2}", messages = counted(*.1, "message"))]
    NotSent(AccountId, usize, ServiceError),
    /// The ledger refused or did not answer, or has an item that cannot be read.
    #[error("{}", ledger_words(.0))]
    Ledger(ServiceError),
    /// The bus refused or did not answer.
    #[error("the event bus failed: {0}")]
    Bus(ServiceError),
    /// Other writers were faster several times in a row.
    #[error("the lane {0} changed at each attempt to plan it")]
    Contended(String),
}

/// A fault in the form in which it is stored and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FaultRecord {
    /// The stable code, `PMS-nnnn`.
    pub code: String,
    /// What is wrong, as a sentence.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
    /// The command that does it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<Hint>,
}

impl FaultRecord {
    /// True if an item of the ledger cannot be read.
    pub fn is_unreadable_item(&self) -> bool {
        self.code == UNREADABLE_ITEM
    }

    /// What to do, with the command.
    pub fn advice(&self) -> Advice {
        match self.hint.clone() {
            Some(hint) => Advice::by(self.remedy.as_str(), hint),
            None => Advice::new(self.remedy.as_str()),
        }
    }
}

impl LinkError {
    /// The stable code, `PMS-nnnn`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ManagementNotFound(_) => "PMS-2001",
            Self::ManagementUnreadable(..) => "PMS-2006",
            Self::LeftOut(..) => "PMS-2007",
            Self::Shared(..) => "PMS-2008",
            Self::MemberUnreachable(..) => "PMS-3001",
            Self::MemberNotFound(..) => "PMS-3002",
            Self::MemberArchived(..) => "PMS-3003",
            Self::MemberUnreadable(..) => "PMS-3005",
            Self::NotSent(..) => "PMS-3006",
            Self::NoTargets(_) => "PMS-3007",
            Self::Ledger(error) => ledger_code(error),
            Self::Contended(_) => "PMS-4002",
            Self::Bus(_) => "PMS-4003",
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::ManagementNotFound(_) => {
                "check the management experiences that the link names in the configuration, and that the account of the producer is a delegated administrator of Private Marketplace"
            }
            Self::ManagementUnreadable(..) | Self::MemberUnreadable(..) | Self::Bus(_) => {
                "see the message of the service; it is tried again within minutes, and by the next run"
            }
            Self::MemberUnreachable(..) => {
                "check account and external_id in the configuration against the member's stack, and that the stack is deployed there"
            }
            Self::LeftOut(..) => {
                "nothing, if that is meant; otherwise give each experience that should follow a link of its own"
            }
            Self::Shared(..) => {
                "nothing, if the other member is to change it; otherwise name the experience in a link of the member that is to"
            }
            Self::MemberNotFound(..) => {
                "check member_experience in the configuration, and that the member account is a delegated administrator of its organization"
            }
            Self::MemberArchived(..) => "reactivate the experience, or remove the link",
            Self::NoTargets(_) => {
                "enable an experience of the member, or name one in the link; check that the member account administers Private Marketplace in its organization"
            }
            Self::NotSent(..) => {
                "check the changes queue of the member's stack; it is planned and sent again within minutes, and by the next run"
            }
            Self::Ledger(error) => ledger_remedy(error),
            Self::Contended(_) => "nothing: it is planned again within a minute",
        }
    }

    /// The fault in the form in which it is stored and shown.
    pub fn record(&self) -> FaultRecord {
        FaultRecord {
            code: self.code().to_owned(),
            message: bounded(&self.to_string()),
            remedy: self.remedy().to_owned(),
            hint: None,
        }
    }

    /// True for a fault that is a warning: nothing has failed, and nothing is synced either.
    pub fn is_warning(&self) -> bool {
        matches!(self, Self::NoTargets(_))
    }

    /// True for a fault that counts as a hold although no plan could be made: what is known of the
    /// experience cannot be trusted, or the change would not be safe.
    pub fn is_guarded(&self) -> bool {
        match self {
            Self::ManagementNotFound(_) => true,
            Self::ManagementUnreadable(..) => !self.is_passing(),
            _ => false,
        }
    }

    /// True if the next attempt may succeed without anybody's action.
    pub fn is_passing(&self) -> bool {
        self.may_pass() == Some(MayPass::Passing)
    }

    /// Why the next attempt may succeed soon. None if somebody has to act.
    pub fn may_pass(&self) -> Option<MayPass> {
        match self {
            Self::ManagementUnreadable(_, error)
            | Self::MemberUnreachable(_, error)
            | Self::MemberUnreadable(_, error)
            | Self::NotSent(_, _, error)
            | Self::Ledger(error)
            | Self::Bus(error) => match error.kind {
                Kind::Retryable | Kind::Throttled => Some(MayPass::Passing),
                Kind::Denied => Some(MayPass::Denied),
                Kind::Locked
                | Kind::NotFound
                | Kind::Conflict
                | Kind::Refused
                | Kind::Unreadable => None,
            },
            Self::Contended(_) => Some(MayPass::Passing),
            Self::ManagementNotFound(_)
            | Self::LeftOut(..)
            | Self::Shared(..)
            | Self::MemberNotFound(..)
            | Self::MemberArchived(..)
            | Self::NoTargets(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
