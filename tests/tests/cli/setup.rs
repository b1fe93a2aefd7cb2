//! What every test stands on: the binary, an emulated AWS of its own, and looking whether it is gone.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use pmp_sync_deploy::binaries;
use pmp_sync_deploy::progress::Progress;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::schemas;

/// How long a start may take: it builds the workspace and may install Python packages.
const START: Duration = Duration::from_mins(5);
/// How long any other command may take.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long it may take until nothing is left of an emulated AWS that ends.
pub(crate) const END: Duration = Duration::from_secs(20);

/// The command as it is now, installed: in a folder in which cargo does not build.
static BINARY: LazyLock<PathBuf> = LazyLock::new(|| {
    let runtime = Runtime::new().unwrap();
    let built = runtime.block_on(binaries::folder(&Progress::none()));
    let built = built.expect("the workspace is built");
    let installed = built.join("installed");
    std::fs::create_dir_all(&installed).unwrap();
    for name in ["", "-local", "-producer", "-worker"].map(|part| format!("pmp-sync{part}")) {
        let _ = std::fs::remove_file(installed.join(&name));
        std::fs::hard_link(built.join(&name), installed.join(&name)).unwrap();
    }
    installed.join("pmp-sync")
});
/// Nothing that is installed runs cargo.
const CARGO: (&str, &str) = ("CARGO", "/nonexistent/cargo");

/// The command itself.
pub(crate) fn binary() -> &'static Path {
    &BINARY
}

/// What came of a command.
#[derive(Debug)]
pub(crate) struct Answer {
    arguments: Vec<String>,
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Answer {
    /// This answer, if the command ended with that code.
    #[track_caller]
    pub(crate) fn ended_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// The one JSON value that stdout is, as the command's schema has it.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let value = serde_json::from_str(&self.stdout);
        let value = value.unwrap_or_else(|error| panic!("{error}: {self:#?}"));
        if let Some(complaint) = schemas::complaint(&self.arguments, &value) {
            panic!("{complaint}: {self:#?}");
        }
        value
    }

    /// That stderr holds all of it.
    #[track_caller]
    pub(crate) fn tells(&self, parts: &[&str]) {
        for part in parts {
            assert!(
                self.stderr.contains(part),
                "{part:?} is not told: {self:#?}"
            );
        }
    }
}

/// Lets a process end, and ends it if that takes too long.
pub(crate) fn finish(mut command: Command, folder: &Path, most: Duration) -> Answer {
    // Files of its own for every call: one that is late would write into those of the next.
    let folder = TempDir::new_in(folder).unwrap();
    let output = ["stdout", "stderr"].map(|name| folder.path().join(name));
    let arguments = command.get_args();
    let arguments = arguments.map(|argument| argument.to_string_lossy().into_owned());
    let arguments = arguments.collect();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(File::create(&output[0]).unwrap())
        .stderr(File::create(&output[1]).unwrap())
        .spawn()
        .unwrap();
    let ends = Instant::now() + most;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if Instant::now() >= ends {
            child.kill().unwrap();
            child.wait().unwrap();
            break None;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let [stdout, stderr] = output.map(|path| std::fs::read_to_string(path).unwrap());
    let answer = Answer {
        arguments,
        code: status.and_then(|status| status.code()),
        stdout,
        stderr,
    };
    assert!(
        status.is_some(),
        "it took longer than {most:?}: {answer:#?}"
    );
    answer
}

/// An emulated AWS that the command has started. It is ended when this is dropped.
pub(crate) struct Local {
    home: TempDir,
    /// The answer of `local up --json`.
    pub(crate) answer: Value,
}

impl Drop for Local {
    fn drop(&mut self) {
        // Nothing here panics: the test may be doing so already.
        if self.state().exists() {
            let _ = Command::new(&*BINARY)
                .args(["local", "down", "--state"])
                .arg(self.state())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
        }
        // One that does not listen is ended all the same, if it is surely ours.
        let Some(pid) = self.answer["pid"].as_u64() else {
            return;
        };
        let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if command.contains(&*self.state().to_string_lossy()) {
            let _ = Command::new("kill").arg(pid.to_string()).status();
        }
    }
}

impl Local {
    /// `local up` with these options.
    pub(crate) fn up(options: &[&str]) -> Self {
        let home = TempDir::new().unwrap();
        let mut local = Self {
            home,
            answer: Value::Null,
        };
        let started = local.up_again(options).ended_with(0);
        started.tells(&[
            "deploying the management account",
            "deploying the member account",
        ]);
        local.answer = started.json();
        local
    }

    /// `local up` once more in the same place.
    pub(crate) fn up_again(&self, options: &[&str]) -> Answer {
        let mut up = Command::new(&*BINARY);
        up.args(["local", "up", "--json", "--state"])
            .arg(self.state())
            .args(options)
            .env(CARGO.0, CARGO.1)
            .current_dir(self.home.path());
        // HOME and XDG_CACHE_HOME stay: the Python environment is in the cache. Nothing else that
        // the command reads may come from the developer's environment.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("AWS_") || text.starts_with("PMP_SYNC_") {
                up.env_remove(&name);
            }
        }
        finish(up, self.home.path(), START)
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.home.path().join("state.json")
    }

    /// The command with the variables that `local up` told, and nothing else of this environment.
    pub(crate) fn run(&self, arguments: &[&str]) -> Answer {
        self.run_with(arguments, &[])
    }

    /// The same with more variables, or others.
    pub(crate) fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Answer {
        let mut command = self.command(arguments);
        command.envs(variables.iter().copied());
        finish(command, self.home.path(), PATIENCE)
    }

    /// The command, not yet started.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&*BINARY);
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home.path())
            .env(CARGO.0, CARGO.1)
            .current_dir(self.home.path());
        for (name, value) in self.answer["variables"].as_object().unwrap() {
            command.env(name, value.as_str().unwrap());
        }
        command
    }

    /// The folder with the command, and with the Lambdas.
    pub(crate) fn folder_of_binaries() -> &'static str {
        BINARY.parent().unwrap().to_str().unwrap()
    }

    /// `local down`
    pub(crate) fn down(&self) -> Answer {
        self.run(&["local", "down", "--state", self.state().to_str().unwrap()])
    }

    /// A configuration file in the folder of this test.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// A folder in the folder of this test.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::create_dir(&path).unwrap();
        path
    }

    /// Text of the answer, such as `endpoint`.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.answer[name].as_str().unwrap()
    }

    /// The process that holds it.
    pub(crate) fn pid(&self) -> u32 {
        self.answer["pid"].as_u64().unwrap().try_into().unwrap()
    }

    /// The process between that one and the server: its child.
    #[track_caller]
    pub(crate) fn supervisor(&self) -> u32 {
        let children = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let path = entry.ok()?.path();
            let stat = std::fs::read_to_string(path.join("stat")).ok()?;
            let parent = stat.rsplit(')').next()?.split_whitespace().nth(1)?;
            let pid = path.file_name()?.to_str()?.parse().ok()?;
            (parent == self.pid().to_string()).then_some(pid)
        });
        let children: Vec<u32> = children.collect();
        assert_eq!(children.len(), 1, "{children:?}");
        children[0]
    }

    /// The member of that name in the answer.
    pub(crate) fn member(&self, name: &str) -> &Value {
        let members = self.answer["members"].as_array().unwrap();
        members
            .iter()
            .find(|member| member["name"] == name)
            .unwrap()
    }

    /// What is still there: ports that answer, processes that live.
    pub(crate) fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        let mut endpoints = vec![self.text("endpoint")];
        // Another emulator is not of it.
        if !self.answer["management_experience"].is_null() {
            endpoints.push(self.text("catalog_endpoint"));
        }
        for endpoint in endpoints {
            if listens(endpoint) {
                left.push(endpoint.to_owned());
            }
        }
        if lives(self.pid()) {
            left.push(format!("process {}", self.pid()));
        }
        left.extend(served_by(self.text("endpoint")));
        left
    }

    /// Waits until nothing of it is left.
    #[track_caller]
    pub(crate) fn ends_within(&self, most: Duration) {
        let ends = Instant::now() + most;
        loop {
            let left = self.left();
            if left.is_empty() {
                return;
            }
            assert!(Instant::now() < ends, "left after {most:?}: {left:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn listens(endpoint: &str) -> bool {
    TcpStream::connect(endpoint.trim_start_matches("http://")).is_ok()
}

fn lives(pid: u32) -> bool {
    let exists = Command::new("kill")
        .args(["-0", &pid.to_string()])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    // One that has ended and that nobody has asked about is only an entry in a table.
    let zombie = std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit(')').next().unwrap().starts_with(" Z"));
    exists && !zombie
}

/// ministack, its supervisor and its Lambdas by the port that their environment names, where there
/// is a /proc to tell.
fn served_by(endpoint: &str) -> Vec<String> {
    let port = endpoint.rsplit(':').next().unwrap();
    let mark = format!("GATEWAY_PORT={port}");
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let environment = |path: PathBuf| std::fs::read(path.join("environ")).unwrap_or_default();
    processes
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            environment(path.clone())
                .split(|byte| *byte == 0)
                .any(|variable| variable == mark.as_bytes())
        })
        .map(|path| format!("{} with {mark}", path.display()))
        .collect()
}

/// Calls the emulator's own control endpoint.
pub(crate) fn control(local: &Local, method: &str, path: &str, body: &Value) {
    ask(local, method, path, &body.to_string());
}

/// What the emulator's own control endpoint tells.
pub(crate) fn look(local: &Local, path: &str) -> Value {
    let answer = ask(local, "GET", path, "");
    serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

fn ask(local: &Local, method: &str, path: &str, body: &str) -> String {
    let address = local
        .text("catalog_endpoint")
        .trim_start_matches("http://")
        .to_owned();
    let mut stream = TcpStream::connect(&address).unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    body.to_owned()
}
