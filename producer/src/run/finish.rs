//! The ends of runs: what links came to, and lanes that are said to be done.

use std::collections::{BTreeMap, BTreeSet};

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::commit::Decision;
use pmp_sync_domain::config::Config;
use pmp_sync_domain::error::{RunError, ServiceError};
use pmp_sync_domain::guard::HoldReason;
use pmp_sync_domain::ids::{LaneId, RunId};
use pmp_sync_domain::ports::{Lanes as _, Members as _, ReadRuns as _, WriteRuns as _};
use pmp_sync_domain::records::{Request, RunRecord};
use pmp_sync_domain::run::{LaneEnd, LinkStatus};
use pmp_sync_domain::wire::Scope;

use crate::dispatch::Work;
use crate::reconcile::Outcome;
use crate::reconcile::listings::Kept;
use crate::reconcile::observe::{View, inspect, read_management, targets};
use crate::reconcile::send::waiting;
use crate::run::begin::{Setup, in_scope, is_done, is_served};
use crate::{Ports, Producer};

impl<P: Ports> Producer<P> {
    /// Adds the outcomes to the run, and ends the older runs that they end.
    pub(crate) async fn conclude(
        &self,
        record: &mut RunRecord,
        outcomes: Vec<Outcome>,
    ) -> Result<(), RunError> {
        let mut done: BTreeMap<RunId, Vec<(LaneId, LaneEnd)>> = BTreeMap::new();
        for outcome in outcomes {
            let totals = &mut record.totals;
            totals.links += usize::from(outcome.record.status != LinkStatus::Removed);
            totals.messages += outcome.messages;
            // Of what is held nothing is planned to be done.
            let plan = outcome.record.plan();
            totals.allow += plan.allow().len();
            totals.deny += plan.deny().len();
            let unchecked = outcome.record.unchecked;
            if unchecked > 0 {
                tracing::warn!(run = %record.run, lane = outcome.lane.as_ref().map(tracing::field::display), unchecked, "products are allowed although AWS Marketplace could not be asked whether they are live");
            }
            match outcome.record.status {
                LinkStatus::InSync => totals.in_sync += 1,
                LinkStatus::Committed => totals.committed += 1,
                LinkStatus::Underway => totals.underway += 1,
                LinkStatus::Failed => totals.failed += 1,
                LinkStatus::Suspended => totals.suspended += 1,
                LinkStatus::Removed => totals.removed += 1,
                LinkStatus::Held | LinkStatus::Rejected | LinkStatus::Refused => totals.held += 1,
            }
            let end = outcome.end();
            let Some(lane) = outcome.lane else { continue };
            if outcome.quarantined > 0 {
                let aside = &mut record.quarantined;
                aside.insert(lane.to_string(), outcome.quarantined);
            }
            if matches!(
                outcome.record.status,
                LinkStatus::Committed | LinkStatus::Underway
            ) {
                record.open.insert(lane.to_string());
            }
            for run in outcome.done.into_iter().filter(|run| *run != record.run) {
                done.entry(run).or_default().push((lane.clone(), end));
            }
        }
        Ok(self.end_lanes(done).await?)
    }

    async fn end_lanes(
        &self,
        done: BTreeMap<RunId, Vec<(LaneId, LaneEnd)>>,
    ) -> Result<(), ServiceError> {
        for (run, lanes) in done {
            let Some(before) = self.ports.ledger().run(run).await? else {
                continue;
            };
            let after = lanes.iter().fold(before.clone(), |record, (lane, end)| {
                record.without(lane, *end, self.now())
            });
            if after != before {
                self.put(&after).await?;
            }
        }
        Ok(())
    }

    /// Writes a run, and announces its end if this is it.
    pub(crate) async fn put(&self, record: &RunRecord) -> Result<(), ServiceError> {
        let record = RunRecord {
            unannounced: record.has_news(),
            ..record.clone()
        };
        self.ports.ledger().put_run(&record).await?;
        if record.status.is_final() {
            tracing::info!(run = %record.run, status = record.status.as_str(), totals = ?record.totals, "the run has ended");
            self.announce_end(&record).await;
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
                tracing::error!(code = error.code(), %error, "a settled lane cannot be looked at");
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
        let mut seen_lanes = BTreeSet::new();
        let mut done: BTreeMap<RunId, Vec<(LaneId, LaneEnd)>> = BTreeMap::new();
        for link in chosen {
            let Some(Ok(desired)) = desired.get(&link.management_experience) else {
                continue;
            };
            let connection = match self.ports.members().connect(&link.member).await {
                Ok(connection) => connection,
                Err(error) => {
                    tracing::warn!(member = %link.member.name, %error, "a settled lane cannot be looked at");
                    continue;
                }
            };
            let experiences = targets(&connection, &setup.config, link, &scopes)
                .await
                .unwrap_or_default();
            for experience in experiences {
                let view = View {
                    link,
                    policy: &setup.policy(link, &experience),
                    experience: &experience,
                    desired,
                    lifted: &BTreeSet::new(),
                    rollback: false,
                };
                let ledger = self.ports.ledger();
                let looked = inspect(ledger, &connection, &Kept(ledger), view, self.now()).await;
                seen_lanes.extend(looked.as_ref().ok().map(|seen| seen.lane.clone()));
                match looked {
                    Ok(seen) if !seen.reasons.is_empty() => {
                        let known = seen.link_state.hold.as_ref();
                        if !known.is_some_and(|hold| hold.plan_hash == seen.plan.hash()) {
                            again.push(Scope {
                                members: vec![link.member.name.clone()],
                                experiences: vec![experience],
                            });
                        }
                        if seen.halted == Decision::InSync {
                            let rests = self.mark_rest(&seen, false).await.unwrap_or_default();
                            // A rollback that is held against is one that is gone.
                            let is_back = |reason| matches!(reason, &HoldReason::Restored { .. });
                            let end = if seen.reasons.iter().all(is_back) {
                                LaneEnd::Rests {
                                    quarantined: seen.quarantined,
                                }
                            } else {
                                LaneEnd::NotSeen
                            };
                            for run in rests {
                                let lane = seen.lane.clone();
                                done.entry(run).or_default().push((lane, end));
                            }
                        }
                    }
                    Ok(seen) if seen.decision == Decision::InSync => {
                        // What was approved is done, and what was held is so no more.
                        let link_state = self.after_look(view, &seen);
                        match self
                            .write_link_state(&seen.lane, &seen.link_state, &link_state)
                            .await
                        {
                            Ok(true) => {}
                            Ok(false) => continue,
                            Err(error) => {
                                tracing::warn!(lane = %seen.lane, %error, "what is remembered of a settled lane could not be written");
                                continue;
                            }
                        }
                        match self.mark_in_sync(&seen).await {
                            Ok(runs) => runs.into_iter().for_each(|run| {
                                let end = LaneEnd::Rests {
                                    quarantined: seen.quarantined,
                                };
                                done.entry(run).or_default().push((seen.lane.clone(), end));
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
                        tracing::warn!(member = %link.member.name, code = error.code(), %error, "a settled lane cannot be looked at");
                    }
                }
            }
        }
        for lane in work.settled.difference(&seen_lanes) {
            self.end_unseen(&setup, lane, &mut done).await?;
        }
        self.end_lanes(done).await?;
        if again.is_empty() {
            return Ok(());
        }
        let requests = vec![Request {
            kind: "lane-settled".to_owned(),
            ..Request::default()
        }];
        let work = Work {
            scopes: again,
            requests,
            ..Work::default()
        };
        self.begin(&work, deadline).await
    }

    /// A lane that rests and cannot be looked at: its link has left the configuration, or a side of it
    /// does not answer or says nothing. Whoever waits for it would wait for the next run otherwise.
    async fn end_unseen(
        &self,
        setup: &Setup,
        lane: &LaneId,
        done: &mut BTreeMap<RunId, Vec<(LaneId, LaneEnd)>>,
    ) -> Result<(), ServiceError> {
        let ledger = self.ports.ledger();
        let state = ledger.state(lane).await?;
        if !is_done(&state) || !ledger.open(lane).await?.is_empty() {
            return Ok(());
        }
        let end = if is_served(&setup.config, lane) {
            LaneEnd::NotSeen
        } else {
            LaneEnd::Rests { quarantined: 0 }
        };
        for run in waiting(&state) {
            done.entry(run).or_default().push((lane.clone(), end));
        }
        Ok(())
    }
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
