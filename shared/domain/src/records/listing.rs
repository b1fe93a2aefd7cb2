//! Listings: what AWS Marketplace said of a product, with its name, and how long that counts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::find_product::KnownProduct;
use crate::ids::ProductId;
use crate::product::{Names, ProductDetails};
use crate::time::later;

/// After how long a live product is asked for again, in seconds.
pub const LIVE_FOR: i64 = 7 * 24 * 3600;

/// After how long any other product is asked for again, in seconds. So a product that appears is
/// allowed on the same day.
pub const OTHERS_FOR: i64 = 6 * 3600;

/// How long an answer counts if AWS Marketplace cannot be asked again, in seconds.
pub const KEPT_FOR: i64 = 30 * 24 * 3600;

/// How long the name of a product is kept after AWS Marketplace was last asked for it, in seconds. A
/// product that has left AWS Marketplace is shown with its name for this long.
pub const NAMED_FOR: i64 = 400 * 24 * 3600;

/// After how long a product is asked for again whose name could not be had, in seconds.
pub const NAMELESS_FOR: i64 = 7 * 24 * 3600;

/// After how long a product is asked for again for its name alone, if the service failed, in seconds.
pub const RETRIED_AFTER: i64 = 6 * 3600;

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
    /// Its words. They stay when a later answer has none. None if no answer had any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<ProductDetails>,
    /// When it was asked for its name alone and the service failed, if no answer came since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_at: Option<Timestamp>,
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
            details: None,
            failed_at: None,
        }
    }

    /// The answer of AWS Marketplace at `now`: the words of a live product, or none. The words of the
    /// earlier record stay if there are no new ones.
    pub fn answered(
        product: ProductId,
        answer: Option<ProductDetails>,
        before: Option<&Self>,
        now: Timestamp,
    ) -> Self {
        let listing = match answer {
            Some(_) => Listing::Live,
            None => Listing::NotLive,
        };
        Self::new(product, listing, now).with_details(answer, before)
    }

    /// AWS Marketplace refused at `now` to answer for this id.
    pub fn refused(product: ProductId, before: Option<&Self>, now: Timestamp) -> Self {
        Self::new(product, Listing::Refused, now).with_details(None, before)
    }

    /// The service failed at `now` when it was asked for the name alone. The answer before counts as
    /// before. Without one the product is as unknown as it was, and due.
    pub fn failed(product: ProductId, before: Option<&Self>, now: Timestamp) -> Self {
        let unknown = || Self {
            until: now,
            ..Self::new(product, Listing::Refused, now)
        };
        Self {
            failed_at: Some(now),
            ..before.cloned().unwrap_or_else(unknown)
        }
    }

    fn with_details(mut self, details: Option<ProductDetails>, before: Option<&Self>) -> Self {
        let kept = || before.and_then(|before| before.details.clone());
        self.details = details.or_else(kept);
        self
    }

    /// The product's name. None if it is not known.
    pub fn name(&self) -> Option<&str> {
        let name = self.details.as_ref().map(|details| details.name.as_str());
        name.filter(|name| !name.is_empty())
    }

    /// The product, as it can be found by its name.
    pub fn known(&self) -> KnownProduct {
        KnownProduct::new(self.product.clone(), self.details.as_ref())
    }

    /// When the item may be removed: its answer no longer counts, and its name is too old to be shown.
    pub fn expires_at(&self) -> Timestamp {
        match self.details {
            Some(_) => later(self.asked_at, NAMED_FOR),
            None => self.forgotten_at(),
        }
    }

    /// True if the product is to be asked for, for the sake of its name.
    pub fn is_name_due(&self, now: Timestamp) -> bool {
        if self
            .failed_at
            .is_some_and(|failed| now < later(failed, RETRIED_AFTER))
        {
            return false;
        }
        match (self.listing, &self.details) {
            // A record of before names were kept, or of a service that failed.
            (Listing::Live, None) => true,
            (Listing::Refused, None) if self.failed_at.is_some() => true,
            (Listing::Live, Some(_)) => now >= self.until,
            (Listing::NotLive | Listing::Refused, _) => now >= later(self.asked_at, NAMELESS_FOR),
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

/// The names that records have.
pub fn names_of<'a>(records: impl IntoIterator<Item = &'a LiveRecord>) -> Names {
    let named = records.into_iter();
    let named =
        named.filter_map(|record| Some((record.product.clone(), record.name()?.to_owned())));
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_records_are_those_that_are_known() {
        let record = |id: &str, name: Option<&str>| {
            let details = name.map(|name| ProductDetails {
                name: name.to_owned(),
                ..ProductDetails::default()
            });
            LiveRecord::answered(id.parse().unwrap(), details, None, Timestamp::UNIX_EPOCH)
        };
        let records = [
            record("prod-a", Some("Atlas")),
            record("prod-b", Some("")),
            record("prod-c", None),
        ];
        let names = names_of(&records);
        let told: Vec<_> = names.iter().collect();
        assert_eq!(told, [(&"prod-a".parse().unwrap(), "Atlas")]);
    }
}
