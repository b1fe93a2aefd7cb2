//! Asks the producer, which alone reaches the members, and waits for its answer.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use pmp_sync_aws::service_error;
use pmp_sync_domain::error::{FaultRecord, Kind, ServiceError};
use pmp_sync_domain::wire::SOURCE;
use serde::Deserialize as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::context::Context;
use crate::failure::Failure;
use crate::progress::Progress;

/// A little more than the longest possible timeout of the producer: 900 s, see
/// `ProducerTimeoutSeconds` in infra/management.yaml.
const PATIENCE: Duration = Duration::from_secs(910);
const CONNECT: Duration = Duration::from_secs(5);

/// The SDK configuration for a call that takes as long as the producer. It makes one attempt only:
/// another attempt would start a second invocation beside the first.
fn patient(config: &SdkConfig) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .read_timeout(PATIENCE)
        .operation_attempt_timeout(PATIENCE)
        .operation_timeout(PATIENCE)
        .build();
    config
        .to_builder()
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .build()
}

/// Asks the producer for an answer, and shows what it does meanwhile.
pub(crate) async fn ask_showing<T: DeserializeOwned>(
    context: &Context,
    kind: &str,
    detail: impl Serialize,
    step: &'static str,
) -> Result<T, Failure> {
    let progress = Progress::new();
    progress.step(step);
    let answer = ask(context, kind, detail).await;
    progress.finish();
    answer
}

/// Asks the producer for an answer. A fault that it reports is an error.
pub(crate) async fn ask<T: DeserializeOwned>(
    context: &Context,
    kind: &str,
    detail: impl Serialize,
) -> Result<T, Failure> {
    let payload = json!({ "source": SOURCE, "detail-type": kind, "detail": detail });
    let answer = invoke(context, &payload).await?;
    let wrong = |error| unreadable(context, &error);
    if let Some(fault) = answer.get("fault").filter(|fault| !fault.is_null()) {
        let fault = FaultRecord::deserialize(fault).map_err(wrong)?;
        return Err(Failure::Fault(Box::new(fault)));
    }
    T::deserialize(&answer).map_err(wrong)
}

/// Invokes the producer and waits for its answer.
async fn invoke(context: &Context, payload: &Value) -> Result<Value, Failure> {
    let answer = Client::new(&patient(&context.config))
        .invoke()
        .function_name(&context.producer)
        .payload(Blob::new(payload.to_string()))
        .send()
        .await
        .map_err(|error| service_error("Invoke", context.producer.as_str(), &error))?;
    let body = answer.payload().map(AsRef::as_ref).unwrap_or_default();
    if answer.function_error().is_some() {
        let message = String::from_utf8_lossy(body).into_owned();
        return Err(
            ServiceError::new("Invoke", context.producer.as_str(), Kind::Refused, message).into(),
        );
    }
    serde_json::from_slice(body).map_err(|error| unreadable(context, &error))
}

/// The error for an answer in an unexpected shape.
fn unreadable(context: &Context, error: &serde_json::Error) -> Failure {
    ServiceError::new(
        "Invoke",
        context.producer.as_str(),
        Kind::Refused,
        format!("the answer is not understood: {error}"),
    )
    .into()
}
