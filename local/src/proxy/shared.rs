//! What the connections of a proxy share: its rules, its gate, and the log of calls.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use tokio::sync::watch;

use super::rules::{Action, Decision, Incoming, Rules};

/// The most calls in the log. The oldest are dropped first.
const MOST_SEEN: usize = 100_000;
/// How many of the last calls tell who probably makes the next one.
const RECENT: usize = 200;

/// The fate of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fate {
    /// It was forwarded, and answered.
    Forwarded,
    /// It was forwarded late, and answered.
    Delayed,
    /// It was not forwarded, and the connection was closed.
    Cut,
    /// It was forwarded, and the connection closed without the answer.
    AnswerDropped,
    /// The connection was closed before a call was read.
    Refused,
    /// The caller was killed and the call not forwarded.
    KilledBefore,
    /// The caller was killed when the upstream had answered.
    KilledAfter,
    /// A rule wanted to kill the caller, which was not allowed. The call was forwarded.
    KillRefused,
    /// One of the sides ended in the middle, or did not speak HTTP/1.1.
    Broken,
}

/// A call in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// When it arrived.
    pub at: Timestamp,
    /// The calling process, if it was found.
    pub pid: Option<u32>,
    /// The path of its program.
    pub program: Option<String>,
    /// The request line. Empty for a refused connection.
    pub request: String,
    /// The header `X-Amz-Target`.
    pub target: Option<String>,
    /// The status of the upstream's answer, once it has arrived completely.
    pub status: Option<u16>,
    /// The fate of the call.
    pub fate: Fate,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) rules: Rules,
    /// Only its descendants may be killed.
    pub(super) ancestor: Option<u32>,
    pub(super) log: VecDeque<Seen>,
    /// The number of all calls.
    pub(super) count: u64,
}

/// Until when everything is held or refused.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Gate {
    pub(super) paused: Option<Instant>,
    pub(super) refused: Option<Instant>,
}

pub(super) struct Shared {
    pub(super) address: SocketAddr,
    pub(super) upstream: SocketAddr,
    pub(super) state: Mutex<State>,
    pub(super) gate: watch::Sender<Gate>,
}

impl Shared {
    pub(super) fn state<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Decides about a call and logs it. Returns its number in the log.
    pub(super) fn arrive(&self, call: &Incoming<'_>) -> (u64, Decision) {
        self.state(|state| {
            let decision = state.rules.decide(call);
            let fate = match decision.action {
                Some(Action::Cut) => Fate::Cut,
                Some(Action::DropAnswer) => Fate::AnswerDropped,
                _ if !decision.delay.is_zero() => Fate::Delayed,
                // A kill is logged when it has been tried.
                _ => Fate::Forwarded,
            };
            let seq = state.push(Seen {
                at: now(),
                pid: call.caller.map(|caller| caller.pid),
                program: call.caller.map(|caller| caller.program.clone()),
                request: call.request.to_owned(),
                target: call.target.map(str::to_owned),
                status: None,
                fate,
            });
            (seq, decision)
        })
    }

    /// The processes that made the last calls, the latest first.
    pub(super) fn recent_callers(&self) -> Vec<u32> {
        self.state(|state| {
            let mut recent = Vec::new();
            let last = state.log.iter().rev().take(RECENT);
            for pid in last.filter_map(|seen| seen.pid) {
                if !recent.contains(&pid) {
                    recent.push(pid);
                }
            }
            recent
        })
    }

    /// Changes a call in the log, if it is still there.
    pub(super) fn update(&self, seq: u64, change: impl FnOnce(&mut Seen)) {
        self.state(|state| {
            let gone = state.count - state.log.len() as u64;
            let place = seq.checked_sub(gone).and_then(|p| usize::try_from(p).ok());
            if let Some(seen) = place.and_then(|place| state.log.get_mut(place)) {
                change(seen);
            }
        });
    }

    pub(super) async fn unpaused(&self) {
        let mut gate = self.gate.subscribe();
        loop {
            let until = gate.borrow_and_update().paused;
            let Some(until) = until.filter(|until| *until > Instant::now()) else {
                return;
            };
            tokio::select! {
                () = tokio::time::sleep_until(until.into()) => {}
                _ = gate.changed() => {}
            }
        }
    }

    pub(super) fn is_refusing(&self) -> bool {
        let until = self.gate.borrow().refused;
        until.is_some_and(|until| until > Instant::now())
    }

    /// Waits for a refusal to begin.
    pub(super) async fn refused(&self) {
        let mut gate = self.gate.subscribe();
        while !self.is_refusing() {
            if gate.changed().await.is_err() {
                return;
            }
        }
    }
}

impl State {
    pub(super) fn push(&mut self, seen: Seen) -> u64 {
        if self.log.len() >= MOST_SEEN {
            self.log.pop_front();
        }
        self.log.push_back(seen);
        self.count += 1;
        self.count - 1
    }
}

/// The clock of the proxy.
#[expect(
    clippy::disallowed_methods,
    reason = "the proxy is an edge: its log is of real time"
)]
pub(super) fn now() -> Timestamp {
    Timestamp::now()
}
