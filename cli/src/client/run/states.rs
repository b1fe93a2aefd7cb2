//! The state of each link as the ledger has it: what the last run that observed it recorded, and its lane as
//! it is now. `plan` asks the producer instead; both take the state from the same facts.

use std::collections::{BTreeMap, BTreeSet};

use pmp_sync_domain::ids::{AccountId, LaneId, MemberName};
use pmp_sync_domain::lane::{LaneState, OpenChange};
use pmp_sync_domain::ports::{Lanes as _, ReadRuns as _};
use pmp_sync_domain::records::{LinkRecord, LinkState, RunRecord};
use pmp_sync_domain::run::LinkStatus;
use pmp_sync_domain::sync_state::{LinkFacts, RecordedLane, SyncState};
use pmp_sync_domain::wire::Scope;

use crate::client::context::Context;
use crate::failure::Failure;

/// The most runs whose records are read, beginning with the newest.
const MOST_RUNS: usize = 10;

/// What the newest runs recorded of each link.
#[derive(Debug, Default)]
pub(crate) struct LastRecords {
    /// By lane. A lane without a record was in sync when it was last observed.
    lanes: BTreeMap<LaneId, LinkRecord>,
    /// Failures of links that have no lane of their own.
    laneless: Vec<LinkRecord>,
}

impl LastRecords {
    /// Reads what these runs recorded, the newest first, until one has covered everything.
    pub(crate) async fn read(context: &Context, runs: &[RunRecord]) -> Result<Self, Failure> {
        let mut last = Self::default();
        let mut covered: Vec<&Scope> = Vec::new();
        let observed = runs.iter().filter(|run| run.has_observed());
        for run in observed.take(MOST_RUNS) {
            let records = context.readable(context.ledger.links(run.run).await?);
            last.add(records, &covered);
            covered.extend(&run.scopes);
            if run.scopes.iter().any(Scope::is_everything) {
                break;
            }
        }
        Ok(last)
    }

    /// Adds the records of an older run, as far as no newer one has covered their links.
    fn add(&mut self, records: Vec<LinkRecord>, newer: &[&Scope]) {
        for record in records {
            let is_newer = match &record.lane {
                Some(lane) => newer
                    .iter()
                    .any(|scope| scope.covers(&record.member, &lane.experience)),
                None => newer.iter().any(|scope| scope.is_all_of(&record.member)),
            };
            if is_newer {
                continue;
            }
            match record.lane.clone() {
                Some(lane) => {
                    self.lanes.entry(lane).or_insert(record);
                }
                None => self.laneless.push(record),
            }
        }
    }

    /// The record of a lane. If its `*` link failed as a whole, that is the record of each of its lanes.
    pub(crate) fn of(&self, lane: &LaneId) -> Option<&LinkRecord> {
        let of_link = || {
            let mut laneless = self.laneless.iter();
            laneless.find(|record| record.account == lane.account && is_failing(record))
        };
        self.lanes.get(lane).or_else(of_link)
    }

    /// Links that are held without a plan: none could be made, because a management experience cannot be trusted.
    pub(crate) fn held_without_plan(&self) -> impl Iterator<Item = &LinkRecord> {
        let all = self.lanes.values().chain(&self.laneless);
        all.filter(|record| {
            record.status == LinkStatus::Held && record.fault.is_some() && record.hold.is_none()
        })
    }

    /// Links that have failed and have no lane among these.
    pub(crate) fn failing_without(&self, lanes: &BTreeSet<LaneId>) -> Vec<&LinkRecord> {
        let unknown = self.lanes.iter();
        let unknown = unknown.filter(|(lane, _)| !lanes.contains(*lane));
        let unknown = unknown.map(|(_, record)| record);
        let all = unknown.chain(&self.laneless);
        all.filter(|record| is_failing(record)).collect()
    }
}

/// True if nothing could be planned.
fn is_failing(record: &LinkRecord) -> bool {
    record.fault.is_some() && matches!(record.status, LinkStatus::Failed | LinkStatus::Held)
}

/// The state of a link that has no lane.
pub(crate) fn state_without_lane(record: &LinkRecord) -> SyncState {
    let nothing = RecordedLane {
        state: &LaneState::default(),
        open: &[],
        quarantined: 0,
        link_state: None,
    };
    LinkFacts::recorded(Some(record), &nothing).state()
}

/// A link that is not in sync.
#[derive(Debug, serde::Serialize, schemars::JsonSchema)]
pub(crate) struct LinkNotInSync {
    /// The member's name in the configuration.
    pub(crate) member: MemberName,
    /// The member account.
    pub(crate) account: AccountId,
    /// The member experience, or `*`.
    pub(crate) experience: String,
    /// Its state, as `plan` and `status` show it.
    pub(crate) state: SyncState,
}

/// The links of a run that are not in sync now.
pub(crate) async fn not_in_sync(
    context: &Context,
    run: &RunRecord,
) -> Result<Vec<LinkNotInSync>, Failure> {
    let records = context.readable(context.ledger.links(run.run).await?);
    let mut found = Vec::new();
    for record in records.iter().filter(|record| is_served(record)) {
        let state = match &record.lane {
            Some(lane) => Lane::read(context, lane).await?.state(Some(record)),
            None => state_without_lane(record),
        };
        if state != SyncState::InSync {
            let experience = record.lane.as_ref().map(|lane| &lane.experience);
            found.push(LinkNotInSync {
                member: record.member.clone(),
                account: record.account.clone(),
                experience: crate::output::or_star(experience),
                state,
            });
        }
    }
    Ok(found)
}

/// True for a link that a run keeps in sync.
fn is_served(record: &LinkRecord) -> bool {
    !matches!(
        record.status,
        LinkStatus::Removed | LinkStatus::LeftOut | LinkStatus::NoTargets
    )
}

/// A lane as the ledger has it now.
struct Lane {
    state: LaneState,
    open: Vec<OpenChange>,
    quarantined: usize,
    link_state: LinkState,
}

impl Lane {
    async fn read(context: &Context, lane: &LaneId) -> Result<Self, Failure> {
        let ledger = &context.ledger;
        let state = context.if_readable(ledger.state(lane).await)?;
        let link_state = context.if_readable(ledger.link_state(lane).await)?;
        Ok(Self {
            state: state.unwrap_or_default(),
            open: ledger.open(lane).await?.items,
            quarantined: ledger.quarantined(lane).await?.items.len(),
            link_state: link_state.unwrap_or_default(),
        })
    }

    fn state(&self, record: Option<&LinkRecord>) -> SyncState {
        let lane = RecordedLane {
            state: &self.state,
            open: &self.open,
            quarantined: self.quarantined,
            link_state: Some(&self.link_state),
        };
        LinkFacts::recorded(record, &lane).state()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(member: &str, experience: Option<&str>, status: &str) -> LinkRecord {
        let mut record = json!({
            "schema": 1, "run": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "member": member,
            "account": "222222222222", "management_experience": "exp-m", "mode": "mirror",
            "status": status, "at": "2026-01-01T00:00:00Z",
            "fault": { "code": "PMS-3001", "message": "no", "remedy": "look" },
        });
        if let Some(experience) = experience {
            record["lane"] = json!({ "account": "222222222222", "experience": experience });
        }
        serde_json::from_value(record).unwrap()
    }

    fn scope(member: &str) -> Scope {
        Scope {
            members: vec![member.parse().unwrap()],
            ..Scope::default()
        }
    }

    fn lane(experience: &str) -> LaneId {
        format!("222222222222/{experience}").parse().unwrap()
    }

    #[test]
    fn the_newest_run_that_covers_a_link_says_how_it_is() {
        let mut last = LastRecords::default();
        last.add(vec![record("emea", Some("exp-1"), "committed")], &[]);
        let newer = scope("emea");
        last.add(
            vec![
                record("emea", Some("exp-1"), "failed"),
                // It was in sync in the newer run, which keeps no record.
                record("emea", Some("exp-2"), "failed"),
                record("apac", Some("exp-3"), "failed"),
            ],
            &[&newer],
        );
        let status = |experience| last.of(&lane(experience)).map(|record| record.status);
        assert_eq!(status("exp-1"), Some(LinkStatus::Committed));
        assert_eq!(status("exp-2"), None);
        assert_eq!(status("exp-3"), Some(LinkStatus::Failed));
    }

    #[test]
    fn a_star_link_that_failed_as_a_whole_is_shown_and_is_the_state_of_its_lanes() {
        let mut last = LastRecords::default();
        last.add(vec![record("emea", None, "failed")], &[]);
        let lanes = [lane("exp-1")].into();
        let failing = last.failing_without(&lanes);
        assert_eq!(failing.len(), 1);
        assert_eq!(state_without_lane(failing[0]), SyncState::Unreachable);
        assert_eq!(
            last.of(&lane("exp-1")).map(|record| record.status),
            Some(LinkStatus::Failed)
        );
        // A failure of an older run counts no more once the whole member was observed.
        let mut last = LastRecords::default();
        last.add(vec![record("emea", None, "failed")], &[&scope("emea")]);
        assert!(last.failing_without(&lanes).is_empty());
    }

    #[test]
    fn a_link_that_failed_before_it_had_a_lane_is_shown() {
        let mut last = LastRecords::default();
        last.add(
            vec![
                record("emea", Some("exp-1"), "failed"),
                record("emea", Some("exp-2"), "held"),
            ],
            &[],
        );
        assert_eq!(last.failing_without(&[lane("exp-1")].into()).len(), 1);
        assert_eq!(last.failing_without(&BTreeSet::new()).len(), 2);
        assert_eq!(
            state_without_lane(&record("emea", None, "held")),
            SyncState::Held
        );
    }
}
