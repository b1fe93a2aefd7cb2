//! Settles a change set: reads its status, closes its changes if it has succeeded, records it, and
//! frees the lane. Quarantines changes that were rejected individually.

use std::collections::BTreeMap;

use pmp_sync_domain::error::Kind;
use pmp_sync_domain::ids::{ChangeSetId, LaneId};
use pmp_sync_domain::lane::{Ending, FailedAlone, Intent, LaneState};
use pmp_sync_domain::policy::ProductChange;
use pmp_sync_domain::ports::{
    ChangeSetStatus, ChangeSets as _, Claims as _, Close as _, Closing, DeadLetters as _,
};
use pmp_sync_domain::records::{SetOutcome, SetRecord};
use pmp_sync_domain::time::elapsed;
use pmp_sync_domain::wire::ChangeMessage;

use crate::advance::Step;
use crate::start::Reading;
use crate::{Ports, Worker};

/// How long a change set may be unknown to the service after its start, in seconds: the service is
/// eventually consistent.
const UNSEEN: f64 = 120.0;

impl<P: Ports> Worker<P> {
    /// Reads the status of the change set. If it has ended, closes its changes and frees the lane.
    /// Returns what was applied, or none while it is under way.
    pub(crate) async fn settle(
        &self,
        lane: &LaneId,
        state: &LaneState,
    ) -> Step<Option<Vec<ProductChange>>> {
        let (Some(id), Some(intent)) = (&state.change_set, &state.intent) else {
            return Ok(None);
        };
        let mut applied = Vec::new();
        let (ending, outcome, detail) = match self.ports.catalog().status(id).await {
            Ok(ChangeSetStatus::Underway) => return Ok(None),
            Ok(ChangeSetStatus::Succeeded(duration_seconds)) => {
                applied = self.close_applied(lane, state, id, intent).await?;
                let ending = Ending::Succeeded { duration_seconds };
                (ending, SetOutcome::Succeeded, None)
            }
            Ok(ChangeSetStatus::Failed(failed)) => {
                let detail = failed.to_string();
                let ending = match self.read_policy(lane, state).await {
                    // A failure of the whole lane starts no bisect.
                    Reading::NoPolicy(block) | Reading::Blocked(block)
                        if !intent.creates_policy =>
                    {
                        Ending::Blocked(block)
                    }
                    Reading::Blocked(block) => Ending::Blocked(block),
                    Reading::Later => return Ok(None),
                    // Somebody else created the policy, or it could not be created: no product is
                    // at fault.
                    Reading::Policy(_) | Reading::NoPolicy(_)
                        if intent.creates_policy && failed.errors.is_empty() =>
                    {
                        Ending::BackOff(self.back_off_until(state))
                    }
                    Reading::Policy(_) | Reading::NoPolicy(_) => Ending::Failed {
                        change_set: id.clone(),
                        failed,
                    },
                };
                (ending, SetOutcome::Failed, Some(detail))
            }
            Ok(ChangeSetStatus::Cancelled) => {
                let ending = Ending::Cancelled {
                    change_set: id.clone(),
                    until: self.back_off_until(state),
                };
                (ending, SetOutcome::Cancelled, None)
            }
            Ok(ChangeSetStatus::ServerFault(words)) => {
                let ending = Ending::BackOff(self.back_off_until(state));
                (ending, SetOutcome::ServerFault, Some(words))
            }
            Err(error) if error.kind == Kind::NotFound => {
                let age = elapsed(intent.at, self.now());
                if age < UNSEEN {
                    return Ok(None);
                }
                let name = state.change_set_name(&lane.experience);
                if self.ports.catalog().find(&name).await?.is_some() {
                    return Ok(None);
                }
                tracing::error!(%lane, seq = state.seq, change_set = %id, "the service does not know the change set any more");
                let ending = Ending::Vanished(self.back_off_until(state));
                (ending, SetOutcome::Vanished, Some(error.to_string()))
            }
            Err(error) => {
                tracing::warn!(%lane, change_set = %id, %error, "the change set cannot be looked at; the next tick tries again");
                return Ok(None);
            }
        };
        if !matches!(ending, Ending::Succeeded { .. }) {
            tracing::warn!(%lane, seq = state.seq, change_set = %id, ?ending, "the change set has not succeeded");
        }
        let (seq, now) = (state.seq, self.now());
        // Before the lane is freed: an invocation that is interrupted here repeats this step and
        // writes the record again.
        if let Some(record) = SetRecord::of(state, outcome, detail.as_deref(), now) {
            self.ports.ledger().keep_set(lane, &record).await?;
        }
        self.try_transition(lane, state.clone(), |state| {
            state.ended(seq, ending.clone(), now)
        })
        .await?;
        Ok(Some(applied))
    }

    async fn close_applied(
        &self,
        lane: &LaneId,
        state: &LaneState,
        id: &ChangeSetId,
        intent: &Intent,
    ) -> Step<Vec<ProductChange>> {
        let changes: Vec<_> = intent
            .changes
            .iter()
            .map(|change| (change.product.clone(), change.run))
            .collect();
        self.ports
            .ledger()
            .close(lane, &changes, Closing::Applied, Some(id), self.now())
            .await?;
        tracing::info!(%lane, seq = state.seq, change_set = %id, changes = changes.len(), "the change set has succeeded");
        let applied = intent.changes.iter().map(|change| ProductChange {
            product: change.product.clone(),
            action: change.action,
        });
        Ok(applied.collect())
    }

    /// Quarantines changes that were rejected individually. The dead letter comes first: no replay
    /// finds a quarantined change without one, and if a newer plan came after a crash in between,
    /// no run would send the change. Then the item, so that plans see it. Then the lane forgets the
    /// change. A crash in between repeats the steps.
    pub(crate) async fn quarantine(
        &self,
        lane: &LaneId,
        state: LaneState,
        failed: &[FailedAlone],
    ) -> Step<()> {
        for failed in failed {
            let change = &failed.change;
            let message = ChangeMessage {
                run: change.run,
                account: lane.account.clone(),
                experience: lane.experience.clone(),
                product: change.product.clone(),
                action: change.action,
                ordinal: change.ordinal,
            };
            let attributes = BTreeMap::from([
                ("reason", "quarantined".to_owned()),
                ("code", "PMS-6001".to_owned()),
                ("error_code", failed.code.clone()),
                ("detail", failed.message.clone()),
                ("change_set", failed.change_set.to_string()),
                ("run", change.run.to_string()),
            ]);
            self.ports
                .dead_letters()
                .dead_letter(&message.to_body(), &attributes)
                .await?;
            let quarantined = self
                .ports
                .ledger()
                .quarantine(lane, failed, self.now())
                .await?;
            if quarantined {
                tracing::error!(%lane, run = %change.run, product = %change.product, action = %change.action, change_set = %failed.change_set, code = "PMS-6001", error_code = failed.code, detail = failed.message, "the change was rejected individually and is quarantined");
            } else {
                tracing::info!(%lane, run = %change.run, product = %change.product, action = %change.action, "the change was rejected individually, and is closed or claimed anew: its dead letter says nothing any more");
            }
        }
        let done: Vec<_> = failed
            .iter()
            .map(|failed| (failed.change.product.clone(), failed.change.run))
            .collect();
        self.try_transition(lane, state, |state| state.quarantined(&done))
            .await?;
        Ok(())
    }
}
