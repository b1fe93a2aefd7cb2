//! Advances a lane: reads its state, takes the next step, and repeats until the lane has to wait.
//! docs/lane-protocol.md has the rules. The order of the calls here is part of them.

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::ids::{ChangeSetId, LaneId};
use pmp_sync_domain::lane::{
    LaneState, Next, OnTick, OpenChange, Phase, Rejected, next, on_tick, restart_is_due,
};
use pmp_sync_domain::ports::{
    Bus as _, Clock as _, Close as _, Closing, Entropy as _, Lanes as _, SendTicks as _,
};
use pmp_sync_domain::time::elapsed;
use pmp_sync_domain::try_transition::try_transition;
use pmp_sync_domain::wire::{TickMessage, lane_settled};

use crate::{Ports, Worker};

/// Steps of one invocation on one lane. A settle and the next start are three steps. More than a
/// few rounds mean that other writers are faster each time; the message is better delivered again.
const MOST_STEPS: usize = 12;
/// The time that must be left of an invocation for another step, in seconds. An interrupted step is
/// safe, but continues only when its message is delivered again.
const ROOM: f64 = 10.0;
/// A Tick that is due this much later than needed is accepted, in seconds, because SQS delays by
/// whole seconds.
const TICK_SLACK: i64 = 1;

/// What the messages of a lane say, apart from changes.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    /// The highest Tick number.
    pub(crate) tick: Option<u64>,
    /// Our change sets that have ended, each with the `seq` of its intent.
    pub(crate) ended: Vec<(u64, ChangeSetId)>,
}

pub(crate) type Step<T> = Result<T, ServiceError>;

impl<P: Ports> Worker<P> {
    /// Advances the lane as far as possible. `ended` are change sets that are reported to have
    /// ended, each with the `seq` of its intent. `live_tick` is true if the live Tick is among the
    /// messages. The invocation ends at `deadline`.
    pub(crate) async fn advance(
        &self,
        lane: &LaneId,
        ended: &[(u64, ChangeSetId)],
        live_tick: bool,
        deadline: Timestamp,
    ) -> Step<()> {
        // What was just applied: the policy may not show it yet.
        let mut applied = Vec::new();
        for _ in 0..MOST_STEPS {
            if elapsed(self.now(), deadline) < ROOM {
                let words = "the invocation has no time left for another step";
                let error = ServiceError::new("advance", lane.to_string(), Kind::Retryable, words);
                return Err(error);
            }
            let state = self.ports.ledger().state(lane).await?;
            let Some(state) = self.apply_member_rules(lane, state).await? else {
                continue;
            };
            let ended = ended
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
                // The event arrived before the invocation that started the change set recorded its
                // id.
                Phase::Starting if ended.is_some() => {
                    let seq = state.seq;
                    if let Some(id) = ended {
                        self.try_transition(lane, state, |state| state.started(seq, id.clone()))
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
                    self.try_transition(lane, state, |state| Ok(state.announced(run)))
                        .await?;
                    return Ok(());
                }
                Next::Guard { number, due } => return self.send_tick(lane, number, due).await,
                Next::Supersede(void) => self.close(lane, &void, Closing::Superseded).await?,
                Next::Quarantine(failed) => self.quarantine(lane, state, &failed).await?,
                Next::Block(block) => {
                    tracing::error!(%lane, reason = %block.reason, detail = block.detail, "the lane is blocked");
                    self.try_transition(lane, state, |state| state.blocked(block.clone()))
                        .await?;
                }
                Next::Wait { until } => {
                    if self.wait(lane, state, until).await? {
                        return Ok(());
                    }
                }
                Next::Choose(claimed) => {
                    if self.start_batch(lane, state, &claimed, &applied).await? {
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

    /// Sends the successor of the live Tick before any work. Returns true if this Tick is the live
    /// one; any other Tick drives nothing. `succeeded` is set once the successor has been sent.
    pub(crate) async fn renew(
        &self,
        lane: &LaneId,
        number: u64,
        succeeded: &mut bool,
    ) -> Step<bool> {
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
                *succeeded = true;
                let renewed = self
                    .try_transition(lane, state, |state| state.ticked(next, due))
                    .await?;
                Ok(renewed.is_some())
            }
        }
    }

    /// Ensures that a Tick is due when the lane can continue. Returns true if there is one.
    async fn wait(&self, lane: &LaneId, state: LaneState, until: Timestamp) -> Step<bool> {
        let now = self.now();
        let good_enough = pmp_sync_domain::time::later(until, TICK_SLACK);
        if state
            .tick_at
            .is_some_and(|at| at > now && at <= good_enough)
        {
            return Ok(true);
        }
        let number = state.tick + 1;
        self.send_tick(lane, number, until).await?;
        Ok(self
            .try_transition(lane, state, |state| state.ticked(number, until))
            .await?
            .is_some())
    }

    /// Makes a transition from the current state. Returns none if the state rejects it because
    /// another writer was faster.
    pub(crate) async fn try_transition(
        &self,
        lane: &LaneId,
        state: LaneState,
        transition: impl Fn(&LaneState) -> Result<LaneState, Rejected> + Send + Sync,
    ) -> Step<Option<LaneState>> {
        let transitioned = try_transition(
            self.ports.ledger(),
            self.ports.clock(),
            lane,
            state,
            transition,
        )
        .await?;
        Ok(transitioned.map(|transitioned| transitioned.after))
    }

    pub(crate) async fn close(
        &self,
        lane: &LaneId,
        changes: &[OpenChange],
        closing: Closing,
    ) -> Step<()> {
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

    pub(crate) async fn send_tick(&self, lane: &LaneId, number: u64, due: Timestamp) -> Step<()> {
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

    /// When a lane that backs off now tries again.
    pub(crate) fn back_off_until(&self, state: &LaneState) -> Timestamp {
        state.back_off_until(self.now(), self.ports.entropy().bits())
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.ports.clock().now()
    }
}
