//! Access to AWS as the AWS CLI has it: profiles, proxies and certificates of the environment.

mod advice;
mod network;
mod profile;

use aws_config::SdkConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use pmp_sync_aws::config::sdk_config_with;

use self::advice::Advising;
use self::profile::Facts;
use crate::failure::Failure;

/// The configuration of every client, with the credentials of a profile of the AWS configuration, or
/// of the default chain. A named profile takes precedence over credentials in the environment.
pub(crate) async fn sdk_config_for(profile: Option<&str>) -> Result<SdkConfig, Failure> {
    network::check_endpoints(std::env::vars())?;
    let facts = Facts::read(profile).await;
    let http = network::client(facts.ca_bundle.as_deref())?;
    let config = sdk_config_with(http, profile).await;
    if let Some(url) = config.endpoint_url() {
        network::check_endpoint("endpoint_url of the profile", url)?;
    }
    if config.use_fips() == Some(true) {
        return Err(Failure::CommandLine {
            message: "FIPS endpoints are asked for, and AWS Marketplace Catalog has none"
                .to_owned(),
            remedy: "unset AWS_USE_FIPS_ENDPOINT, and use_fips_endpoint in the profile".to_owned(),
        });
    }
    let Some(inner) = config.credentials_provider() else {
        return Ok(config);
    };
    let advising = SharedCredentialsProvider::new(Advising::new(inner, facts));
    Ok(config.to_builder().credentials_provider(advising).build())
}
