//! Asks the producer for a plan, page by page.

use pmp_sync_domain::answers::plan::{PlanPage, PlanRequest, Preview};
use pmp_sync_domain::error::FaultRecord;
use pmp_sync_domain::wire::PLAN_REQUESTED;

use super::context::Context;
use super::invoke::ask_showing;
use crate::failure::Failure;

/// Asks for all pages of a plan.
pub(crate) async fn preview(
    context: &Context,
    mut request: PlanRequest,
    step: &'static str,
) -> Result<Preview, Failure> {
    request.check()?;
    let ask = async |request: &PlanRequest| -> Result<PlanPage, Failure> {
        let page = ask_showing(context, PLAN_REQUESTED, request, step).await;
        page.map_err(|failure| if_older(failure, request))
    };
    let PlanPage { mut preview, next } = ask(&request).await?;
    request.from = next;
    while request.from.is_some() {
        let page = ask(&request).await?;
        preview.links.extend(page.preview.links);
        request.from = page.next;
    }
    Ok(preview)
}

/// A producer of an earlier release refuses a request with a configuration.
fn if_older(failure: Failure, request: &PlanRequest) -> Failure {
    if request.config.is_none() {
        return failure;
    }
    let fault = failure.record("see the message");
    if !fault.message.contains("unknown field `config`") {
        return failure;
    }
    Failure::Fault(Box::new(FaultRecord {
        message: "the producer is of an earlier release, and cannot preview a configuration"
            .to_owned(),
        remedy: "update it with `pmp-sync deploy management`".to_owned(),
        ..fault
    }))
}
