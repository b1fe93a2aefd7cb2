//! `status` in the form of `--json`.

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::error::FaultRecord;
use pmp_sync_domain::ids::{AccountId, ChangeSetId, ExperienceId, MemberName, RunId};
use pmp_sync_domain::lane::{Block, MemberMode, OtherInstallation, Phase, Suspension};
use pmp_sync_domain::link::Mode;
use pmp_sync_domain::product::Names;
use pmp_sync_domain::records::{LinkRecord, PendingRetry, RunRecord, Suspensions};
use pmp_sync_domain::schema::Time;
use pmp_sync_domain::sources::Sources;
use pmp_sync_domain::sync_state::SyncState;
use schemars::JsonSchema;
use serde::Serialize;

use super::lane::Lane;
use crate::client::holds::{HoldAnswer, Known};
use crate::client::run::states::state_without_lane;
use crate::hint::Flags;

/// The output of `status`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum StatusAnswer<'a> {
    /// The last runs, and the state of each lane.
    Overview {
        /// The newest runs, the newest first.
        runs: &'a [RunRecord],
        /// True if older runs are stored.
        older: bool,
        /// Every lane that was ever planned for and has a link, or is still at work.
        lanes: Vec<LaneAnswer>,
        /// Links that have failed before they had a lane.
        failing: Vec<FailingLink<'a>>,
        /// Retries of links that could not be served, which are still to come.
        retries: &'a [PendingRetry],
        /// The suspensions.
        suspensions: &'a Suspensions,
        /// Items that cannot be read: runs, and lanes, which are left out.
        #[serde(skip_serializing_if = "no_faults")]
        unreadable: &'a [FaultRecord],
    },
    /// With `--run`: one run.
    Run {
        /// The record of the run.
        run: &'a RunRecord,
        /// The record of each link.
        links: &'a [LinkRecord],
        /// The names of the products in this answer, by id. A product whose name is not known is left out.
        names: Names,
    },
}

fn no_faults(faults: &&[FaultRecord]) -> bool {
    faults.is_empty()
}

/// A link that has failed and has no lane.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct FailingLink<'a> {
    /// The member's name in the configuration.
    member: &'a MemberName,
    /// The member account.
    account: &'a AccountId,
    /// The member experience. None for a `*` link that failed as a whole.
    experience: Option<&'a ExperienceId>,
    /// How far the link may go.
    mode: Mode,
    /// Its state.
    state: SyncState,
    /// Why nothing could be planned.
    fault: Option<&'a FaultRecord>,
    /// The run that recorded it.
    run: RunId,
}

impl<'a> FailingLink<'a> {
    pub(super) fn new(record: &'a LinkRecord) -> Self {
        Self {
            member: &record.member,
            account: &record.account,
            experience: record.lane.as_ref().map(|lane| &lane.experience),
            mode: record.mode,
            state: state_without_lane(record),
            fault: record.fault.as_ref(),
            run: record.run,
        }
    }
}

/// The state of a lane.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct LaneAnswer {
    /// The member's name in the configuration.
    member: MemberName,
    /// The member account.
    account: AccountId,
    /// The member experience.
    experience: ExperienceId,
    /// The management experiences that it follows.
    #[serde(flatten)]
    sources: Sources,
    /// How far the link may go.
    mode: Mode,
    /// The state of the member experience when it was last observed, with its lane as it is now.
    pub(super) state: SyncState,
    /// True if no link of the configuration covers it any more, and its lane is still at work.
    removed: bool,
    /// What the lane is doing.
    phase: Phase,
    /// Number of claimed changes that are not closed.
    open: usize,
    /// Number of changes that were rejected individually and are still wanted.
    quarantined: usize,
    /// Why nothing could be planned when it was last observed.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<FaultRecord>,
    /// The run of the committed plan.
    planned_run: Option<RunId>,
    /// The change set that is under way.
    change_set: Option<ChangeSetId>,
    /// The block, while the lane is blocked.
    block: Option<Block>,
    /// The suspension, while the lane is suspended.
    suspension: Option<Suspension>,
    /// Another installation of pmp-sync that changes the same experience.
    other_installation: Option<OtherInstallation>,
    /// The plan that waits for approval.
    hold: Option<HoldAnswer>,
    /// The rollback that waits for approval.
    restore: Option<HoldAnswer>,
    /// When a run first saw the link frozen. None if it is not frozen.
    #[schemars(with = "Option<Time>")]
    frozen_since: Option<Timestamp>,
    /// The member's own rules.
    pub(super) member_rules: MemberRulesAnswer,
    /// No change set is started before this.
    #[schemars(with = "Option<Time>")]
    not_before: Option<Timestamp>,
    /// When a change set was last tried.
    #[schemars(with = "Option<Time>")]
    last_attempt: Option<Timestamp>,
    /// When a change set last succeeded.
    #[schemars(with = "Option<Time>")]
    last_success: Option<Timestamp>,
    /// When the producer last found the lane in sync.
    #[schemars(with = "Option<Time>")]
    last_in_sync: Option<Timestamp>,
    /// Since when it was not in sync, if it is announced as stale.
    #[schemars(with = "Option<Time>")]
    stale_since: Option<Timestamp>,
}

/// The member's own rules, as its worker last found them.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct MemberRulesAnswer {
    /// What its worker may apply: `all`, `allow-only`, `suspended`, or a mode of a newer release.
    mode: MemberMode,
    /// The most denies within 24 hours. Null for no limit.
    most_denies: Option<u32>,
    /// Number of denies of the last 24 hours.
    denies_of_the_last_day: usize,
}

impl LaneAnswer {
    /// A lane.
    pub(super) fn new(
        lane: &Lane,
        known: Option<&Known>,
        (now, flags): (Timestamp, &Flags),
    ) -> Self {
        let Lane {
            entry, state, open, ..
        } = lane;
        let rules = state.member.clone().unwrap_or_default();
        let link_state = known.map(|known| &known.link_state);
        let told = |hold| {
            let (known, hold) = known.zip(hold)?;
            Some(HoldAnswer::new(known, hold, flags))
        };
        Self {
            member: entry.member.clone(),
            account: entry.lane.account.clone(),
            experience: entry.lane.experience.clone(),
            sources: entry.sources.clone(),
            mode: entry.mode,
            state: lane.sync_state(known),
            removed: lane.is_removed,
            quarantined: lane.quarantined,
            fault: lane.fault().cloned(),
            phase: state.phase,
            open: open.len(),
            planned_run: state.planned_run(),
            change_set: state.change_set.clone(),
            block: state.block.clone(),
            suspension: state.suspension.clone(),
            other_installation: state.contested_by(now).cloned(),
            hold: told(link_state.and_then(|link_state| link_state.hold.as_ref())),
            restore: told(link_state.and_then(|link_state| link_state.restore.as_ref())),
            frozen_since: link_state.and_then(|link_state| link_state.frozen_since),
            member_rules: MemberRulesAnswer {
                mode: rules.mode,
                most_denies: rules.most_denies,
                denies_of_the_last_day: state.denied.used(now),
            },
            not_before: state.not_before,
            last_attempt: state.last_attempt,
            last_success: state.last_success,
            last_in_sync: state.last_in_sync,
            stale_since: link_state
                .and_then(|link_state| link_state.notices.stale.as_ref().map(|mark| mark.since)),
        }
    }
}
