//! Starts the process that holds the emulated AWS, and waits for it. The process does not outlive a
//! start that fails or is interrupted.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use pmp_sync_deploy::local::{LocalCommand, PROGRAM, State, UpOptions};
use pmp_sync_deploy::progress::Progress;
use pmp_sync_deploy::signals::Signals;
use rustix::process::{Pid, Signal as ProcessSignal, kill_process_group};
use serde::Deserialize;
use tokio::time::Instant;

use crate::failure::Failure;
use crate::output::Common;
use crate::state;

/// How long a first start may take: it creates the Python environment and builds the Lambda
/// functions.
const START: Duration = Duration::from_mins(15);
/// How long the process may take to end: it gives ministack 8 s.
const END: Duration = Duration::from_secs(12);
/// The number of lines of a log that are shown.
const TAIL: usize = 12;

/// The process, with its output.
struct Serving {
    child: Child,
    log: PathBuf,
    /// Its output. It is read continuously, because a full pipe would block the process.
    outcome: Option<JoinHandle<String>>,
}

/// The JSON that the process prints when it fails.
#[derive(Deserialize)]
struct Outcome {
    error: OutcomeError,
}

#[derive(Deserialize)]
struct OutcomeError {
    message: String,
}

/// Starts it and waits until its state file is there.
pub(crate) async fn start(
    common: &Common,
    options: &UpOptions,
    path: &Path,
    progress: &Progress,
) -> Result<State, Failure> {
    // Before anything exists that a signal could leave behind.
    let mut signals = Signals::new().map_err(|error| Failure::local(&error))?;
    let mut serving = spawn(common, options, path)?;
    progress.step("starting (the first time takes some minutes)");
    let outcome = tokio::select! {
        outcome = wait_until_ready(path, &mut serving, progress) => outcome,
        number = signals.next() => Err(Failure::Interrupted {
            signal: number,
            message: "interrupted; what was started has been ended",
        }),
    };
    if outcome.is_err() {
        // The process does not depend on a thread of ours, so it is ended here.
        end(&mut serving.child, &mut signals, progress).await;
        state::remove_of(path, serving.child.id());
    }
    outcome
}

fn spawn(common: &Common, options: &UpOptions, path: &Path) -> Result<Serving, Failure> {
    let log_path = path.with_extension("log");
    let log = File::create(&log_path).map_err(Failure::file(&log_path))?;
    let program = std::env::current_exe().map_err(Failure::file(Path::new(PROGRAM)))?;
    let mut options = options.clone();
    options.state.state = Some(path.to_owned());
    let mut serve = Command::new(program);
    serve
        .args(["--json", "--name", &common.name])
        .args(LocalCommand::Serve(options).arguments())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        // Ctrl-C at this terminal must not reach it. Its build processes are in the same group.
        .process_group(0);
    let mut child = serve.spawn().map_err(Failure::file(Path::new(PROGRAM)))?;
    let outcome = child.stdout.take().map(|mut stdout| {
        std::thread::spawn(move || {
            let mut text = String::new();
            // Errors are ignored: what could be read counts.
            let _ = stdout.read_to_string(&mut text);
            text
        })
    });
    Ok(Serving {
        child,
        log: log_path,
        outcome,
    })
}

async fn wait_until_ready(
    path: &Path,
    serving: &mut Serving,
    progress: &Progress,
) -> Result<State, Failure> {
    let ends = Instant::now() + START;
    let mut shown = String::new();
    while Instant::now() < ends {
        if let Some(state) = state::read(path)? {
            return Ok(state);
        }
        if let Ok(Some(status)) = serving.child.try_wait() {
            return Err(ended(serving, status));
        }
        let text = std::fs::read_to_string(&serving.log).unwrap_or_default();
        // The reason of a failure is shown when it has failed.
        let steps = text.lines().take_while(|line| !line.starts_with("error: "));
        if let Some(last) = steps.last().filter(|last| *last != shown) {
            last.clone_into(&mut shown);
            progress.step(last);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(failure(
        format!("it was not ready within {} s", START.as_secs()),
        &serving.log,
    ))
}

/// The failure of a process that has ended, in its own words if it printed any.
fn ended(serving: &mut Serving, status: ExitStatus) -> Failure {
    let said = serving.outcome.take().and_then(|read| read.join().ok());
    let reason = said.and_then(|text| serde_json::from_str::<Outcome>(&text).ok());
    let message = if let Some(outcome) = reason {
        format!("it did not start: {}", outcome.error.message.trim_end())
    } else {
        let text = std::fs::read_to_string(&serving.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        let tail = lines.get(lines.len().saturating_sub(TAIL)..);
        let tail = tail.unwrap_or_default().join("\n");
        format!("it ended with {status} before it was ready; the last that it wrote:\n{tail}")
    };
    failure(message, &serving.log)
}

fn failure(message: String, log: &Path) -> Failure {
    Failure::Local {
        message,
        remedy: format!("see the log {}, then try again", log.display()),
    }
}

/// Ends the process and its group, at the latest when another signal arrives.
async fn end(child: &mut Child, signals: &mut Signals, progress: &Progress) {
    // After it has been waited for, its id may belong to another process.
    if !matches!(child.try_wait(), Ok(None)) {
        return;
    }
    progress.step("ending what was started");
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let tell = |signal| group.map(|group| kill_process_group(group, signal));
    // An error means that it has ended already.
    let _ = tell(ProcessSignal::TERM);
    let gone = async {
        while matches!(child.try_wait(), Ok(None)) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let in_time = tokio::select! {
        () = gone => true,
        () = tokio::time::sleep(END) => false,
        _ = signals.next() => false,
    };
    if !in_time {
        let _ = tell(ProcessSignal::KILL);
        let _ = child.wait();
    }
}
