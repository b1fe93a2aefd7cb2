//! What the producer needs to publish the report.

use std::future::Future;

use super::Result;
use crate::ids::AccountId;
use crate::records::{DroppedRequests, Found, RequestAnswer};

/// The place where the report is published.
pub trait PublishReport: Send + Sync {
    /// The name of the installation, if its report is to be published.
    fn publishes_for(&self) -> Option<String>;
    /// Replaces the published page.
    fn publish(&self, page: String) -> impl Future<Output = Result<()>> + Send;
}

/// Read access to what became of procurement requests.
pub trait ReadAnswers: Send + Sync {
    /// Reads every answer that is on record.
    fn request_answers(&self) -> impl Future<Output = Result<Found<RequestAnswer>>> + Send;
    /// Reads how many requests of an account there was no room for.
    fn dropped_product_requests(
        &self,
        account: &AccountId,
    ) -> impl Future<Output = Result<DroppedRequests>> + Send;
}
