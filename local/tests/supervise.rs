//! The supervisor between the emulated AWS and ministack's server: the server does not outlive it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

const SUPERVISE: &str = include_str!("../python/supervise.py");
/// How long anything may take here.
const PATIENCE: Duration = Duration::from_secs(20);

/// In place of the server: tells its process and waits, whatever it is told.
const SERVER: &str = "
import os, signal, time
def main():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with open('draft', 'w') as file:
        file.write(str(os.getpid()))
    os.rename('draft', 'server')
    time.sleep(60)
";

/// A supervisor with a server.
struct Supervised {
    supervisor: Child,
    server: u32,
    folder: TempDir,
}

impl Supervised {
    fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let package = folder.path().join("ministack");
        std::fs::create_dir(&package).unwrap();
        std::fs::write(package.join("__init__.py"), "").unwrap();
        std::fs::write(package.join("app.py"), SERVER).unwrap();
        let work = folder.path().join("work");
        std::fs::create_dir(&work).unwrap();
        let supervisor = Command::new("python3")
            .args(["-c", SUPERVISE, "60"])
            .env("PYTHONPATH", folder.path())
            .current_dir(&work)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let told = work.join("server");
        until("the server runs", || told.exists());
        let server = std::fs::read_to_string(told).unwrap().parse().unwrap();
        assert!(lives(server));
        Self {
            supervisor,
            server,
            folder,
        }
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        // Nothing here panics: the test may be doing so already.
        let _ = self.supervisor.kill();
        let _ = self.supervisor.wait();
        if lives(self.server) {
            let _ = Command::new("kill")
                .args(["-KILL", &self.server.to_string()])
                .status();
        }
    }
}

fn lives(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap().starts_with(" Z"))
}

#[track_caller]
fn until(what: &str, holds: impl Fn() -> bool) {
    let ends = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < ends, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_server_ends_when_the_supervisor_is_let_go_of() {
    let mut supervised = Supervised::start();
    drop(supervised.supervisor.stdin.take());
    assert!(supervised.supervisor.wait().unwrap().success());
    assert!(!lives(supervised.server));
    assert!(!supervised.folder.path().join("work").exists());
}

#[test]
fn the_server_ends_with_a_supervisor_that_is_killed() {
    let mut supervised = Supervised::start();
    supervised.supervisor.kill().unwrap();
    let server = supervised.server;
    until("the server has ended", || !lives(server));
}
