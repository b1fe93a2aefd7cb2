//! A loopback proxy for HTTP/1.1 between the Lambda functions and what they call. It counts calls,
//! cuts them, delays them, drops their answers, or kills the caller.
//!
//! It forwards paths, queries, headers and bodies unchanged, including the Host header, so
//! signatures stay valid.

mod connection;
mod rules;

use std::collections::VecDeque;
use std::io::Result;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

pub use self::rules::{Action, Filter, Moment, RuleId, Rules, Times};
use self::rules::{Decision, Incoming, LONGEST};

/// The most calls in the log. The oldest are dropped first.
const MOST_SEEN: usize = 100_000;
/// The most concurrent connections. Others wait in the listener's queue.
const MOST_CONNECTIONS: usize = 4_096;

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
struct State {
    rules: Rules,
    /// Only its descendants may be killed.
    ancestor: Option<u32>,
    log: VecDeque<Seen>,
    /// The number of all calls.
    count: u64,
}

/// Until when everything is held or refused.
#[derive(Debug, Clone, Copy, Default)]
struct Gate {
    paused: Option<Instant>,
    refused: Option<Instant>,
}

struct Shared {
    address: SocketAddr,
    upstream: SocketAddr,
    state: Mutex<State>,
    gate: watch::Sender<Gate>,
}

/// A running proxy. It ends, with its connections, when this is dropped.
pub struct Proxy {
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxy")
            .field("address", &self.shared.address)
            .field("upstream", &self.shared.upstream)
            .finish_non_exhaustive()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Proxy {
    /// Starts on a free port of loopback. Needs a Tokio runtime.
    pub async fn start(upstream: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let shared = Arc::new(Shared {
            address: listener.local_addr()?,
            upstream,
            state: Mutex::default(),
            gate: watch::Sender::default(),
        });
        let serving = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { shared, serving })
    }

    /// `http://127.0.0.1:<port>`
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.shared.address)
    }

    /// Sets the process whose descendants may be killed, excluding itself. Without it no process is
    /// killed.
    pub fn allow_kills_below(&self, pid: u32) {
        self.shared.state(|state| state.ancestor = Some(pid));
    }

    /// Accesses the rules while the proxy runs.
    pub fn rules<T>(&self, work: impl FnOnce(&mut Rules) -> T) -> T {
        self.shared.state(|state| work(&mut state.rules))
    }

    /// Holds every call and every answer until [`Proxy::resume`], for at most `most` and ten
    /// minutes.
    pub fn pause(&self, most: Duration) {
        let until = Instant::now() + most.min(LONGEST);
        self.shared
            .gate
            .send_modify(|gate| gate.paused = Some(until));
    }

    /// Refuses everything until [`Proxy::resume`], for at most `most` and ten minutes: open
    /// connections are cut, and new ones are closed at once.
    pub fn refuse(&self, most: Duration) {
        let until = Instant::now() + most.min(LONGEST);
        self.shared
            .gate
            .send_modify(|gate| gate.refused = Some(until));
    }

    /// Ends a pause or a refusal.
    pub fn resume(&self) {
        self.shared.gate.send_replace(Gate::default());
    }

    /// The calls in the log, in the order of their arrival.
    pub fn log(&self) -> Vec<Seen> {
        self.shared
            .state(|state| state.log.iter().cloned().collect())
    }

    /// The number of all calls, including those no longer in the log.
    pub fn count(&self) -> u64 {
        self.shared.state(|state| state.count)
    }
}

impl Shared {
    fn state<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Decides about a call and logs it. Returns its number in the log.
    fn arrive(&self, call: &Incoming<'_>) -> (u64, Decision) {
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

    /// Changes a call in the log, if it is still there.
    fn update(&self, seq: u64, change: impl FnOnce(&mut Seen)) {
        self.state(|state| {
            let gone = state.count - state.log.len() as u64;
            let place = seq.checked_sub(gone).and_then(|p| usize::try_from(p).ok());
            if let Some(seen) = place.and_then(|place| state.log.get_mut(place)) {
                change(seen);
            }
        });
    }

    async fn unpaused(&self) {
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

    fn is_refusing(&self) -> bool {
        let until = self.gate.borrow().refused;
        until.is_some_and(|until| until > Instant::now())
    }

    /// Waits for a refusal to begin.
    async fn refused(&self) {
        let mut gate = self.gate.subscribe();
        while !self.is_refusing() {
            if gate.changed().await.is_err() {
                return;
            }
        }
    }
}

impl State {
    fn push(&mut self, seen: Seen) -> u64 {
        if self.log.len() >= MOST_SEEN {
            self.log.pop_front();
        }
        self.log.push_back(seen);
        self.count += 1;
        self.count - 1
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Dropping this task drops every connection.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= MOST_CONNECTIONS {
            connections.join_next().await;
        }
        let (client, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "the proxy cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        if shared.is_refusing() {
            shared.state(|state| {
                state.push(Seen {
                    at: now(),
                    pid: None,
                    program: None,
                    request: String::new(),
                    target: None,
                    status: None,
                    fate: Fate::Refused,
                })
            });
            continue;
        }
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            tokio::select! {
                () = connection::serve(Arc::clone(&shared), client, peer) => {}
                () = shared.refused() => {}
            }
        });
    }
}

/// The clock of the proxy.
#[expect(
    clippy::disallowed_methods,
    reason = "the proxy is an edge: its log is of real time"
)]
fn now() -> Timestamp {
    Timestamp::now()
}
