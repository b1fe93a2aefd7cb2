//! One link of a run: look, decide, commit, send. Its failures stay with it.

pub(crate) mod edits;
pub(crate) mod hold;
pub(crate) mod listings;
pub(crate) mod observe;
pub(crate) mod prune;
pub(crate) mod send;

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, stream};
use pmp_sync_domain::commit::Decision;
use pmp_sync_domain::error::{LinkError, ServiceError};
use pmp_sync_domain::ids::{ExperienceId, LaneId, ProductId, RunId};
use pmp_sync_domain::lane::{LaneState, Quarantined, Rejected, Suspension};
use pmp_sync_domain::link::{Link, LinkPolicy};
use pmp_sync_domain::ports::{Members, ReadRuns as _, WriteRuns as _};
use pmp_sync_domain::records::LinkRecord;
use pmp_sync_domain::run::{LaneEnd, LinkStatus};
use pmp_sync_domain::time::elapsed;
use pmp_sync_domain::try_transition::try_transition;
use pmp_sync_domain::wire::Scope;
use pmp_sync_domain::{SCHEMA, Timestamp};

use crate::reconcile::edits::{edited, remember};
use crate::reconcile::listings::Inquiry;
use crate::reconcile::observe::{Desired, Inspection, Source, View, inspect, targets};
use crate::reconcile::send::{Committed, waiting};
use crate::run::begin::Setup;
use crate::{Ports, Producer};

/// Plans of one lane that are made again because the lane changed in between.
const MOST_REPLANS: usize = 3;
/// Lanes of one `*` link that are served at the same time.
const LANES_AT_ONCE: usize = 4;
/// How long a live Tick may be overdue before the producer sends it once more, in seconds.
const OVERDUE: f64 = 120.0;

/// The way into a member account.
pub(crate) type Connection<P> = <<P as Ports>::Members as Members>::Connection;

/// What one link came to.
pub(crate) struct Outcome {
    pub(crate) record: LinkRecord,
    pub(crate) messages: usize,
    pub(crate) lane: Option<LaneId>,
    /// Runs that the lane is done with, in sync or not.
    pub(crate) done: Vec<RunId>,
    pub(crate) superseded: bool,
    /// Products that stay in quarantine.
    pub(crate) quarantined: usize,
}

impl Outcome {
    /// How the lane is done with the runs before.
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

/// What a lane is served for.
pub(crate) struct Errand<'a> {
    pub(crate) run: RunId,
    pub(crate) link: &'a Link,
    pub(crate) experience: &'a ExperienceId,
    pub(crate) desired: &'a Source,
    /// What the link may do in this run.
    pub(crate) policy: LinkPolicy,
    /// True for a rollback that somebody has approved.
    pub(crate) rollback: bool,
    /// What stops the lane, if something does.
    pub(crate) suspension: Option<&'a Suspension>,
    /// Products that are to be tried again although they are quarantined.
    pub(crate) lifted: &'a BTreeSet<ProductId>,
    /// How the run asks whether products are live; without one it goes by what is known.
    pub(crate) inquiry: Option<&'a Inquiry>,
}

impl Errand<'_> {
    pub(crate) fn view(&self) -> View<'_> {
        View {
            link: self.link,
            policy: &self.policy,
            experience: self.experience,
            desired: self.desired,
            lifted: self.lifted,
            rollback: self.rollback,
        }
    }
}

impl<P: Ports> Producer<P> {
    /// Every member experience of a link.
    pub(crate) async fn serve_link(
        &self,
        run: RunId,
        setup: &Setup,
        link: &Link,
        scopes: &[Scope],
        desired: &BTreeMap<ExperienceId, Desired>,
        inquiry: &Inquiry,
    ) -> Vec<Outcome> {
        let desired = desired.get(&link.management_experience);
        let (desired, connection, experiences) =
            match self.reach(setup, link, scopes, desired).await {
                Ok(found) => found,
                Err(error) => {
                    let lane = link.lane();
                    let failed = self.failed(run, link, lane.clone(), &error).await;
                    if lane.is_none() {
                        self.notice_failures(setup, link, &error, &failed.record)
                            .await;
                    }
                    return vec![failed];
                }
            };
        let (connection, lifted) = (&connection, &BTreeSet::new());
        stream::iter(experiences)
            .map(|experience| async move {
                let errand = Errand {
                    run,
                    link,
                    experience: &experience,
                    desired,
                    policy: setup.policy(link, &experience),
                    rollback: false,
                    suspension: setup
                        .suspensions
                        .holds(&link.member.name, &link.lane_of(&experience)),
                    lifted,
                    inquiry: Some(inquiry),
                };
                self.serve_lane_or_fail(&errand, connection).await
            })
            .buffer_unordered(LANES_AT_ONCE)
            .collect()
            .await
    }

    /// Both sides of a link: what its management experience says, the way into the member account, and
    /// the member experiences that it is for.
    pub(crate) async fn reach<'d>(
        &self,
        setup: &Setup,
        link: &Link,
        scopes: &[Scope],
        desired: Option<&'d Desired>,
    ) -> Result<(&'d Source, Connection<P>, Vec<ExperienceId>), LinkError> {
        let management = || link.management_experience.clone();
        let desired = desired.ok_or_else(|| LinkError::ManagementNotFound(management()))?;
        let desired = desired.as_ref().map_err(Clone::clone)?;
        let connection = self.ports.members().connect(&link.member).await;
        let connection = connection
            .map_err(|error| LinkError::MemberUnreachable(link.member.account.clone(), error))?;
        let experiences = targets(&connection, &setup.config, link, scopes).await?;
        Ok((desired, connection, experiences))
    }

    /// Serves a lane; what goes wrong is its outcome.
    pub(crate) async fn serve_lane_or_fail(
        &self,
        errand: &Errand<'_>,
        connection: &Connection<P>,
    ) -> Outcome {
        // Boxed: the future of a lane is large.
        match Box::pin(self.serve_lane(errand, connection)).await {
            Ok(outcome) => outcome,
            Err(error) => {
                let lane = errand.link.lane_of(errand.experience);
                self.failed(errand.run, errand.link, Some(lane), &error)
                    .await
            }
        }
    }

    pub(crate) async fn serve_lane(
        &self,
        errand: &Errand<'_>,
        connection: &Connection<P>,
    ) -> Result<Outcome, LinkError> {
        let Errand {
            run,
            link,
            experience,
            ..
        } = *errand;
        let asking = self.asking(errand.inquiry);
        for _ in 0..MOST_REPLANS {
            let ledger = self.ports.ledger();
            let mut seen = inspect(ledger, connection, &asking, errand.view(), self.now()).await?;
            if !self.mark_suspension(&seen, errand.suspension).await? {
                continue;
            }
            if let Some(before) = seen.rolling_back.filter(|_| !errand.rollback) {
                match self
                    .resume_rollback(errand, before, &seen, connection)
                    .await?
                {
                    Some(outcome) => return Ok(outcome),
                    None => continue,
                }
            }
            self.release(&seen.lane, &seen.released).await?;
            if !errand.rollback {
                seen.edited = edited(self.ports.ledger(), &seen, self.now()).await;
            }
            let mut outcome = self.outcome(run, link, &seen);
            if errand.suspension.is_some() && seen.decision != Decision::InSync {
                outcome.record.status = LinkStatus::Suspended;
                let mut link_state = seen.link_state.clone();
                remember(&mut link_state, &seen.edited);
                link_state.notices = self.notices(link, &seen, &link_state);
                if !self
                    .write_link_state(&seen.lane, &seen.link_state, &link_state)
                    .await?
                {
                    continue;
                }
                self.keep(&seen.lane, &outcome.record).await?;
                return Ok(outcome);
            }
            if !seen.reasons.is_empty() {
                match self.hold(errand, &seen, outcome, connection).await? {
                    Some(outcome) => return Ok(outcome),
                    None => continue,
                }
            }
            if errand.rollback && !seen.approved && seen.decision == Decision::Commit {
                // Something has changed that was not shown: there is no such rollback any more.
                let mut link_state = seen.link_state.clone();
                link_state.grant = None;
                if !self
                    .write_link_state(&seen.lane, &seen.link_state, &link_state)
                    .await?
                {
                    continue;
                }
                outcome.record.status = LinkStatus::Refused;
                return Ok(outcome);
            }
            if seen.decision != Decision::Commit {
                let link_state = self.after_look(errand.view(), &seen);
                if !self
                    .write_link_state(&seen.lane, &seen.link_state, &link_state)
                    .await?
                {
                    continue;
                }
            }
            match seen.decision {
                Decision::InSync => {
                    self.ask_for_rules(&seen, connection).await;
                    outcome.done = self.mark_in_sync(&seen).await?;
                    if seen.before.state.rev == 0 || !seen.report.left_alone.is_empty() {
                        self.keep(&seen.lane, &outcome.record).await?;
                    }
                    return Ok(outcome);
                }
                Decision::Underway(planned) => {
                    if !self.join(&seen, run, planned).await? {
                        continue;
                    }
                    if is_overdue(&seen.before.state, self.now()) {
                        tracing::info!(%run, lane = %seen.lane, tick = seen.before.state.tick, "the lane's tick is overdue and is sent once more");
                        self.wake(&seen.lane, &seen.before.state, connection)
                            .await?;
                    }
                    // Of a run that goes on twice with the same link, the whole plan stays on record.
                    if planned != run {
                        self.keep(&seen.lane, &outcome.record).await?;
                    }
                    return Ok(outcome);
                }
                Decision::Commit => {
                    if is_anothers(&seen, run) {
                        outcome.record.status = LinkStatus::Failed;
                        outcome.record.fault =
                            Some(LinkError::Contended(seen.lane.to_string()).record());
                        return Ok(outcome);
                    }
                    if !self.before_commit(errand, &seen).await? {
                        continue;
                    }
                    // The plan is on record before it is the lane's.
                    self.keep(&seen.lane, &outcome.record).await?;
                    let sent = match self.commit(run, &seen, &seen.plan).await {
                        Ok(Committed::Stale) => {
                            tracing::info!(%run, lane = %seen.lane, "the lane has changed meanwhile and is planned again");
                            continue;
                        }
                        Ok(Committed::Yes(older)) => {
                            outcome.done = older;
                            outcome.superseded = true;
                            self.send_out(run, &seen, connection).await
                        }
                        Err(error) => Err(error),
                    };
                    match sent {
                        Ok(messages) => outcome.messages = messages,
                        // It may be the lane's, and is not sent: the next run finds no `sent` mark and
                        // plans again. The record keeps the plan, which is what changes are told by.
                        Err(error) => {
                            tracing::error!(%run, lane = %seen.lane, code = error.code(), %error, "the plan may be committed and is not sent whole");
                            outcome.record.status = LinkStatus::Failed;
                            outcome.record.fault = Some(error.record());
                            if let Err(error) = self.keep(&seen.lane, &outcome.record).await {
                                tracing::error!(%run, lane = %seen.lane, %error, "the failure of a link could not be recorded");
                            }
                            return Ok(outcome);
                        }
                    }
                    tracing::info!(%run, lane = %seen.lane, allow = seen.plan.allow().len(), deny = seen.plan.deny().len(), messages = outcome.messages, "the plan is committed and sent");
                    return Ok(outcome);
                }
            }
        }
        Err(LinkError::Contended(link.lane_of(experience).to_string()))
    }

    /// Sends a committed plan. What is replayed leaves the quarantine before its message is sent: a newer
    /// plan, made before the message is claimed, would leave it alone, and its dead letter is gone.
    async fn send_out(
        &self,
        run: RunId,
        seen: &Inspection,
        connection: &Connection<P>,
    ) -> Result<usize, LinkError> {
        self.release(&seen.lane, &seen.lifted).await?;
        self.send(run, &seen.lane, &seen.plan, &seen.before.state, connection)
            .await
    }

    /// Brings the lane's own mark in line with the suspensions. False if the lane is to be looked at again.
    async fn mark_suspension(
        &self,
        seen: &Inspection,
        suspension: Option<&Suspension>,
    ) -> Result<bool, LinkError> {
        let state = &seen.before.state;
        if state.suspension.is_some() == suspension.is_some() {
            return Ok(true);
        }
        try_transition(
            self.ports.ledger(),
            self.ports.clock(),
            &seen.lane,
            state.clone(),
            |state| match suspension {
                Some(suspension) => state.suspended(suspension.clone()),
                None => state.resumed(),
            },
        )
        .await
        .map_err(LinkError::Ledger)?;
        Ok(false)
    }

    /// Takes changes out of quarantine: one that is not wanted any more is tried should it be wanted
    /// again, one that is replayed is tried now.
    pub(crate) async fn release(
        &self,
        lane: &LaneId,
        aside: &[Quarantined],
    ) -> Result<(), LinkError> {
        for quarantined in aside {
            tracing::info!(%lane, product = %quarantined.product, action = %quarantined.action, "the change is no longer quarantined");
            self.ports
                .ledger()
                .release(lane, quarantined, self.now())
                .await
                .map_err(LinkError::Ledger)?;
        }
        Ok(())
    }

    async fn join(&self, seen: &Inspection, run: RunId, planned: RunId) -> Result<bool, LinkError> {
        let joined = try_transition(
            self.ports.ledger(),
            self.ports.clock(),
            &seen.lane,
            seen.before.state.clone(),
            |state| state.joined(run, planned),
        )
        .await
        .map_err(LinkError::Ledger)?;
        Ok(joined.is_some())
    }

    /// Wakes a lane at rest on which the member's own rules keep something back: only its worker can tell
    /// that they are others by now. The next run asks again if this does not arrive.
    pub(crate) async fn ask_for_rules(&self, seen: &Inspection, connection: &Connection<P>) {
        if !seen.is_kept_back() {
            return;
        }
        let state = &seen.before.state;
        if let Err(error) = self.wake(&seen.lane, state, connection).await {
            tracing::warn!(lane = %seen.lane, code = error.code(), %error, "the worker could not be asked for the member's rules");
        }
    }

    pub(crate) fn outcome(&self, run: RunId, link: &Link, seen: &Inspection) -> Outcome {
        let record = LinkRecord {
            lane: Some(seen.lane.clone()),
            status: match seen.decision {
                Decision::InSync => LinkStatus::InSync,
                Decision::Underway(_) => LinkStatus::Underway,
                Decision::Commit => LinkStatus::Committed,
            },
            plan_hash: Some(seen.plan.hash()),
            allow: seen.plan.allow().iter().cloned().collect(),
            deny: seen.plan.deny().iter().cloned().collect(),
            removals: seen.report.removals,
            left_alone: seen.report.left_alone.clone(),
            contradictory: seen.report.contradictory.iter().cloned().collect(),
            unchecked: seen.report.unchecked,
            edited: seen.edited.products(),
            edited_since: seen.edited.first(),
            ..self.blank(run, link)
        };
        Outcome {
            record,
            messages: 0,
            lane: Some(seen.lane.clone()),
            done: Vec::new(),
            superseded: false,
            quarantined: seen.quarantined,
        }
    }

    pub(crate) fn blank(&self, run: RunId, link: &Link) -> LinkRecord {
        LinkRecord {
            schema: SCHEMA,
            run,
            member: link.member.name.clone(),
            account: link.member.account.clone(),
            lane: None,
            management_experience: link.management_experience.clone(),
            mode: link.policy.mode,
            status: LinkStatus::Failed,
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

    pub(crate) async fn failed(
        &self,
        run: RunId,
        link: &Link,
        lane: Option<LaneId>,
        error: &LinkError,
    ) -> Outcome {
        tracing::error!(%run, member = %link.member.name, lane = lane.as_ref().map(tracing::field::display), code = error.code(), %error, remedy = error.remedy(), "the link has failed");
        let record = LinkRecord {
            lane: lane.clone(),
            status: if error.is_guarded() {
                LinkStatus::Held
            } else {
                LinkStatus::Failed
            },
            fault: Some(error.record()),
            ..self.blank(run, link)
        };
        if let Err(error) = self.record_failure(&record).await {
            tracing::error!(%run, member = %link.member.name, %error, "the failure of a link could not be recorded");
        }
        if let Some(lane) = &lane {
            self.notice_failure(link, lane, error, &record).await;
        }
        Outcome {
            record,
            messages: 0,
            lane,
            done: Vec::new(),
            superseded: false,
            quarantined: 0,
        }
    }

    /// A plan that this run may have committed before, in an invocation that was cut off, stays on record.
    async fn record_failure(&self, failed: &LinkRecord) -> Result<(), ServiceError> {
        let ledger = self.ports.ledger();
        let known = match &failed.lane {
            Some(lane) => ledger.link(failed.run, lane).await?,
            None => None,
        };
        let record = match known {
            Some(known) => LinkRecord {
                // Of a held one nothing is committed, and it may wait for approval already.
                status: match known.status {
                    LinkStatus::Held => LinkStatus::Held,
                    _ => LinkStatus::Failed,
                },
                fault: failed.fault.clone(),
                at: failed.at,
                ..known
            },
            None => failed.clone(),
        };
        ledger.put_link(&record).await
    }

    pub(crate) async fn keep(&self, lane: &LaneId, record: &LinkRecord) -> Result<(), LinkError> {
        self.ports
            .ledger()
            .register(lane, record)
            .await
            .map_err(LinkError::Ledger)?;
        self.ports
            .ledger()
            .put_link(record)
            .await
            .map_err(LinkError::Ledger)
    }

    /// Stamps the lane. Returns the runs that waited for it.
    pub(crate) async fn mark_in_sync(&self, seen: &Inspection) -> Result<Vec<RunId>, LinkError> {
        self.mark_rest(seen, seen.is_whole()).await
    }

    /// The same of a lane that rests and is `equal` or not.
    pub(crate) async fn mark_rest(
        &self,
        seen: &Inspection,
        equal: bool,
    ) -> Result<Vec<RunId>, LinkError> {
        let now = self.now();
        let state = seen.before.state.clone();
        let read = (state.seq, state.planned_run());
        let stamped = try_transition(
            self.ports.ledger(),
            self.ports.clock(),
            &seen.lane,
            state,
            |state| {
                if (state.seq, state.planned_run()) == read {
                    Ok(state.in_sync(equal, now))
                } else {
                    Err(Rejected::Seq)
                }
            },
        )
        .await
        .map_err(LinkError::Ledger)?;
        Ok(stamped
            .map(|stamped| waiting(&stamped.before))
            .unwrap_or_default())
    }
}

/// The run has committed another plan already, in an invocation that was cut off: that one is on record,
/// and only a newer run can take its place.
fn is_anothers(seen: &Inspection, run: RunId) -> bool {
    let planned = seen.before.state.planned.as_ref();
    planned.is_some_and(|planned| planned.run == run && planned.hash != seen.plan.hash())
}

fn is_overdue(state: &LaneState, now: Timestamp) -> bool {
    let due = state.tick_at.or(state.updated_at);
    due.is_none_or(|due| elapsed(due, now) > OVERDUE)
}
