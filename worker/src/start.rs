//! Starts a change set: reads the member's policy, chooses a batch, writes the intent, starts it.
//! The order of the calls is part of the lane protocol.

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::lane::{
    Block, BlockReason, Ending, Intent, IntentChange, LaneState, OpenChange, choose, counts,
    first_tick,
};
use pmp_sync_domain::policy::{PolicySnapshot, ProductChange};
use pmp_sync_domain::ports::{
    ChangeSets as _, Closing, Entropy as _, Lanes as _, ReadCatalog as _,
};

use crate::advance::Step;
use crate::{Ports, Worker};

/// The result of reading the member's policy.
pub(crate) enum Reading {
    Policy(PolicySnapshot),
    /// There is no policy, which blocks the lane unless its plan creates one.
    NoPolicy(Block),
    Blocked(Block),
    Later,
}

impl<P: Ports> Worker<P> {
    /// Chooses a batch, writes the intent and starts it. Returns true if this invocation is done
    /// with the lane, and false if the lane must be read again.
    pub(crate) async fn start_batch(
        &self,
        lane: &LaneId,
        state: LaneState,
        claimed: &[OpenChange],
        applied: &[ProductChange],
    ) -> Step<bool> {
        let Some(planned) = state.planned_run() else {
            return Ok(true);
        };
        let mut creates_policy = false;
        let policy = match self.read_policy(lane, &state).await {
            Reading::Policy(policy) => policy.overlaid(
                applied
                    .iter()
                    .map(|change| (&change.product, change.action)),
            ),
            // The plan takes this into account, and passed the guards with it.
            Reading::NoPolicy(_) if state.creates_policy() => {
                creates_policy = true;
                PolicySnapshot::default()
            }
            Reading::NoPolicy(block) | Reading::Blocked(block) => {
                tracing::error!(%lane, run = %planned, reason = %block.reason, detail = block.detail, "the lane is blocked");
                self.try_transition(lane, state, |state| state.blocked(block.clone()))
                    .await?;
                return Ok(false);
            }
            Reading::Later => {
                let until = self.back_off_until(&state);
                self.try_transition(lane, state, |state| state.back_off(until))
                    .await?;
                return Ok(false);
            }
        };
        let now = self.now();
        let choice = choose(&state, claimed, &policy, now);
        if choice.batch.is_empty() && choice.holding.is_empty() {
            // The number of changes was worth a batch, but with the policy known it is not.
            return Ok(false);
        }
        let intent = Intent {
            token: format!("{:032x}", self.ports.entropy().bits()),
            at: now,
            creates_policy,
            changes: choice
                .batch
                .iter()
                .map(|change| IntentChange {
                    product: change.product.clone(),
                    action: change.action,
                    run: change.run,
                    ordinal: change.ordinal,
                })
                .collect(),
        };
        let seq = state.seq;
        let tick_at = first_tick(&state, now);
        let holding = counts(choice.holding.iter().map(|change| change.action));
        let intended = self
            .try_transition(lane, state, |state| {
                state.intending(seq, planned, intent.clone(), holding, tick_at)
            })
            .await?;
        let state = match intended {
            Some(state) => state,
            // The intent was written if only the answer to the first attempt was lost.
            None => match self.ports.ledger().state(lane).await? {
                state if state.is_at(&intent) => state,
                _ => return Ok(false),
            },
        };
        // Only after the intent: another worker's batch might have been about to change them.
        if !choice.holding.is_empty() {
            self.close(lane, &choice.holding, Closing::Holding).await?;
        }
        if intent.changes.is_empty() {
            return Ok(false);
        }
        tracing::info!(%lane, run = %planned, seq = state.seq, allow = intent.counts().allow, deny = intent.counts().deny, holding = holding.total(), "starting a change set");
        self.send_tick(lane, state.tick, tick_at).await?;
        self.start(lane, state, &intent).await
    }

    /// Sends StartChangeSet with the token and changes of the intent, and records the result.
    /// Returns true if a change set is or may be under way, and false if the lane must be read
    /// again.
    async fn start(&self, lane: &LaneId, state: LaneState, intent: &Intent) -> Step<bool> {
        let name = state.change_set_name(&lane.experience);
        let seq = state.seq;
        let error = match self.ports.catalog().start(&name, intent).await {
            Ok(id) => {
                tracing::info!(%lane, seq, change_set = %id, "the change set is under way");
                self.try_transition(lane, state, |state| state.started(seq, id.clone()))
                    .await?;
                return Ok(true);
            }
            Err(error) => error,
        };
        tracing::warn!(%lane, seq, %error, "the change set was not started");
        let now = self.now();
        let ending = match error.kind {
            // The call may have taken effect: the lane stays at `starting` until a Tick finds out.
            Kind::Retryable | Kind::Conflict => return Ok(true),
            Kind::Locked => {
                if let Some(id) = self.ports.catalog().find(&name).await? {
                    self.try_transition(lane, state, |state| state.started(seq, id.clone()))
                        .await?;
                    return Ok(true);
                }
                Ending::BackOff(self.back_off_until(&state))
            }
            Kind::Throttled => Ending::BackOff(self.back_off_until(&state)),
            Kind::Denied => Ending::Blocked(block(BlockReason::AccessDenied, &error, now)),
            Kind::NotFound => Ending::Blocked(block(BlockReason::NotFound, &error, now)),
            Kind::Refused => Ending::Blocked(block(BlockReason::Refused, &error, now)),
        };
        self.try_transition(lane, state, |state| state.ended(seq, ending.clone(), now))
            .await?;
        Ok(false)
    }

    /// Resolves an intent that may or may not have been started: looks up its change set by name,
    /// then starts it again with the same token and changes.
    pub(crate) async fn start_again(&self, lane: &LaneId, state: &LaneState) -> Step<()> {
        let Some(intent) = state.intent.clone() else {
            return Ok(());
        };
        let name = state.change_set_name(&lane.experience);
        let seq = state.seq;
        if let Some(id) = self.ports.catalog().find(&name).await? {
            tracing::info!(%lane, seq, change_set = %id, "the change set was started after all");
            self.try_transition(lane, state.clone(), |state| state.started(seq, id.clone()))
                .await?;
            return Ok(());
        }
        if state.suspension.is_some() || !state.permits(&intent, self.now()) {
            tracing::info!(%lane, seq, "the lane is suspended, or the member's own rules forbid it: the change set is not started");
            let ending = Ending::BackOff(self.now());
            self.try_transition(lane, state.clone(), |state| {
                state.ended(seq, ending.clone(), self.now())
            })
            .await?;
            return Ok(());
        }
        let (tried, now) = (intent.at, self.now());
        let mine = self
            .try_transition(lane, state.clone(), |state| {
                state.restarting(seq, tried, now)
            })
            .await?;
        if let Some(state) = mine {
            tracing::info!(%lane, seq, "starting the change set again");
            self.start(lane, state, &intent).await?;
        }
        Ok(())
    }

    pub(crate) async fn read_policy(&self, lane: &LaneId, state: &LaneState) -> Reading {
        let reading = async {
            let experience = self.ports.catalog().experience(&lane.experience).await?;
            if experience.archived {
                return Ok(Err(BlockReason::Archived));
            }
            match &experience.policy {
                Some(policy) => self.ports.catalog().policy(policy).await.map(Ok),
                None => Ok(Err(BlockReason::NoPolicy)),
            }
        };
        let now = self.now();
        match reading.await {
            Ok(Ok(policy)) => Reading::Policy(policy),
            Ok(Err(BlockReason::NoPolicy)) => Reading::NoPolicy(Block {
                reason: BlockReason::NoPolicy,
                detail: lane.experience.to_string(),
                since: now,
            }),
            Ok(Err(reason)) => Reading::Blocked(Block {
                reason,
                detail: lane.experience.to_string(),
                since: now,
            }),
            Err(error) => match error.kind {
                Kind::Denied => Reading::Blocked(block(BlockReason::AccessDenied, &error, now)),
                Kind::NotFound => Reading::Blocked(block(BlockReason::NotFound, &error, now)),
                Kind::Refused => Reading::Blocked(block(BlockReason::Refused, &error, now)),
                Kind::Retryable | Kind::Throttled | Kind::Locked | Kind::Conflict => {
                    tracing::warn!(%lane, back_off = state.back_off, %error, "the member experience cannot be read now");
                    Reading::Later
                }
            },
        }
    }
}

fn block(reason: BlockReason, error: &ServiceError, since: Timestamp) -> Block {
    Block {
        reason,
        detail: error.to_string(),
        since,
    }
}
