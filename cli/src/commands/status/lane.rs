//! A lane of the overview, with the state of its link.

use pmp_sync_domain::error::FaultRecord;
use pmp_sync_domain::lane::{LaneState, OpenChange};
use pmp_sync_domain::records::{LaneEntry, LinkRecord};
use pmp_sync_domain::run::LinkStatus;
use pmp_sync_domain::sync_state::{LinkFacts, RecordedLane, SyncState};

use crate::client::holds::Known;

/// A lane, its state, and what is known of its link.
pub(super) struct Lane {
    pub(super) entry: LaneEntry,
    pub(super) state: LaneState,
    pub(super) open: Vec<OpenChange>,
    pub(super) quarantined: usize,
    /// What the last run recorded that observed it.
    pub(super) record: Option<LinkRecord>,
    /// True if no link covers it any more.
    pub(super) is_removed: bool,
}

impl Lane {
    /// The state of the member experience.
    pub(super) fn sync_state(&self, known: Option<&Known>) -> SyncState {
        let lane = RecordedLane {
            state: &self.state,
            open: &self.open,
            quarantined: self.quarantined,
            link_state: known.map(|known| &known.link_state),
        };
        LinkFacts::recorded(self.record.as_ref(), &lane).state()
    }

    /// Why nothing could be planned.
    pub(super) fn fault(&self) -> Option<&FaultRecord> {
        let record = self.record.as_ref()?;
        let counts = matches!(record.status, LinkStatus::Failed | LinkStatus::Held);
        record.fault.as_ref().filter(|_| counts)
    }
}
