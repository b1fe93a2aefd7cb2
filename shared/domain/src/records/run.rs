//! A run, as the ledger keeps it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::pending_retry::PendingRetry;
use super::warning::{MOST_WARNINGS, Warning};
use crate::error::FaultRecord;
use crate::ids::{LaneId, MemberName, RunId};
use crate::records::LettersLeft;
use crate::run::{LaneEnd, RunStatus, Totals};
use crate::wire::Scope;

/// One request that a run serves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Request {
    /// `schedule`, `sync-requested`, `management-change-set`, `lane-settled`, `replay-requested`,
    /// `discard-requested`, `approval-requested`, `rejection-requested`, `restore-requested`,
    /// `retry` of what the run with that id could not serve, or `continuation` of a run that cannot be
    /// read.
    pub kind: String,
    /// Id of the request, by which `sync --wait` finds the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The requester, as the request says: an ARN if the operator's command sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requester: Option<String>,
    /// The account whose credentials sent it, as the bus reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Why frozen links are planned for as if they were not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub override_reason: Option<String>,
    /// The scope of the override or the retry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// The number of the retry, from 1; 0 for any other request.
    #[serde(default, skip_serializing_if = "is_no_retry")]
    pub retry: u8,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_no_retry(number: &u8) -> bool {
    *number == 0
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

/// The ledger's item of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RunRecord {
    /// Schema number of the release that wrote it.
    pub schema: u32,
    /// Its id, a ULID.
    pub run: RunId,
    /// Progress and result.
    pub status: RunStatus,
    /// The requests that it serves.
    pub requests: Vec<Request>,
    /// The scopes of the run; it covers what any of them covers.
    #[serde(default)]
    pub scopes: Vec<Scope>,
    /// The version of the configuration that was used.
    pub config_version: u64,
    /// When it began.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub started_at: Timestamp,
    /// When its last link had been observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Time>"))]
    pub planned_at: Option<Timestamp>,
    /// When nothing was left to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Time>"))]
    pub completed_at: Option<Timestamp>,
    /// Counts of links, changes and messages.
    pub totals: Totals,
    /// Why no link could be observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultRecord>,
    /// Links that another invocation serves, by their position in the configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cursor: Vec<usize>,
    /// How often the run has been handed on to another invocation.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub continued: u32,
    /// Lanes that still work on it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub open: BTreeSet<String>,
    /// Lanes on which a newer plan replaced that of the run.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub superseded: BTreeSet<String>,
    /// Lanes at rest whose lists could not be compared.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub not_seen: BTreeSet<String>,
    /// Number of quarantined changes for each lane that has any.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub quarantined: BTreeMap<String, usize>,
    /// Number of lanes that work on it beyond those that are listed. It does not wait for them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub beyond: u32,
    /// What needs attention and stopped nothing else: each once, and no more than
    /// [`MOST_WARNINGS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    /// Number of warnings beyond those that are kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub warnings_beyond: u32,
    /// Members to which access was denied, as far as there is room.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub denied: BTreeSet<MemberName>,
    /// True while its end must still be announced.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unannounced: bool,
    /// For a request about dead letters: those that it left for the next request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub letters_left: Option<LettersLeft>,
    /// The retries that it has sent for links that it could not serve.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retries: Vec<PendingRetry>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// The most members of a run that are remembered because access to them was denied.
pub const MOST_DENIED: usize = 100;

/// The most lanes that a run lists.
pub const MOST_LANES: usize = 2_000;

/// How far a run got with the requests that it serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// All its links were observed, or it failed as a whole: its requests are served.
    Served,
    /// The rest of its links was handed to another invocation.
    HandedOn,
    /// It was interrupted before.
    Interrupted,
}

impl Progress {
    /// The progress of a run that is not under way in this invocation.
    pub fn of(record: &RunRecord) -> Self {
        if record.planned_at.is_some() {
            Self::Served
        } else if record.continued > 0 && !record.status.is_final() {
            Self::HandedOn
        } else {
            Self::Interrupted
        }
    }
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
            continued: 0,
            open: BTreeSet::new(),
            superseded: BTreeSet::new(),
            not_seen: BTreeSet::new(),
            quarantined: BTreeMap::new(),
            warnings: Vec::new(),
            warnings_beyond: 0,
            denied: BTreeSet::new(),
            unannounced: false,
            letters_left: None,
            retries: Vec::new(),
            beyond: 0,
        }
    }

    /// Adds a lane that works on it.
    pub fn opened(&mut self, lane: &LaneId) {
        if self.has_room() {
            self.open.insert(lane.to_string());
        } else {
            self.beyond = self.beyond.saturating_add(1);
        }
    }

    /// Records the number of changes that stay in quarantine on a lane.
    pub fn keeps_quarantined(&mut self, lane: &LaneId, count: usize) {
        if self.has_room() {
            self.quarantined.insert(lane.to_string(), count);
        } else {
            self.beyond = self.beyond.saturating_add(1);
        }
    }

    fn has_room(&self) -> bool {
        let ended = self.superseded.len() + self.not_seen.len() + self.quarantined.len();
        self.open.len() + ended < MOST_LANES
    }

    /// Adds a warning, unless it is there.
    pub fn warn(&mut self, warning: Warning) {
        if self.warnings.contains(&warning) {
            return;
        }
        if self.warnings.len() < MOST_WARNINGS {
            self.warnings.push(warning);
        } else {
            self.warnings_beyond += 1;
        }
    }

    /// True if it has ended and has sent changes, which is announced. A run that found everything
    /// in sync or under way is not announced.
    pub fn has_news(&self) -> bool {
        self.status.is_final() && self.totals.messages > 0
    }

    /// True if it has observed its links, as far as they could be observed.
    pub fn has_observed(&self) -> bool {
        self.planned_at.is_some() && self.fault.is_none()
    }

    /// Adds members to which access was denied.
    pub fn deny_access<'a>(&mut self, members: impl IntoIterator<Item = &'a MemberName>) {
        for member in members {
            if self.denied.len() < MOST_DENIED {
                self.denied.insert(member.clone());
            }
        }
    }

    /// True while it has not ended, or its end must still be announced.
    pub fn is_unfinished(&self) -> bool {
        !self.status.is_final() || self.unannounced
    }

    /// Derives the status once every link has been observed.
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
            || self.beyond > 0
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

    /// Removes a lane that is done with the run.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn lane(number: usize) -> LaneId {
        format!("222222222222/exp-{number}").parse().unwrap()
    }

    /// A run that observed `links` member experiences, of which `failed` failed. The lanes with the
    /// numbers in `open` are at work.
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
    fn a_run_keeps_each_warning_once_and_counts_those_beyond_the_limit() {
        let warning = |number: usize| {
            let fault = FaultRecord {
                code: "PMS-3007".to_owned(),
                message: format!("{number} {}", "x".repeat(1_000)),
                remedy: String::new(),
                hint: None,
            };
            Warning::new(None, fault)
        };
        let mut record = planned(0, 0, &[]);
        for number in (0..MOST_WARNINGS + 2).chain(0..2) {
            record.warn(warning(number));
        }
        assert_eq!(record.warnings.len(), MOST_WARNINGS);
        assert_eq!(record.warnings_beyond, 2);
        let longest = |warning: &Warning| warning.fault.message.len();
        assert_eq!(record.warnings.iter().map(longest).max(), Some(500));
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
