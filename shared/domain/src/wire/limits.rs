//! Bounds of what is sent to pmp-sync. What is stored of a request, with the nine others that one run
//! may serve, fits into one item of the ledger: docs/limits.md.

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
/// The most bytes of the title of a product, or of the name of its manufacturer.
pub const MOST_TITLE: usize = 500;

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

pub(super) fn text(field: &'static str, text: Option<&str>, most: usize) -> Result<(), TooLarge> {
    bounded(field, text.map_or(0, str::len), most, "bytes")
}

pub(super) fn bounded(
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

/// What all requests have.
pub(super) fn asked(request_id: Option<&str>, requester: Option<&str>) -> Result<(), TooLarge> {
    text("request_id", request_id, MOST_ID)?;
    text("requester", requester, MOST_REQUESTER)
}
