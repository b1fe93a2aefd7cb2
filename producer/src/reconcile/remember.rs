//! Writes a link state, and announces what follows: notices are recorded first, then put on the
//! bus, and the next observation repeats that after an interruption. If the bus accepts nothing, no
//! link fails: the notices wait in the ledger.

use pmp_sync_domain::error::{Kind, LinkError, UNREADABLE_ITEM};
use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::ports::{Bus, ReadRuns, WriteRuns};
use pmp_sync_domain::reconcile::Observation;
use pmp_sync_domain::records::{LinkState, SeenList, names_of};

/// Writes a link state if it has changed, and announces what follows. Returns false if another
/// writer was faster.
pub(crate) async fn remember<L: WriteRuns, B: Bus>(
    ledger: &L,
    bus: &B,
    lane: &LaneId,
    old: &LinkState,
    new: &LinkState,
) -> Result<bool, LinkError> {
    let is_news = !new.notices.pending.is_empty();
    if old == new {
        if is_news {
            announce(ledger, bus, lane, new.clone()).await;
        }
        return Ok(true);
    }
    let new = &with_names(ledger, old, new).await;
    match ledger.put_link_state(lane, new).await {
        Ok(()) => {
            if is_news {
                let rev = new.rev + 1;
                let written = LinkState { rev, ..new.clone() };
                announce(ledger, bus, lane, written).await;
            }
            Ok(true)
        }
        Err(error) if error.kind == Kind::Conflict => Ok(false),
        Err(error) => Err(LinkError::Ledger(error)),
    }
}

/// Like [`remember`], after an observation: also stores the member's list, if it is another one than before. It comes after the link
/// state, which has the edits that the list tells: if the producer is interrupted in between, the older list tells them again.
pub(crate) async fn remember_seen<L: WriteRuns, B: Bus>(
    ledger: &L,
    bus: &B,
    seen: &Observation,
    new: &LinkState,
) -> Result<bool, LinkError> {
    let (lane, old) = (&seen.lane, &seen.link_state);
    if !remember(ledger, bus, lane, old, new).await? {
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

/// Puts the recorded notices on the bus, and records that. What the bus does not accept is left to
/// the next observation.
async fn announce<L: WriteRuns, B: Bus>(
    ledger: &L,
    bus: &B,
    lane: &LaneId,
    mut written: LinkState,
) {
    let mut pending = std::mem::take(&mut written.notices.pending).into_iter();
    let mut announced = 0;
    while let Some(notice) = pending.next() {
        let event = notice.event();
        let (about, name) = (notice.about(), event.1);
        if let Err(error) = bus.put(event.clone()).await {
            let error = LinkError::Bus(error);
            tracing::error!(%lane, event = name, id = about.id, code = error.code(), %error, "the event waits for the next look at the link");
            written.notices.pending = std::iter::once(notice).chain(pending).collect();
            break;
        }
        tracing::info!(%lane, event = name, id = about.id, detail = about.message, "announced");
        announced += 1;
    }
    if announced == 0 {
        return;
    }
    let LinkState { hold, notices, .. } = &mut written;
    if let (Some(hold), Some(mark)) = (hold, &notices.held) {
        hold.announced |= notices.pending.is_empty() && mark.run == hold.run;
    }
    // The write failed, or another writer was faster: at worst the notice is sent again with the
    // same id.
    if let Err(error) = ledger.put_link_state(lane, &written).await {
        tracing::warn!(%lane, %error, "what was announced could not be written down, and is announced once more");
    }
}
