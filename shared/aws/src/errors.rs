//! What a failed call means, by the service's error code first and the HTTP status second.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::display::DisplayErrorContext;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use pmp_sync_domain::error::{Kind, ServiceError};

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
        message: message.unwrap_or_else(|| DisplayErrorContext(error).to_string()),
        code,
    }
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
        // Credentials that have just run out are renewed for the next call.
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
        // No answer, or one that tells of a failure on the other side.
        _ => Kind::Retryable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
