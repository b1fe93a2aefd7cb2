//! Bounds of what is sent to pmp-sync. What is stored of a request, with the nine others that one run
//! may serve, fits into one item of the ledger: docs/limits.md.

use crate::approval::ApprovalRequest;
use crate::wire::{
    ChangeSetEvent, Continuation, DeadLetterFilter, DeadLetterRequest, Scope, SyncRequest, Trigger,
};

/// The most bytes of a reason.
pub const MOST_REASON: usize = 1_000;
/// The most bytes of a requester: an ARN has up to 2,048 characters.
pub const MOST_REQUESTER: usize = 2_048;
/// The most bytes of the id of a request or an event.
pub const MOST_ID: usize = 128;
/// The most bytes of the name of a change set, or of an account.
pub const MOST_NAME: usize = 255;
/// The most members, and the most experiences, of a scope.
pub const MOST_SCOPE: usize = 50;
/// The most products of a filter.
pub const MOST_PRODUCTS: usize = 1_000;
/// The most reasons of a filter.
pub const MOST_REASONS: usize = 20;
/// The most links of a continuation: more than a configuration can have.
const MOST_LINKS: usize = 10_000;
/// The most scopes of a continuation: one for each message of a batch.
const MOST_SCOPES: usize = 10;

/// A field of a request is larger than is accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the field {field:?} has {found} {unit}, and at most {most} are accepted")]
pub struct TooLarge {
    /// The name of the field.
    pub field: &'static str,
    /// Its size.
    pub found: usize,
    /// The most that is accepted.
    pub most: usize,
    /// The unit of both.
    pub unit: &'static str,
}

fn text(field: &'static str, text: Option<&str>, most: usize) -> Result<(), TooLarge> {
    bounded(field, text.map_or(0, str::len), most, "bytes")
}

fn bounded(
    field: &'static str,
    found: usize,
    most: usize,
    unit: &'static str,
) -> Result<(), TooLarge> {
    if found <= most {
        Ok(())
    } else {
        Err(TooLarge {
            field,
            found,
            most,
            unit,
        })
    }
}

/// What all events have.
pub(super) fn check_event(id: Option<&str>, account: Option<&str>) -> Result<(), TooLarge> {
    text("id", id, MOST_ID)?;
    text("account", account, MOST_NAME)
}

impl Scope {
    /// Checks its size.
    pub fn check(&self) -> Result<(), TooLarge> {
        bounded("members", self.members.len(), MOST_SCOPE, "entries")?;
        bounded("experiences", self.experiences.len(), MOST_SCOPE, "entries")
    }
}

impl DeadLetterFilter {
    /// Checks its size.
    pub fn check(&self) -> Result<(), TooLarge> {
        bounded("members", self.members.len(), MOST_SCOPE, "entries")?;
        bounded("products", self.products.len(), MOST_PRODUCTS, "entries")?;
        bounded("reasons", self.reasons.len(), MOST_REASONS, "entries")?;
        let longest = self.reasons.iter().map(String::len).max();
        bounded("reasons", longest.unwrap_or_default(), MOST_NAME, "bytes")
    }
}

impl SyncRequest {
    /// Checks the size of its fields.
    pub fn check(&self) -> Result<(), TooLarge> {
        self.scope.check()?;
        asked(self.request_id.as_deref(), self.requester.as_deref())?;
        text(
            "override_reason",
            self.override_reason.as_deref(),
            MOST_REASON,
        )
    }
}

impl DeadLetterRequest {
    /// Checks the size of its fields.
    pub fn check(&self) -> Result<(), TooLarge> {
        self.filter.check()?;
        asked(self.request_id.as_deref(), self.requester.as_deref())
    }
}

impl ApprovalRequest {
    /// Checks the size of its fields.
    pub fn check(&self) -> Result<(), TooLarge> {
        asked(self.request_id.as_deref(), self.requester.as_deref())
    }
}

fn asked(request_id: Option<&str>, requester: Option<&str>) -> Result<(), TooLarge> {
    text("request_id", request_id, MOST_ID)?;
    text("requester", requester, MOST_REQUESTER)
}

impl ChangeSetEvent {
    fn check(&self) -> Result<(), TooLarge> {
        text("ChangeSetName", Some(&self.name), MOST_NAME)
    }
}

impl Continuation {
    fn check(&self) -> Result<(), TooLarge> {
        bounded("links", self.links.len(), MOST_LINKS, "entries")?;
        bounded("scopes", self.scopes.len(), MOST_SCOPES, "entries")?;
        self.scopes.iter().try_for_each(Scope::check)
    }
}

impl Trigger {
    /// Checks the size of its fields.
    pub(super) fn check(&self) -> Result<(), TooLarge> {
        match self {
            Self::Schedule | Self::LaneSettled { .. } => Ok(()),
            Self::SyncRequested(request) => request.check(),
            Self::ManagementChangeSet(event) => event.check(),
            Self::Continuation(rest) => rest.check(),
            Self::DeadLetters(request) => request.check(),
            Self::Approval(request) => request.check(),
        }
    }
}
