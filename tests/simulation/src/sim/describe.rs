//! What stands in traces.

use pmp_sync_domain::guard::Book;
use pmp_sync_domain::hold::{Allowance, Hold};
use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::lane::LaneState;

use super::scene::since_begin;

/// A lane's state, for the trace.
pub(super) fn describe(lane: &LaneId, state: &LaneState) -> String {
    let planned = state.planned.as_ref().map(|planned| {
        format!(
            "{} of {:?}, {:?} taken, sent {}",
            planned.run, planned.totals, planned.taken, planned.sent
        )
    });
    format!(
        "{lane} rev {} {} seq {} tick {} plan {planned:?} stop {} member {:?} block {:?} intent {:?}",
        state.rev,
        state.phase,
        state.seq,
        state.tick,
        state.stop.is_some(),
        state.member,
        state.block.as_ref().map(|block| block.reason),
        state.intent.as_ref().map(|intent| intent
            .changes
            .iter()
            .map(|change| format!("{} {}", change.action, change.product))
            .collect::<Vec<_>>())
    )
}

/// What the producer remembers of a link, for the trace.
pub(super) fn describe_book(lane: &LaneId, book: &Book) -> String {
    let hold = |hold: &Hold| (hold.run, hold.reasons.clone(), hold.announced);
    let allowance = |allowance: &Allowance| (allowance.run, allowance.executed);
    let removals = book.removals.iter();
    format!(
        "{lane} book {} hold {:?} restore {:?} allowance {:?} restored {:?} accepted {:?} removals {:?} taking {:?} sizes {:?}",
        book.rev,
        book.hold.as_ref().map(hold),
        book.restore.as_ref().map(hold),
        book.allowance.as_ref().map(allowance),
        book.restored.as_ref().map(allowance),
        book.accepted,
        removals
            .map(|removal| (since_begin(removal.at), &removal.products))
            .collect::<Vec<_>>(),
        book.taking,
        book.sizes
            .iter()
            .map(|size| (since_begin(size.at), size.allowed))
            .collect::<Vec<_>>(),
    )
}
