//! Announces what the lanes have to tell, at the end of a batch: so what many of them say alike is
//! told as one digest. The notices are recorded in the link states before; what is not put on the
//! bus here is found by the next observation. If the bus accepts nothing, no link fails.

use std::sync::atomic::{AtomicBool, Ordering};

use futures::{StreamExt as _, stream};
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::error::LinkError;
use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::notify::{Digests, digests};
use pmp_sync_domain::ports::{Bus, Clock, WriteRuns};
use pmp_sync_domain::records::LinkState;
use pmp_sync_domain::time::elapsed;

use crate::context::Context;

/// Lanes that are announced concurrently.
const LANES_AT_ONCE: usize = 8;
/// No announcement begins if less than this is left of the invocation's time, in seconds.
const RESERVE: f64 = 8.0;

/// Puts the recorded notices of these lanes on the bus. The invocation ends at `deadline`.
pub(crate) async fn announce_notices<L: WriteRuns, A, M, O: Bus, S: Clock>(
    context: &Context<L, A, M, O, S>,
    deadline: Timestamp,
) {
    let lanes = context.unannounced.take();
    if lanes.is_empty() {
        return;
    }
    let states = stream::iter(lanes).map(|lane| async move {
        // It may have changed since it was written.
        let known = context.ledger.link_state(&lane).await;
        let known = known.inspect_err(|error| {
            tracing::warn!(%lane, %error, "what a lane has to tell waits for the next look at it");
        });
        known.ok().map(|known| (lane, known))
    });
    let states: Vec<_> = states.buffered(LANES_AT_ONCE).collect().await;
    let states: Vec<_> = states.into_iter().flatten().collect();
    let pending = states.iter().flat_map(|(_, state)| &state.notices.pending);
    let told = &digests(&pending.cloned().collect::<Vec<_>>(), context.now());
    if !put_digests(&context.outbox, told).await {
        return;
    }
    let is_over = &AtomicBool::new(false);
    let announced = stream::iter(states).map(|(lane, state)| async move {
        let is_late = elapsed(context.now(), deadline) <= RESERVE;
        if is_late || is_over.load(Ordering::Relaxed) {
            tracing::warn!(%lane, "what a lane has to tell waits for the next look at it");
        } else if !announce(context, told, &lane, state).await {
            is_over.store(true, Ordering::Relaxed);
        }
    });
    announced
        .buffer_unordered(LANES_AT_ONCE)
        .collect::<()>()
        .await;
}

/// Puts digests on the bus. Returns false if it does not accept one: nothing that a digest tells may be marked as told by it before.
pub(crate) async fn put_digests<O: Bus>(bus: &O, told: &Digests) -> bool {
    for digest in &told.digests {
        if let Err(error) = bus.put(digest.event()).await {
            let error = LinkError::Bus(error);
            tracing::error!(id = digest.id, code = error.code(), %error, "several announcements wait for the next look at their links");
            return false;
        }
        tracing::info!(id = digest.id, detail = digest.message, "announced as one");
    }
    true
}

/// Puts the notices of a lane on the bus, and records that. Returns false if the bus does not accept one. The others are left to the next
/// observation.
async fn announce<L: WriteRuns, A, M, O: Bus, S>(
    context: &Context<L, A, M, O, S>,
    told: &Digests,
    lane: &LaneId,
    mut written: LinkState,
) -> bool {
    let mut pending = std::mem::take(&mut written.notices.pending).into_iter();
    let (mut announced, mut accepted) = (0, true);
    while let Some(notice) = pending.next() {
        let (about, name) = (notice.about(), notice.name());
        let event = notice.event(told.of(&about.id));
        if let Err(error) = context.outbox.put(event).await {
            let error = LinkError::Bus(error);
            tracing::error!(%lane, event = name, id = about.id, code = error.code(), %error, "the event waits for the next look at the link");
            written.notices.pending = std::iter::once(notice).chain(pending).collect();
            accepted = false;
            break;
        }
        tracing::info!(%lane, event = name, id = about.id, detail = about.message, "announced");
        announced += 1;
    }
    if announced == 0 {
        return accepted;
    }
    let LinkState { hold, notices, .. } = &mut written;
    if let (Some(hold), Some(mark)) = (hold, &notices.held) {
        hold.announced |= notices.pending.is_empty() && mark.run == hold.run;
    }
    // The write failed, or another writer was faster: at worst the notice is sent again with the
    // same id.
    if let Err(error) = context.ledger.put_link_state(lane, &written).await {
        tracing::warn!(%lane, %error, "what was announced could not be written down, and is announced once more");
    }
    accepted
}
