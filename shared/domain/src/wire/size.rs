//! The size of each message, checked against the bounds of its fields.

use super::limits::{
    MOST_ID, MOST_NAME, MOST_PRODUCTS, MOST_REASON, MOST_REASONS, MOST_SCOPE, TooLarge, asked,
    bounded, text,
};
use crate::approval::ApprovalRequest;
use crate::wire::{
    ChangeSetEvent, Continuation, DeadLetterFilter, DeadLetterRequest, LinkRetry, Scope,
    SyncRequest, Trigger,
};

/// The most links of a continuation: more than a configuration can have.
const MOST_LINKS: usize = 10_000;
/// The most scopes of a continuation: one for each message of a batch.
const MOST_SCOPES: usize = 10;

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
        asked(self.request_id.as_deref(), self.requester.as_deref())?;
        text("reason", self.reason.as_deref(), MOST_REASON)
    }
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

impl LinkRetry {
    fn check(&self) -> Result<(), TooLarge> {
        text("id", Some(&self.id), MOST_ID)?;
        self.scope.check()
    }
}

impl Trigger {
    /// Checks the size of its fields.
    pub(super) fn check(&self) -> Result<(), TooLarge> {
        match self {
            Self::Schedule
            | Self::LaneSettled { .. }
            | Self::LaneEdited { .. }
            | Self::ProductRequestReceived { .. } => Ok(()),
            Self::SyncRequested(request) => request.check(),
            Self::ManagementChangeSet(event) => event.check(),
            Self::Continuation(rest) => rest.check(),
            Self::RetryScheduled(retry) | Self::RetryDue(retry) => retry.check(),
            Self::DeadLetters(request) => request.check(),
            Self::Approval(request) => request.check(),
        }
    }
}
