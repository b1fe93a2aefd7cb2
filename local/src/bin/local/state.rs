//! The state file of the embedded AWS. Its removal ends what runs.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use pmp_sync_deploy::local::{State, StateOption, UpOptions};
use pmp_sync_local::scenario::NAME;

use crate::Common;
use crate::failure::Failure;

/// The shape that this release reads and writes.
pub(crate) const SCHEMA: u32 = 1;

/// What is asked for and is otherwise with what runs. What is left at its default is not asked for.
pub(crate) fn differences(state: &State, common: &Common, options: &UpOptions) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(is) = &state.options {
        if let Some(ttl) = options.ttl.filter(|ttl| ttl.as_secs() != is.ttl_seconds) {
            found.push(format!("--ttl {}s, not {}s", is.ttl_seconds, ttl.as_secs()));
        }
        let other = |seconds: &f64| seconds.total_cmp(&is.change_set_seconds).is_ne();
        if let Some(seconds) = options.change_set_seconds.filter(other) {
            found.push(format!(
                "--change-set-seconds {}, not {seconds}",
                is.change_set_seconds
            ));
        }
        if common.name != NAME && common.name != is.name {
            found.push(format!("--name {}, not {}", is.name, common.name));
        }
    }
    if let Some(url) = &options.catalog_endpoint
        && *url != state.catalog_endpoint
    {
        found.push(format!(
            "--catalog-endpoint {}, not {url}",
            state.catalog_endpoint
        ));
    }
    found
}

/// Where the state file is: where it is said to be, or in its usual place.
pub(crate) fn state_file(given: &StateOption) -> Result<PathBuf, Failure> {
    if let Some(path) = &given.state {
        return std::path::absolute(path).map_err(Failure::file(path));
    }
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("pmp-sync").join("local.json"))
        .ok_or_else(|| Failure::Local {
            message: "the state file has no usual place: neither XDG_CACHE_HOME nor HOME is set"
                .to_owned(),
            remedy: "give its place with --state".to_owned(),
        })
}

/// Where the AWS configuration with a profile for each account of the embedded AWS stands.
pub(crate) fn aws_config_file(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".aws-config");
    name.into()
}

/// Where the state file of something that is told to end stands until it has ended, so that it can
/// be looked for again.
pub(crate) fn ending_file(path: &Path) -> PathBuf {
    // Not another extension: the state file may have that one.
    let mut name = path.as_os_str().to_owned();
    name.push(".ending");
    name.into()
}

/// What a state file holds, if there is one.
pub(crate) fn read(path: &Path) -> Result<Option<State>, Failure> {
    let broken = |reason: String| Failure::StateFile {
        path: path.display().to_string(),
        reason,
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            return Err(broken(error.to_string()));
        }
        Err(error) => return Err(Failure::file(path)(error)),
    };
    let state: State = serde_json::from_str(&text).map_err(|error| broken(error.to_string()))?;
    if state.schema != SCHEMA {
        return Err(broken(format!(
            "it has schema {}; this release reads schema {SCHEMA}",
            state.schema
        )));
    }
    Ok(Some(state))
}

/// Written whole and then moved: whoever waits for it never sees a part.
pub(crate) fn write(path: &Path, state: &State) -> Result<(), Failure> {
    let failed = Failure::file(path);
    let text = serde_json::to_string(state).map_err(|error| failed(error.into()))?;
    let draft = path.with_extension("draft");
    std::fs::write(&draft, text)
        .and_then(|()| std::fs::rename(&draft, path))
        .map_err(failed)
}

/// Removes a state file. That it is gone already is as good.
pub(crate) fn remove(path: &Path) -> Result<(), Failure> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Failure::file(path)(error)),
        _ => Ok(()),
    }
}

/// Clears away the state file of a process that is gone or about to go, and no other's: another one
/// may have been started since.
pub(crate) fn remove_of(path: &Path, pid: u32) {
    if let Ok(Some(state)) = read(path)
        && state.pid == pid
    {
        // One that stays is in nobody's way.
        let _ = remove(path);
    }
}
