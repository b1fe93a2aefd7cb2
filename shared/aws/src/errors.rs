//! What a failed call means, by the service's error code first and the HTTP status second.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::{ErrorMetadata, ProvideErrorMetadata};
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::text::one_line;

use crate::region::REGION;

/// The code of an error about a bucket in another region, for which S3 has several.
pub const BUCKET_ELSEWHERE: &str = "BucketElsewhere";

/// None for what is not there.
pub fn if_there<T>(answer: Result<T, ServiceError>) -> Result<Option<T>, ServiceError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind == Kind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The domain's error for a call that failed after the SDK's own retries.
pub fn service_error<E>(
    operation: &'static str,
    thing: impl Into<String>,
    error: &SdkError<E, HttpResponse>,
) -> ServiceError
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let status = error
        .raw_response()
        .map(|response| response.status().as_u16());
    let bucket_region = error
        .raw_response()
        .and_then(|response| response.headers().get("x-amz-bucket-region"))
        .filter(|region| *region != REGION);
    if let Some(region) = bucket_region {
        return ServiceError {
            operation,
            thing: thing.into(),
            kind: Kind::Refused,
            code: Some(BUCKET_ELSEWHERE.to_owned()),
            message: format!("it is in {region}, and the code has to be in a bucket in {REGION}"),
        };
    }
    let (code, message) = match error.as_service_error() {
        Some(service) => (
            service.code().map(str::to_owned),
            service.message().map(str::to_owned),
        ),
        None => (None, None),
    };
    ServiceError {
        operation,
        thing: thing.into(),
        kind: kind(code.as_deref(), status),
        message: one_line(&message.unwrap_or_else(|| error_chain(error))),
        code,
    }
}

/// The beginning of the SDK's message that there are no credentials.
const NO_CREDENTIALS: &str = "no credentials found in chain";

/// The texts of an error and of its sources, from the outermost to the innermost, each once.
pub fn error_chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    for error in std::iter::successors(Some(error), |error| error.source()) {
        let text = match error.downcast_ref::<ErrorMetadata>() {
            // Its own text is a dump of its fields. The text of the error above it has the code.
            Some(metadata) => metadata.message().unwrap_or_default().to_owned(),
            None => error.to_string(),
        };
        // What follows is a list of everything that was tried, over several lines.
        if text.starts_with(NO_CREDENTIALS) {
            return "no credentials were found in the environment, the AWS configuration or the machine's role"
                .to_owned();
        }
        let part = text.trim();
        // Some errors include the text of their source.
        let ends_one = |said: &String| said.ends_with(&format!(": {part}"));
        if !(part.is_empty() || parts.iter().any(|said| said == part || ends_one(said))) {
            parts.push(part.to_owned());
        }
    }
    parts.join(": ")
}

/// Codes are those of the services' models: Marketplace Catalog, SQS, DynamoDB, STS, EventBridge.
fn kind(code: Option<&str>, status: Option<u16>) -> Kind {
    // SQS prefixes some of its codes (`AWS.SimpleQueueService.NonExistentQueue`).
    let code = code.map(|code| code.rsplit('.').next().unwrap_or(code));
    match code {
        Some("ResourceInUseException") => return Kind::Locked,
        Some("ConditionalCheckFailedException" | "TransactionCanceledException") => {
            return Kind::Conflict;
        }
        Some(
            "ThrottlingException"
            | "Throttling"
            | "ServiceQuotaExceededException"
            | "ProvisionedThroughputExceededException"
            | "RequestLimitExceeded"
            | "RequestThrottled"
            | "OverLimit"
            | "KmsThrottled",
        ) => return Kind::Throttled,
        Some("AccessDeniedException" | "AccessDenied" | "AuthorizationError") => {
            return Kind::Denied;
        }
        Some("ResourceNotFoundException" | "QueueDoesNotExist" | "NonExistentQueue") => {
            return Kind::NotFound;
        }
        // The SDK renews expired credentials for the next call.
        Some("ExpiredTokenException" | "ExpiredToken" | "RequestExpired") => {
            return Kind::Retryable;
        }
        _ => {}
    }
    match status {
        Some(423) => Kind::Locked,
        Some(402 | 429) => Kind::Throttled,
        Some(401 | 403) => Kind::Denied,
        Some(404) => Kind::NotFound,
        Some(400..=499) => Kind::Refused,
        // No answer, or an answer that reports a failure of the service.
        _ => Kind::Retryable,
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use aws_smithy_runtime_api::client::result::ConnectorError;
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::body::SdkBody;

    use super::*;

    /// An error with a text that its debug form does not have, and a source.
    struct Layer(&'static str, Option<Box<Layer>>);

    impl fmt::Debug for Layer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a dump")
        }
    }

    impl fmt::Display for Layer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl std::error::Error for Layer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            self.1.as_deref().map(|layer| layer as _)
        }
    }

    fn layers(texts: &[&'static str]) -> Layer {
        let (first, rest) = texts.split_first().unwrap();
        let source = (!rest.is_empty()).then(|| Box::new(layers(rest)));
        Layer(first, source)
    }

    #[test]
    fn an_error_is_told_with_its_sources_each_once_and_without_a_dump() {
        for (texts, told) in [
            (&["one"][..], "one"),
            (&["one", "two", "three"], "one: two: three"),
            (&["one", "one", "two", "one", "two"], "one: two"),
            (
                &["one: two: three", "two: three", "three"],
                "one: two: three",
            ),
            (&["one", "", " two\n"], "one: two"),
            (&["phone", "one"], "phone: one"),
            (
                &[
                    "other",
                    "no credentials found in chain. Attempted:\n  Environment: x",
                ],
                "no credentials were found in the environment, the AWS configuration or the machine's role",
            ),
        ] {
            assert_eq!(error_chain(&layers(texts)), told, "{texts:?}");
        }
        let metadata = ErrorMetadata::builder().code("Code").message("The words");
        assert_eq!(error_chain(&metadata.build()), "The words");
    }

    #[test]
    fn a_call_without_an_answer_is_told_in_the_words_of_the_transport() {
        let refused = layers(&["tcp connect error", "Connection refused"]);
        let failure = ConnectorError::io(Box::new(refused));
        let error: SdkError<ErrorMetadata, HttpResponse> = SdkError::dispatch_failure(failure);
        let told = service_error("GetItem", "the ledger", &error);
        assert_eq!(told.kind, Kind::Retryable);
        let words = "dispatch failure: io error: tcp connect error: Connection refused";
        assert_eq!(told.message, words);
    }

    #[test]
    fn a_bucket_in_another_region_is_named_as_such() {
        for (region, status, expected) in [
            ("eu-west-1", 301, Some(BUCKET_ELSEWHERE)),
            ("eu-west-1", 400, Some(BUCKET_ELSEWHERE)),
            ("eu-west-1", 403, Some(BUCKET_ELSEWHERE)),
            ("us-east-1", 403, None),
        ] {
            let status = StatusCode::try_from(status).unwrap();
            let mut response = HttpResponse::new(status, SdkBody::empty());
            let headers = response.headers_mut();
            headers.insert("x-amz-bucket-region", region);
            let refused = ErrorMetadata::builder().build();
            let error = SdkError::service_error(refused, response);
            let told = service_error("HeadBucket", "bucket mine", &error);
            assert_eq!(told.code.as_deref(), expected);
            assert_eq!(told.message.contains("in eu-west-1"), expected.is_some());
        }
    }

    #[test]
    fn codes_go_before_statuses() {
        assert_eq!(
            kind(Some("ResourceInUseException"), Some(423)),
            Kind::Locked
        );
        assert_eq!(kind(None, Some(423)), Kind::Locked);
        assert_eq!(
            kind(Some("ServiceQuotaExceededException"), Some(402)),
            Kind::Throttled
        );
        assert_eq!(
            kind(Some("ConditionalCheckFailedException"), Some(400)),
            Kind::Conflict
        );
        assert_eq!(
            kind(Some("ExpiredTokenException"), Some(403)),
            Kind::Retryable
        );
        assert_eq!(
            kind(Some("AWS.SimpleQueueService.NonExistentQueue"), Some(400)),
            Kind::NotFound
        );
        assert_eq!(kind(Some("ValidationException"), Some(422)), Kind::Refused);
        assert_eq!(kind(None, Some(503)), Kind::Retryable);
        assert_eq!(kind(None, None), Kind::Retryable);
    }
}
