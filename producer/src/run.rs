//! A run: every link that its requests are about, with bounded concurrency, each failure kept to its
//! own link; and the ends of runs, as lanes come to rest.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, stream};
use pmp_sync_domain::SCHEMA;
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::commit::Decision;
use pmp_sync_domain::config::Config;
use pmp_sync_domain::error::{LinkError, RunError, ServiceError};
use pmp_sync_domain::ids::{ExperienceId, LaneId, RunId};
use pmp_sync_domain::lane::{LaneState, elapsed};
use pmp_sync_domain::link::{Link, Target};
use pmp_sync_domain::message::{Continuation, SYNC_COMPLETED, Scope, event};
use pmp_sync_domain::ports::{
    Bus as _, Entropy as _, Inbox as _, Members as _, ReadRuns as _, WriteRuns as _,
};
use pmp_sync_domain::run::{LinkRecord, LinkStatus, Request, RunRecord, RunStatus};
use pmp_sync_domain::transit::transit;

use crate::inbox::Work;
use crate::inspect::{Desired, Inspection, inspect, read_management, targets};
use crate::send::{Committed, waiting};
use crate::{Ports, Producer};

/// Links that are looked at at the same time.
const LINKS_AT_ONCE: usize = 8;
/// Plans of one lane that are made again because the lane changed in between.
const MOST_REPLANS: usize = 3;
/// What is left of an invocation's time when no further link is begun, in seconds. A link with
/// thousands of changes takes some of them.
const RESERVE: f64 = 45.0;
/// How long a live Tick may be overdue before the producer sends it once more, in seconds.
const OVERDUE: f64 = 120.0;

/// A configuration and its version.
pub(crate) struct Setup {
    pub(crate) version: u64,
    pub(crate) config: Config,
}

/// What one link came to.
struct Outcome {
    record: LinkRecord,
    messages: usize,
    lane: Option<LaneId>,
    /// Runs that the lane is done with, in step or not.
    done: Vec<RunId>,
    superseded: bool,
}

impl<P: Ports> Producer<P> {
    /// The newest configuration.
    pub(crate) async fn setup(&self) -> Result<Setup, RunError> {
        let stored = self
            .ports
            .ledger()
            .config()
            .await?
            .ok_or(RunError::NoConfig)?;
        let config = Config::parse(&stored.text)
            .map_err(|error| RunError::Config(stored.version, error.to_string()))?;
        Ok(Setup {
            version: stored.version,
            config,
        })
    }

    /// Begins a run for the requests.
    pub(crate) async fn begin(&self, work: &Work, deadline: Timestamp) -> Result<(), RunError> {
        let run = self
            .ports
            .ledger()
            .next_run(self.now(), self.ports.entropy().bits())
            .await?;
        let mut record = RunRecord::new(run, 0, work.scopes.clone(), self.now());
        record.requests.clone_from(&work.requests);
        match self.setup().await {
            Ok(setup) => {
                record.config_version = setup.version;
                tracing::info!(%run, config_version = setup.version, requests = ?record.requests, "the run begins");
                self.ports.ledger().put_run(&record).await?;
                let links = (0..setup.config.links.len()).collect();
                self.work_through(record, &setup, links, deadline).await
            }
            Err(RunError::Ledger(error)) => Err(RunError::Ledger(error)),
            Err(error) => self.fail(record, &error).await,
        }
    }

    /// Goes on with a run that did not fit into one invocation.
    pub(crate) async fn go_on(
        &self,
        rest: Continuation,
        deadline: Timestamp,
    ) -> Result<(), RunError> {
        let Some(record) = self.ports.ledger().run(rest.run).await? else {
            tracing::warn!(run = %rest.run, "a run that has expired is not gone on with");
            return Ok(());
        };
        if record.planned_at.is_some() {
            return Ok(());
        }
        let Some(stored) = self
            .ports
            .ledger()
            .config_version(rest.config_version)
            .await?
        else {
            return self.fail(record, &RunError::NoConfig).await;
        };
        match Config::parse(&stored.text) {
            Ok(config) => {
                let setup = Setup {
                    version: stored.version,
                    config,
                };
                self.work_through(record, &setup, rest.links, deadline)
                    .await
            }
            Err(error) => {
                self.fail(record, &RunError::Config(stored.version, error.to_string()))
                    .await
            }
        }
    }

    async fn fail(&self, mut record: RunRecord, error: &RunError) -> Result<(), RunError> {
        tracing::error!(run = %record.run, code = error.code(), %error, "the run has failed");
        record.fault = Some(error.record());
        record.status = RunStatus::Failed;
        record.planned_at = Some(self.now());
        record.completed_at = Some(self.now());
        Ok(self.ports.ledger().put_run(&record).await?)
    }

    async fn work_through(
        &self,
        mut record: RunRecord,
        setup: &Setup,
        mut links: Vec<usize>,
        deadline: Timestamp,
    ) -> Result<(), RunError> {
        let chosen: Vec<_> = links
            .iter()
            .filter_map(|place| setup.config.links.get(*place))
            .collect();
        let management = chosen
            .iter()
            .filter(|link| in_scope(link, &record.scopes))
            .map(|link| link.management_experience.clone())
            .collect();
        let desired = read_management(self.ports.catalog(), management).await;
        let run = record.run;
        while !links.is_empty() && elapsed(self.now(), deadline) > RESERVE {
            let now: Vec<_> = links.drain(..links.len().min(LINKS_AT_ONCE)).collect();
            let scopes = &record.scopes;
            let desired = &desired;
            let outcomes: Vec<_> = stream::iter(
                now.iter()
                    .filter_map(|place| setup.config.links.get(*place)),
            )
            .filter(|link| std::future::ready(in_scope(link, scopes)))
            .map(|link| async move { self.serve_link(run, setup, link, scopes, desired).await })
            .buffer_unordered(LINKS_AT_ONCE)
            .collect()
            .await;
            let outcomes: Vec<_> = outcomes.into_iter().flatten().collect();
            self.conclude(&mut record, outcomes).await?;
        }
        if links.is_empty() {
            record.planned_at = Some(self.now());
            record = record.concluded(self.now());
            self.put(&record).await?;
        } else {
            tracing::info!(%run, links = links.len(), "the run goes on in another invocation");
            self.ports.ledger().put_run(&record).await?;
            let rest = Continuation {
                run,
                config_version: setup.version,
                links,
                scopes: record.scopes.clone(),
            };
            self.ports.inbox().go_on(&rest).await?;
        }
        Ok(())
    }

    /// Every member experience of a link.
    async fn serve_link(
        &self,
        run: RunId,
        setup: &Setup,
        link: &Link,
        scopes: &[Scope],
        desired: &BTreeMap<ExperienceId, Desired>,
    ) -> Vec<Outcome> {
        let found = async {
            let desired = match desired.get(&link.management_experience) {
                Some(Ok(desired)) => desired,
                Some(Err(error)) => return Err(error.clone()),
                None => {
                    return Err(LinkError::ManagementNotFound(
                        link.management_experience.clone(),
                    ));
                }
            };
            let connection = self
                .ports
                .members()
                .connect(&link.member)
                .await
                .map_err(|error| {
                    LinkError::MemberUnreachable(link.member.account.clone(), error)
                })?;
            let experiences = targets(&connection, &setup.config, link, scopes).await?;
            Ok((desired, connection, experiences))
        };
        let (desired, connection, experiences) = match found.await {
            Ok(found) => found,
            Err(error) => return vec![self.failed(run, link, link.lane(), &error).await],
        };
        let mut outcomes = Vec::new();
        for experience in experiences {
            let outcome = match self
                .serve_lane(run, link, &experience, desired, &connection)
                .await
            {
                Ok(outcome) => outcome,
                Err(error) => {
                    self.failed(run, link, Some(link.lane_of(&experience)), &error)
                        .await
                }
            };
            outcomes.push(outcome);
        }
        outcomes
    }

    async fn serve_lane(
        &self,
        run: RunId,
        link: &Link,
        experience: &ExperienceId,
        desired: &pmp_sync_domain::policy::PolicySnapshot,
        connection: &<P::Members as pmp_sync_domain::ports::Members>::Connection,
    ) -> Result<Outcome, LinkError> {
        for _ in 0..MOST_REPLANS {
            let seen = inspect(
                self.ports.ledger(),
                connection,
                link,
                experience,
                desired,
                self.now(),
            )
            .await?;
            let mut outcome = self.outcome(run, link, &seen);
            match seen.decision {
                Decision::InStep => {
                    outcome.done = self.mark_in_step(&seen).await?;
                    if seen.before.state.rev == 0 || !seen.report.left_alone.is_empty() {
                        self.keep(&seen.lane, &outcome.record).await?;
                    }
                    return Ok(outcome);
                }
                Decision::Underway(planned) => {
                    let joined = transit(
                        self.ports.ledger(),
                        self.ports.clock(),
                        &seen.lane,
                        seen.before.state.clone(),
                        |state| state.joined(run, planned),
                    )
                    .await
                    .map_err(LinkError::Ledger)?;
                    if joined.is_none() {
                        continue;
                    }
                    if is_overdue(&seen.before.state, self.now()) {
                        tracing::info!(%run, lane = %seen.lane, tick = seen.before.state.tick, "the lane's tick is overdue and is sent once more");
                        self.nudge(&seen.lane, &seen.before.state, connection)
                            .await?;
                    }
                    self.keep(&seen.lane, &outcome.record).await?;
                    return Ok(outcome);
                }
                Decision::Commit => {
                    // The plan is on record before it is the lane's.
                    self.keep(&seen.lane, &outcome.record).await?;
                    let Committed::Yes(older) = self.commit(run, &seen).await? else {
                        tracing::info!(%run, lane = %seen.lane, "the lane has changed meanwhile and is planned again");
                        continue;
                    };
                    outcome.done = older;
                    outcome.superseded = true;
                    match self
                        .send(run, &seen.lane, &seen.plan, &seen.before.state, connection)
                        .await
                    {
                        Ok(messages) => outcome.messages = messages,
                        // Committed and not sent: the next run finds no `sent` mark and plans again.
                        Err(error) => {
                            tracing::error!(%run, lane = %seen.lane, code = error.code(), %error, "the plan is committed but not sent whole");
                            outcome.record.status = LinkStatus::Failed;
                            outcome.record.fault = Some(error.record());
                            self.keep(&seen.lane, &outcome.record).await?;
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

    fn outcome(&self, run: RunId, link: &Link, seen: &Inspection) -> Outcome {
        let record = LinkRecord {
            lane: Some(seen.lane.clone()),
            status: match seen.decision {
                Decision::InStep => LinkStatus::InStep,
                Decision::Underway(_) => LinkStatus::Underway,
                Decision::Commit => LinkStatus::Committed,
            },
            plan_hash: Some(seen.plan.hash()),
            allow: seen.plan.allow().iter().cloned().collect(),
            deny: seen.plan.deny().iter().cloned().collect(),
            removals: seen.report.removals,
            left_alone: seen.report.left_alone.clone(),
            contradictory: seen.report.contradictory.iter().cloned().collect(),
            ..self.blank(run, link)
        };
        Outcome {
            record,
            messages: 0,
            lane: Some(seen.lane.clone()),
            done: Vec::new(),
            superseded: false,
        }
    }

    fn blank(&self, run: RunId, link: &Link) -> LinkRecord {
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
            fault: None,
            at: self.now(),
        }
    }

    async fn failed(
        &self,
        run: RunId,
        link: &Link,
        lane: Option<LaneId>,
        error: &LinkError,
    ) -> Outcome {
        tracing::error!(%run, member = %link.member.name, lane = lane.as_ref().map(tracing::field::display), code = error.code(), %error, remedy = error.remedy(), "the link has failed");
        let record = LinkRecord {
            lane: lane.clone(),
            fault: Some(error.record()),
            ..self.blank(run, link)
        };
        if let Err(error) = self.ports.ledger().put_link(&record).await {
            tracing::error!(%run, member = %link.member.name, %error, "the failure of a link could not be recorded");
        }
        Outcome {
            record,
            messages: 0,
            lane,
            done: Vec::new(),
            superseded: false,
        }
    }

    async fn keep(&self, lane: &LaneId, record: &LinkRecord) -> Result<(), LinkError> {
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
    async fn mark_in_step(&self, seen: &Inspection) -> Result<Vec<RunId>, LinkError> {
        let now = self.now();
        let state = seen.before.state.clone();
        let read = (state.seq, state.planned_run());
        let stamped = transit(
            self.ports.ledger(),
            self.ports.clock(),
            &seen.lane,
            state,
            |state| {
                if (state.seq, state.planned_run()) == read {
                    Ok(state.in_step(now))
                } else {
                    Err(pmp_sync_domain::lane::Refusal::Seq)
                }
            },
        )
        .await
        .map_err(LinkError::Ledger)?;
        Ok(stamped
            .map(|stamped| waiting(&stamped.before))
            .unwrap_or_default())
    }

    /// Adds the outcomes to the run, and ends the older runs that they end.
    async fn conclude(
        &self,
        record: &mut RunRecord,
        outcomes: Vec<Outcome>,
    ) -> Result<(), RunError> {
        let mut done: BTreeMap<RunId, Vec<(LaneId, bool)>> = BTreeMap::new();
        for outcome in outcomes {
            let totals = &mut record.totals;
            totals.links += 1;
            totals.messages += outcome.messages;
            totals.allow += outcome.record.allow.len();
            totals.deny += outcome.record.deny.len();
            match outcome.record.status {
                LinkStatus::InStep => totals.in_step += 1,
                LinkStatus::Committed => totals.committed += 1,
                LinkStatus::Underway => totals.underway += 1,
                LinkStatus::Failed => totals.failed += 1,
            }
            let Some(lane) = outcome.lane else { continue };
            if matches!(
                outcome.record.status,
                LinkStatus::Committed | LinkStatus::Underway
            ) {
                record.open.insert(lane.to_string());
            }
            for run in outcome.done.into_iter().filter(|run| *run != record.run) {
                done.entry(run)
                    .or_default()
                    .push((lane.clone(), outcome.superseded));
            }
        }
        Ok(self.end_lanes(done).await?)
    }

    async fn end_lanes(
        &self,
        done: BTreeMap<RunId, Vec<(LaneId, bool)>>,
    ) -> Result<(), ServiceError> {
        for (run, lanes) in done {
            let Some(before) = self.ports.ledger().run(run).await? else {
                continue;
            };
            let after = lanes
                .iter()
                .fold(before.clone(), |record, (lane, superseded)| {
                    record.without(lane, *superseded, self.now())
                });
            if after != before {
                self.put(&after).await?;
            }
        }
        Ok(())
    }

    /// Writes a run, and announces its end if this is it.
    async fn put(&self, record: &RunRecord) -> Result<(), ServiceError> {
        self.ports.ledger().put_run(record).await?;
        if record.status.is_final() {
            tracing::info!(run = %record.run, status = record.status.as_str(), totals = ?record.totals, "the run has ended");
            self.ports.bus().put(event(SYNC_COMPLETED, record)).await?;
        }
        Ok(())
    }

    /// Lanes that are said to be done: believed only after a look. One that is not equal after all
    /// gets a run of its own.
    pub(crate) async fn look_at_settled(
        &self,
        work: &Work,
        deadline: Timestamp,
    ) -> Result<(), RunError> {
        let setup = match self.setup().await {
            Ok(setup) => setup,
            Err(RunError::Ledger(error)) => return Err(RunError::Ledger(error)),
            Err(error) => {
                tracing::error!(code = error.code(), %error, "a settled lane can not be looked at");
                return Ok(());
            }
        };
        let scopes: Vec<_> = work
            .settled
            .iter()
            .map(|lane| scope_of(&setup.config, lane))
            .collect();
        let scopes: Vec<_> = scopes.into_iter().flatten().collect();
        let chosen: Vec<_> = setup
            .config
            .links
            .iter()
            .filter(|link| in_scope(link, &scopes))
            .collect();
        let management: BTreeSet<_> = chosen
            .iter()
            .map(|link| link.management_experience.clone())
            .collect();
        let desired = read_management(self.ports.catalog(), management).await;
        let mut again = Vec::new();
        let mut done: BTreeMap<RunId, Vec<(LaneId, bool)>> = BTreeMap::new();
        for link in chosen {
            let Some(Ok(desired)) = desired.get(&link.management_experience) else {
                continue;
            };
            let connection = match self.ports.members().connect(&link.member).await {
                Ok(connection) => connection,
                Err(error) => {
                    tracing::warn!(member = %link.member.name, %error, "a settled lane can not be looked at");
                    continue;
                }
            };
            let experiences = targets(&connection, &setup.config, link, &scopes)
                .await
                .unwrap_or_default();
            for experience in experiences {
                match inspect(
                    self.ports.ledger(),
                    &connection,
                    link,
                    &experience,
                    desired,
                    self.now(),
                )
                .await
                {
                    Ok(seen) if seen.decision == Decision::InStep => {
                        match self.mark_in_step(&seen).await {
                            Ok(runs) => runs.into_iter().for_each(|run| {
                                done.entry(run)
                                    .or_default()
                                    .push((seen.lane.clone(), false));
                            }),
                            Err(error) => {
                                tracing::warn!(lane = %seen.lane, %error, "a settled lane could not be stamped");
                            }
                        }
                    }
                    Ok(seen) if seen.decision == Decision::Commit => {
                        tracing::info!(lane = %seen.lane, allow = seen.plan.allow().len(), deny = seen.plan.deny().len(), "a settled lane is not equal and is planned again");
                        again.push(Scope {
                            members: vec![link.member.name.clone()],
                            experiences: vec![experience],
                        });
                    }
                    Ok(_) => {}
                    Err(error) => {
                        tracing::warn!(member = %link.member.name, code = error.code(), %error, "a settled lane can not be looked at");
                    }
                }
            }
        }
        self.end_lanes(done).await?;
        if again.is_empty() {
            return Ok(());
        }
        let requests = vec![Request {
            kind: "lane-settled".to_owned(),
            id: None,
            requester: None,
        }];
        let work = Work {
            scopes: again,
            requests,
            ..Work::default()
        };
        self.begin(&work, deadline).await
    }
}

fn is_overdue(state: &LaneState, now: Timestamp) -> bool {
    let due = state.tick_at.or(state.updated_at);
    due.is_none_or(|due| elapsed(due, now) > OVERDUE)
}

/// True when any of the scopes may cover something of the link.
pub(crate) fn in_scope(link: &Link, scopes: &[Scope]) -> bool {
    scopes.iter().any(|scope| match &link.target {
        Target::One(experience) => scope.covers(&link.member.name, experience),
        Target::EveryLive => scope.members.is_empty() || scope.members.contains(&link.member.name),
    })
}

fn scope_of(config: &Config, lane: &LaneId) -> Option<Scope> {
    let member = config
        .members
        .values()
        .find(|member| member.account == lane.account)?;
    Some(Scope {
        members: vec![member.name.clone()],
        experiences: vec![lane.experience.clone()],
    })
}
