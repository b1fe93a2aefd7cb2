//! The object in S3 as which the report is published.
//!
//! By the SDK's own client: it signs, retries, and finds endpoint and region as for every other service. One call signed by hand
//! would save a part of the function's size, which a function that is mostly idle does not feel, and would be ours to maintain.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_types::timeout::TimeoutConfig;
use pmp_sync_domain::ports::Result;

use crate::service_error;

/// Timeout of one attempt: a page has some megabytes at most.
const ATTEMPT: Duration = Duration::from_secs(10);
/// Timeout of a publication with all its attempts. A bucket that does not answer delays nothing else.
const CALL: Duration = Duration::from_secs(15);

/// Where the report is published, and of which installation.
#[derive(Debug, Clone)]
pub struct ReportObject {
    client: Client,
    name: String,
    bucket: String,
    key: String,
}

impl ReportObject {
    /// The page of the installation `name` in a bucket. None if the name of the bucket is empty.
    pub fn at(config: &SdkConfig, name: String, bucket: String) -> Option<Self> {
        if bucket.is_empty() {
            return None;
        }
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(CALL)
            .build();
        let config = Builder::from(config).timeout_config(timeouts).build();
        Some(Self {
            client: Client::from_conf(config),
            key: format!("{name}/report.html"),
            name,
            bucket,
        })
    }

    /// The installation whose report it is.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) async fn put(&self, page: String) -> Result<()> {
        let sent = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(&self.key)
            .content_type("text/html; charset=utf-8")
            // The next one replaces it within the hour.
            .cache_control("no-cache")
            .body(ByteStream::from(page.into_bytes()))
            .send()
            .await;
        let thing = format!("{}/{}", self.bucket, self.key);
        sent.map(drop)
            .map_err(|error| service_error("PutObject", thing, &error))
    }
}
