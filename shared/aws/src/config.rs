//! The SDK's configuration: region, retries, timeouts, HTTP client, roles.

use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use pmp_sync_domain::error::{Kind, ServiceError};

pub use crate::region::REGION;
use crate::service_error;

/// Attempts at one call, including the first: the SDK's standard.
const ATTEMPTS: u32 = 3;
/// Timeout of one attempt.
const ATTEMPT: Duration = Duration::from_secs(6);
/// Timeout of a call with all its attempts: below the worker's timeout.
const CALL: Duration = Duration::from_secs(18);
const CONNECT: Duration = Duration::from_secs(3);

/// The configuration of every client of a Lambda function.
pub async fn sdk_config() -> SdkConfig {
    let http = Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https();
    sdk_config_with(http, None).await
}

/// Like [`sdk_config`], with an HTTP client, and with the credentials of a profile of the shared AWS
/// configuration if one is named. A named profile takes precedence over credentials in the
/// environment.
pub async fn sdk_config_with(http: SharedHttpClient, profile: Option<&str>) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(CALL)
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .region(Region::from_static(REGION))
        .http_client(http.clone())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(timeouts);
    if let Some(profile) = profile {
        // The default chain does not fit: in it, keys in the environment come first.
        let configuration = ProviderConfig::default()
            .with_region(Some(Region::from_static(REGION)))
            .with_http_client(http);
        let provider = ProfileFileCredentialsProvider::builder()
            .configure(&configuration)
            .profile_name(profile)
            .build();
        loader = loader.profile_name(profile).credentials_provider(provider);
    }
    loader.load().await
}

/// The same configuration with the credentials of another role, which are renewed automatically.
pub async fn in_role(
    config: &SdkConfig,
    role: &str,
    external_id: &str,
    session: &str,
) -> SdkConfig {
    let provider = AssumeRoleProvider::builder(role)
        .external_id(external_id)
        .session_name(session)
        .configure(config)
        .build()
        .await;
    config
        .to_builder()
        .credentials_provider(SharedCredentialsProvider::new(provider))
        .build()
}

/// Assumes a role now, so that a refusal is reported at once as an error of its own. The
/// credentials last for an hour, four times the longest invocation.
pub async fn assume_role(
    config: &SdkConfig,
    role: &str,
    external_id: &str,
    session: &str,
) -> Result<SdkConfig, ServiceError> {
    let answer = aws_sdk_sts::Client::new(config)
        .assume_role()
        .role_arn(role)
        .external_id(external_id)
        .role_session_name(session)
        .send()
        .await
        .map_err(|error| service_error("AssumeRole", role, &error))?;
    let Some(granted) = answer.credentials() else {
        return Err(ServiceError::new(
            "AssumeRole",
            role,
            Kind::Refused,
            "the answer has no credentials",
        ));
    };
    let credentials = Credentials::new(
        granted.access_key_id(),
        granted.secret_access_key(),
        Some(granted.session_token().to_owned()),
        None,
        "AssumeRole",
    );
    Ok(config
        .to_builder()
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build())
}
