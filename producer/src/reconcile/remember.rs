//! Writing what is remembered of a link, and announcing what follows: recorded first, then put on the bus,
//! and repeated by the next observation if somebody was cut off in between. A bus that takes nothing fails
//! no link: what is to be announced waits in the ledger.

use pmp_sync_domain::error::{Kind, LinkError};
use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::ports::{Bus, WriteRuns};
use pmp_sync_domain::records::LinkState;

/// Writes what is remembered of a link, if it says anything new, and announces what follows. False if
/// somebody else wrote it meanwhile.
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

/// Puts on the bus what is recorded as it stands, and writes down that it is there. What the bus does not
/// take is left to the next observation.
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
    // Written by somebody else meanwhile, or not at all: it is announced once more at worst, with the
    // same id.
    if let Err(error) = ledger.put_link_state(lane, &written).await {
        tracing::warn!(%lane, %error, "what was announced could not be written down, and is announced once more");
    }
}
