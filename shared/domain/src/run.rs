//! What the ledger keeps of a run: the run itself, and for each link what was planned and why.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::FaultRecord;
use crate::hold::{Approval, Hold};
use crate::ids::{AccountId, ExperienceId, LaneId, MemberName, ProductId, RunId};
use crate::link::Mode;
use crate::message::Scope;
use crate::plan::{LeftAlone, Plan, PlanHash};
use crate::policy::Action;

/// How far a run has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Links are still being looked at.
    #[default]
    Planning,
    /// Everything is sent; lanes are at work.
    Applying,
    /// Every link is in sync.
    Completed,
    /// Every link that could be is in sync; others failed, are suspended, or have changes in quarantine.
    Partial,
    /// Every link that could be is in sync; the plans of others wait for approval.
    Held,
    /// No link could be looked at.
    Failed,
    /// Newer plans have taken the place of what was still to be done.
    Superseded,
}

impl RunStatus {
    /// True when nothing more will come of the run.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Planning | Self::Applying)
    }

    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planning => "planning",
            Self::Applying => "applying",
            Self::Completed => "completed",
            Self::Partial => "partial",
            Self::Held => "held",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
        }
    }
}

/// One request that a run serves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Request {
    /// What kind: `schedule`, `sync-requested`, `management-change-set`, `lane-settled`,
    /// `replay-requested`, `discard-requested`, `approval-requested`, `rejection-requested`,
    /// `restore-requested`.
    pub kind: String,
    /// Its own id, by which `sync --wait` finds the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Who asked, as the request says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requester: Option<String>,
    /// The account whose credentials sent it, as the bus says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Why frozen links are planned for as if they were not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub override_reason: Option<String>,
    /// What the override is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
}

/// What the requests want planned for as if it were not frozen.
pub fn overridden(requests: &[Request]) -> Vec<Scope> {
    let overriding = requests
        .iter()
        .filter(|request| request.override_reason.is_some());
    overriding
        .map(|request| request.scope.clone().unwrap_or_default())
        .collect()
}

/// What a run amounts to so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Totals {
    /// Member experiences that were looked at.
    pub links: usize,
    /// Of these, those with nothing to do.
    pub in_sync: usize,
    /// Of these, those to which a plan was committed.
    pub committed: usize,
    /// Of these, those that were at work on the very plan.
    pub underway: usize,
    /// Links that failed.
    pub failed: usize,
    /// Links that are suspended and differ.
    #[serde(default)]
    pub suspended: usize,
    /// Links whose plans wait for approval.
    #[serde(default)]
    pub held: usize,
    /// Products whose changes are quarantined.
    #[serde(default)]
    pub quarantined: usize,
    /// Lanes of links that have left the configuration, whose open changes were closed.
    #[serde(default)]
    pub removed: usize,
    /// Planned allows.
    pub allow: usize,
    /// Planned denies.
    pub deny: usize,
    /// Messages that were sent.
    pub messages: usize,
}

/// The ledger's item of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RunRecord {
    /// The schema of the release that wrote it.
    pub schema: u32,
    /// The run.
    pub run: RunId,
    /// How far it has come.
    pub status: RunStatus,
    /// What it serves.
    pub requests: Vec<Request>,
    /// What it is about: whatever any of these covers.
    #[serde(default)]
    pub scopes: Vec<Scope>,
    /// The version of the configuration that it went by.
    pub config_version: u64,
    /// When it began.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub started_at: Timestamp,
    /// When the last link had been looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Time>"))]
    pub planned_at: Option<Timestamp>,
    /// When nothing more was to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Time>"))]
    pub completed_at: Option<Timestamp>,
    /// What it amounts to.
    pub totals: Totals,
    /// Why no link could be looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultRecord>,
    /// Links, by their place in the configuration, that a further invocation looks at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cursor: Vec<usize>,
    /// Lanes that are still at work for it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub open: BTreeSet<String>,
    /// Lanes on which a newer plan took the place of its own.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub superseded: BTreeSet<String>,
    /// Lanes that rest, and of which it could not be seen whether they are equal.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub not_seen: BTreeSet<String>,
    /// How many changes of its lanes are quarantined, where any are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub quarantined: BTreeMap<String, usize>,
    /// True while its end is still to be announced.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unannounced: bool,
}

/// How a lane is done with a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LaneEnd {
    /// It rests; so many of its changes are quarantined.
    Rests {
        /// How many.
        quarantined: usize,
    },
    /// A newer plan took over.
    Superseded,
    /// It rests, and whether it is equal could not be seen: a side of its link cannot be looked at.
    NotSeen,
}

impl RunRecord {
    /// A run that begins.
    pub fn new(run: RunId, config_version: u64, scopes: Vec<Scope>, now: Timestamp) -> Self {
        Self {
            schema: crate::SCHEMA,
            run,
            status: RunStatus::Planning,
            requests: Vec::new(),
            scopes,
            config_version,
            started_at: now,
            planned_at: None,
            completed_at: None,
            totals: Totals::default(),
            fault: None,
            cursor: Vec::new(),
            open: BTreeSet::new(),
            superseded: BTreeSet::new(),
            not_seen: BTreeSet::new(),
            quarantined: BTreeMap::new(),
            unannounced: false,
        }
    }

    /// True if it has ended and has sent changes: that is announced. A run that found everything in sync, or
    /// already under way, is not.
    pub fn has_news(&self) -> bool {
        self.status.is_final() && self.totals.messages > 0
    }

    /// True while it is looked after: it has not ended, or its end is still to be announced.
    pub fn is_unfinished(&self) -> bool {
        !self.status.is_final() || self.unannounced
    }

    /// The status that follows from what is known, once every link has been looked at.
    #[must_use]
    pub fn concluded(mut self, now: Timestamp) -> Self {
        self.totals.quarantined = self.quarantined.values().sum();
        if self.planned_at.is_none() || self.status.is_final() {
            return self;
        }
        self.status = if !self.open.is_empty() {
            RunStatus::Applying
        } else if self.totals.failed > 0 && self.totals.failed >= self.totals.links {
            RunStatus::Failed
        } else if !self.superseded.is_empty() {
            RunStatus::Superseded
        } else if self.totals.failed + self.totals.suspended + self.totals.quarantined > 0
            || !self.not_seen.is_empty()
        {
            RunStatus::Partial
        } else if self.totals.held > 0 {
            RunStatus::Held
        } else {
            RunStatus::Completed
        };
        if self.status.is_final() {
            self.completed_at = Some(now);
        }
        self
    }

    /// The run after `lane` is done with it.
    #[must_use]
    pub fn without(mut self, lane: &LaneId, end: LaneEnd, now: Timestamp) -> Self {
        let key = lane.to_string();
        if self.open.remove(&key) {
            match end {
                LaneEnd::Superseded => {
                    self.superseded.insert(key);
                }
                LaneEnd::NotSeen => {
                    self.not_seen.insert(key);
                }
                LaneEnd::Rests { quarantined: 0 } => {}
                LaneEnd::Rests { quarantined } => {
                    self.quarantined.insert(key, quarantined);
                }
            }
        }
        self.concluded(now)
    }
}

/// What became of a link in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LinkStatus {
    /// The plan is empty and the lane at rest.
    InSync,
    /// The plan was committed and sent.
    Committed,
    /// The lane is at work on this very plan.
    Underway,
    /// Nothing was planned or sent; `fault` says why.
    Failed,
    /// The link is suspended: what would be changed is on record, and nothing of it was sent.
    Suspended,
    /// The link has left the configuration: what was still open on its lane was closed.
    Removed,
    /// The plan waits for approval, or the management experience cannot be trusted: nothing
    /// of it was sent.
    Held,
    /// A hold was rejected.
    Rejected,
    /// A request about a hold was refused: nothing was done.
    Refused,
}

/// A lane that was ever planned for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneEntry {
    /// The schema of the release that wrote it.
    pub schema: u32,
    /// The lane.
    pub lane: LaneId,
    /// The member's name at that time.
    pub member: MemberName,
    /// The experience that it follows.
    pub management_experience: ExperienceId,
    /// How far the link may go.
    pub mode: Mode,
    /// The last run that committed a plan to it or failed on it.
    pub run: RunId,
}

/// What became of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DeadLetterOutcome {
    /// Its change is wanted and has been sent again, under the run's plan. Deleted.
    Reissued,
    /// Its change is wanted, and at work already. Deleted.
    Underway,
    /// Its change is not wanted any more, or is in place. Deleted.
    Dropped,
    /// Somebody had it deleted.
    Discarded,
    /// It stays: it is not understood, or its link could not be looked at.
    Kept,
}

/// The ledger's item of a dead letter that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeadLetterRecord {
    /// The schema of the release that wrote it.
    pub schema: u32,
    /// The queue's id of it.
    pub id: String,
    /// The member in whose queue it was.
    pub member: MemberName,
    /// Its lane, if it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<LaneId>,
    /// Its product, if it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<ProductId>,
    /// What was to be done to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// The run that had sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_by: Option<RunId>,
    /// Why it was dead-lettered.
    pub reason: String,
    /// Everything else that was said then.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// What became of it.
    pub outcome: DeadLetterOutcome,
    /// Why.
    pub why: String,
    /// When.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub at: Timestamp,
}

/// The ledger's item of a link in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LinkRecord {
    /// The schema of the release that wrote it.
    pub schema: u32,
    /// The run.
    pub run: RunId,
    /// The member.
    pub member: MemberName,
    /// Its account.
    pub account: AccountId,
    /// Its lane; none of a `*` link that failed as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<LaneId>,
    /// The experience that it follows.
    pub management_experience: ExperienceId,
    /// How far the link may go.
    pub mode: Mode,
    /// What became of it.
    pub status: LinkStatus,
    /// The plan's hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_hash: Option<PlanHash>,
    /// The products to be allowed.
    #[serde(default)]
    pub allow: Vec<ProductId>,
    /// The products to be denied.
    #[serde(default)]
    pub deny: Vec<ProductId>,
    /// Of the denies, those of products that are allowed at the time.
    #[serde(default)]
    pub removals: usize,
    /// Products that differ and are left alone.
    #[serde(default)]
    pub left_alone: Vec<LeftAlone>,
    /// Products that the management policy both allows and denies.
    #[serde(default)]
    pub contradictory: Vec<ProductId>,
    /// Products that differ because somebody has edited them outside of pmp-sync.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edited: Vec<ProductId>,
    /// Since when the first of these edits has been seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Time>"))]
    pub edited_since: Option<Timestamp>,
    /// Why nothing was planned or sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultRecord>,
    /// The hold that the plan waits in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// The request about a hold that this run served on the link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// Allowed although nobody could be asked whether they are live.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unchecked: usize,
    /// When.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub at: Timestamp,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl LinkRecord {
    /// The plan that was committed to the lane, if one was: of a held one nothing is.
    pub fn plan(&self) -> Plan {
        match self.status {
            LinkStatus::Held | LinkStatus::Rejected | LinkStatus::Refused => Plan::default(),
            _ => self.shown(),
        }
    }

    /// The plan that it shows.
    pub fn shown(&self) -> Plan {
        Plan::new(
            self.allow.iter().cloned().collect(),
            self.deny.iter().cloned().collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn lane(number: usize) -> LaneId {
        format!("222222222222/exp-{number}").parse().unwrap()
    }

    /// A run that has looked at `links` member experiences, of which `failed` failed, and has lanes
    /// of these numbers at work.
    fn planned(links: usize, failed: usize, open: &[usize]) -> RunRecord {
        let mut record = RunRecord::new(RunId::next(None, 1, 0), 1, Vec::new(), at(0));
        record.planned_at = Some(at(10));
        record.totals.links = links;
        record.totals.failed = failed;
        record.open = open
            .iter()
            .map(|number| lane(*number).to_string())
            .collect();
        record
    }

    #[test]
    fn a_run_is_planning_until_every_link_has_been_looked_at() {
        let mut record = planned(2, 0, &[]);
        record.planned_at = None;
        let record = record.concluded(at(20));
        assert_eq!(record.status, RunStatus::Planning);
        assert_eq!(record.completed_at, None);
    }

    #[test]
    fn a_run_is_applying_while_a_lane_is_at_work_even_if_links_failed() {
        let record = planned(3, 2, &[1]).concluded(at(20));
        assert_eq!(record.status, RunStatus::Applying);
        assert_eq!(record.completed_at, None);
    }

    const RESTS: LaneEnd = LaneEnd::Rests { quarantined: 0 };

    #[test]
    fn a_run_with_a_change_in_quarantine_is_partial() {
        let quarantined = LaneEnd::Rests { quarantined: 2 };
        let record = planned(2, 0, &[1, 2]).without(&lane(1), quarantined, at(20));
        assert_eq!(record.totals.quarantined, 2);
        let record = record.without(&lane(2), RESTS, at(30));
        assert_eq!(record.status, RunStatus::Partial);
    }

    #[test]
    fn a_run_with_a_lane_that_could_not_be_looked_at_is_partial() {
        let record = planned(1, 0, &[1]).without(&lane(1), LaneEnd::NotSeen, at(20));
        assert_eq!(record.status, RunStatus::Partial);
    }

    #[test]
    fn the_end_of_a_run_follows_from_what_became_of_its_links() {
        for (links, failed, superseded, status) in [
            (0, 0, false, RunStatus::Completed),
            (3, 0, false, RunStatus::Completed),
            (3, 1, false, RunStatus::Partial),
            (3, 3, false, RunStatus::Failed),
            (3, 0, true, RunStatus::Superseded),
            (3, 1, true, RunStatus::Superseded),
            (3, 3, true, RunStatus::Failed),
        ] {
            let mut record = planned(links, failed, &[]);
            record
                .superseded
                .extend(superseded.then(|| lane(1).to_string()));
            let record = record.concluded(at(20));
            assert_eq!(record.status, status, "{links} {failed} {superseded}");
            assert_eq!(record.completed_at, Some(at(20)));
            assert!(record.status.is_final());
        }
    }

    #[test]
    fn a_run_that_has_ended_stays_as_it_ended() {
        let mut ended = planned(2, 0, &[]).concluded(at(20));
        ended.totals.failed = 2;
        let again = ended.clone().concluded(at(30));
        assert_eq!(again, ended);
        let without = ended.clone().without(&lane(1), LaneEnd::Superseded, at(30));
        assert_eq!(without, ended);
    }

    #[test]
    fn a_run_ends_with_the_last_of_its_lanes() {
        let record = planned(2, 0, &[1, 2]).without(&lane(1), RESTS, at(20));
        assert_eq!(record.status, RunStatus::Applying);
        assert_eq!(record.open.len(), 1);
        let record = record.without(&lane(2), RESTS, at(30));
        assert_eq!(record.status, RunStatus::Completed);
        assert_eq!(record.completed_at, Some(at(30)));
        assert!(record.open.is_empty() && record.superseded.is_empty());
    }

    #[test]
    fn a_run_with_a_lane_that_a_newer_plan_took_over_is_superseded() {
        let record = planned(2, 0, &[1, 2]).without(&lane(1), LaneEnd::Superseded, at(20));
        assert_eq!(record.status, RunStatus::Applying);
        let record = record.without(&lane(2), RESTS, at(30));
        assert_eq!(record.status, RunStatus::Superseded);
        assert!(record.superseded.contains(&lane(1).to_string()));
    }

    #[test]
    fn a_lane_that_is_not_one_of_the_run_supersedes_nothing() {
        let record = planned(2, 0, &[1]).without(&lane(9), LaneEnd::Superseded, at(20));
        assert_eq!(record.status, RunStatus::Applying);
        assert!(record.superseded.is_empty());
        assert_eq!(record.open.len(), 1);
    }

    #[test]
    fn a_lane_that_is_done_before_the_run_is_planned_does_not_end_it() {
        let mut record = planned(2, 0, &[1]);
        record.planned_at = None;
        let mut record = record.without(&lane(1), RESTS, at(20));
        assert_eq!(record.status, RunStatus::Planning);
        record.planned_at = Some(at(30));
        assert_eq!(record.concluded(at(30)).status, RunStatus::Completed);
    }

    #[test]
    fn only_planning_and_applying_are_not_final() {
        let all = [
            (RunStatus::Planning, false),
            (RunStatus::Applying, false),
            (RunStatus::Completed, true),
            (RunStatus::Partial, true),
            (RunStatus::Failed, true),
            (RunStatus::Superseded, true),
        ];
        for (status, is_final) in all {
            assert_eq!(status.is_final(), is_final);
            let stored = serde_json::to_value(status).unwrap();
            assert_eq!(stored, status.as_str());
        }
    }
}
