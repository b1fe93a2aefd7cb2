//! What is read for the report, by the operator's command or by the producer.

use std::collections::BTreeMap;

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::answers::left_out::LeftOutLink;
use pmp_sync_domain::answers::report::{LinkStandings, ManagementLists};
use pmp_sync_domain::error::FaultRecord;
use pmp_sync_domain::ids::{ExperienceId, LaneId, MemberName};
use pmp_sync_domain::lane::{LaneState, Quarantined};
use pmp_sync_domain::product::Names;
use pmp_sync_domain::records::{
    DeadLetterRecord, LettersLeft, LinkState, RunRecord, SetRecord, Suspensions,
};

use crate::commands::Commands;
use crate::model::Requested;

/// What the ledger has of a lane.
#[derive(Debug, Clone, Default)]
pub struct LaneFacts {
    /// Its state.
    pub state: LaneState,
    /// The number of claimed changes.
    pub open: usize,
    /// What is quarantined there.
    pub quarantined: Vec<Quarantined>,
    /// The records of its change sets. None if they could not be read.
    pub sets: Option<Vec<SetRecord>>,
}

/// The dead letters of a member, or why they cannot be counted.
pub type Letters = Result<Vec<DeadLetterRecord>, FaultRecord>;

/// Everything that was read for the report.
pub struct Gathered {
    /// When it was read.
    pub now: Timestamp,
    /// The name of the stacks.
    pub name: String,
    /// How it writes commands.
    pub commands: Commands,
    /// The version of the configuration.
    pub config_version: u64,
    /// A link that is out of sync for longer than this is stale.
    pub stale_after_hours: u32,
    /// The lists of the management experiences.
    pub management: BTreeMap<ExperienceId, ManagementLists>,
    /// The member experiences, and links that cannot be observed.
    pub links: Vec<LinkStandings>,
    /// The names of the products in it.
    pub names: Names,
    /// What `*` leaves out.
    pub left_out: Vec<LeftOutLink>,
    /// The dead letters. A member that is missing was not asked.
    pub letters: BTreeMap<MemberName, Letters>,
    /// What is missing in the letters.
    pub left: BTreeMap<MemberName, LettersLeft>,
    /// What the ledger has of the lanes.
    pub lanes: BTreeMap<LaneId, LaneFacts>,
    /// The link states.
    pub link_states: BTreeMap<LaneId, LinkState>,
    /// What is suspended.
    pub suspensions: Suspensions,
    /// The newest runs, the newest first.
    pub runs: Vec<RunRecord>,
    /// True if older runs are stored.
    pub older_runs: bool,
    /// Those that wait for an answer.
    pub requests: Vec<Requested>,
    /// About how many were not recorded.
    pub dropped_requests: u64,
}

/// The lane of a link, if it has one.
pub fn lane_of(link: &LinkStandings) -> Option<LaneId> {
    Some(LaneId {
        account: link.account.clone(),
        experience: link.experience.clone()?,
    })
}
