//! The search of AWS Marketplace on the wire.

use pmp_sync_aws::discovery::search::ListingSearch;
use pmp_sync_domain::error::Kind;
use serde_json::{Value, json};

use crate::script::Script;

/// A listing with these products.
fn listing(id: &str, products: &[&str]) -> Value {
    let seller = |name: &str| json!({ "sellerProfileId": "seller-1", "displayName": name });
    let entities = products.iter().map(|product| {
        json!({ "product": { "productId": product, "productName": format!("Name of {product}"), "manufacturer": seller("Maker") } })
    });
    json!({
        "listingId": id, "listingName": "A listing", "publisher": seller("Publisher"), "catalog": "AWSMarketplace",
        "fulfillmentOptionSummaries": [], "shortDescription": "short", "logoThumbnailUrl": "https://example.com/logo.png",
        "categories": [], "badges": [], "reviewSummary": { "reviewSourceSummaries": [] }, "pricingModels": [], "pricingUnits": [],
        "associatedEntities": entities.collect::<Vec<_>>(),
    })
}

fn page(total: i64, listings: &[Value], next: Option<&str>) -> (u16, Option<&'static str>, Value) {
    let mut page = json!({ "totalResults": total, "listingSummaries": listings });
    if let Some(next) = next {
        page["nextToken"] = json!(next);
    }
    (200, None, page)
}

#[tokio::test]
async fn pages_are_read_until_there_are_enough_products() {
    let (script, config) = Script::new([
        page(
            4,
            &[listing("l1", &["prod-a", "prod-b"]), listing("l2", &[])],
            Some("t1"),
        ),
        page(
            4,
            &[listing("l3", &["prod-b", "not valid", "prod-c"])],
            Some("t2"),
        ),
    ])
    .await;
    let found = ListingSearch::new(&config)
        .search("some words", 3)
        .await
        .unwrap();
    let ids: Vec<_> = found
        .products
        .iter()
        .map(|found| found.product.as_str())
        .collect();
    assert_eq!(ids, ["prod-a", "prod-b", "prod-c"]);
    assert_eq!((found.listings, found.is_cut_off), (4, true));
    let first = &found.products[0];
    assert_eq!(
        (
            first.name.as_str(),
            first.manufacturer.as_str(),
            first.listing.as_str()
        ),
        ("Name of prod-a", "Maker", "l1")
    );
    let seen = script.seen();
    assert_eq!(seen[0].path, "/2026-02-05/searchListings");
    assert_eq!(
        seen[0].body,
        json!({ "searchText": "some words", "maxResults": 3 })
    );
    assert_eq!(
        seen[1].body,
        json!({ "searchText": "some words", "maxResults": 3, "nextToken": "t1" })
    );
}

#[tokio::test]
async fn the_last_page_ends_a_search_and_an_error_is_one_of_the_search() {
    let denied = (
        403,
        Some("AccessDeniedException"),
        json!({ "message": "no" }),
    );
    let (_script, config) =
        Script::new([page(1, &[listing("l1", &["prod-a"])], None), denied]).await;
    let search = ListingSearch::new(&config);
    let found = search.search("x", 50).await.unwrap();
    assert_eq!((found.products.len(), found.is_cut_off), (1, false));
    let error = search.search("x", 50).await.unwrap_err();
    assert_eq!(
        (error.kind, error.operation),
        (Kind::Denied, "SearchListings")
    );
}
