//! One connection: a caller on one side, the upstream on the other, one call after another.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::message::{Framing, Head, Reader};
use super::rules::{Action, Decision, Incoming, Moment};
use super::{Fate, Shared};
use crate::process::{self, Process};

/// How long one call may take: a Lambda's longest time, and some.
const MOST_TIME: Duration = Duration::from_mins(16);
/// What filters see of a body, in bytes.
const MOST_SEEN: usize = 64 * 1024;

type Upstream = (Reader<OwnedReadHalf>, OwnedWriteHalf);

pub(super) struct Connection {
    shared: Arc<Shared>,
    peer: SocketAddr,
    reader: Reader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    upstream: Option<Upstream>,
    /// Looked for once: the connection stays with the process that made it.
    caller: Option<Process>,
}

impl Connection {
    pub(super) fn new(shared: Arc<Shared>, client: TcpStream, peer: SocketAddr) -> Self {
        // Small answers are not to wait; if it cannot be set they do.
        let _ = client.set_nodelay(true);
        let (reader, writer) = client.into_split();
        Self {
            shared,
            peer,
            reader: Reader::new(reader),
            writer,
            upstream: None,
            caller: None,
        }
    }

    /// Serves call after call until one side ends, or a rule does.
    pub(super) async fn serve(mut self) {
        loop {
            // An upstream that ends while nothing is asked takes the caller's connection with it,
            // as it would without a proxy.
            let head = tokio::select! {
                head = self.reader.head() => head,
                () = ended(&mut self.upstream) => return,
            };
            let Ok(Some(head)) = head else {
                return;
            };
            let call = self.arrive(&head).await;
            let Ok((seq, decision)) = call else {
                return;
            };
            let work = self.carry(&head, seq, decision);
            let outcome = tokio::time::timeout(MOST_TIME, work)
                .await
                .unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()));
            match outcome {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::debug!(%error, "a call through the proxy ended early");
                    self.shared.update(seq, |seen| {
                        if matches!(seen.fate, Fate::Forwarded | Fate::Delayed) {
                            seen.fate = Fate::Broken;
                        }
                    });
                    return;
                }
            }
        }
    }

    /// Finds out who calls, decides what is to become of the call, and writes it to the log.
    async fn arrive(&mut self, head: &Head) -> Result<(u64, Decision)> {
        if self.caller.is_none() {
            let (from, to) = (self.peer.port(), self.shared.address.port());
            let found = tokio::task::spawn_blocking(move || process::caller(from, to));
            self.caller = found.await.map_err(Error::other)?;
        }
        let mut body = &[][..];
        // A caller that waits for a word sends no body before it.
        if self.shared.state(|state| state.rules.need_body()) && !head.expects_continue() {
            let framing = head.framing_of_request()?;
            let peek = self.reader.peek(framing, MOST_SEEN);
            body = tokio::time::timeout(MOST_TIME, peek)
                .await
                .map_err(|_| Error::from(ErrorKind::TimedOut))??;
        }
        let incoming = Incoming {
            caller: self.caller.as_ref(),
            request: &head.first,
            target: head.header("x-amz-target"),
            body: &String::from_utf8_lossy(body),
        };
        Ok(self.shared.arrive(&incoming))
    }

    /// Carries one call. True if another may follow on this connection.
    async fn carry(&mut self, head: &Head, seq: u64, decision: Decision) -> Result<bool> {
        tokio::time::sleep(decision.delay).await;
        self.shared.unpaused().await;
        match decision.action {
            Some(Action::Cut) => return Ok(false),
            Some(Action::Kill(Moment::Before)) if self.kill(seq, Fate::KilledBefore).await => {
                return Ok(false);
            }
            Some(Action::DropAnswer) => {
                self.forward(head, seq, true).await?;
                return Ok(false);
            }
            Some(Action::Kill(Moment::After)) if self.may_kill() => {
                self.forward(head, seq, true).await?;
                self.kill(seq, Fate::KilledAfter).await;
                return Ok(false);
            }
            Some(Action::Kill(Moment::After)) => {
                self.kill(seq, Fate::KilledAfter).await;
            }
            _ => {}
        }
        self.forward(head, seq, false).await
    }

    /// True if the caller is one that may be killed: otherwise its answer is not taken from it.
    fn may_kill(&self) -> bool {
        let ancestor = self.shared.state(|state| state.ancestor);
        let caller = self.caller.as_ref();
        ancestor.is_some_and(|ancestor| caller.is_some_and(|c| process::is_below(c.pid, ancestor)))
    }

    /// Kills the caller. False if that must not be.
    async fn kill(&self, seq: u64, fate: Fate) -> bool {
        let ancestor = self.shared.state(|state| state.ancestor);
        // Told beforehand: whoever sees the process end finds it in the log.
        self.shared.update(seq, |seen| seen.fate = fate);
        let outcome = match (&self.caller, ancestor) {
            (Some(caller), Some(ancestor)) => process::kill(caller.pid, ancestor).await,
            (None, _) => Err("the calling process is not known".to_owned()),
            (_, None) => Err("no ancestor is named whose descendants may be killed".to_owned()),
        };
        if let Err(reason) = &outcome {
            tracing::warn!(reason, "a calling process is not killed");
            self.shared
                .update(seq, |seen| seen.fate = Fate::KillRefused);
        }
        outcome.is_ok()
    }

    /// Hands the request on and the answer back, or the answer to nobody.
    async fn forward(&mut self, head: &Head, seq: u64, drop_answer: bool) -> Result<bool> {
        if self.upstream.is_none() {
            let stream = TcpStream::connect(self.shared.upstream).await?;
            let _ = stream.set_nodelay(true);
            let (reader, writer) = stream.into_split();
            self.upstream = Some((Reader::new(reader), writer));
        }
        let Some((from_upstream, to_upstream)) = &mut self.upstream else {
            return Ok(false);
        };
        let framing = head.framing_of_request()?;
        let (reader, writer, shared) = (&mut self.reader, &mut self.writer, &self.shared);
        let sending = async {
            to_upstream.write_all(&head.bytes).await?;
            reader.copy(framing, to_upstream).await
        };
        let answering = answer(shared, seq, head, from_upstream, writer, drop_answer);
        tokio::pin!(sending, answering);
        // An answer may come before the whole request has been sent; what is left of it is not read.
        let mut sent = false;
        let again = loop {
            tokio::select! {
                biased;
                answered = &mut answering => break answered? && sent,
                outcome = &mut sending, if !sent => {
                    outcome?;
                    sent = true;
                }
            }
        };
        Ok(again)
    }
}

/// Hands the answer on. True if another call may follow.
async fn answer(
    shared: &Shared,
    seq: u64,
    request: &Head,
    from: &mut Reader<OwnedReadHalf>,
    to: &mut OwnedWriteHalf,
    drop_it: bool,
) -> Result<bool> {
    let head = loop {
        let head = from.head().await?.ok_or(ErrorKind::UnexpectedEof)?;
        if head.status() == 101 {
            return Err(ErrorKind::Unsupported.into());
        }
        if head.status() >= 200 {
            break head;
        }
        // A word that comes before the answer, such as 100 Continue.
        to.write_all(&head.bytes).await?;
    };
    shared.unpaused().await;
    let framing = head.framing_of_answer(request.method())?;
    if drop_it {
        hand_on(&head, framing, from, &mut tokio::io::sink()).await?;
    } else {
        hand_on(&head, framing, from, to).await?;
    }
    shared.update(seq, |seen| seen.status = Some(head.status()));
    Ok(!head.is_last() && framing != Framing::Close)
}

async fn hand_on(
    head: &Head,
    framing: Framing,
    from: &mut Reader<OwnedReadHalf>,
    to: &mut (impl AsyncWrite + Unpin),
) -> Result<()> {
    to.write_all(&head.bytes).await?;
    from.copy(framing, to).await
}

/// Waits until an upstream that is not asked anything ends. What it says unasked ends it too.
async fn ended(upstream: &mut Option<Upstream>) {
    match upstream {
        Some((reader, _)) => {
            let _ = reader.more().await;
        }
        None => std::future::pending().await,
    }
}
