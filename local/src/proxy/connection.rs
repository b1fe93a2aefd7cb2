//! One connection: a caller on one side, the upstream on the other, one call after another.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming as Stream;
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper::{client, server};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, Notify, OnceCell};

use super::rules::{Action, Decision, Incoming, Moment};
use super::shared::{Fate, Shared};
use crate::process::{self, Process};

/// How long one call may take: a little longer than the longest Lambda timeout.
const MOST_TIME: Duration = Duration::from_mins(16);
/// How much of a body filters see, in bytes.
const MOST_SEEN: usize = 64 * 1024;

type Body = BoxBody<Bytes, std::convert::Infallible>;

struct Connection {
    shared: Arc<Shared>,
    peer: SocketAddr,
    upstream: Mutex<Option<SendRequest<Body>>>,
    /// The upstream has closed its connection.
    ended: Arc<Notify>,
    /// Found once, because the connection belongs to the process that made it.
    caller: OnceCell<Process>,
}

/// Serves call after call until one side or a rule ends the connection.
pub(super) async fn serve(shared: Arc<Shared>, client: TcpStream, peer: SocketAddr) {
    // Small answers should not wait. If this fails, they wait.
    let _ = client.set_nodelay(true);
    let ended = Arc::new(Notify::new());
    let connection = Arc::new(Connection {
        shared,
        peer,
        upstream: Mutex::default(),
        ended: Arc::clone(&ended),
        caller: OnceCell::new(),
    });
    let service = service_fn(move |request| {
        let connection = Arc::clone(&connection);
        async move { connection.call(request).await }
    });
    let serving = server::conn::http1::Builder::new()
        .preserve_header_case(true)
        .auto_date_header(false)
        // A caller that has ended does not cancel its call.
        .half_close(true)
        .serve_connection(TokioIo::new(client), service);
    tokio::pin!(serving);
    let outcome = tokio::select! {
        outcome = &mut serving => outcome,
        // If the upstream closes an idle connection, the caller's connection closes too, as it
        // would without a proxy.
        () = ended.notified() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection through the proxy ended early");
    }
}

impl Connection {
    /// Serves one call. An error closes the connection without an answer.
    async fn call(&self, request: Request<Stream>) -> Result<Response<Body>> {
        let (head, body) = request.into_parts();
        let body = in_time(whole(body)).await;
        let needs_body = self.shared.state(|state| state.rules.need_body());
        let seen = body.as_ref().ok().filter(|_| needs_body);
        let seen = seen.map(|(bytes, _)| bytes.slice(..bytes.len().min(MOST_SEEN)));
        let target = head.headers.get("x-amz-target");
        let (seq, decision) = self.shared.arrive(&Incoming {
            caller: self.caller().await,
            request: &format!("{} {} {:?}", head.method, head.uri, head.version),
            target: target.and_then(|value| value.to_str().ok()),
            body: &String::from_utf8_lossy(&seen.unwrap_or_default()),
        });
        let carried = async {
            let request = Request::from_parts(head, again(body?));
            in_time(self.carry(request, seq, decision)).await
        };
        match carried.await {
            Ok(Some(response)) => Ok(response),
            Ok(None) => Err(ErrorKind::ConnectionAborted.into()),
            Err(error) => {
                self.shared.update(seq, |seen| {
                    if matches!(seen.fate, Fate::Forwarded | Fate::Delayed) {
                        seen.fate = Fate::Broken;
                    }
                });
                Err(error)
            }
        }
    }

    async fn caller(&self) -> Option<&Process> {
        let (from, to) = (self.peer.port(), self.shared.address.port());
        let find = || async move {
            let likely = self.shared.recent_callers();
            let search = move || process::caller(from, to, &likely);
            let found = tokio::task::spawn_blocking(search).await;
            found.ok().flatten().ok_or(())
        };
        self.caller.get_or_try_init(find).await.ok()
    }

    /// Forwards one call. Returns none if the caller gets no answer.
    async fn carry(
        &self,
        request: Request<Body>,
        seq: u64,
        decision: Decision,
    ) -> Result<Option<Response<Body>>> {
        tokio::time::sleep(decision.delay).await;
        self.shared.unpaused().await;
        match decision.action {
            Some(Action::Cut) => return Ok(None),
            Some(Action::Kill(Moment::Before)) if self.kill(seq, Fate::KilledBefore).await => {
                return Ok(None);
            }
            _ => {}
        }
        let response = self.forward(request, seq).await?;
        match decision.action {
            Some(Action::DropAnswer) => Ok(None),
            Some(Action::Kill(Moment::After)) if self.kill(seq, Fate::KilledAfter).await => {
                Ok(None)
            }
            _ => Ok(Some(response)),
        }
    }

    /// Kills the caller. Returns false if that is not allowed.
    async fn kill(&self, seq: u64, fate: Fate) -> bool {
        let ancestor = self.shared.state(|state| state.ancestor);
        // Logged before, so that whoever sees the process end finds it in the log.
        self.shared.update(seq, |seen| seen.fate = fate);
        let outcome = match (self.caller.get(), ancestor) {
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

    /// Forwards the request, and reads the whole answer.
    async fn forward(&self, request: Request<Body>, seq: u64) -> Result<Response<Body>> {
        let mut upstream = self.upstream.lock().await;
        let sender = match &mut *upstream {
            Some(sender) => sender,
            none => none.insert(self.connect().await?),
        };
        let response = sender.send_request(request).await.map_err(Error::other)?;
        self.shared.unpaused().await;
        let (head, body) = response.into_parts();
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(ErrorKind::Unsupported.into());
        }
        let body = whole(body).await?;
        self.shared
            .update(seq, |seen| seen.status = Some(head.status.as_u16()));
        Ok(Response::from_parts(head, again(body)))
    }

    async fn connect(&self) -> Result<SendRequest<Body>> {
        let stream = TcpStream::connect(self.shared.upstream).await?;
        let _ = stream.set_nodelay(true);
        let (sender, upstream) = client::conn::http1::Builder::new()
            .preserve_header_case(true)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(Error::other)?;
        let ended = Arc::clone(&self.ended);
        // It ends with its sender.
        tokio::spawn(async move {
            let _ = upstream.await;
            ended.notify_one();
        });
        Ok(sender)
    }
}

async fn in_time<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let outcome = tokio::time::timeout(MOST_TIME, work).await;
    outcome.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
}

/// A body with its trailers, read to its end.
async fn whole(body: Stream) -> Result<(Bytes, Option<HeaderMap>)> {
    let body = body.collect().await.map_err(Error::other)?;
    let trailers = body.trailers().cloned();
    Ok((body.to_bytes(), trailers))
}

/// Converts it to a body that can be sent.
fn again((bytes, trailers): (Bytes, Option<HeaderMap>)) -> Body {
    let body = Full::new(bytes);
    match trailers {
        None => body.boxed(),
        Some(trailers) => body
            .with_trailers(std::future::ready(Some(Ok(trailers))))
            .boxed(),
    }
}
