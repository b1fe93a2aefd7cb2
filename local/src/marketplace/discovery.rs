//! The Discovery API: products and their public pages.

use serde_json::{Value, json};

use super::error::ApiError;
use super::operations::required;
use super::search::{listing_of, title};
use super::store::Store;
use crate::products;

/// A required text. The Discovery API answers 400 where the Catalog API answers 422.
fn text<'a>(input: &'a Value, name: &str) -> Result<&'a str, ApiError> {
    required(input, name).map_err(|error| ApiError {
        status: 400,
        ..error
    })
}

impl Store {
    /// The name of a product: the one it was given, or its title.
    pub(crate) fn product_name(&self, id: &str) -> String {
        let given = self.names.get(id).map(String::as_str);
        given.unwrap_or_else(|| title(id)).to_owned()
    }

    pub(super) fn get_product(&self, input: &Value) -> Result<Value, ApiError> {
        let id = text(input, "productId")?;
        if self.gone.contains(id) {
            return Err(ApiError::not_found(format!("Product {id} does not exist")));
        }
        let name = self.product_name(id);
        Ok(json!({
            "productId": id,
            "catalog": "AWSMarketplace",
            "productName": name,
            "manufacturer": seller(),
            "deployedOnAws": "DEPLOYED",
            "shortDescription": format!("{name}, as the emulator describes it."),
            "longDescription": name,
            "logoThumbnailUrl": "https://example.com/logo.png",
            "fulfillmentOptionSummaries": [],
            "categories": [{ "categoryId": "emulated", "displayName": "Emulated" }],
            "highlights": [],
            "promotionalMedia": [],
            "resources": [],
            "sellerEngagements": [],
            "listingId": listing_of(id),
        }))
    }

    /// The page of a product. There is one for each product that an experience lists or that is real.
    pub(super) fn get_listing(&self, input: &Value) -> Result<Value, ApiError> {
        let id = text(input, "listingId")?;
        let policies = self
            .experiences
            .values()
            .filter_map(|of| of.policy.as_ref());
        let lists = policies.map(|policy| &policy.lists);
        let listed = lists.flat_map(|lists| lists.allow.iter().chain(&lists.deny).cloned());
        let real = products::real().map(|product| product.id);
        let mut all = listed.chain(real).chain(self.names.keys().cloned());
        let is_meant = |product: &String| listing_of(product) == id && !self.gone.contains(product);
        let Some(product) = all.find(is_meant) else {
            return Err(ApiError::not_found(format!("Listing {id} does not exist")));
        };
        let name = self.product_name(&product);
        Ok(json!({
            "listingId": id,
            "listingName": name,
            "catalog": "AWSMarketplace",
            "publisher": seller(),
            "shortDescription": name,
            "longDescription": name,
            "logoThumbnailUrl": "https://example.com/logo.png",
            "associatedEntities": [{ "product": {
                "productId": product,
                "productName": name,
                "manufacturer": seller(),
            } }],
            "badges": [],
            "categories": [],
            "fulfillmentOptionSummaries": [],
            "highlights": [],
            "pricingModels": [],
            "pricingUnits": [],
            "promotionalMedia": [],
            "resources": [],
            "sellerEngagements": [],
            "useCases": [],
        }))
    }
}

fn seller() -> Value {
    json!({ "sellerProfileId": "seller-emulated", "displayName": "Emulated seller" })
}
