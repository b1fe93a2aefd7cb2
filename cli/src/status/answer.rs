//! `status` as `--json` tells it.

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::ids::{AccountId, ChangeSetId, ExperienceId, MemberName, RunId};
use pmp_sync_domain::lane::{Block, LaneState, MemberMode, OpenChange, Phase, Suspension};
use pmp_sync_domain::link::Mode;
use pmp_sync_domain::records::{LaneEntry, LinkRecord, RunRecord, Suspensions};
use pmp_sync_domain::schema::Time;
use schemars::JsonSchema;
use serde::Serialize;

use crate::holds::{HoldAnswer, Known};

/// How things stand.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum StatusAnswer<'a> {
    /// The last runs, and where each lane stands.
    Overview {
        /// The newest runs, the newest first.
        runs: &'a [RunRecord],
        /// Every lane that was ever planned for.
        lanes: Vec<LaneAnswer>,
        /// What is suspended.
        suspensions: &'a Suspensions,
    },
    /// With `--run`: one run.
    Run {
        /// The run.
        run: &'a RunRecord,
        /// What became of each link in it.
        links: &'a [LinkRecord],
    },
}

/// Where a lane stands.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct LaneAnswer {
    /// The member.
    member: MemberName,
    /// Its account.
    account: AccountId,
    /// Its experience.
    experience: ExperienceId,
    /// The experience that it follows.
    management_experience: ExperienceId,
    /// How far the link may go.
    mode: Mode,
    /// Where the lane stands.
    phase: Phase,
    /// Changes that are claimed and not done.
    open: usize,
    /// The run whose plan the lane works on.
    planned_run: Option<RunId>,
    /// The change set that is under way.
    change_set: Option<ChangeSetId>,
    /// Why the lane is blocked, while it is.
    block: Option<Block>,
    /// The operator's suspension, while it stands.
    suspension: Option<Suspension>,
    /// The plan that waits for approval.
    hold: Option<HoldAnswer>,
    /// The rollback that waits for approval.
    restore: Option<HoldAnswer>,
    /// Since when a run has seen the link frozen, while it is.
    #[schemars(with = "Option<Time>")]
    frozen_since: Option<Timestamp>,
    /// What the member has chosen by the parameters of its stack.
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
    /// When the producer last found nothing to do.
    #[schemars(with = "Option<Time>")]
    last_in_sync: Option<Timestamp>,
    /// Since when it was not in sync, if it is announced as stale.
    #[schemars(with = "Option<Time>")]
    stale_since: Option<Timestamp>,
}

/// What a member has chosen by the parameters of its stack, as its worker last found them.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct MemberRulesAnswer {
    /// What its worker may do: `all`, `allow-only`, `suspended`, or what a newer release knows.
    mode: MemberMode,
    /// How many denies change sets may apply within 24 hours; null without a limit.
    most_denies: Option<u32>,
    /// How many they have.
    denies_of_the_last_day: usize,
}

impl LaneAnswer {
    /// A lane.
    pub(super) fn new(
        entry: &LaneEntry,
        state: &LaneState,
        open: &[OpenChange],
        known: Option<&Known>,
        now: Timestamp,
    ) -> Self {
        let rules = state.member.clone().unwrap_or_default();
        let link_state = known.map(|known| &known.link_state);
        let told = |hold| {
            let (known, hold) = known.zip(hold)?;
            Some(HoldAnswer::new(known, hold))
        };
        Self {
            member: entry.member.clone(),
            account: entry.lane.account.clone(),
            experience: entry.lane.experience.clone(),
            management_experience: entry.management_experience.clone(),
            mode: entry.mode,
            phase: state.phase,
            open: open.len(),
            planned_run: state.planned_run(),
            change_set: state.change_set.clone(),
            block: state.block.clone(),
            suspension: state.suspension.clone(),
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
