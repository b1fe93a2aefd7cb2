//! The principal whose credentials are used.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::DateTime;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::date_time::Format;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use jiff::Timestamp;
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ports::{Clock as _, Result};

use crate::service_error;
use crate::system::SystemClock;

/// The principal whose credentials are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The account id, 12 digits.
    pub account: String,
    /// The ARN of the principal.
    pub arn: String,
}

/// The time of AWS, and the time of this machine when the answer arrived.
pub type Times = (Timestamp, Timestamp);

/// Asks STS for the principal, and for its time. A refusal contains the time as well.
pub async fn identify(config: &SdkConfig) -> (Result<Caller>, Option<Times>) {
    let times = Arc::new(Mutex::new(None));
    let sent = aws_sdk_sts::Client::new(config)
        .get_caller_identity()
        .customize()
        .interceptor(TimeTeller(Arc::clone(&times)))
        .send()
        .await;
    let thing = "the credentials";
    let caller = sent
        .map_err(|error| service_error("GetCallerIdentity", thing, &error))
        .and_then(|answer| {
            let caller = answer.account().zip(answer.arn());
            let caller = caller.filter(|(account, arn)| !(account.is_empty() || arn.is_empty()));
            let (account, arn) = caller.ok_or_else(|| {
                let words = "the answer has no account and ARN";
                ServiceError::new("GetCallerIdentity", thing, Kind::Refused, words)
            })?;
            Ok(Caller {
                account: account.to_owned(),
                arn: arn.to_owned(),
            })
        });
    let times = *times.lock().unwrap_or_else(PoisonError::into_inner);
    (caller, times)
}

/// Keeps the `Date` of the last response, and when it arrived.
#[derive(Debug)]
struct TimeTeller(Arc<Mutex<Option<Times>>>);

impl Intercept for TimeTeller {
    fn name(&self) -> &'static str {
        "TimeTeller"
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date = date.and_then(|date| DateTime::from_str(date, Format::HttpDate).ok());
        let theirs = date.and_then(|date| Timestamp::from_second(date.secs()).ok());
        if let Some(theirs) = theirs {
            let times = Some((theirs, SystemClock.now()));
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = times;
        }
        Ok(())
    }
}

/// Asks STS for the ARN of the principal, which needs no permission. It asks once, and waits at
/// most `most`.
pub async fn principal(config: &SdkConfig, most: Duration) -> Result<String> {
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
