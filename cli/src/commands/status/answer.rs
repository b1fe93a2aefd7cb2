//! `status` in the form of `--json`.

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::error::FaultRecord;
use pmp_sync_domain::ids::{AccountId, ChangeSetId, ExperienceId, MemberName, RunId};
use pmp_sync_domain::lane::{
    Block, LaneState, MemberMode, OpenChange, OtherInstallation, Phase, Suspension,
};
use pmp_sync_domain::link::Mode;
use pmp_sync_domain::product::Names;
use pmp_sync_domain::records::{LaneEntry, LinkRecord, RunRecord, Suspensions};
use pmp_sync_domain::schema::Time;
use pmp_sync_domain::sources::Sources;
use schemars::JsonSchema;
use serde::Serialize;

use crate::client::holds::{HoldAnswer, Known};
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
        /// Every lane that was ever planned for.
        lanes: Vec<LaneAnswer>,
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
    /// What the lane is doing.
    phase: Phase,
    /// Number of claimed changes that are not closed.
    open: usize,
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
        entry: &LaneEntry,
        state: &LaneState,
        open: &[OpenChange],
        known: Option<&Known>,
        (now, flags): (Timestamp, &Flags),
    ) -> Self {
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
