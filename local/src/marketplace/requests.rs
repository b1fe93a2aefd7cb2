//! Procurement requests. The Catalog API neither lists nor answers them, so the emulator only delivers
//! their events.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::entities::arn;

/// The days after which a request expires.
const EXPIRES_AFTER: i64 = 30;

/// An event of a procurement request.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewProductRequest {
    /// The experience of the user.
    pub experience: String,
    /// The product's id.
    pub product: String,
    /// The request that the event is about. None for a new one.
    #[serde(default)]
    pub request: Option<String>,
    /// The last word of the event's type.
    #[serde(default = "created")]
    pub event: String,
    /// The product's title.
    #[serde(default)]
    pub title: Option<String>,
    /// The name of its manufacturer.
    #[serde(default)]
    pub manufacturer: Option<String>,
    /// The ARN of the user.
    #[serde(default)]
    pub requester: Option<String>,
    /// When it expires. None for 30 days from now.
    #[serde(default)]
    pub expires: Option<String>,
}

fn created() -> String {
    "Created".to_owned()
}

impl NewProductRequest {
    /// A new request of a user of the experience.
    pub fn new(experience: &str, product: &str) -> Self {
        Self {
            experience: experience.to_owned(),
            product: product.to_owned(),
            request: None,
            event: created(),
            title: None,
            manufacturer: None,
            requester: None,
            expires: None,
        }
    }
}

/// The event on the bus of `account`.
pub(crate) fn envelope(
    of: &NewProductRequest,
    request: &str,
    number: u64,
    account: &str,
    now: Timestamp,
) -> Value {
    let expires = of.expires.clone().unwrap_or_else(|| {
        let later = now.checked_add(SignedDuration::from_hours(24 * EXPIRES_AFTER));
        later.unwrap_or(now).to_string()
    });
    let user = format!("arn:aws:sts::{account}:assumed-role/Developer/user");
    json!({
        "version": "0",
        "id": format!("event-product-request-{number}-{account}"),
        "detail-type": format!("Product Request {}", of.event),
        "source": "aws.private-marketplace",
        "account": account,
        "time": now.to_string(),
        "region": "us-east-1",
        "resources": [arn(account, "Experience", &of.experience)],
        "detail": {
            "schemaVersion": "1.0",
            "catalog": "AWSMarketplace",
            "requestId": request,
            "expirationDate": expires,
            "product": {
                "id": of.product,
                "arn": arn(account, "Product", &of.product),
                "title": of.title.as_deref().unwrap_or(&of.product),
            },
            "manufacturer": { "name": of.manufacturer.as_deref().unwrap_or("Example Inc.") },
            "experienceId": of.experience,
            "requesterArn": of.requester.as_deref().unwrap_or(&user),
        },
    })
}
