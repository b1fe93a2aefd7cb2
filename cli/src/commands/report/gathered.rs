//! What is read for the report.

use std::collections::BTreeMap;

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::answers::left_out::LeftOutLink;
use pmp_sync_domain::answers::report::{LinkStandings, ManagementLists};
use pmp_sync_domain::error::FaultRecord;
use pmp_sync_domain::ids::{ExperienceId, LaneId, MemberName};
use pmp_sync_domain::lane::{LaneState, Quarantined};
use pmp_sync_domain::product::Names;
use pmp_sync_domain::records::{DeadLetterRecord, LettersLeft, RunRecord, SetRecord, Suspensions};

use crate::client::holds::Known;
use crate::client::requests::Requests;
use crate::hint::Flags;

/// What the ledger has of a lane.
#[derive(Debug, Clone, Default)]
pub(crate) struct LaneFacts {
    pub(crate) state: LaneState,
    pub(crate) open: usize,
    pub(crate) quarantined: Vec<Quarantined>,
    /// The records of its change sets. None if they could not be read.
    pub(crate) sets: Option<Vec<SetRecord>>,
}

/// The dead letters of a member, or why they cannot be counted.
pub(crate) type Letters = Result<Vec<DeadLetterRecord>, FaultRecord>;

/// Everything that was read for the report.
pub(crate) struct Gathered {
    pub(crate) now: Timestamp,
    pub(crate) name: String,
    pub(crate) flags: Flags,
    pub(crate) config_version: u64,
    /// A link that is out of sync for longer than this is stale.
    pub(crate) stale_after_hours: u32,
    pub(crate) management: BTreeMap<ExperienceId, ManagementLists>,
    pub(crate) links: Vec<LinkStandings>,
    /// The names of the products in it.
    pub(crate) names: Names,
    /// What `*` leaves out.
    pub(crate) left_out: Vec<LeftOutLink>,
    pub(crate) letters: BTreeMap<MemberName, Letters>,
    /// What is missing in the letters.
    pub(crate) left: BTreeMap<MemberName, LettersLeft>,
    pub(crate) lanes: BTreeMap<LaneId, LaneFacts>,
    pub(crate) known: Vec<Known>,
    pub(crate) suspensions: Suspensions,
    pub(crate) runs: Vec<RunRecord>,
    /// True if older runs are stored.
    pub(crate) older_runs: bool,
    pub(crate) requests: Requests,
}

impl Gathered {
    pub(crate) fn known(&self, lane: &LaneId) -> Option<&Known> {
        self.known.iter().find(|known| known.lane == *lane)
    }
}

/// The lane of a link, if it has one.
pub(crate) fn lane_of(link: &LinkStandings) -> Option<LaneId> {
    Some(LaneId {
        account: link.account.clone(),
        experience: link.experience.clone()?,
    })
}
