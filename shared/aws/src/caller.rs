//! Whose credentials are used.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ports::Answer;

use crate::service_error;

/// The ARN of the principal that the credentials belong to, as STS tells it: no permission is needed
/// for that. Asked once, and not longer than `most`.
pub async fn principal(config: &SdkConfig, most: Duration) -> Answer<String> {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(most)
        .operation_attempt_timeout(most)
        .operation_timeout(most)
        .build();
    let config = config
        .to_builder()
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .build();
    let thing = "the credentials";
    let answer = aws_sdk_sts::Client::new(&config)
        .get_caller_identity()
        .send()
        .await
        .map_err(|error| service_error("GetCallerIdentity", thing, &error))?;
    let arn = answer.arn().filter(|arn| !arn.is_empty());
    arn.map(str::to_owned).ok_or_else(|| {
        let words = "the answer has no ARN";
        ServiceError::new("GetCallerIdentity", thing, Kind::Refused, words)
    })
}
