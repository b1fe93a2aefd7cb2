//! Rejections: what is held stays held, and nobody is asked for the same changes again.

use pmp_sync_domain::approval::{Hold, RejectedPart, Rejection};
use pmp_sync_domain::error::LinkError;
use pmp_sync_domain::ports::{Bus, Clock, WriteRuns};
use pmp_sync_domain::run::LinkStatus;

use super::case::{Case, Rejected, asked_for, bare, shown, stale, write};
use crate::context::Context;
use crate::reconcile::outcome::LinkOutcome;

/// Rejects a hold, or drops a rollback.
pub(super) async fn reject<L: WriteRuns, A, M, O: Bus, S: Clock>(
    context: &Context<L, A, M, O, S>,
    case: &Case<'_>,
) -> Result<LinkOutcome, Rejected> {
    let known = context.ledger.link_state(&case.request.lane).await;
    let known = known.map_err(LinkError::Ledger)?;
    let mut next = known.clone();
    match asked_for(&known, case.request) {
        Some((_, true)) => next.restore = None,
        Some((hold, false)) => {
            // Without the record of what was shown only the hold itself is rejected.
            let shown = shown(&context.ledger, case, hold).await?;
            let shown = shown.filter(|shown| !shown.is_empty());
            next.rejected = shown.map(|shown| Rejection::new(&shown, case.ask.clone()));
            next.hold = Some(Hold {
                rejected: Some(RejectedPart {
                    changes: hold.changes(),
                    ask: case.ask.clone(),
                }),
                approvals: Vec::new(),
                ..hold.clone()
            });
        }
        None => return Err(Rejected::Refused(stale(&known, case.request))),
    }
    write(context, case, &known, &next).await?;
    let mut outcome = bare(context, case, LinkStatus::Rejected);
    outcome.record.hold = next.hold;
    Ok(outcome)
}
