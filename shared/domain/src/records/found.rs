//! The result of a query of the ledger: an item that cannot be read hides no other.

use crate::error::ServiceError;
use crate::ids::ProductId;

/// An item that this release cannot read: a newer release wrote it, or it is damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableItem {
    /// Which item it is, and what is wrong with it.
    pub error: ServiceError,
    /// The product that it is about, if its key says so.
    pub product: Option<ProductId>,
}

impl From<ServiceError> for UnreadableItem {
    fn from(error: ServiceError) -> Self {
        Self {
            error,
            product: None,
        }
    }
}

/// The items that a query found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Found<T> {
    /// The items that can be read, in their order.
    pub items: Vec<T>,
    /// The others.
    pub unreadable: Vec<UnreadableItem>,
}

impl<T> Default for Found<T> {
    fn default() -> Self {
        Self::from(Vec::new())
    }
}

impl<T> From<Vec<T>> for Found<T> {
    fn from(items: Vec<T>) -> Self {
        Self {
            items,
            unreadable: Vec::new(),
        }
    }
}

impl<T> FromIterator<Result<T, UnreadableItem>> for Found<T> {
    fn from_iter<I: IntoIterator<Item = Result<T, UnreadableItem>>>(read: I) -> Self {
        let mut found = Self::default();
        for item in read {
            match item {
                Ok(item) => found.items.push(item),
                Err(unreadable) => found.unreadable.push(unreadable),
            }
        }
        found
    }
}
