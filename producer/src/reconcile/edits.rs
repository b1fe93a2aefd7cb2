//! What a look at a link finds of outside edits.

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::drift::{Edited, Look};
use pmp_sync_domain::ports::Products;
use pmp_sync_domain::records::{LastChange, LinkState};

use crate::reconcile::observe::Inspection;

/// The outside edits of a link. The products are read only if something differs, so that a link in sync
/// costs nothing more. If they cannot be read, what is remembered stays: a link is not to fail because
/// of what only reports need.
pub(crate) async fn edited<L: Products>(ledger: &L, seen: &Inspection, now: Timestamp) -> Edited {
    if seen.plan.is_empty() && seen.report.left_alone.is_empty() {
        return Edited::default();
    }
    let changes = match ledger.products(&seen.lane).await {
        Ok(changes) => changes,
        Err(error) => {
            tracing::warn!(lane = %seen.lane, %error, "outside edits cannot be determined: the lane's products cannot be read");
            return Edited {
                since: seen.link_state.edited.clone(),
            };
        }
    };
    Edited::new(look(seen, &changes).edits(), &seen.link_state.edited, now)
}

/// What was found, as it is compared with the last changes of the lane's products.
pub(crate) fn look<'a>(seen: &'a Inspection, changes: &'a [LastChange]) -> Look<'a> {
    Look {
        changes,
        actual: &seen.actual,
        state: &seen.before.state,
        plan: &seen.plan,
        report: &seen.report,
        at: seen.at,
    }
}

/// Writes down what was found, for the next look.
pub(crate) fn remember(link_state: &mut LinkState, edited: &Edited) {
    (link_state.edited, link_state.edited_beyond) = edited.kept();
}
