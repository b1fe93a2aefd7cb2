//! The API's errors: a name, a status, a message.

use axum::response::{IntoResponse, Response};
use axum::{Json, http::StatusCode};
use serde_json::json;

/// An error of the API, answered with its name in `x-amzn-errortype`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) name: &'static str,
    pub(crate) status: u16,
    pub(crate) message: String,
}

impl ApiError {
    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self {
            name: "ValidationException",
            status: 422,
            message: message.into(),
        }
    }
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self {
            name: "ResourceNotFoundException",
            status: 404,
            message: message.into(),
        }
    }
    pub(crate) fn denied(message: impl Into<String>) -> Self {
        Self {
            name: "AccessDeniedException",
            status: 403,
            message: message.into(),
        }
    }
    pub(crate) fn in_use(message: impl Into<String>) -> Self {
        Self {
            name: "ResourceInUseException",
            status: 423,
            message: message.into(),
        }
    }
    pub(crate) fn not_supported(message: impl Into<String>) -> Self {
        Self {
            name: "ResourceNotSupportedException",
            status: 415,
            message: message.into(),
        }
    }
    pub(crate) fn quota(message: impl Into<String>) -> Self {
        Self {
            name: "ServiceQuotaExceededException",
            status: 402,
            message: message.into(),
        }
    }
    pub(crate) fn throttled() -> Self {
        Self {
            name: "ThrottlingException",
            status: 429,
            message: "Too many requests".to_owned(),
        }
    }
    pub(crate) fn internal() -> Self {
        Self {
            name: "InternalServiceException",
            status: 500,
            message: "There was an internal service exception".to_owned(),
        }
    }
    pub(crate) fn unavailable() -> Self {
        Self {
            name: "ServiceUnavailableException",
            status: 503,
            message: "The service is unavailable".to_owned(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (
            status,
            [("x-amzn-errortype", self.name)],
            Json(json!({ "Message": self.message })),
        )
            .into_response()
    }
}
