//! A loopback proxy for HTTP/1.1 between the Lambda functions and what they call. It counts calls,
//! cuts them, delays them, drops their answers, or kills the caller.
//!
//! It forwards paths, queries, headers and bodies unchanged, including the Host header, so
//! signatures stay valid.

mod connection;
mod rules;
mod shared;

use std::io::Result;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use self::rules::LONGEST;
pub use self::rules::{Action, Filter, Moment, RuleId, Rules, Times};
pub use self::shared::{Fate, Seen};
use self::shared::{Gate, Shared, now};

/// The most concurrent connections. Others wait in the listener's queue.
const MOST_CONNECTIONS: usize = 4_096;

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
