//! What the command does without an AWS: exit codes, what goes to stdout and what to stderr.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long any command may take here.
const PATIENCE: Duration = Duration::from_secs(30);

const BROKEN: &str = r#"schema = 1

[[member]]
name = "emea"
account = "2222"
external_id = "x"

[[link]]
management_experience = "exp-4s8kd0qmw1x2y"
member = "nobody"
member_experience = "exp-9d1kq27hs0abc"
protect = ["prod-1", "prod 2"]
"#;

/// Where the four things that are wrong with it stand.
const PLACES: [(u64, u64, &str); 4] = [
    (5, 11, "\"2222\""),
    (6, 15, "\"x\""),
    (10, 10, "nobody"),
    (12, 22, "\"prod 2\""),
];

/// What came of a command.
#[derive(Debug)]
struct Answer {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Answer {
    /// The one JSON value that stdout is.
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A home folder of its own, in which the command is started with nothing else of this environment.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn run(&self, arguments: &[&str]) -> Answer {
        self.run_with(arguments, &[])
    }

    fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Answer {
        let output = ["stdout", "stderr"].map(|name| self.path().join(name));
        let mut child = Command::new(env!("CARGO_BIN_EXE_pmp-sync"))
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path())
            // Should it look for credentials after all, then not on the network.
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(variables.iter().copied())
            .current_dir(self.path())
            .stdin(Stdio::null())
            .stdout(File::create(&output[0]).unwrap())
            .stderr(File::create(&output[1]).unwrap())
            .spawn()
            .unwrap();
        let ends = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() >= ends {
                child.kill().unwrap();
                child.wait().unwrap();
                panic!("{arguments:?} took longer than {PATIENCE:?}");
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let [stdout, stderr] = output.map(|path| std::fs::read_to_string(path).unwrap());
        Answer {
            code: status.code(),
            stdout,
            stderr,
        }
    }
}

fn fixture() -> String {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../shared/domain/fixtures/config-1.toml"
    );
    path.to_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn config_validate_tells_what_a_valid_configuration_holds() {
    let (home, file) = (Home::new(), fixture());
    let answer = home.run(&["config", "validate", &file]);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert_eq!(
        answer.stdout,
        format!("{file} is valid: 2 members, 2 links\n")
    );
    assert_eq!(answer.stderr, "");

    for arguments in [
        ["config", "validate", &file, "--json"],
        ["--json", "config", "validate", &file],
    ] {
        let answer = home.run(&arguments);
        assert_eq!(answer.code, Some(0), "{answer:?}");
        assert_eq!(
            answer.json(),
            json!({ "valid": true, "members": 2, "links": 2 })
        );
        assert_eq!(answer.stderr, "");
    }
}

#[test]
fn config_validate_tells_every_problem_with_file_line_and_column() {
    let home = Home::new();
    let file = home.file("broken.toml", BROKEN);
    let answer = home.run(&["config", "validate", text(&file)]);
    assert_eq!((answer.code, answer.stdout.as_str()), (Some(3), ""));
    let prefix = format!("{}:", file.display());
    let told: Vec<_> = answer
        .stderr
        .lines()
        .filter_map(|line| line.strip_prefix(&prefix))
        .collect();
    assert_eq!(told.len(), PLACES.len(), "{}", answer.stderr);
    for (told, (line, column, what)) in told.iter().zip(PLACES) {
        assert!(told.starts_with(&format!("{line}:{column}: ")), "{told}");
        assert!(told.contains(what), "{told}");
    }
    assert!(answer.stderr.contains("4 problems"), "{}", answer.stderr);

    let answer = home.run(&["config", "validate", text(&file), "--json"]);
    assert_eq!(answer.code, Some(3), "{answer:?}");
    let value = answer.json();
    assert_eq!(value["valid"], false);
    let problems = value["problems"].as_array().unwrap();
    assert_eq!(problems.len(), PLACES.len(), "{value}");
    for (problem, (line, column, what)) in problems.iter().zip(PLACES) {
        assert_eq!(
            (&problem["line"], &problem["column"]),
            (&json!(line), &json!(column))
        );
        assert!(problem["message"].as_str().unwrap().contains(what));
    }
    assert!(answer.stderr.contains(&format!("{prefix}5:11: ")));
}

#[test]
fn config_validate_tells_where_a_file_that_is_not_toml_goes_wrong() {
    let home = Home::new();
    let file = home.file("broken.toml", "schema = 1\n[[member]\n");
    let answer = home.run(&["config", "validate", text(&file)]);
    assert_eq!((answer.code, answer.stdout.as_str()), (Some(3), ""));
    let place = format!("{}:2:", file.display());
    assert!(answer.stderr.contains(&place), "{}", answer.stderr);
}

#[test]
fn a_file_that_can_not_be_read_is_named() {
    let home = Home::new();
    let missing = home.path().join("not-there.toml");
    let folder = home.path().join("folder");
    std::fs::create_dir(&folder).unwrap();
    let binary = home.path().join("binary.toml");
    std::fs::write(&binary, [0xff, 0xfe, 0x00]).unwrap();
    for path in [&missing, &folder, &binary] {
        for command in ["validate", "apply"] {
            let answer = home.run(&["config", command, text(path)]);
            assert_eq!((answer.code, answer.stdout.as_str()), (Some(3), ""));
            assert!(answer.stderr.contains(text(path)), "{}", answer.stderr);
        }
    }
}

#[test]
fn config_apply_refuses_a_broken_file_before_it_calls_aws() {
    let home = Home::new();
    let file = home.file("broken.toml", BROKEN);
    let answer = home.run(&["config", "apply", text(&file), "--json"]);
    assert_eq!(answer.code, Some(3), "{answer:?}");
    assert_eq!(answer.json()["problems"].as_array().unwrap().len(), 4);
}

#[test]
fn a_wrong_command_line_ends_with_2_and_says_why_on_stderr() {
    let home = Home::new();
    let wrong: [(&[&str], &str); 12] = [
        (&[], "Usage"),
        (&["sink"], "sink"),
        (&["config"], "Usage"),
        (&["config", "validate"], "<FILE>"),
        (&["plan", "--product"], "--product"),
        (&["plan", "--member", "EMEA"], "lower-case"),
        (&["sync", "--experience", "entity-1"], "exp-"),
        (&["sync", "--timeout", "5"], "--wait"),
        (&["status", "--runs", "0"], "--runs"),
        (&["status", "--run", "latest"], "ULID"),
        (&["local", "up", "--ttl", "25h"], "at most 24h"),
        (
            &["local", "up", "--change-set-seconds", "3601"],
            "0 to 3600",
        ),
    ];
    for (arguments, why) in wrong {
        let answer = home.run(arguments);
        assert_eq!(answer.code, Some(2), "{arguments:?}: {answer:?}");
        assert_eq!(answer.stdout, "", "{arguments:?}");
        assert!(answer.stderr.contains(why), "{arguments:?}: {answer:?}");
    }
}

#[test]
fn every_command_explains_itself() {
    let home = Home::new();
    let commands: [(&[&str], &str); 11] = [
        (&[], "<COMMAND>"),
        (&["config"], "validate"),
        (&["config", "validate"], "<FILE>"),
        (&["config", "apply"], "<FILE>"),
        (&["config", "show"], "--name"),
        (&["plan"], "--products"),
        (&["sync"], "--timeout"),
        (&["status"], "--runs"),
        (&["local"], "down"),
        (&["local", "up"], "--catalog-endpoint"),
        (&["local", "down"], "--state"),
    ];
    for (command, holds) in commands {
        let answer = home.run(&[command, &["--help"]].concat());
        assert_eq!(answer.code, Some(0), "{command:?}: {answer:?}");
        assert_eq!(answer.stderr, "", "{command:?}");
        assert!(answer.stdout.contains("Usage: pmp-sync"), "{answer:?}");
        assert!(answer.stdout.contains(holds), "{command:?}: {answer:?}");
        assert!(answer.stdout.contains("--json"), "{command:?}: {answer:?}");
        let hidden = answer.stdout.lines().any(|l| l.trim().starts_with("serve"));
        assert!(!hidden, "{answer:?}");
    }
    let answer = home.run(&["--version"]);
    let version = format!("pmp-sync {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!((answer.code, answer.stdout), (Some(0), version));
}

/// Every command that calls AWS.
fn calls(config: &str) -> [Vec<&str>; 7] {
    [
        vec!["config", "show"],
        vec!["config", "apply", config],
        vec!["plan"],
        vec!["sync"],
        vec!["sync", "--wait"],
        vec!["status"],
        vec!["status", "--run", "01ARZ3NDEKTSV4RRFFQ69G5FAV"],
    ]
}

#[test]
fn an_aws_that_does_not_answer_ends_every_command_with_4_and_what_to_do() {
    let home = Home::new();
    let port = {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        socket.local_addr().unwrap().port()
    };
    let endpoint = format!("http://127.0.0.1:{port}");
    let variables = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "111111111111"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "us-east-1"),
    ];
    let config = fixture();
    for command in calls(&config) {
        for json in [&[][..], &["--json"]] {
            let answer = home.run_with(&[&command[..], json].concat(), &variables);
            assert_eq!(answer.code, Some(4), "{command:?}: {answer:?}");
            assert_eq!(answer.stdout, "", "{command:?}");
            assert!(answer.stderr.contains("error: "), "{answer:?}");
            let hint = "what to do: check the credentials and the network";
            assert!(answer.stderr.contains(hint), "{command:?}: {answer:?}");
        }
    }
}

#[test]
fn an_aws_that_takes_calls_and_stays_silent_is_given_up_in_time() {
    let home = Home::new();
    // The kernel takes connections for it; nobody ever reads them.
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", socket.local_addr().unwrap());
    let variables = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "111111111111"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];
    let answer = home.run_with(&["config", "show"], &variables);
    assert_eq!(answer.code, Some(4), "{answer:?}");
    assert!(answer.stderr.contains("what to do: "), "{answer:?}");
}

#[test]
fn without_credentials_the_error_speaks_of_credentials() {
    let home = Home::new();
    let answer = home.run(&["status"]);
    assert_eq!((answer.code, answer.stdout.as_str()), (Some(4), ""));
    assert!(answer.stderr.contains("credentials"), "{answer:?}");
    assert!(answer.stderr.contains("what to do: "), "{answer:?}");
}

#[test]
fn local_down_is_content_when_nothing_runs() {
    let home = Home::new();
    let state = home.path().join("none").join("state.json");
    // Where it is told to look, and in the usual place below HOME.
    for arguments in [
        &["local", "down", "--state", text(&state)][..],
        &["local", "down"],
    ] {
        let answer = home.run(arguments);
        assert_eq!((answer.code, answer.stdout.as_str()), (Some(0), ""));
        assert_eq!(answer.stderr, "nothing runs\n");
    }
}

#[test]
fn local_down_clears_away_what_a_dead_process_left() {
    let home = Home::new();
    let port = {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        socket.local_addr().unwrap().port()
    };
    let endpoint = format!("http://127.0.0.1:{port}");
    let state = json!({
        "schema": 1, "pid": u32::MAX, "endpoint": endpoint, "catalog_endpoint": endpoint,
        "ends_at": "2026-01-01T00:00:00Z", "management_account": "111111111111",
        "management_experience": null, "members": [], "variables": {},
    });
    let path = home.file("state.json", &state.to_string());
    let answer = home.run(&["local", "down", "--state", text(&path)]);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert!(!path.exists());
}
