//! The result of a query of the ledger: an item that cannot be read hides no other.

use crate::error::ServiceError;
use crate::ids::{LaneId, ProductId};

/// An item that this release cannot read: a newer release wrote it, or it is damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableItem {
    /// Which item it is, and what is wrong with it.
    pub error: ServiceError,
    /// What it is about, if its key says so.
    pub about: Option<About>,
}

/// What an item is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// A product.
    Product(ProductId),
    /// A request of the inbox, by the key of its receipt.
    Request(Box<str>),
    /// A lane in the list of lanes.
    Lane(Box<LaneId>),
}

impl UnreadableItem {
    /// The product that it is about.
    pub fn product(&self) -> Option<&ProductId> {
        match &self.about {
            Some(About::Product(product)) => Some(product),
            Some(About::Request(_) | About::Lane(_)) | None => None,
        }
    }

    /// The key of the request that it is about.
    pub fn request(&self) -> Option<&str> {
        match &self.about {
            Some(About::Request(key)) => Some(key),
            Some(About::Product(_) | About::Lane(_)) | None => None,
        }
    }

    /// The lane whose entry it is.
    pub fn lane(&self) -> Option<&LaneId> {
        match &self.about {
            Some(About::Lane(lane)) => Some(lane),
            Some(About::Product(_) | About::Request(_)) | None => None,
        }
    }
}

impl From<ServiceError> for UnreadableItem {
    fn from(error: ServiceError) -> Self {
        Self { error, about: None }
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
