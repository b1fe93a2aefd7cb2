//! The request to reconcile a lane, and its outcome.

use pmp_sync_domain::drift::Edited;
use pmp_sync_domain::error::LinkError;
use pmp_sync_domain::ids::{LaneId, RunId};
use pmp_sync_domain::link::Link;
use pmp_sync_domain::plan::InvalidProducts;
use pmp_sync_domain::reconcile::{Goal, Observation};
use pmp_sync_domain::records::{HeldPart, LinkRecord, UnreadableItem};
use pmp_sync_domain::retry::Missed;
use pmp_sync_domain::run::{LaneEnd, LinkStatus};
use pmp_sync_domain::{SCHEMA, Timestamp};

/// A request to reconcile one lane.
#[derive(Debug, Clone, Copy)]
pub struct ReconcileRequest<'a> {
    /// The run that reconciles it.
    pub run: RunId,
    /// The goal of the lane.
    pub goal: Goal<'a>,
}

/// One attempt at a request: the observation, with the outside edits.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    pub(crate) run: RunId,
    pub(crate) goal: Goal<'a>,
    pub(crate) seen: &'a Observation,
    pub(crate) edited: Edited,
}

/// The outcome of one link.
#[derive(Debug)]
pub struct LinkOutcome {
    pub(crate) record: LinkRecord,
    pub(crate) messages: usize,
    pub(crate) lane: Option<LaneId>,
    /// Runs that the lane is done with.
    pub(crate) done: Vec<RunId>,
    pub(crate) superseded: bool,
    /// Number of products that stay in quarantine.
    pub(crate) quarantined: usize,
    /// Items that could not be read, and stopped nothing else.
    pub(crate) unreadable: Vec<UnreadableItem>,
    /// The link, if it has failed and may succeed soon.
    pub(crate) missed: Option<Missed>,
}

impl LinkOutcome {
    pub(crate) fn new(record: LinkRecord) -> Self {
        Self {
            lane: record.lane.clone(),
            record,
            messages: 0,
            done: Vec::new(),
            superseded: false,
            quarantined: 0,
            unreadable: Vec::new(),
            missed: None,
        }
    }

    /// Makes it a failure.
    pub(crate) fn fail(&mut self, link: &Link, error: &LinkError) {
        self.record.status = LinkStatus::Failed;
        self.record.fault = Some(error.record());
        let experience = self.lane.as_ref().map(|lane| &lane.experience);
        self.missed = Missed::of(link, experience, error);
    }

    /// True if nothing, or not all, of what was decided is done.
    pub fn is_failed(&self) -> bool {
        self.record.status == LinkStatus::Failed
    }

    /// How the lane ended for the earlier runs.
    pub(crate) fn end(&self) -> LaneEnd {
        if self.superseded {
            LaneEnd::Superseded
        } else {
            LaneEnd::Rests {
                quarantined: self.quarantined,
            }
        }
    }
}

/// A record of a link without an observation.
pub(crate) fn blank(run: RunId, link: &Link, now: Timestamp) -> LinkRecord {
    LinkRecord {
        schema: SCHEMA,
        run,
        member: link.member.name.clone(),
        account: link.member.account.clone(),
        lane: None,
        sources: link.sources.clone(),
        mode: link.policy.mode,
        status: LinkStatus::Failed,
        plan_hash: None,
        allow: Vec::new(),
        deny: Vec::new(),
        held: HeldPart::default(),
        removals: 0,
        left_alone: Vec::new(),
        contradictory: Vec::new(),
        edited: Vec::new(),
        edited_since: None,
        fault: None,
        hold: None,
        approval: None,
        unchecked: 0,
        invalid: InvalidProducts::default(),
        at: now,
    }
}

/// The record of an observed link. What is held is in it, and its hold is added by who writes that down.
pub(crate) fn observed(
    run: RunId,
    link: &Link,
    seen: &Observation,
    status: LinkStatus,
    now: Timestamp,
) -> LinkRecord {
    LinkRecord {
        lane: Some(seen.lane.clone()),
        status,
        plan_hash: Some(seen.plan.hash()),
        allow: seen.plan.allow().iter().cloned().collect(),
        deny: seen.plan.deny().iter().cloned().collect(),
        held: HeldPart::from(&seen.held),
        removals: seen.report.removals,
        left_alone: seen.report.left_alone.clone(),
        contradictory: seen.report.contradictory.iter().cloned().collect(),
        unchecked: seen.report.unchecked,
        invalid: seen.report.invalid.clone(),
        ..blank(run, link, now)
    }
}

impl Attempt<'_> {
    /// The outcome with a status.
    pub(crate) fn outcome(&self, status: LinkStatus, now: Timestamp) -> LinkOutcome {
        let record = observed(self.run, self.goal.link, self.seen, status, now);
        LinkOutcome {
            quarantined: self.seen.quarantine.staying(),
            unreadable: self.seen.unreadable.clone(),
            ..LinkOutcome::new(LinkRecord {
                edited: self.edited.products(),
                edited_since: self.edited.first(),
                ..record
            })
        }
    }
}
