//! Announcing changes of a link's state, and ends of runs: recorded first, then put on the bus, and repeated
//! by the next look if somebody was cut off in between. A bus that takes nothing fails no link: what is to
//! be announced waits in the ledger.

use pmp_sync_domain::commit::Decision;
use pmp_sync_domain::error::LinkError;
use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::lane::LaneState;
use pmp_sync_domain::link::{Link, Mode};
use pmp_sync_domain::notify::{Seen, Subject};
use pmp_sync_domain::ports::{Bus as _, Lanes as _, ReadRuns as _, WriteRuns as _};
use pmp_sync_domain::records::{LinkRecord, LinkState, Notices, RunRecord};
use pmp_sync_domain::wire::events::SyncCompleted;

use crate::reconcile::observe::Inspection;
use crate::run::begin::{Setup, is_done};
use crate::{Ports, Producer};

impl<P: Ports> Producer<P> {
    /// What stands announced after a look, once `link state` has been written.
    pub(crate) fn notices(
        &self,
        link: &Link,
        seen: &Inspection,
        link_state: &LinkState,
    ) -> Notices {
        let state = &seen.before.state;
        let subject = subject(link, &seen.lane);
        let known = link_state.notices.clone();
        known
            .with_announced(seen.link_state.hold.as_ref())
            .after(&Seen {
                subject: &subject,
                now: self.now(),
                hold: link_state.hold.as_ref(),
                fault: None,
                is_guarded: false,
                state,
                is_done: state.intent.is_none() && seen.before.open.is_empty() && is_done(state),
                quarantined: Some(&seen.aside),
                in_sync: seen.decision == Decision::InSync
                    && seen.reasons.is_empty()
                    && seen.is_whole(),
                stale_after_hours: stale_after_hours(link, state),
            })
    }

    /// A link could not be looked at: what is known of its lane without that. Takes two reads.
    pub(crate) async fn notice_failure(
        &self,
        link: &Link,
        lane: &LaneId,
        error: &LinkError,
        record: &LinkRecord,
    ) {
        // These say nothing of the link.
        if matches!(error, LinkError::Ledger(_) | LinkError::Contended(_)) {
            return;
        }
        if let Err(error) = self.notice_unseen(link, lane, error, record).await {
            tracing::warn!(%lane, %error, "whether the link is stale cannot be determined");
        }
    }

    /// The same of a link for every experience: of each lane that it was ever planned for. Takes one more
    /// query.
    pub(crate) async fn notice_failures(
        &self,
        setup: &Setup,
        link: &Link,
        error: &LinkError,
        record: &LinkRecord,
    ) {
        let entries = match self.ports.ledger().lanes().await {
            Ok(entries) => entries,
            Err(error) => {
                tracing::warn!(member = %link.member.name, %error, "whether the links of the member are stale cannot be determined");
                return;
            }
        };
        let named = setup.config.named_lanes(&link.member.name);
        let is_mine = |lane: &LaneId| lane.account == link.member.account && !named.contains(lane);
        for entry in entries.iter().filter(|entry| is_mine(&entry.lane)) {
            self.notice_failure(link, &entry.lane, error, record).await;
        }
    }

    async fn notice_unseen(
        &self,
        link: &Link,
        lane: &LaneId,
        error: &LinkError,
        record: &LinkRecord,
    ) -> Result<(), LinkError> {
        let ledger = self.ports.ledger();
        let state = ledger.state(lane).await.map_err(LinkError::Ledger)?;
        let link_state = ledger.link_state(lane).await.map_err(LinkError::Ledger)?;
        let known = link_state.notices.clone();
        let notices = known.with_announced(link_state.hold.as_ref()).after(&Seen {
            subject: &subject(link, lane),
            now: self.now(),
            hold: link_state.hold.as_ref(),
            fault: Some(&error.record()),
            is_guarded: error.is_guarded(),
            state: &state,
            is_done: false,
            quarantined: None,
            in_sync: false,
            stale_after_hours: stale_after_hours(link, &state),
        });
        let next = LinkState {
            notices,
            ..link_state.clone()
        };
        if !next.notices.pending.is_empty() {
            // It may never have been planned for. Without its entry nobody would tell of its end, should the
            // link leave the configuration.
            let registered = ledger.register(lane, record).await;
            registered.map_err(LinkError::Ledger)?;
        }
        // Written by somebody else meanwhile: the next look compares again.
        self.write_link_state(lane, &link_state, &next)
            .await
            .map(drop)
    }

    /// Puts on the bus what is recorded in a link state as it stands, and writes down that it is there. What the
    /// bus does not take is left to the next look.
    pub(crate) async fn announce(&self, lane: &LaneId, mut link_state: LinkState) {
        let mut pending = std::mem::take(&mut link_state.notices.pending).into_iter();
        let mut announced = 0;
        while let Some(notice) = pending.next() {
            let event = notice.event();
            let (about, name) = (notice.about(), event.1);
            if let Err(error) = self.ports.bus().put(event.clone()).await {
                let error = LinkError::Bus(error);
                tracing::error!(%lane, event = name, id = about.id, code = error.code(), %error, "the event waits for the next look at the link");
                link_state.notices.pending = std::iter::once(notice).chain(pending).collect();
                break;
            }
            tracing::info!(%lane, event = name, id = about.id, detail = about.message, "announced");
            announced += 1;
        }
        if announced == 0 {
            return;
        }
        let LinkState { hold, notices, .. } = &mut link_state;
        if let (Some(hold), Some(mark)) = (hold, &notices.held) {
            hold.announced |= notices.pending.is_empty() && mark.run == hold.run;
        }
        // Written by somebody else meanwhile, or not at all: it is announced once more at worst, with the
        // same id.
        if let Err(error) = self.ports.ledger().put_link_state(lane, &link_state).await {
            tracing::warn!(%lane, %error, "what was announced could not be written down, and is announced once more");
        }
    }

    /// Announces the end of a run, if that is to be done still.
    pub(crate) async fn announce_end(&self, record: &RunRecord) {
        let Some(detail) = SyncCompleted::of(record).filter(|_| record.unannounced) else {
            return;
        };
        if let Err(error) = self.ports.bus().put(detail.event()).await {
            let error = LinkError::Bus(error);
            tracing::error!(run = %record.run, code = error.code(), %error, "the end of the run is left for the next run to announce");
            return;
        }
        let announced = RunRecord {
            unannounced: false,
            ..record.clone()
        };
        if let Err(error) = self.ports.ledger().put_run(&announced).await {
            tracing::warn!(run = %record.run, %error, "that the end of the run is announced could not be written down, and it is announced once more");
        }
    }

    /// Announces the ends of runs that had ended when somebody was cut off.
    pub(crate) async fn announce_forgotten(&self, unfinished: &[RunRecord]) {
        for record in unfinished {
            self.announce_end(record).await;
        }
    }
}

fn subject(link: &Link, lane: &LaneId) -> Subject {
    Subject {
        member: link.member.name.clone(),
        lane: lane.clone(),
        management_experience: link.management_experience.clone(),
    }
}

/// After how many hours without being in sync somebody should know. Nobody expects that of a link that is
/// suspended, frozen, or only observes.
fn stale_after_hours(link: &Link, state: &LaneState) -> Option<u32> {
    let is_expected =
        state.suspension.is_none() && !link.policy.frozen && link.policy.mode != Mode::Observe;
    is_expected.then_some(link.stale_after_hours)
}
