//! `pmp-sync local`: starts the process that holds the embedded AWS, and ends it.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use pmp_sync_local::progress::Progress;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::args::{Common, UpOptions};
use crate::failure::Failure;
use crate::output;

/// How long a first start may take: the Python environment is made, the Lambdas are built.
const START: Duration = Duration::from_mins(15);
/// How long an end may take.
const END: Duration = Duration::from_secs(30);

/// The state file: what runs and how it is used. Its removal ends what runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) schema: u32,
    pub(crate) pid: u32,
    pub(crate) endpoint: String,
    pub(crate) catalog_endpoint: String,
    pub(crate) ends_at: String,
    pub(crate) management_account: String,
    pub(crate) management_experience: Option<String>,
    pub(crate) members: Vec<StateMember>,
    /// What to set to use it, with the rights of the management account.
    pub(crate) variables: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StateMember {
    pub(crate) name: String,
    pub(crate) account: String,
    pub(crate) external_id: String,
    pub(crate) experience: Option<String>,
}

/// The usual place of the state file.
pub(crate) fn state_file(given: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(path) = given {
        return std::path::absolute(path).map_err(|error| Failure::File {
            path: path.display().to_string(),
            error,
        });
    }
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("pmp-sync").join("local.json"))
        .ok_or_else(|| {
            Failure::Local("neither XDG_CACHE_HOME nor HOME is set; give --state".to_owned())
        })
}

fn file_error(path: &Path) -> impl Fn(std::io::Error) -> Failure + use<'_> {
    move |error| Failure::File {
        path: path.display().to_string(),
        error,
    }
}

fn read_state(path: &Path) -> Option<State> {
    serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()
}

async fn is_listening(state: &State) -> bool {
    let address = state.endpoint.trim_start_matches("http://");
    matches!(
        tokio::time::timeout(Duration::from_secs(2), TcpStream::connect(address)).await,
        Ok(Ok(_))
    )
}

/// `local up`
pub(crate) async fn up(common: &Common, options: &UpOptions) -> Result<(), Failure> {
    let path = state_file(options.state.as_deref())?;
    if let Some(state) = read_state(&path) {
        if is_listening(&state).await {
            output::note("it runs already; `pmp-sync local down` ends it");
            return show(common, &state);
        }
        // Left behind by a process that is gone.
        std::fs::remove_file(&path).map_err(file_error(&path))?;
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(file_error(folder))?;
    }
    let log_path = path.with_extension("log");
    let log = File::create(&log_path).map_err(file_error(&log_path))?;
    let program = std::env::current_exe().map_err(file_error(Path::new("pmp-sync")))?;
    let mut serve = Command::new(program);
    serve
        .args([
            "--name",
            &common.name,
            "local",
            "serve",
            "--ttl",
            &format!("{}s", options.ttl.as_secs()),
        ])
        .args([
            "--change-set-seconds",
            &options.change_set_seconds.to_string(),
        ])
        .arg("--state")
        .arg(&path)
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(file_error(&log_path))?)
        .stderr(log)
        // Ctrl-C at this terminal is not for it.
        .process_group(0);
    if let Some(url) = &options.catalog_endpoint {
        serve.args(["--catalog-endpoint", url]);
    }
    let mut child = serve
        .spawn()
        .map_err(file_error(Path::new("pmp-sync local serve")))?;
    let progress = Progress::new();
    progress.step("starting (the first time takes some minutes)");
    let state = wait_until_ready(&path, &log_path, &mut child, &progress).await;
    progress.finish();
    match state {
        Ok(state) => show(common, &state),
        Err(failure) => {
            // It hangs by no thread of ours, so it is ended here.
            let _ = child.kill();
            let _ = child.wait();
            Err(failure)
        }
    }
}

async fn wait_until_ready(
    path: &Path,
    log: &Path,
    child: &mut std::process::Child,
    progress: &Progress,
) -> Result<State, Failure> {
    let ends = Instant::now() + START;
    let mut shown = String::new();
    while Instant::now() < ends {
        if let Some(state) = read_state(path) {
            return Ok(state);
        }
        let text = std::fs::read_to_string(log).unwrap_or_default();
        if let Ok(Some(status)) = child.try_wait() {
            let tail: Vec<_> = text.lines().rev().take(12).collect();
            let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
            return Err(Failure::Local(format!(
                "it ended with {status} before it was ready; {} says:\n{tail}",
                log.display()
            )));
        }
        if let Some(last) = text.lines().last().filter(|last| *last != shown) {
            last.clone_into(&mut shown);
            progress.step(last);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(Failure::Local(format!(
        "it was not ready within {} s; see {}",
        START.as_secs(),
        log.display()
    )))
}

fn show(common: &Common, state: &State) -> Result<(), Failure> {
    if common.json {
        return output::json(state);
    }
    for (name, value) in &state.variables {
        output::line(&format!("export {name}={value}"))?;
    }
    output::note(&format!(
        "it runs until {} or `pmp-sync local down`",
        state.ends_at
    ));
    output::note(&format!("management account {}", state.management_account));
    for member in &state.members {
        output::note(&format!(
            "member {}: account {}, external id {}",
            member.name, member.account, member.external_id
        ));
    }
    if state.management_experience.is_some() {
        output::note(
            "a configuration is applied: try `pmp-sync plan`, `pmp-sync sync --wait`, `pmp-sync status`",
        );
    } else {
        output::note(
            "nothing is configured: apply a configuration with experiences of the other emulator",
        );
    }
    Ok(())
}

/// `local down`
pub(crate) async fn down(given: Option<&Path>) -> Result<(), Failure> {
    let path = state_file(given)?;
    let Some(state) = read_state(&path) else {
        output::note("nothing runs");
        return Ok(());
    };
    std::fs::remove_file(&path).map_err(file_error(&path))?;
    let ends = Instant::now() + END;
    while is_listening(&state).await {
        if Instant::now() >= ends {
            return Err(Failure::Local(format!(
                "process {} did not end within {} s",
                state.pid,
                END.as_secs()
            )));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    output::note("ended");
    Ok(())
}
