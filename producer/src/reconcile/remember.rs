//! Writes a link state with the notices that follow from it. They are put on the bus at the end of
//! the batch ([`crate::announce`]), and the next observation repeats that after an interruption.

use pmp_sync_domain::error::{Kind, LinkError, UNREADABLE_ITEM};
use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::ports::{ReadRuns, WriteRuns};
use pmp_sync_domain::reconcile::Observation;
use pmp_sync_domain::records::{LinkState, SeenList, names_of};

use crate::context::Unannounced;

/// Writes a link state if it has changed. Returns false if another writer was faster.
pub(crate) async fn remember<L: WriteRuns>(
    ledger: &L,
    unannounced: &Unannounced,
    lane: &LaneId,
    old: &LinkState,
    new: &LinkState,
) -> Result<bool, LinkError> {
    let is_news = !new.notices.pending.is_empty();
    if old == new {
        if is_news {
            unannounced.add(lane);
        }
        return Ok(true);
    }
    let new = &with_names(ledger, old, new).await;
    match ledger.put_link_state(lane, new).await {
        Ok(()) => {
            if is_news {
                unannounced.add(lane);
            }
            Ok(true)
        }
        Err(error) if error.kind == Kind::Conflict => Ok(false),
        Err(error) => Err(LinkError::Ledger(error)),
    }
}

/// Like [`remember`], after an observation: also stores the member's list, if it is another one than before. It comes after the link
/// state, which has the edits that the list tells: if the producer is interrupted in between, the older list tells them again.
pub(crate) async fn remember_seen<L: WriteRuns>(
    ledger: &L,
    unannounced: &Unannounced,
    seen: &Observation,
    new: &LinkState,
) -> Result<bool, LinkError> {
    let (lane, old) = (&seen.lane, &seen.link_state);
    if !remember(ledger, unannounced, lane, old, new).await? {
        return Ok(false);
    }
    if new.seen != old.seen
        && let Some(list) = SeenList::of(&seen.actual, seen.at)
        && let Err(error) = ledger.put_seen_list(lane, &list).await
    {
        let code = error.is_unreadable().then_some(UNREADABLE_ITEM);
        tracing::warn!(%lane, code, %error, "the member's list could not be stored: edits are told from the older one");
    }
    Ok(true)
}

/// The link state with the names of the products in its new notices, as far as they are known. They are written down with the notice,
/// so that it is the same one if it is put on the bus again.
async fn with_names<L: ReadRuns>(ledger: &L, old: &LinkState, new: &LinkState) -> LinkState {
    let mut named = new.clone();
    for notice in &mut named.notices.pending {
        let products = notice.products();
        if products.is_empty() || old.notices.pending.contains(notice) {
            continue;
        }
        match ledger.live(&products).await {
            Ok(known) => *notice = notice.clone().named(&names_of(&known.items)),
            Err(error) => {
                tracing::warn!(%error, "products are announced without their names");
            }
        }
    }
    named
}
