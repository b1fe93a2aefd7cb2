//! What every test stands on: a home folder of its own, and an AWS that gives prepared answers.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long any command may take here.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What came of a command.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Answer {
    /// The one JSON value that stdout is.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// This answer, if the command ended with that code.
    #[track_caller]
    pub(crate) fn ended_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }

    /// That stdout is a failure with this code, which stderr tells in the same words.
    #[track_caller]
    pub(crate) fn is_json_failure(&self, code: &str) {
        let error = &self.json()["error"];
        assert_eq!(error["code"], code, "{self:?}");
        let message = error["message"].as_str().unwrap();
        assert!(self.stderr.contains(message), "{self:?}");
        if let Some(what_to_do) = error["what_to_do"].as_str() {
            let told = format!("what to do: {what_to_do}");
            assert!(self.stderr.contains(&told), "{self:?}");
        }
    }
}

/// A command that runs.
pub(crate) struct Running {
    child: Child,
    // A folder of its own for each: several may run at once.
    output: TempDir,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn stderr(&self) -> String {
        std::fs::read_to_string(self.output.path().join("stderr")).unwrap()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(sent.success());
    }

    /// Its answer once it has ended.
    #[track_caller]
    pub(crate) fn answer(mut self) -> Answer {
        let ends = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() >= ends {
                self.child.kill().unwrap();
                self.child.wait().unwrap();
                panic!("it took longer than {PATIENCE:?}: {}", self.stderr());
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let stdout = std::fs::read_to_string(self.output.path().join("stdout")).unwrap();
        Answer {
            code: status.code(),
            stdout,
            stderr: self.stderr(),
        }
    }
}

/// A home folder of its own, in which the command is started with nothing else of this environment.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Answer {
        self.run_with(arguments, &[])
    }

    #[track_caller]
    pub(crate) fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Answer {
        self.start(arguments, variables).answer()
    }

    /// Starts a command without waiting for its end.
    pub(crate) fn start(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Running {
        let output = TempDir::new_in(self.path()).unwrap();
        let file = |name| File::create(output.path().join(name)).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_pmp-sync"))
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path())
            // Should it look for credentials after all, then not on the network.
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(variables.iter().copied())
            .current_dir(self.path())
            .stdin(Stdio::null())
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .spawn()
            .unwrap();
        Running { child, output }
    }
}

/// Waits until something holds.
#[track_caller]
pub(crate) fn until(what: &str, holds: impl Fn() -> bool) {
    let ends = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < ends, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A valid configuration file.
pub(crate) fn fixture() -> String {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../shared/domain/fixtures/config-1.toml"
    );
    path.to_owned()
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// An endpoint where nobody listens.
pub(crate) fn closed_endpoint() -> String {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", socket.local_addr().unwrap())
}

/// A call that `FakeAws` was sent.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// The request line.
    pub(crate) request: String,
    pub(crate) body: Value,
}

/// A ledger with a configuration and nothing else, and a producer.
pub(crate) struct FakeAws {
    endpoint: String,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl FakeAws {
    /// The producer gives this answer after a time.
    pub(crate) fn start(config: &str, plan: &Value, after: Duration) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", socket.local_addr().unwrap());
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (seen, config, plan) = (calls.clone(), config.to_owned(), plan.clone());
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in socket.incoming().flatten() {
                let (seen, config, plan) = (seen.clone(), config.clone(), plan.clone());
                std::thread::spawn(move || {
                    let mut stream = stream;
                    let Some(call) = read_call(&stream) else {
                        return;
                    };
                    seen.lock().unwrap().push(call.clone());
                    let answer = if call.request.contains("/invocations") {
                        std::thread::sleep(after);
                        plan.to_string()
                    } else {
                        item(&call.body, &config).to_string()
                    };
                    // The command may have given up.
                    let _ = write!(
                        stream,
                        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}",
                        answer.len()
                    );
                });
            }
        });
        Self { endpoint, calls }
    }

    /// One whose producer is not asked.
    pub(crate) fn with_config(config: &str) -> Self {
        Self::start(config, &Value::Null, Duration::ZERO)
    }

    pub(crate) fn run(&self, home: &Home, arguments: &[&str]) -> Answer {
        home.run_with(arguments, &self.variables())
    }

    pub(crate) fn variables(&self) -> [(&str, &str); 3] {
        [
            ("AWS_ENDPOINT_URL", &self.endpoint),
            ("AWS_ACCESS_KEY_ID", "111111111111"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ]
    }

    /// What the producer was sent.
    pub(crate) fn sent(&self) -> Vec<Value> {
        let calls = self.calls.lock().unwrap();
        let invoked = calls
            .iter()
            .filter(|call| call.request.contains("/invocations"));
        invoked.map(|call| call.body.clone()).collect()
    }

    /// How often the producer was invoked.
    pub(crate) fn invocations(&self) -> usize {
        let calls = self.calls.lock().unwrap();
        let invoked = |call: &&Call| call.request.contains("/invocations");
        calls.iter().filter(invoked).count()
    }
}

fn read_call(stream: &TcpStream) -> Option<Call> {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    reader.read_line(&mut request).ok()?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Call {
        request,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    })
}

/// What the ledger's table answers to `GetItem`.
fn item(body: &Value, config: &str) -> Value {
    let key = |name: &str| body["Key"][name]["S"].as_str().unwrap_or_default();
    match (key("pk"), key("sk")) {
        ("CONFIG", "current") => json!({ "Item": {
            "schema": { "N": "1" }, "version": { "N": "7" },
        } }),
        ("CONFIG", "v#00000007") => json!({ "Item": {
            "schema": { "N": "1" }, "version": { "N": "7" }, "text": { "S": config },
            "applied_at": { "S": "2026-01-01T00:00:00Z" },
        } }),
        _ => json!({}),
    }
}
