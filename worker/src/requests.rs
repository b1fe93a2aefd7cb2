//! Procurement requests of the member's users: each event is merged into the ledger's item of its
//! request, and the producer is told of new ones.

use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ports::{Bus, Clock, ProductRequests};
use pmp_sync_domain::records::{ProductRequest, RequestState};
use pmp_sync_domain::wire::{ProductRequestEvent, product_request_received};

use crate::context::Context;

/// How often an event is merged anew because another invocation wrote the request meanwhile.
const ATTEMPTS: usize = 3;

/// Records the events of a batch, one after the other: several may be about one request. Returns the
/// indexes of the messages that must be delivered again.
pub(crate) async fn receive<L: ProductRequests, C, O: Bus, S: Clock>(
    context: &Context<L, C, O, S>,
    events: &[(usize, ProductRequestEvent)],
) -> Vec<usize> {
    let (mut again, mut is_any_new) = (Vec::new(), false);
    for (place, event) in events {
        match record(context, event).await {
            Ok(is_new) => is_any_new |= is_new,
            Err(error) => {
                let code = error.is_unreadable().then_some("PMS-4004");
                tracing::error!(request = %event.request, code, %error, "a procurement request could not be recorded; its message will come again");
                again.push(*place);
            }
        }
    }
    if is_any_new {
        announce(context).await;
    }
    again
}

/// Records an event. Returns true if its request is new and waits for an answer.
async fn record<L: ProductRequests, C, O, S: Clock>(
    context: &Context<L, C, O, S>,
    event: &ProductRequestEvent,
) -> Result<bool, ServiceError> {
    let (ledger, account) = (&context.ledger, &context.member.account);
    let mut attempt = 0;
    loop {
        attempt += 1;
        let now = context.now();
        let known = ledger.product_request(account, &event.request).await?;
        let Some(next) = ProductRequest::after(known.as_ref(), account, event, now) else {
            tracing::debug!(request = %event.request, state = %event.state, "a request is known already");
            return Ok(false);
        };
        if known.is_none() {
            let counts = ledger.count_product_requests(account, now).await?;
            if !counts.have_room(next.state, context.member.most_requests) {
                tracing::error!(request = %event.request, product = %event.product, open = counts.open, kept = counts.kept, code = "PMS-6004", "there is no room for another procurement request of this member, and it is only counted");
                ledger.drop_product_request(account, now).await?;
                return Ok(false);
            }
        }
        match ledger.put_product_request(&next).await {
            Err(error) if error.kind == Kind::Conflict && attempt < ATTEMPTS => {}
            Err(error) => return Err(error),
            Ok(()) => {
                tracing::info!(request = %next.request, product = %next.product, experience = %next.experience, state = %next.state, "a procurement request");
                return Ok(known.is_none() && next.state == RequestState::Open);
            }
        }
    }
}

/// A hint, without which the next run announces the request.
async fn announce<L, C, O: Bus, S>(context: &Context<L, C, O, S>) {
    let hint = product_request_received(&context.member.account);
    if let Err(error) = context.outbox.put(hint).await {
        tracing::warn!(%error, "the producer is not told of a procurement request, and announces it with its next run");
    }
}
