//! The organization of an account: the default audience of an experience.

use aws_config::SdkConfig;
use aws_sdk_organizations::Client;
use pmp_sync_aws::service_error;
use pmp_sync_domain::error::Kind;

use crate::failure::Failure;

/// The id of the organization.
pub(crate) async fn organization(config: &SdkConfig) -> Result<String, Failure> {
    let answer = Client::new(config)
        .describe_organization()
        .send()
        .await
        .map_err(|error| {
            let error = service_error("DescribeOrganization", "the organization", &error);
            if matches!(error.kind, Kind::Denied | Kind::Refused) {
                return Failure::Refusal {
                    error,
                    remedy: "allow it, or name whom the experience is to govern with --principal: the organization's id (o-...), units or accounts",
                };
            }
            Failure::Service(error)
        })?;
    let id = answer
        .organization()
        .and_then(|organization| organization.id());
    id.map(str::to_owned).ok_or_else(|| Failure::CommandLine {
        message: "AWS Organizations does not tell the organization's id".to_owned(),
        remedy: "name it with --principal".to_owned(),
    })
}
