//! The words of the Catalog API, and how its lists and documents are read.

use aws_sdk_marketplacecatalog::types::Filter;
use aws_smithy_types::{Document, Number};
use pmp_sync_domain::error::{Kind, ServiceError};
use serde_json::{Value, json};

/// The only catalog of the API.
pub(super) const CATALOG: &str = "AWSMarketplace";
/// The entity type with its version, in the form that changes need.
pub(super) const EXPERIENCE: &str = "Experience@1.0";
/// The change types.
pub(super) const ALLOW: &str = "AllowProductProcurement";
pub(super) const DENY: &str = "DenyProductProcurement";
pub(super) const CREATE_POLICY: &str = "CreateProcurementPolicy";
/// The most pages of a list that are read, with 50 experiences or 20 change sets each.
pub(super) const MOST_PAGES: usize = 40;

/// The scopes of lists: what is shared with the account, and what it owns. Private Marketplace
/// entities belong to the organization's management account. They are shared with the delegated
/// administrator, who sees them only with the filter; a management account that is its own
/// administrator sees them only without it (Catalog API guide).
pub(super) fn scopes() -> [Option<Filter>; 2] {
    let shared = Filter::builder().name("Scope").value_list("SharedWithMe");
    [Some(shared.build()), None]
}

/// True if the service has no list in this scope for this account. The guide does not say what it
/// answers then: an empty list is expected, and a refusal counts as one if the other scope answers.
pub(super) fn is_no_scope(error: &ServiceError) -> bool {
    error.code.is_some() && matches!(error.kind, Kind::Refused | Kind::NotFound)
}

pub(super) fn to_json(document: &Document) -> Value {
    match document {
        Document::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, value)| (name.clone(), to_json(value)))
                .collect(),
        ),
        Document::Array(items) => Value::Array(items.iter().map(to_json).collect()),
        Document::Number(Number::PosInt(number)) => json!(number),
        Document::Number(Number::NegInt(number)) => json!(number),
        Document::Number(Number::Float(number)) => json!(number),
        Document::String(text) => Value::String(text.clone()),
        Document::Bool(value) => Value::Bool(*value),
        Document::Null => Value::Null,
    }
}
