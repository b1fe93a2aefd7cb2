//! Moving a lane on: reads what stands, makes the next step, and goes on until somebody else has to
//! do something. docs/lane-protocol.md has the rules; the order of the calls here is part of them.

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ids::{ChangeSetId, LaneId};
use pmp_sync_domain::lane::{
    Block, BlockReason, Ending, Intent, IntentChange, LaneState, Next, OnTick, OpenChange, Phase,
    Refusal, choose, counts, first_tick, next, on_tick, restart_is_due,
};
use pmp_sync_domain::message::{TickMessage, lane_settled};
use pmp_sync_domain::plan::ProductChange;
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::ports::{
    Bus as _, ChangeSetStatus, ChangeSets as _, Claims as _, Clock as _, Closing, Entropy as _,
    Lanes as _, ReadCatalog as _, SendTicks as _,
};
use pmp_sync_domain::transit::transit;

use crate::{Ports, Worker};

/// Steps of one invocation on one lane. A settle and the next start are three; more than a few
/// rounds mean that other writers are faster each time, and the message better comes again.
const MOST_STEPS: usize = 12;
/// Cancellations in a row after which a lane is blocked: somebody does not want it.
const MOST_CANCELLED: u32 = 3;
/// A Tick that is due this much later than needed is good enough, in seconds: SQS delays by whole ones.
const TICK_SLACK: i64 = 1;

/// What the messages say besides their changes.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    /// The highest number of the Ticks.
    pub(crate) tick: Option<u64>,
    /// Change sets of ours that have ended, with the intent that each was of.
    pub(crate) ended: Vec<(u64, ChangeSetId)>,
}

/// What a policy reading came to.
enum Reading {
    Policy(PolicySnapshot),
    Blocked(Block),
    Later,
}

type Step<T> = Result<T, ServiceError>;

impl<P: Ports> Worker<P> {
    /// Moves the lane on as far as it goes.
    pub(crate) async fn advance(&self, lane: &LaneId, wake: &Wake) -> Step<()> {
        let mut live_tick = false;
        if let Some(number) = wake.tick {
            live_tick = self.renew(lane, number).await?;
        }
        // What has just been applied: the policy may not show it yet.
        let mut applied = Vec::new();
        for _ in 0..MOST_STEPS {
            let state = self.ports.ledger().state(lane).await?;
            let ended = wake
                .ended
                .iter()
                .find(|(seq, _)| *seq == state.seq)
                .map(|(_, id)| id.clone());
            match state.phase {
                Phase::InFlight if live_tick || ended.is_some() => {
                    match self.settle(lane, &state).await? {
                        Some(changes) => applied = changes,
                        None => return Ok(()),
                    }
                    continue;
                }
                // The event was faster than whoever started it.
                Phase::Starting if ended.is_some() => {
                    let seq = state.seq;
                    if let Some(id) = ended {
                        self.transit(lane, state, |state| state.started(seq, id.clone()))
                            .await?;
                    }
                    continue;
                }
                Phase::Starting if live_tick => {
                    if restart_is_due(&state, self.timeout_seconds, self.now()) {
                        self.start_again(lane, &state).await?;
                    }
                    return Ok(());
                }
                _ => {}
            }
            let open = match state.phase {
                Phase::Idle => self.ports.ledger().open(lane).await?,
                _ => Vec::new(),
            };
            match next(&state, &open, self.timeout_seconds, self.now()) {
                Next::Stay | Next::Rest(None) => return Ok(()),
                Next::Rest(Some(run)) => {
                    tracing::info!(%lane, %run, "the lane has settled");
                    self.ports.bus().put(lane_settled(lane, Some(run))).await?;
                    self.transit(lane, state, |state| Ok(state.announced(run)))
                        .await?;
                    return Ok(());
                }
                Next::Guard { number, due } => return self.send_tick(lane, number, due).await,
                Next::Supersede(void) => self.close(lane, &void, Closing::Superseded).await?,
                Next::Wait { until } => {
                    if self.wait(lane, state, until).await? {
                        return Ok(());
                    }
                }
                Next::Choose(claimed) => {
                    if self.go(lane, state, &claimed, &applied).await? {
                        return Ok(());
                    }
                }
            }
        }
        Err(ServiceError::new(
            "advance",
            lane.to_string(),
            Kind::Conflict,
            "the lane did not come to rest within one invocation",
        ))
    }

    /// The live Tick goes on before any work. True if the Tick is the live one, and so drives the
    /// lane; one that is not drives nothing.
    async fn renew(&self, lane: &LaneId, number: u64) -> Step<bool> {
        let state = self.ports.ledger().state(lane).await?;
        let open = match state.phase {
            Phase::Idle if number >= state.tick => self.ports.ledger().open(lane).await?,
            _ => Vec::new(),
        };
        match on_tick(&state, &open, number, self.timeout_seconds, self.now()) {
            OnTick::Drop => {
                tracing::debug!(%lane, number, live = state.tick, "a tick that is not the live one");
                Ok(false)
            }
            OnTick::End => Ok(false),
            OnTick::Renew { number: next, due } => {
                self.send_tick(lane, next, due).await?;
                let renewed = self
                    .transit(lane, state, |state| state.ticked(next, due))
                    .await?;
                Ok(renewed.is_some())
            }
        }
    }

    /// Sees to it that a Tick is due when the lane can go on. True if there is one.
    async fn wait(&self, lane: &LaneId, state: LaneState, until: Timestamp) -> Step<bool> {
        let now = self.now();
        let good_enough = pmp_sync_domain::lane::later(until, TICK_SLACK);
        if state
            .tick_at
            .is_some_and(|at| at > now && at <= good_enough)
        {
            return Ok(true);
        }
        let number = state.tick + 1;
        self.send_tick(lane, number, until).await?;
        Ok(self
            .transit(lane, state, |state| state.ticked(number, until))
            .await?
            .is_some())
    }

    /// Chooses a batch, writes the intent and starts it. True when the lane is not ours to move any
    /// more; false to look at it again.
    async fn go(
        &self,
        lane: &LaneId,
        state: LaneState,
        claimed: &[OpenChange],
        applied: &[ProductChange],
    ) -> Step<bool> {
        let Some(planned) = state.planned_run() else {
            return Ok(true);
        };
        let policy = match self.read_policy(lane, &state).await {
            Reading::Policy(policy) => policy.overlaid(
                applied
                    .iter()
                    .map(|change| (&change.product, change.action)),
            ),
            Reading::Blocked(block) => {
                tracing::error!(%lane, run = %planned, reason = %block.reason, detail = block.detail, "the lane is blocked");
                self.transit(lane, state, |state| state.blocked(block.clone()))
                    .await?;
                return Ok(false);
            }
            Reading::Later => {
                let until = state.put_off_until(self.now());
                self.transit(lane, state, |state| state.put_off(until))
                    .await?;
                return Ok(false);
            }
        };
        let now = self.now();
        let choice = choose(&state, claimed, &policy, now);
        if choice.batch.is_empty() && choice.holding.is_empty() {
            // What was worth a batch by number alone is not, now that the policy is known.
            return Ok(false);
        }
        let intent = Intent {
            token: format!("{:032x}", self.ports.entropy().bits()),
            at: now,
            changes: choice
                .batch
                .iter()
                .map(|change| IntentChange {
                    product: change.product.clone(),
                    action: change.action,
                    run: change.run,
                })
                .collect(),
        };
        let seq = state.seq;
        let tick_at = first_tick(&state, now);
        let holding = counts(choice.holding.iter().map(|change| change.action));
        let intended = self
            .transit(lane, state, |state| {
                state.intending(seq, planned, intent.clone(), holding, tick_at)
            })
            .await?;
        let Some(state) = intended else {
            return Ok(false);
        };
        // Only now: another worker's batch might have been about to change them.
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

    /// Sends StartChangeSet with the intent's own token and changes, and writes down what came of it.
    /// True when a change set is under way, or may be; false to look at the lane again.
    async fn start(&self, lane: &LaneId, state: LaneState, intent: &Intent) -> Step<bool> {
        let name = state.change_set_name(&lane.experience);
        let seq = state.seq;
        let error = match self
            .ports
            .catalog()
            .start(&name, &intent.token, &intent.changes)
            .await
        {
            Ok(id) => {
                tracing::info!(%lane, seq, change_set = %id, "the change set is under way");
                self.transit(lane, state, |state| state.started(seq, id.clone()))
                    .await?;
                return Ok(true);
            }
            Err(error) => error,
        };
        tracing::warn!(%lane, seq, %error, "the change set was not started");
        let now = self.now();
        let ending = match error.kind {
            // It may have had its effect: the lane stays at `starting` until a Tick finds out.
            Kind::Retryable | Kind::Conflict => return Ok(true),
            Kind::Locked => {
                if let Some(id) = self.ports.catalog().find(&name).await? {
                    self.transit(lane, state, |state| state.started(seq, id.clone()))
                        .await?;
                    return Ok(true);
                }
                Ending::PutOff(state.put_off_until(now))
            }
            Kind::Throttled => Ending::PutOff(state.put_off_until(now)),
            Kind::Denied => Ending::Blocked(block(BlockReason::AccessDenied, &error, now)),
            Kind::NotFound => Ending::Blocked(block(BlockReason::NotFound, &error, now)),
            Kind::Refused => Ending::Blocked(block(BlockReason::Refused, &error, now)),
        };
        self.transit(lane, state, |state| state.ended(seq, ending.clone(), now))
            .await?;
        Ok(false)
    }

    /// An intent of which nobody knows whether it was started: looks for its change set by name
    /// first, then starts it again with the same token and changes.
    async fn start_again(&self, lane: &LaneId, state: &LaneState) -> Step<()> {
        let Some(intent) = state.intent.clone() else {
            return Ok(());
        };
        let name = state.change_set_name(&lane.experience);
        let seq = state.seq;
        if let Some(id) = self.ports.catalog().find(&name).await? {
            tracing::info!(%lane, seq, change_set = %id, "the change set was started after all");
            self.transit(lane, state.clone(), |state| state.started(seq, id.clone()))
                .await?;
            return Ok(());
        }
        tracing::info!(%lane, seq, "starting the change set again");
        self.start(lane, state.clone(), &intent).await?;
        Ok(())
    }

    /// Asks how the change set stands; if it has ended, closes its changes and frees the lane.
    /// Returns what has been applied, or nothing while it is under way.
    async fn settle(&self, lane: &LaneId, state: &LaneState) -> Step<Option<Vec<ProductChange>>> {
        let (Some(id), Some(intent)) = (&state.change_set, &state.intent) else {
            return Ok(None);
        };
        let status = match self.ports.catalog().status(id).await {
            Ok(status) => status,
            Err(error) if error.kind == Kind::NotFound => {
                ChangeSetStatus::ServerFault(error.to_string())
            }
            Err(error) => {
                tracing::warn!(%lane, change_set = %id, %error, "the change set can not be looked at; the next tick tries again");
                return Ok(None);
            }
        };
        let now = self.now();
        let mut applied = Vec::new();
        let ending = match status {
            ChangeSetStatus::Underway => return Ok(None),
            ChangeSetStatus::Succeeded(duration_seconds) => {
                let changes: Vec<_> = intent
                    .changes
                    .iter()
                    .map(|change| (change.product.clone(), change.run))
                    .collect();
                self.ports
                    .ledger()
                    .close(lane, &changes, Closing::Applied, Some(id), now)
                    .await?;
                applied.extend(intent.changes.iter().map(|change| ProductChange {
                    product: change.product.clone(),
                    action: change.action,
                }));
                tracing::info!(%lane, seq = state.seq, change_set = %id, changes = changes.len(), "the change set has succeeded");
                Ending::Succeeded { duration_seconds }
            }
            ChangeSetStatus::Failed(detail) => Ending::Blocked(Block {
                reason: BlockReason::ChangeSetFailed,
                detail,
                since: now,
            }),
            ChangeSetStatus::Cancelled if state.put_off >= MOST_CANCELLED => {
                Ending::Blocked(Block {
                    reason: BlockReason::Cancelled,
                    detail: id.to_string(),
                    since: now,
                })
            }
            ChangeSetStatus::ServerFault(_) | ChangeSetStatus::Cancelled => {
                Ending::PutOff(state.put_off_until(now))
            }
        };
        if !matches!(ending, Ending::Succeeded { .. }) {
            tracing::warn!(%lane, seq = state.seq, change_set = %id, ?ending, "the change set has not succeeded");
        }
        let seq = state.seq;
        self.transit(lane, state.clone(), |state| {
            state.ended(seq, ending.clone(), now)
        })
        .await?;
        Ok(Some(applied))
    }

    async fn read_policy(&self, lane: &LaneId, state: &LaneState) -> Reading {
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
                    tracing::warn!(%lane, put_off = state.put_off, %error, "the member experience can not be read now");
                    Reading::Later
                }
            },
        }
    }

    /// Makes a transition on the state as it stands. Nothing if it is refused: somebody was faster.
    async fn transit(
        &self,
        lane: &LaneId,
        state: LaneState,
        transition: impl Fn(&LaneState) -> Result<LaneState, Refusal> + Send + Sync,
    ) -> Step<Option<LaneState>> {
        let transited = transit(
            self.ports.ledger(),
            self.ports.clock(),
            lane,
            state,
            transition,
        )
        .await?;
        Ok(transited.map(|transited| transited.after))
    }

    async fn close(&self, lane: &LaneId, changes: &[OpenChange], closing: Closing) -> Step<()> {
        let changes: Vec<_> = changes
            .iter()
            .map(|change| (change.product.clone(), change.run))
            .collect();
        tracing::info!(%lane, changes = changes.len(), closing = closing.as_str(), "changes are closed without a change set");
        self.ports
            .ledger()
            .close(lane, &changes, closing, None, self.now())
            .await
    }

    async fn send_tick(&self, lane: &LaneId, number: u64, due: Timestamp) -> Step<()> {
        let seconds = due
            .duration_since(self.now())
            .as_secs_f64()
            .ceil()
            .clamp(0.0, 900.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to what SQS takes"
        )]
        let delay = seconds as u16;
        self.ports
            .queue()
            .tick(&TickMessage::new(lane, number), delay)
            .await
    }

    fn now(&self) -> Timestamp {
        self.ports.clock().now()
    }
}

fn block(reason: BlockReason, error: &ServiceError, since: Timestamp) -> Block {
    Block {
        reason,
        detail: error.to_string(),
        since,
    }
}
