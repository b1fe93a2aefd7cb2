//! SDK configurations for the embedded AWS. An access key of twelve digits is the root of that account.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::Builder;
use aws_smithy_runtime_api::client::http::SharedHttpClient;

/// The secret key that goes with an account's number.
const SECRET: &str = "test";

/// Makes configurations that share one HTTP client.
#[derive(Debug, Clone)]
pub struct Clients {
    endpoint: String,
    http: SharedHttpClient,
}

impl Clients {
    /// For an AWS at this URL.
    pub fn new(endpoint: &str) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            http: Builder::new().build_http(),
        }
    }

    /// For an account's root, for everything but the marketplace.
    pub fn config(&self, account: &str) -> SdkConfig {
        self.at(account, &self.endpoint)
    }

    /// For an account's root, at another URL.
    pub fn at(&self, account: &str, endpoint: &str) -> SdkConfig {
        self.with(
            &Credentials::new(account, SECRET, None, None, "embedded"),
            endpoint,
        )
    }

    /// With certain credentials.
    pub fn with(&self, credentials: &Credentials, endpoint: &str) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::from_static("us-east-1"))
            .endpoint_url(endpoint)
            .http_client(self.http.clone())
            .credentials_provider(SharedCredentialsProvider::new(credentials.clone()))
            .build()
    }
}
