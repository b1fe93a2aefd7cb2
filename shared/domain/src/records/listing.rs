//! Listings: what AWS Marketplace said of a product, and how long that counts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::ProductId;
use crate::time::later;

/// After how long a live product is asked for again, in seconds.
pub const LIVE_FOR: i64 = 7 * 24 * 3600;

/// After how long any other product is asked for again, in seconds. So a product that appears is
/// allowed on the same day.
pub const OTHERS_FOR: i64 = 6 * 3600;

/// How long an answer counts if AWS Marketplace cannot be asked again, in seconds.
pub const KEPT_FOR: i64 = 30 * 24 * 3600;

/// What AWS Marketplace says of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Listing {
    /// AWS Marketplace has it.
    Live,
    /// AWS Marketplace does not list it (404).
    NotLive,
    /// AWS Marketplace refuses to answer for this id. It counts as unknown, and is stored so that
    /// the next run asks for other products.
    Refused,
}

/// The ledger's item of a product that AWS Marketplace was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveRecord {
    /// Schema number of the release that wrote it.
    pub schema: u32,
    /// Its id in AWS Marketplace.
    pub product: ProductId,
    /// The answer.
    pub listing: Listing,
    /// When the answer was given.
    pub asked_at: Timestamp,
    /// When it may be asked for again.
    pub until: Timestamp,
}

impl LiveRecord {
    /// An answer that was given at `now`.
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

    /// When it no longer counts, even if the service cannot be reached.
    pub fn forgotten_at(&self) -> Timestamp {
        later(self.asked_at, KEPT_FOR)
    }

    /// True if the product is live, false if it is not. None if the answer does not say, or no
    /// longer counts.
    pub(crate) fn tells(&self, now: Timestamp) -> Option<bool> {
        match self.listing {
            _ if now >= self.forgotten_at() => None,
            Listing::Live => Some(true),
            Listing::NotLive => Some(false),
            Listing::Refused => None,
        }
    }
}

/// Answers by product.
pub type Answers = BTreeMap<ProductId, LiveRecord>;
