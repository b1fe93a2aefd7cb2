//! Whether products are live, on the wire: the Discovery API, and what the ledger keeps of it.

use jiff::Timestamp;
use pmp_sync_aws::discovery::ProductDirectory;
use pmp_sync_aws::ledger::Ledger;
use pmp_sync_domain::error::Kind;
use pmp_sync_domain::find_product::KnownProduct;
use pmp_sync_domain::ids::ProductId;
use pmp_sync_domain::ports::{Discovery as _, ReadRuns as _, WriteRuns as _};
use pmp_sync_domain::product::ProductDetails;
use pmp_sync_domain::records::{Listing, LiveRecord};
use serde_json::{Value, json};

use crate::script::Script;

fn product(id: &str) -> ProductId {
    ProductId::new(id).unwrap()
}

fn listed(id: &str) -> Value {
    json!({
        "productId": id, "catalog": "AWSMarketplace", "productName": " A\u{1b}\nproduct",
        "manufacturer": { "sellerProfileId": "seller-1", "displayName": "A seller" },
        "deployedOnAws": "DEPLOYED", "shortDescription": "short", "longDescription": "long",
        "logoThumbnailUrl": "https://example.com/logo.png", "fulfillmentOptionSummaries": [],
        "categories": [{ "categoryId": "databases", "displayName": "Databases" }],
        "highlights": [], "promotionalMedia": [], "resources": [],
        "sellerEngagements": [], "listingId": "listing-1",
    })
}

#[tokio::test]
async fn a_product_is_live_if_the_discovery_api_has_it_and_not_if_it_says_that_it_has_not() {
    let missing = json!({ "message": "no such product" });
    let (script, config) = Script::new([
        (200, None, listed("prod-a")),
        (404, Some("ResourceNotFoundException"), missing),
    ])
    .await;
    let directory = ProductDirectory::new(&config);
    let details = ProductDetails {
        name: "A product".to_owned(),
        manufacturer: "A seller".to_owned(),
        categories: vec!["Databases".to_owned()],
        description: "short".to_owned(),
        listing: "listing-1".to_owned(),
    };
    assert_eq!(
        directory.product(&product("prod-a")).await,
        Ok(Some(details))
    );
    assert_eq!(directory.product(&product("prod-b")).await, Ok(None));
    let seen = script.seen();
    assert_eq!(seen[0].path, "/2026-02-05/getProduct");
    assert_eq!(seen[0].body, json!({ "productId": "prod-a" }));
    assert_eq!(seen[1].body, json!({ "productId": "prod-b" }));
    let signature = &seen[0].authorization;
    assert!(
        signature.starts_with("AWS4-HMAC-SHA256 ") && signature.contains("/us-east-1/"),
        "{signature}"
    );
}

#[tokio::test]
async fn a_page_of_aws_marketplace_says_which_products_it_is_of() {
    let page = json!({
        "listingId": "prodview-a", "listingName": "A page", "catalog": "AWSMarketplace",
        "shortDescription": "short", "longDescription": "long",
        "logoThumbnailUrl": "https://example.com/logo.png",
        "associatedEntities": [
            { "product": { "productId": "prod-a", "productName": "A\u{7} product",
                "manufacturer": { "sellerProfileId": "seller-1", "displayName": "A seller" } } },
            { "product": { "productId": "not an id", "productName": "Another" } },
        ],
        "badges": [], "categories": [], "fulfillmentOptionSummaries": [], "highlights": [],
        "pricingModels": [], "pricingUnits": [], "promotionalMedia": [], "resources": [],
        "sellerEngagements": [], "useCases": [],
    });
    let (script, config) = Script::new([
        (200, None, page),
        (
            404,
            Some("ResourceNotFoundException"),
            json!({ "message": "no such page" }),
        ),
        (404, None, json!({})),
    ])
    .await;
    let directory = ProductDirectory::new(&config);
    let known = KnownProduct {
        id: product("prod-a"),
        name: "A product".to_owned(),
        manufacturer: "A seller".to_owned(),
        listing: "prodview-a".to_owned(),
    };
    let found = directory.products_of_listing("prodview-a").await;
    assert_eq!(found, Ok(Some(vec![known])));
    assert_eq!(directory.products_of_listing("prodview-b").await, Ok(None));
    let failed = directory.products_of_listing("prodview-c").await;
    assert_eq!(failed.unwrap_err().kind, Kind::Retryable);
    assert_eq!(script.seen()[0].path, "/2026-02-05/getListing");
    assert_eq!(script.seen()[0].body, json!({ "listingId": "prodview-a" }));
}

#[tokio::test]
async fn what_is_no_answer_of_the_discovery_api_never_means_that_a_product_is_not_live() {
    let words = || json!({ "message": "in its own words" });
    for (status, error, body, kind) in [
        (400, Some("ValidationException"), words(), Kind::Refused),
        (403, Some("AccessDeniedException"), words(), Kind::Denied),
        // Something that is no Discovery API.
        (404, None, words(), Kind::Retryable),
        (
            404,
            Some("UnknownOperationException"),
            words(),
            Kind::Retryable,
        ),
        (400, Some("InvalidAction"), words(), Kind::Retryable),
        (200, None, json!({}), Kind::Retryable),
    ] {
        let (_script, config) = Script::new([(status, error, body)]).await;
        let directory = ProductDirectory::new(&config);
        let failed = directory.product(&product("prod-a")).await.unwrap_err();
        assert_eq!(
            (failed.kind, failed.operation),
            (kind, "GetProduct"),
            "{failed}"
        );
    }
    for (status, error, kind) in [
        (429, "ThrottlingException", Kind::Throttled),
        (500, "InternalServerException", Kind::Retryable),
    ] {
        let answer = || (status, Some(error), words());
        let (script, config) = Script::new([answer(), answer()]).await;
        let directory = ProductDirectory::new(&config);
        let failed = directory.product(&product("prod-a")).await.unwrap_err();
        assert_eq!(failed.kind, kind);
        assert_eq!(script.seen().len(), 2, "once more, and no longer");
    }
}

#[tokio::test]
async fn what_is_known_of_products_is_read_a_hundred_at_a_time_and_what_was_left_out_again() {
    let item = |id: &str| {
        json!({
            "pk": { "S": "LIVE" }, "sk": { "S": id }, "schema": { "N": "1" }, "product": { "S": id },
            "listing": { "S": "live" }, "asked_at": { "S": "2026-01-01T00:00:00Z" },
            "until": { "S": "2026-01-08T00:00:00Z" },
        })
    };
    let key = |id: &str| json!({ "pk": { "S": "LIVE" }, "sk": { "S": id } });
    let left_out = json!({ "ledger": { "Keys": [key("prod-001")], "ConsistentRead": true } });
    let (script, config) = Script::new([
        (
            200,
            None,
            json!({ "Responses": { "ledger": [item("prod-000")] }, "UnprocessedKeys": left_out }),
        ),
        (
            200,
            None,
            json!({ "Responses": { "ledger": [item("prod-001")] }, "UnprocessedKeys": {} }),
        ),
        (
            200,
            None,
            json!({ "Responses": { "ledger": [] }, "UnprocessedKeys": {} }),
        ),
    ])
    .await;
    let wanted = (0..101)
        .map(|number| product(&format!("prod-{number:03}")))
        .collect();
    let known = Ledger::new(&config, "ledger", 90)
        .live(&wanted)
        .await
        .unwrap();
    assert_eq!(
        known
            .items
            .iter()
            .map(|record| record.product.clone())
            .collect::<Vec<_>>(),
        [product("prod-000"), product("prod-001")]
    );
    let seen = script.seen();
    let keys = |place: usize| {
        assert_eq!(seen[place].target, "DynamoDB_20120810.BatchGetItem");
        let of_table = &seen[place].body["RequestItems"]["ledger"];
        assert_eq!(of_table["ConsistentRead"], true);
        of_table["Keys"].as_array().unwrap().clone()
    };
    assert_eq!(keys(0).len(), 100);
    assert_eq!(keys(1), [key("prod-001")]);
    assert_eq!(keys(2), [key("prod-100")]);
}

#[tokio::test]
async fn what_is_known_of_a_product_is_removed_when_it_does_not_count_any_more() {
    let (script, config) = Script::new([(200, None, json!({}))]).await;
    let asked: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let record = LiveRecord::new(product("prod-a"), Listing::NotLive, asked);
    Ledger::new(&config, "ledger", 90)
        .put_live(&record)
        .await
        .unwrap();
    let item = &script.seen()[0].body["Item"];
    assert_eq!(
        (&item["pk"]["S"], &item["sk"]["S"]),
        (&json!("LIVE"), &json!("prod-a"))
    );
    assert_eq!(item["listing"]["S"], "not_live");
    let expires = (asked.as_second() + 30 * 86_400).to_string();
    assert_eq!(item["expires_at"]["N"], expires);
}

/// A product that has left AWS Marketplace is still shown with its name.
#[tokio::test]
async fn a_name_is_kept_for_longer_than_its_answer_counts() {
    let (script, config) = Script::new([(200, None, json!({}))]).await;
    let asked: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let details = ProductDetails {
        name: "A product".to_owned(),
        ..ProductDetails::default()
    };
    let record = LiveRecord::answered(product("prod-a"), Some(details), None, asked);
    let ledger = Ledger::new(&config, "ledger", 90);
    ledger.put_live(&record).await.unwrap();
    let item = &script.seen()[0].body["Item"];
    assert_eq!(item["details"]["M"]["name"]["S"], "A product");
    let expires = (asked.as_second() + 400 * 86_400).to_string();
    assert_eq!(item["expires_at"]["N"], expires);
}
