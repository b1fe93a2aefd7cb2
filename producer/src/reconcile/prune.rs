//! Lanes of links that have left the configuration: what is still open on them is closed, with a record.

use std::collections::{BTreeMap, BTreeSet};

use pmp_sync_domain::SCHEMA;
use pmp_sync_domain::error::{LinkError, ServiceError};
use pmp_sync_domain::ids::{LaneId, RunId};
use pmp_sync_domain::lane::{LaneState, OpenChange, Planned};
use pmp_sync_domain::link::{Link, Target};
use pmp_sync_domain::notify::Subject;
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::ports::{
    Close as _, Closing, Lanes as _, Members as _, ReadCatalog as _, ReadRuns as _, WriteRuns as _,
};
use pmp_sync_domain::records::{LaneEntry, LinkRecord, LinkState};
use pmp_sync_domain::run::LinkStatus;
use pmp_sync_domain::try_transition::try_transition;

use crate::reconcile::Outcome;
use crate::reconcile::send::waiting;
use crate::run::begin::Setup;
use crate::{Ports, Producer};

impl<P: Ports> Producer<P> {
    /// Halts every lane that no link serves any more. What cannot be looked at now is left to the
    /// next run.
    pub(crate) async fn retire(&self, run: RunId, setup: &Setup) -> Vec<Outcome> {
        let entries = match self.ports.ledger().lanes().await {
            Ok(entries) => entries,
            Err(error) => {
                tracing::warn!(%run, %error, "the lanes cannot be listed; the next run looks for removed links");
                return Vec::new();
            }
        };
        let mut outcomes = Vec::new();
        for entry in entries {
            match self.retire_lane(run, setup, &entry).await {
                Ok(outcome) => outcomes.extend(outcome),
                Err(error) => {
                    tracing::warn!(%run, lane = %entry.lane, %error, "a lane without a link could not be closed; the next run tries again");
                }
            }
        }
        outcomes
    }

    async fn retire_lane(
        &self,
        run: RunId,
        setup: &Setup,
        entry: &LaneEntry,
    ) -> Result<Option<Outcome>, LinkError> {
        let of_member = |link: &&Link| link.member.account == entry.lane.account;
        let links = setup.config.links.iter().filter(of_member);
        let mut star = None;
        for link in links {
            match &link.target {
                Target::One(experience) if *experience == entry.lane.experience => return Ok(None),
                Target::One(_) => {}
                Target::EveryLive => star = Some(link),
            }
        }
        let ledger = self.ports.ledger();
        let state = ledger.state(&entry.lane).await.map_err(LinkError::Ledger)?;
        let open = ledger.open(&entry.lane).await.map_err(LinkError::Ledger)?;
        let link_state = ledger
            .link_state(&entry.lane)
            .await
            .map_err(LinkError::Ledger)?;
        let subject = Subject {
            member: entry.member.clone(),
            lane: entry.lane.clone(),
            management_experience: entry.management_experience.clone(),
        };
        let notices = link_state
            .notices
            .clone()
            .with_announced(link_state.hold.as_ref());
        let forgotten = LinkState {
            notices: notices.removed(&subject, self.now()),
            ..without_holds(&link_state)
        };
        let is_told = forgotten.notices.pending.is_empty();
        if !is_unfinished(&state, &open) && forgotten == link_state && is_told {
            return Ok(None);
        }
        // `*` takes what is live: only what is known not to be has left it.
        if let Some(link) = star
            && self.is_live(link, entry).await?
        {
            return Ok(None);
        }
        if !self
            .write_link_state(&entry.lane, &link_state, &forgotten)
            .await?
        {
            return Err(LinkError::Contended(entry.lane.to_string()));
        }
        if !is_unfinished(&state, &open) {
            return Ok(None);
        }
        let Some(before) = self.halt(run, entry, state).await? else {
            return Ok(None);
        };
        self.close_open(&entry.lane, &before, &open)
            .await
            .map_err(LinkError::Ledger)?;
        tracing::info!(%run, lane = %entry.lane, open = open.len(), "the link has left the configuration: its lane is closed");
        let record = self.removed(run, entry);
        ledger.put_link(&record).await.map_err(LinkError::Ledger)?;
        Ok(Some(Outcome {
            record,
            messages: 0,
            lane: Some(entry.lane.clone()),
            done: waiting(&before),
            superseded: true,
            quarantined: 0,
        }))
    }

    async fn is_live(&self, link: &Link, entry: &LaneEntry) -> Result<bool, LinkError> {
        let account = || link.member.account.clone();
        let connection = self.ports.members().connect(&link.member).await;
        let connection =
            connection.map_err(|error| LinkError::MemberUnreachable(account(), error))?;
        let experience = connection.experience(&entry.lane.experience).await;
        let experience =
            experience.map_err(|error| LinkError::MemberUnreadable(account(), error))?;
        Ok(experience.is_live())
    }

    /// Commits an empty plan: whatever arrives from now on is void. Nothing if another run was faster.
    async fn halt(
        &self,
        run: RunId,
        entry: &LaneEntry,
        state: LaneState,
    ) -> Result<Option<LaneState>, LinkError> {
        let planned = Planned {
            run,
            hash: Plan::default().hash(),
            totals: pmp_sync_domain::lane::Counts::default(),
            taken: pmp_sync_domain::lane::Counts::default(),
            creates_policy: false,
            sent: true,
            proved: BTreeSet::default(),
            at: self.now(),
        };
        let halted = try_transition(
            self.ports.ledger(),
            self.ports.clock(),
            &entry.lane,
            state,
            |state| state.committed(planned.clone()),
        )
        .await
        .map_err(LinkError::Ledger)?;
        Ok(halted.map(|halted| halted.before))
    }

    /// Closes what is claimed and not on its way: a change set in flight is left to end, and the
    /// worker closes what it has done.
    async fn close_open(
        &self,
        lane: &LaneId,
        before: &LaneState,
        open: &[OpenChange],
    ) -> Result<(), ServiceError> {
        let in_flight: BTreeMap<_, _> = before
            .intent
            .iter()
            .flat_map(|intent| &intent.changes)
            .map(|change| (&change.product, change.run))
            .collect();
        let closed: Vec<_> = open
            .iter()
            .filter(|change| in_flight.get(&change.product) != Some(&change.run))
            .map(|change| (change.product.clone(), change.run))
            .collect();
        let ledger = self.ports.ledger();
        ledger
            .close(lane, &closed, Closing::Superseded, None, self.now())
            .await
    }

    fn removed(&self, run: RunId, entry: &LaneEntry) -> LinkRecord {
        LinkRecord {
            schema: SCHEMA,
            run,
            member: entry.member.clone(),
            account: entry.lane.account.clone(),
            lane: Some(entry.lane.clone()),
            management_experience: entry.management_experience.clone(),
            mode: entry.mode,
            status: LinkStatus::Removed,
            plan_hash: None,
            allow: Vec::new(),
            deny: Vec::new(),
            removals: 0,
            left_alone: Vec::new(),
            contradictory: Vec::new(),
            edited: Vec::new(),
            edited_since: None,
            fault: None,
            hold: None,
            approval: None,
            unchecked: 0,
            at: self.now(),
        }
    }
}

/// Without a link there is nothing to approve, and nothing that was approved: should there be a link again,
/// it is held and approved for what it is then. What was taken away still counts, and what was restored
/// stays guarded.
fn without_holds(link_state: &LinkState) -> LinkState {
    LinkState {
        hold: None,
        restore: None,
        grant: None,
        accepted: BTreeSet::new(),
        frozen_since: None,
        ..link_state.clone()
    }
}

/// Something is claimed, or may still be claimed under the plan that is committed.
fn is_unfinished(state: &LaneState, open: &[OpenChange]) -> bool {
    let announced = state
        .planned
        .as_ref()
        .is_some_and(|planned| planned.totals.less(planned.taken).total() > 0);
    !open.is_empty() || announced
}
