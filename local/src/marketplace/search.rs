//! `SearchListings` of the Discovery API: products by words of their names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::error::ApiError;
use super::store::Store;
use crate::products;

const PRODUCT: &str = "prod-";
const LISTING: &str = "prodview-";

/// The number of made-up products that have a title of their own.
const TITLED: usize = 2_000;
/// The largest page (Discovery API reference).
const MOST_RESULTS: u64 = 100;
const DEFAULT_RESULTS: u64 = 20;

static TITLES: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let products = products::some(TITLED).into_iter();
    products
        .map(|product| (product.id, product.title))
        .collect()
});

/// The title of a product: its id if it is not known.
pub(super) fn title(id: &str) -> &str {
    TITLES.get(id).map_or(id, String::as_str)
}

/// The id of a product's public page.
pub(super) fn listing_of(product: &str) -> String {
    let rest = product.strip_prefix(PRODUCT).unwrap_or(product);
    let rest = rest.strip_prefix(LISTING).unwrap_or(rest);
    format!("{LISTING}{rest}")
}

/// The Discovery API answers 400 where the Catalog API answers 422.
fn invalid(message: &str) -> ApiError {
    ApiError {
        status: 400,
        ..ApiError::validation(message)
    }
}

impl Store {
    pub(super) fn search_listings(&self, input: &Value) -> Result<Value, ApiError> {
        let text = match input.get("searchText") {
            None => "",
            Some(Value::String(text)) if (1..=512).contains(&text.len()) => text,
            Some(_) => return Err(invalid("searchText must have 1 to 512 characters")),
        };
        let most = match input.get("maxResults") {
            None => DEFAULT_RESULTS,
            Some(most) => most
                .as_u64()
                .filter(|most| (1..=MOST_RESULTS).contains(most))
                .ok_or_else(|| invalid("maxResults must be from 1 to 100"))?,
        };
        let most = usize::try_from(most).unwrap_or_default();
        let from = match input.get("nextToken").and_then(Value::as_str) {
            None => 0,
            Some(token) => token
                .parse()
                .map_err(|_| invalid("nextToken is not one of this service"))?,
        };
        let words: Vec<_> = text.split_whitespace().map(str::to_lowercase).collect();
        let found: Vec<_> = self
            .offered()
            .into_iter()
            .filter(|id| {
                let title = self.product_name(id).to_lowercase();
                words.iter().all(|word| title.contains(word))
            })
            .collect();
        let page = found.iter().skip(from).take(most);
        let page = page.map(|id| listing(id, &self.product_name(id)));
        let summaries: Vec<_> = page.collect();
        let next = from + summaries.len();
        let mut answer = json!({ "totalResults": found.len(), "listingSummaries": summaries });
        if let (true, Value::Object(fields)) = (next < found.len(), &mut answer) {
            fields.insert("nextToken".to_owned(), json!(next.to_string()));
        }
        Ok(answer)
    }

    /// The products with a real name, and those that an experience lists.
    fn offered(&self) -> BTreeSet<&str> {
        let policies = self.experiences.values();
        let lists = policies.filter_map(|experience| Some(&experience.policy.as_ref()?.lists));
        let listed = lists.flat_map(|lists| lists.allow.iter().chain(&lists.deny));
        let titled = TITLES.keys().map(String::as_str);
        let named = self.names.keys().map(String::as_str);
        let all = titled.chain(named).chain(listed.map(String::as_str));
        all.filter(|id| !self.gone.contains(*id)).collect()
    }
}

fn listing(id: &str, title: &str) -> Value {
    let seller = json!({ "sellerProfileId": "seller-emulated", "displayName": "Emulated seller" });
    json!({
        "listingId": listing_of(id),
        "listingName": title,
        "publisher": seller,
        "fulfillmentOptionSummaries": [],
        "catalog": "AWSMarketplace",
        "shortDescription": title,
        "logoThumbnailUrl": "https://example.com/logo.png",
        "categories": [],
        "badges": [],
        "reviewSummary": { "reviewSourceSummaries": [] },
        "pricingModels": [],
        "pricingUnits": [],
        "associatedEntities": [{ "product": {
            "productId": id, "productName": title, "manufacturer": seller } }],
    })
}
