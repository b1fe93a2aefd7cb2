//! `SearchListings`: what AWS Marketplace offers, by words.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_marketplacediscovery::Client;
use aws_sdk_marketplacediscovery::types::{ListingSummary, SellerInformation};
use pmp_sync_domain::ids::ProductId;
use pmp_sync_domain::ports::Result;
use pmp_sync_domain::text::one_line;

use super::Pace;
use crate::service_error;

/// Time between two calls: the quota of `SearchListings` is 10 a second (Discovery API quotas).
const APART: Duration = Duration::from_millis(100);
/// The most results of a call (Discovery API reference).
const MOST_RESULTS: i32 = 100;

/// The most bytes of a text to search for (Discovery API reference).
pub const MOST_TEXT: usize = 512;

/// A product of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundProduct {
    /// Its id.
    pub product: ProductId,
    /// Its name.
    pub name: String,
    /// Who makes it; empty if that is not said.
    pub manufacturer: String,
    /// The listing in which it was found.
    pub listing: String,
    /// What it is, in one to three sentences.
    pub summary: String,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// In the order of the service: the best match first. Each product once.
    pub products: Vec<FoundProduct>,
    /// The number of listings that match.
    pub listings: i64,
    /// True if not all of them were read.
    pub is_cut_off: bool,
}

/// A client that keeps to the rate of the service.
#[derive(Debug)]
pub struct ListingSearch {
    client: Client,
    pace: Pace,
}

impl ListingSearch {
    /// A client with the credentials of `config`.
    pub fn new(config: &SdkConfig) -> Self {
        Self {
            client: Client::new(config),
            pace: Pace::new(APART),
        }
    }

    /// Searches until there are `most` products, or no more.
    pub async fn search(&self, text: &str, most: usize) -> Result<Search> {
        let mut found = Search::default();
        let mut token = None;
        // A page may have no product at all.
        for _ in 0..=most.div_ceil(10) {
            self.pace.wait().await;
            let call = self.client.search_listings().search_text(text);
            let page = call
                .max_results(MOST_RESULTS.min(i32::try_from(most).unwrap_or(MOST_RESULTS)))
                .set_next_token(token)
                .send()
                .await
                .map_err(|error| service_error("SearchListings", text, &error))?;
            found.listings = page.total_results;
            for product in page.listing_summaries().iter().flat_map(products) {
                if !found
                    .products
                    .iter()
                    .any(|known| known.product == product.product)
                {
                    found.products.push(product);
                }
            }
            token = page
                .next_token()
                .filter(|token| !token.is_empty())
                .map(str::to_owned);
            if token.is_none() || found.products.len() >= most {
                break;
            }
        }
        found.is_cut_off = token.is_some() || found.products.len() > most;
        found.products.truncate(most);
        Ok(found)
    }
}

/// The products of a listing. One whose id is not valid cannot be listed.
fn products(listing: &ListingSummary) -> impl Iterator<Item = FoundProduct> {
    let products = listing.associated_entities().iter();
    products.filter_map(|entity| {
        let product = entity.product()?;
        let maker = product.manufacturer().or(listing.publisher());
        Some(FoundProduct {
            product: ProductId::new(product.product_id()).ok()?,
            name: one_line(product.product_name()),
            manufacturer: one_line(maker.map_or("", SellerInformation::display_name)),
            listing: one_line(listing.listing_id()),
            summary: one_line(listing.short_description()),
        })
    })
}
