//! The AWS Marketplace Discovery API, which says whether a product is live, and its name.

pub mod search;

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_marketplacediscovery::Client;
use aws_sdk_marketplacediscovery::config::Builder;
use aws_sdk_marketplacediscovery::operation::get_listing::GetListingError;
use aws_sdk_marketplacediscovery::operation::get_product::{GetProductError, GetProductOutput};
use aws_sdk_marketplacediscovery::types::{ListingAssociatedEntity, SellerInformation};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::find_product::KnownProduct;
use pmp_sync_domain::ids::ProductId;
use pmp_sync_domain::ports::{Discovery, Result};
use pmp_sync_domain::product::ProductDetails;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::service_error;

/// Time between two calls: the quota of `GetProduct` is 5 a second (Discovery API quotas).
const APART: Duration = Duration::from_millis(200);
/// Fewer attempts than elsewhere, because a run waits for the answer and continues without it.
const ATTEMPTS: u32 = 2;
const ATTEMPT: Duration = Duration::from_millis(2_500);
const CALL: Duration = Duration::from_secs(6);

/// A client that keeps to the rate of the service.
#[derive(Debug)]
pub struct ProductDirectory {
    client: Client,
    pace: Pace,
}

impl ProductDirectory {
    /// A client with the credentials of `config`.
    pub fn new(config: &SdkConfig) -> Self {
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(CALL)
            .build();
        let config = Builder::from(config)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .build();
        Self {
            client: Client::from_conf(config),
            pace: Pace::new(APART),
        }
    }

    /// The products of a public page, by the id of the page (`prodview-…`). None if AWS Marketplace does
    /// not have the page. A page of a solution has several products.
    pub async fn products_of_listing(&self, listing: &str) -> Result<Option<Vec<KnownProduct>>> {
        self.pace.wait().await;
        match self.client.get_listing().listing_id(listing).send().await {
            Ok(answer) => {
                let products = answer.associated_entities().iter();
                Ok(Some(
                    products
                        .filter_map(|entity| product_of(entity, listing))
                        .collect(),
                ))
            }
            Err(error) => {
                let said = error.as_service_error();
                if said.is_some_and(GetListingError::is_resource_not_found_exception) {
                    Ok(None)
                } else {
                    let error = service_error("GetListing", listing, &error);
                    Err(of_product_or_not(error))
                }
            }
        }
    }
}

/// A product of a page. None if its id cannot be one.
fn product_of(entity: &ListingAssociatedEntity, listing: &str) -> Option<KnownProduct> {
    let product = entity.product()?;
    let details = ProductDetails {
        name: product.product_name().to_owned(),
        manufacturer: manufacturer(product.manufacturer()),
        listing: listing.to_owned(),
        ..ProductDetails::default()
    };
    let id = ProductId::new(product.product_id()).ok()?;
    Some(KnownProduct::new(id, Some(&details.cleaned())))
}

fn manufacturer(of: Option<&SellerInformation>) -> String {
    let name = of.map(|seller| seller.display_name().to_owned());
    name.unwrap_or_default()
}

/// The words of an answer, cleaned and cut.
fn details(answer: &GetProductOutput) -> ProductDetails {
    let categories = answer.categories().iter();
    let details = ProductDetails {
        name: answer.product_name().to_owned(),
        manufacturer: manufacturer(answer.manufacturer()),
        categories: categories
            .map(|category| category.display_name().to_owned())
            .collect(),
        description: answer.short_description().to_owned(),
        listing: answer.listing_id().to_owned(),
    };
    details.cleaned()
}

impl Discovery for ProductDirectory {
    async fn product(&self, product: &ProductId) -> Result<Option<ProductDetails>> {
        self.pace.wait().await;
        let sent = self.client.get_product().product_id(product.as_str());
        match sent.send().await {
            // An endpoint that answers everything with 200 is no Discovery API and says nothing
            // about the product.
            Ok(answer) if answer.product_id().is_empty() => Err(ServiceError::new(
                "GetProduct",
                product.as_str(),
                Kind::Retryable,
                "the answer has no product",
            )),
            Ok(answer) => Ok(Some(details(&answer))),
            Err(error) => {
                let said = error.as_service_error();
                if said.is_some_and(GetProductError::is_resource_not_found_exception) {
                    Ok(None)
                } else {
                    let error = service_error("GetProduct", product.as_str(), &error);
                    Err(of_product_or_not(error))
                }
            }
        }
    }
}

/// Only a refusal with the API's own error code is about the product. Any other refusal, and a 404
/// without a code, comes from an endpoint that is no Discovery API.
fn of_product_or_not(error: ServiceError) -> ServiceError {
    let is_of_product = error.code.as_deref() == Some("ValidationException");
    match error.kind {
        Kind::Denied | Kind::Throttled | Kind::Retryable => error,
        Kind::Refused if is_of_product => error,
        _ => ServiceError {
            kind: Kind::Retryable,
            ..error
        },
    }
}

/// A bucket with one token, refilled after the same time. A caller that finds it empty waits.
#[derive(Debug)]
struct Pace {
    apart: Duration,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    fn new(apart: Duration) -> Self {
        Self {
            apart,
            next: Mutex::new(None),
        }
    }

    async fn wait(&self) {
        let turn = {
            let mut next = self.next.lock().await;
            let now = Instant::now();
            let turn = next.map_or(now, |next| next.max(now));
            *next = Some(turn + self.apart);
            turn
        };
        sleep_until(turn).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn calls_are_a_fifth_of_a_second_apart_and_none_is_saved_up() {
        let pace = Pace::new(APART);
        let began = Instant::now();
        pace.wait().await;
        assert!(began.elapsed() < APART, "the first does not wait");
        tokio::join!(pace.wait(), pace.wait());
        assert!(began.elapsed() >= APART * 2);
        tokio::time::sleep(APART * 2).await;
        let later = Instant::now();
        pace.wait().await;
        pace.wait().await;
        assert!(later.elapsed() >= APART, "a pause saves no calls up");
    }

    #[test]
    fn only_what_the_api_says_of_the_request_is_about_the_product() {
        let of = |kind, code: Option<&str>| {
            let error = ServiceError {
                code: code.map(str::to_owned),
                ..ServiceError::new("GetProduct", "prod-a", kind, "words")
            };
            of_product_or_not(error).kind
        };
        assert_eq!(
            of(Kind::Refused, Some("ValidationException")),
            Kind::Refused
        );
        assert_eq!(of(Kind::Refused, Some("UnknownOperation")), Kind::Retryable);
        assert_eq!(of(Kind::NotFound, None), Kind::Retryable);
        assert_eq!(
            of(Kind::Denied, Some("AccessDeniedException")),
            Kind::Denied
        );
        assert_eq!(of(Kind::Throttled, None), Kind::Throttled);
    }
}
