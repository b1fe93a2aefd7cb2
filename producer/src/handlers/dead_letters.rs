//! Replay and discard: runs of their own.

use std::collections::{BTreeMap, BTreeSet};

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::error::RunError;
use pmp_sync_domain::ids::{ExperienceId, LaneId};
use pmp_sync_domain::link::Target;
use pmp_sync_domain::ports::{
    DeadLetterBox as _, Entropy as _, Lanes as _, Members as _, ReadCatalog as _, WriteRuns as _,
};
use pmp_sync_domain::records::{DeadLetterOutcome, Request, RunRecord};
use pmp_sync_domain::time::elapsed;
use pmp_sync_domain::wire::{ChangeMessage, DeadLetterAction, DeadLetterRequest, Scope};

use crate::letters::{Case, Read, by_lane, fate, link_of, put_back, receive};
use crate::reconcile::listings::Inquiry;
use crate::reconcile::observe::{Desired, read_management};
use crate::reconcile::{Connection, Errand, Outcome};
use crate::run::begin::{RESERVE, Setup};
use crate::{Ports, Producer};

/// What one member's letters came to.
struct Served {
    outcomes: Vec<Outcome>,
    failed: bool,
}

impl<P: Ports> Producer<P> {
    /// Serves a request about dead letters with a run of its own.
    pub(crate) async fn serve_dead_letters(
        &self,
        request: DeadLetterRequest,
        deadline: Timestamp,
    ) -> Result<(), RunError> {
        let now = self.now();
        let random = self.ports.entropy().bits();
        let run = self.ports.ledger().next_run(now, random).await?;
        let scope = Scope {
            members: request.filter.members.clone(),
            ..Scope::default()
        };
        let mut record = RunRecord::new(run, 0, vec![scope], now);
        let kind = match request.action {
            DeadLetterAction::Replay => "replay-requested",
            DeadLetterAction::Discard => "discard-requested",
        };
        record.requests = vec![Request {
            kind: kind.to_owned(),
            id: request.request_id.clone(),
            requester: request.requester.clone(),
            ..Request::default()
        }];
        let setup = match self.setup().await {
            Ok(setup) => setup,
            Err(RunError::Ledger(error)) => return Err(RunError::Ledger(error)),
            Err(error) => return self.fail(record, &error).await,
        };
        record.config_version = setup.version;
        tracing::info!(%run, kind, filter = ?request.filter, "the run begins");
        self.ports.ledger().put_run(&record).await?;
        let links = setup.config.links.iter();
        let management = links
            .map(|link| link.management_experience.clone())
            .collect();
        let desired = match request.action {
            DeadLetterAction::Replay => read_management(self.ports.catalog(), management).await,
            DeadLetterAction::Discard => BTreeMap::new(),
        };
        let inquiry = &Inquiry::new(deadline);
        for member in setup.config.members.values() {
            let named = &request.filter.members;
            if !named.is_empty() && !named.contains(&member.name) {
                continue;
            }
            let case = Case {
                run,
                member,
                inquiry,
            };
            let served = self
                .serve_letters(case, &setup, &request, &desired, deadline)
                .await?;
            record.totals.failed += usize::from(served.failed);
            record.totals.links += usize::from(served.failed);
            self.conclude(&mut record, served.outcomes).await?;
        }
        record.planned_at = Some(self.now());
        let record = record.concluded(self.now());
        Ok(self.put(&record).await?)
    }

    async fn serve_letters(
        &self,
        case: Case<'_>,
        setup: &Setup,
        request: &DeadLetterRequest,
        desired: &BTreeMap<ExperienceId, Desired>,
        deadline: Timestamp,
    ) -> Result<Served, RunError> {
        let mut served = Served {
            outcomes: Vec::new(),
            failed: false,
        };
        let unreachable = |error: &pmp_sync_domain::error::ServiceError| {
            tracing::error!(run = %case.run, member = %case.member.name, %error, "the dead letters of a member cannot be read");
        };
        let connection = match self.ports.members().connect(case.member).await {
            Ok(connection) => connection,
            Err(error) => {
                unreachable(&error);
                served.failed = true;
                return Ok(served);
            }
        };
        let reads = match receive(&connection, case.member, &request.filter).await {
            Ok(reads) => reads,
            Err(error) => {
                unreachable(&error);
                served.failed = true;
                return Ok(served);
            }
        };
        if request.action == DeadLetterAction::Discard {
            for read in &reads {
                if let Ok(change) = &read.change {
                    self.release_of(&change.lane(), [change]).await?;
                }
                let why = "somebody asked for it".to_owned();
                self.discard_for_good(case, &connection, read, (DeadLetterOutcome::Discarded, why))
                    .await?;
            }
            return Ok(served);
        }
        let (lanes, others) = by_lane(reads);
        for read in &others {
            let why = read.change.as_ref().err().cloned().unwrap_or_default();
            self.keep_letter(case, &connection, read, why).await?;
        }
        for (lane, letters) in lanes {
            if elapsed(self.now(), deadline) <= RESERVE {
                for (read, _) in &letters {
                    let why = "the run had no time left for it: ask again".to_owned();
                    self.keep_letter(case, &connection, read, why).await?;
                }
                continue;
            }
            let outcome = self
                .replay_lane(case, setup, desired, &connection, &lane, &letters)
                .await?;
            served.outcomes.extend(outcome);
        }
        Ok(served)
    }

    async fn replay_lane(
        &self,
        case: Case<'_>,
        setup: &Setup,
        desired: &BTreeMap<ExperienceId, Desired>,
        connection: &Connection<P>,
        lane: &LaneId,
        letters: &[(Read, ChangeMessage)],
    ) -> Result<Option<Outcome>, RunError> {
        let Some(link) = link_of(&setup.config, lane) else {
            let why = "no link of the configuration serves its experience";
            self.release_of(lane, letters.iter().map(|(_, change)| change))
                .await?;
            for (read, _) in letters {
                let fate = (DeadLetterOutcome::Dropped, why.to_owned());
                self.discard_for_good(case, connection, read, fate).await?;
            }
            return Ok(None);
        };
        // `*` takes what is live; what cannot be looked at now is kept.
        if link.target == Target::EveryLive {
            let live = connection.experience(&lane.experience).await;
            if !live.is_ok_and(|experience| experience.is_live()) {
                let why = "its experience is not live, or cannot be read: no link takes it now";
                for (read, _) in letters {
                    self.keep_letter(case, connection, read, why.to_owned())
                        .await?;
                }
                return Ok(None);
            }
        }
        let lifted: BTreeSet<_> = letters
            .iter()
            .map(|(_, change)| change.product.clone())
            .collect();
        let outcome = match desired.get(&link.management_experience) {
            Some(Ok(desired)) => {
                let errand = Errand {
                    run: case.run,
                    link,
                    experience: &lane.experience,
                    desired,
                    policy: setup.policy(link, &lane.experience),
                    rollback: false,
                    suspension: setup.suspensions.holds(&link.member.name, lane),
                    lifted: &lifted,
                    inquiry: Some(case.inquiry),
                };
                self.serve_lane_or_fail(&errand, connection).await
            }
            Some(Err(error)) => self.failed(case.run, link, Some(lane.clone()), error).await,
            None => return Ok(None),
        };
        for (read, change) in letters {
            let (fate, why) = fate(change, &outcome.record);
            if fate == DeadLetterOutcome::Kept {
                self.keep_letter(case, connection, read, why).await?;
            } else {
                self.discard_for_good(case, connection, read, (fate, why))
                    .await?;
            }
        }
        Ok(Some(outcome))
    }

    /// Takes the changes of letters that go out of quarantine: nothing may stay in quarantine whose letter is
    /// gone, or no replay would find it. What is still wanted is tried again by the next run.
    async fn release_of<'a>(
        &self,
        lane: &LaneId,
        changes: impl IntoIterator<Item = &'a ChangeMessage>,
    ) -> Result<(), RunError> {
        let ledger = self.ports.ledger();
        let products: BTreeSet<_> = changes.into_iter().map(|change| &change.product).collect();
        for aside in ledger.quarantined(lane).await? {
            if products.contains(&aside.product) {
                ledger.release(lane, &aside, self.now()).await?;
            }
        }
        Ok(())
    }

    /// Writes down what became of a letter, then deletes it. If that fails it is looked at again with
    /// the next request, and found to be under way or in place.
    async fn discard_for_good(
        &self,
        case: Case<'_>,
        connection: &Connection<P>,
        read: &Read,
        fate: (DeadLetterOutcome, String),
    ) -> Result<(), RunError> {
        let record = read.record(case.member, fate, self.now());
        self.ports
            .ledger()
            .put_dead_letter(case.run, &record)
            .await?;
        if let Err(error) = connection.delete_dead_letter(&read.letter).await {
            tracing::warn!(run = %case.run, letter = read.letter.id, %error, "a dead letter that is dealt with could not be deleted");
        }
        Ok(())
    }

    async fn keep_letter(
        &self,
        case: Case<'_>,
        connection: &Connection<P>,
        read: &Read,
        why: String,
    ) -> Result<(), RunError> {
        let record = read.record(case.member, (DeadLetterOutcome::Kept, why), self.now());
        self.ports
            .ledger()
            .put_dead_letter(case.run, &record)
            .await?;
        put_back(connection, std::slice::from_ref(read)).await;
        Ok(())
    }
}
