//! ministack as a child process: clean environment, loopback, a free port, and a guaranteed end.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, Command};

use rustix::process::{Pid, Signal, kill_process_group};

use super::error::EmbeddedError;
use crate::process;
use crate::proxy::Proxy;

const SUPERVISE: &str = include_str!("../../python/supervise.py");
/// How long the server may take to start.
const READY: Duration = Duration::from_secs(30);
/// The longest time that the server may be suspended for.
const MOST_PAUSE: Duration = Duration::from_mins(1);
/// The number of starts: another process may take a free port before the server listens on it.
const STARTS: usize = 3;

/// The running server. It ends when its stdin closes.
#[derive(Debug)]
pub(crate) struct Ministack {
    child: Child,
    stdin: Option<ChildStdin>,
    endpoint: String,
    proxy: Option<Proxy>,
    work: TempDir,
}

/// Resumes a suspended process when it is dropped.
struct Suspended {
    pid: u32,
    ancestor: u32,
}

impl Drop for Suspended {
    fn drop(&mut self) {
        if let Err(reason) = process::signal(self.pid, self.ancestor, Signal::CONT) {
            tracing::warn!(reason, "ministack cannot be told to go on");
        }
    }
}

impl Ministack {
    pub(crate) async fn start(
        python: &Path,
        catalog: &str,
        ttl: Duration,
        through_proxy: bool,
    ) -> Result<Self, EmbeddedError> {
        let mut last = None;
        for _ in 0..STARTS {
            match Self::try_start(python, catalog, ttl, through_proxy).await {
                Ok(server) => return Ok(server),
                Err(error) => last = Some(error),
            }
        }
        Err(last
            .unwrap_or_else(|| EmbeddedError::machine("starting ministack", "it was not tried")))
    }

    async fn try_start(
        python: &Path,
        catalog: &str,
        ttl: Duration,
        through_proxy: bool,
    ) -> Result<Self, EmbeddedError> {
        let failed = |error: std::io::Error| EmbeddedError::machine("starting ministack", error);
        let work = tempfile::Builder::new()
            .prefix("pmp-sync-")
            .tempdir()
            .map_err(failed)?;
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|socket| socket.local_addr())
            .map_err(failed)?
            .port();
        let endpoint = format!("http://127.0.0.1:{port}");
        let proxy = if through_proxy {
            let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            Some(Proxy::start(upstream).await.map_err(failed)?)
        } else {
            None
        };
        // The server passes its own endpoint to the Lambda functions.
        let of_lambdas = proxy.as_ref().map_or(endpoint.clone(), Proxy::endpoint);
        let log = std::fs::File::create(work.path().join("ministack.log")).map_err(failed)?;
        let mut child = Command::new(python)
            .arg("-I")
            .arg("-c")
            .arg(SUPERVISE)
            .arg(ttl.as_secs().to_string())
            // Lambda functions inherit the server's environment, so it must contain nothing of the
            // developer's.
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", work.path())
            .env("TMPDIR", work.path())
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("MINISTACK_HOST", "127.0.0.1")
            .env("AUTH", "true")
            .env("IOT_MTLS_ENABLED", "0")
            .env("AWS_ENDPOINT_URL", of_lambdas)
            .env("AWS_ENDPOINT_URL_MARKETPLACE_CATALOG", catalog)
            .env("AWS_ENDPOINT_URL_MARKETPLACE_DISCOVERY", catalog)
            .current_dir(work.path())
            .stdin(Stdio::piped())
            .stdout(log.try_clone().map_err(failed)?)
            .stderr(log)
            .spawn()
            .map_err(failed)?;
        let stdin = child.stdin.take();
        let mut server = Self {
            child,
            stdin,
            endpoint,
            proxy,
            work,
        };
        let ready = tokio::time::timeout(READY, async {
            while server.is_running() {
                if is_ready(port).await {
                    return true;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            false
        });
        if ready.await.unwrap_or(false) {
            return Ok(server);
        }
        let text = std::fs::read_to_string(server.log()).unwrap_or_default();
        let tail: Vec<_> = text.lines().rev().take(8).collect();
        server.stop().await;
        Err(EmbeddedError::machine(
            "starting ministack",
            tail.into_iter().rev().collect::<Vec<_>>().join("\n"),
        ))
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(crate) fn proxy(&self) -> Option<&Proxy> {
        self.proxy.as_ref()
    }

    /// The process from which all others descend.
    pub(crate) fn supervisor(&self) -> Option<u32> {
        self.child.id()
    }

    /// Suspends the server process for some time.
    pub(crate) async fn pause(&self, time: Duration) -> Result<(), EmbeddedError> {
        let failed =
            |detail: &str| EmbeddedError::machine("stopping ministack for a while", detail);
        let ancestor = self.supervisor().ok_or_else(|| failed("it has ended"))?;
        let children = tokio::task::spawn_blocking(move || process::children(ancestor));
        let children = children.await.unwrap_or_default();
        let &[pid] = children.as_slice() else {
            return Err(failed("its server process is not found"));
        };
        process::signal(pid, ancestor, Signal::STOP).map_err(|reason| failed(&reason))?;
        let suspended = Suspended { pid, ancestor };
        tokio::time::sleep(time.min(MOST_PAUSE)).await;
        drop(suspended);
        Ok(())
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.work.path().join("ministack.log")
    }

    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Closes its stdin and waits until it has ended.
    pub(crate) async fn stop(&mut self) {
        drop(self.stdin.take());
        if tokio::time::timeout(Duration::from_secs(8), self.child.wait())
            .await
            .is_err()
        {
            tracing::warn!("ministack did not end in time and is killed");
            self.kill_servers().await;
            let _ = self.child.kill().await;
        }
    }

    /// Kills the server with its Lambda functions. The server leads a process group of its own,
    /// which survives if the supervisor is killed.
    async fn kill_servers(&self) {
        let Some(supervisor) = self.supervisor() else {
            return;
        };
        let kill = move || {
            for server in process::children(supervisor) {
                kill_group(server, supervisor);
            }
        };
        // Blocking, because it may take a while.
        let _ = tokio::task::spawn_blocking(kill).await;
    }
}

/// Kills a process group if its leader descends from `ancestor`.
fn kill_group(leader: u32, ancestor: u32) {
    let pid = i32::try_from(leader).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid.filter(|_| process::is_below(leader, ancestor))
        && let Err(error) = kill_process_group(pid, Signal::KILL)
    {
        tracing::warn!(%error, "the process group of ministack cannot be killed");
    }
}

/// `GET /_ministack/ready`
async fn is_ready(port: u16) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream
            .write_all(b"GET /_ministack/ready HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
            .await?;
        let mut answer = [0_u8; 64];
        let read = stream.read(&mut answer).await?;
        Ok::<_, std::io::Error>(
            String::from_utf8_lossy(answer.get(..read).unwrap_or_default()).contains(" 200 "),
        )
    };
    matches!(
        tokio::time::timeout(Duration::from_secs(2), ask).await,
        Ok(Ok(true))
    )
}
