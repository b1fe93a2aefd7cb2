//! A run: every link that its requests are about, with bounded concurrency, each failure kept to its
//! own link; and the ends of runs, as lanes come to rest.

use std::str::FromStr as _;

use futures::{StreamExt as _, stream};
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::config::Config;
use pmp_sync_domain::error::RunError;
use pmp_sync_domain::ids::{ExperienceId, LaneId, RunId};
use pmp_sync_domain::lane::LaneState;
use pmp_sync_domain::link::{Link, LinkPolicy, Target};
use pmp_sync_domain::ports::{Entropy as _, Inbox as _, Lanes as _, ReadRuns as _, WriteRuns as _};
use pmp_sync_domain::records::{Request, RunRecord, Suspensions};
use pmp_sync_domain::run::{LaneEnd, RunStatus};
use pmp_sync_domain::time::elapsed;
use pmp_sync_domain::wire::{Continuation, Scope};

use crate::dispatch::Work;
use crate::reconcile::listings::Inquiry;
use crate::reconcile::observe::read_management;
use crate::{Ports, Producer};

/// Links that are looked at at the same time.
const LINKS_AT_ONCE: usize = 8;
/// What is left of an invocation's time when no further link is begun, in seconds. A link with
/// thousands of changes takes some of them.
pub(crate) const RESERVE: f64 = 45.0;
/// Unfinished runs that one run looks after. The next one goes on with the others.
pub(crate) const UNFINISHED: u16 = 200;
/// After this the rest of a run is not expected any more, in seconds.
const LOST: f64 = 3.0 * 3600.0;

/// A configuration, its version, and what is suspended.
pub(crate) struct Setup {
    pub(crate) version: u64,
    pub(crate) config: Config,
    pub(crate) suspensions: Suspensions,
    /// What is planned for as if it were not frozen.
    pub(crate) overridden: Vec<Scope>,
}

impl Setup {
    /// What a link may do on one experience in this run.
    pub(crate) fn policy(&self, link: &Link, experience: &ExperienceId) -> LinkPolicy {
        let mut scopes = self.overridden.iter();
        let overridden = scopes.any(|scope| scope.covers(&link.member.name, experience));
        LinkPolicy {
            frozen: link.policy.frozen && !overridden,
            ..link.policy.clone()
        }
    }
}

/// What the requests want planned for as if it were not frozen.
pub(crate) fn overridden(requests: &[Request]) -> Vec<Scope> {
    let overriding = requests
        .iter()
        .filter(|request| request.override_reason.is_some());
    overriding
        .map(|request| request.scope.clone().unwrap_or_default())
        .collect()
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
            suspensions: self.ports.ledger().suspensions().await?,
            overridden: Vec::new(),
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
            Ok(mut setup) => {
                setup.overridden = overridden(&work.requests);
                record.config_version = setup.version;
                tracing::info!(%run, config_version = setup.version, requests = ?record.requests, "the run begins");
                self.ports.ledger().put_run(&record).await?;
                let older = self.ports.ledger().unfinished_runs(UNFINISHED).await?;
                self.announce_forgotten(&older).await;
                self.close_interrupted(run, &older).await?;
                self.end_forgotten(run, &older, &setup).await?;
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
            tracing::warn!(run = %rest.run, "an expired run is not continued");
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
                    suspensions: self.ports.ledger().suspensions().await?,
                    overridden: overridden(&record.requests),
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

    pub(crate) async fn fail(
        &self,
        mut record: RunRecord,
        error: &RunError,
    ) -> Result<(), RunError> {
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
        let (scopes, desired, inquiry) = (&record.scopes, &desired, &Inquiry::new(deadline));
        let served: Vec<_> = stream::iter(std::mem::take(&mut links))
            .map(|place| async move {
                let link = setup.config.links.get(place)?;
                if !in_scope(link, scopes) {
                    return None;
                }
                // One that is slow holds up no other, and none is begun that might be cut off.
                if elapsed(self.now(), deadline) <= RESERVE {
                    return Some(Err(place));
                }
                let served = self.serve_link(run, setup, link, scopes, desired, inquiry);
                Some(Ok(served.await))
            })
            .buffer_unordered(LINKS_AT_ONCE)
            .filter_map(std::future::ready)
            .collect()
            .await;
        let mut outcomes = Vec::new();
        for served in served {
            match served {
                Ok(of_link) => outcomes.extend(of_link),
                Err(place) => links.push(place),
            }
        }
        links.sort_unstable();
        self.conclude(&mut record, outcomes).await?;
        if links.is_empty() {
            if record.scopes.iter().any(Scope::is_everything) {
                let retired = self.retire(run, setup).await;
                self.conclude(&mut record, retired).await?;
            }
            record.cursor = Vec::new();
            record.planned_at = Some(self.now());
            record = record.concluded(self.now());
            self.put(&record).await?;
        } else {
            tracing::info!(%run, links = links.len(), "the run goes on in another invocation");
            record.cursor.clone_from(&links);
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

    /// Runs are serial: an older one that is still planning, and has no rest in the inbox, was cut off.
    /// Its requests are served by this one; what it had committed is the lanes' like any other plan.
    pub(crate) async fn close_interrupted(
        &self,
        run: RunId,
        unfinished: &[RunRecord],
    ) -> Result<(), RunError> {
        for older in unfinished {
            let lost = elapsed(older.started_at, self.now()) > LOST;
            if older.run >= run
                || older.status != RunStatus::Planning
                || !(older.cursor.is_empty() || lost)
            {
                continue;
            }
            tracing::warn!(%run, interrupted = %older.run, "an interrupted run is superseded");
            let mut older = older.clone();
            older.status = RunStatus::Superseded;
            older.completed_at = Some(self.now());
            self.put(&older).await?;
        }
        Ok(())
    }

    /// Runs that wait for a lane which waits for them no more: whoever took the lane over, or stamped it,
    /// was cut off before it wrote down the end; or the lane rests and its link is gone.
    async fn end_forgotten(
        &self,
        run: RunId,
        unfinished: &[RunRecord],
        setup: &Setup,
    ) -> Result<(), RunError> {
        let ledger = self.ports.ledger();
        let applying = unfinished
            .iter()
            .filter(|older| older.run < run && older.status == RunStatus::Applying);
        for older in applying {
            let mut after = older.clone();
            for lane in older
                .open
                .iter()
                .filter_map(|text| LaneId::from_str(text).ok())
            {
                let state = ledger.state(&lane).await?;
                let waits =
                    state.planned_run() == Some(older.run) || state.joined.contains(&older.run);
                let end = if state.planned_run() > Some(older.run) && !waits {
                    LaneEnd::Superseded
                } else if !waits || (!is_served(&setup.config, &lane) && is_done(&state)) {
                    LaneEnd::Rests { quarantined: 0 }
                } else {
                    continue;
                };
                tracing::warn!(run = %older.run, %lane, ?end, "the missed end of a lane's work for a run is recorded");
                after = after.without(&lane, end, self.now());
            }
            if after != *older {
                self.put(&after).await?;
            }
        }
        Ok(())
    }
}

/// True if a link names the lane, or may take it with `*`.
pub(crate) fn is_served(config: &Config, lane: &LaneId) -> bool {
    let mut links = config.links.iter();
    links.any(|link| {
        link.member.account == lane.account
            && !matches!(&link.target, Target::One(id) if *id != lane.experience)
    })
}

/// Nothing is under way, and nothing announced is to come.
pub(crate) fn is_done(state: &LaneState) -> bool {
    state.intent.is_none()
        && state
            .planned
            .as_ref()
            .is_none_or(|planned| planned.totals.less(planned.taken).total() == 0)
}

/// True when any of the scopes may cover something of the link.
pub(crate) fn in_scope(link: &Link, scopes: &[Scope]) -> bool {
    scopes.iter().any(|scope| match &link.target {
        Target::One(experience) => scope.covers(&link.member.name, experience),
        Target::EveryLive => scope.members.is_empty() || scope.members.contains(&link.member.name),
    })
}
