//! Looks that are limited in time and say how long they took.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use pmp_sync_domain::answers::doctor::{Look, Trouble};
use pmp_sync_domain::error::Kind;
use pmp_sync_domain::ports::Result;
use tokio::time::Instant;

/// Timeout of one check.
const MOST: Duration = Duration::from_secs(10);
const CALL: Duration = Duration::from_secs(9);
const ATTEMPT: Duration = Duration::from_secs(5);
const CONNECT: Duration = Duration::from_secs(3);

/// The result of a check, with its duration.
#[derive(Debug, Clone)]
pub(crate) struct Timed<T> {
    pub(crate) look: Look<T>,
    pub(crate) milliseconds: u64,
}

/// Makes a look, for at most 10 s.
pub(crate) async fn look<T>(answer: impl Future<Output = Result<T>>) -> Timed<T> {
    look_for(MOST, answer).await
}

/// Makes a check, with a timeout.
pub(crate) async fn look_for<T>(
    most: Duration,
    answer: impl Future<Output = Result<T>>,
) -> Timed<T> {
    let began = Instant::now();
    let answered = tokio::time::timeout(most, answer).await;
    let look = answered.map_or_else(
        |_| {
            Look::Failed(Trouble {
                kind: Kind::Retryable,
                message: format!("there was no answer within {} s", most.as_secs()),
            })
        },
        Look::of,
    );
    Timed {
        look,
        milliseconds: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    }
}

/// An SDK configuration with short timeouts.
pub(crate) fn brisk(config: &SdkConfig) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(CALL)
        .build();
    config
        .to_builder()
        .retry_config(RetryConfig::standard().with_max_attempts(2))
        .timeout_config(timeouts)
        .build()
}
