//! What AWS Marketplace has said of a product, and how long that counts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::ProductId;
use crate::time::later;

/// When a product that was live is asked for again, in seconds.
pub const LIVE_FOR: i64 = 7 * 24 * 3600;

/// When any other is, in seconds: one that appears is allowed on the same day.
pub const OTHERS_FOR: i64 = 6 * 3600;

/// How long an answer counts at most if nobody can be asked again, in seconds.
pub const KEPT_FOR: i64 = 30 * 24 * 3600;

/// What AWS Marketplace says of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Listing {
    /// It has it.
    Live,
    /// It does not have it.
    NotLive,
    /// It does not answer for such an id: the same as if it could not be asked, but kept, so that
    /// every run has other products to ask for.
    Refused,
}

/// The ledger's item of a product that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveRecord {
    /// The schema of the release that wrote it.
    pub schema: u32,
    /// The product.
    pub product: ProductId,
    /// What was said.
    pub listing: Listing,
    /// When.
    pub asked_at: Timestamp,
    /// When it is asked for again, should somebody want to know.
    pub until: Timestamp,
}

impl LiveRecord {
    /// An answer that was given now.
    pub fn new(product: ProductId, listing: Listing, now: Timestamp) -> Self {
        let seconds = match listing {
            Listing::Live => LIVE_FOR,
            Listing::NotLive | Listing::Refused => OTHERS_FOR,
        };
        Self {
            schema: crate::SCHEMA,
            product,
            listing,
            asked_at: now,
            until: later(now, seconds),
        }
    }

    /// When it does not count any more, however unreachable the service.
    pub fn forgotten_at(&self) -> Timestamp {
        later(self.asked_at, KEPT_FOR)
    }

    /// True or false if it tells whether the product is live.
    pub(crate) fn tells(&self, now: Timestamp) -> Option<bool> {
        match self.listing {
            _ if now >= self.forgotten_at() => None,
            Listing::Live => Some(true),
            Listing::NotLive => Some(false),
            Listing::Refused => None,
        }
    }
}

/// Answers, by their products.
pub type Answers = BTreeMap<ProductId, LiveRecord>;
