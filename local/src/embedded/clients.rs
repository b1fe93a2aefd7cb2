//! SDK configurations for the emulated AWS. An access key of twelve digits is the root user of that
//! account.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::Builder;
use aws_smithy_runtime_api::client::http::SharedHttpClient;

/// The secret key of every account.
const SECRET: &str = "test";

/// Creates configurations that share one HTTP client.
#[derive(Debug, Clone)]
pub struct Clients {
    endpoint: String,
    http: SharedHttpClient,
}

impl Clients {
    /// Configurations for an AWS at this URL.
    pub fn new(endpoint: &str) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            http: Builder::new().build_http(),
        }
    }

    /// The configuration of an account's root user, for everything except the marketplace.
    pub fn config(&self, account: &str) -> SdkConfig {
        self.at(account, &self.endpoint)
    }

    /// The configuration of an account's root user, at another URL.
    pub fn at(&self, account: &str, endpoint: &str) -> SdkConfig {
        self.with(
            &Credentials::new(account, SECRET, None, None, "embedded"),
            endpoint,
        )
    }

    /// The configuration with other credentials.
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
