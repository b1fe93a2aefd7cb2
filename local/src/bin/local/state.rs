//! The state file of the emulated AWS. Removing it ends the process.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use pmp_sync_deploy::local::{State, StateOption, UpOptions};
use pmp_sync_local::scenario::NAME;

use crate::failure::Failure;
use crate::output::Common;

/// The schema number of the state file.
pub(crate) const SCHEMA: u32 = 1;

/// The options that differ from those of the running process. An option that is left at its default
/// asks for nothing.
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

/// The path of the state file: the given one, or the default.
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

/// The path of the AWS configuration with a profile for each account.
pub(crate) fn aws_config_file(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".aws-config");
    name.into()
}

/// The path of the state file while the process is ending, so that it can be found again.
pub(crate) fn ending_file(path: &Path) -> PathBuf {
    // No other extension, because the state file may have it already.
    let mut name = path.as_os_str().to_owned();
    name.push(".ending");
    name.into()
}

/// Reads a state file. None if there is none.
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

/// Writes the file completely and then moves it, so that nobody sees a part of it.
pub(crate) fn write(path: &Path, state: &State) -> Result<(), Failure> {
    let failed = Failure::file(path);
    let text = serde_json::to_string(state).map_err(|error| failed(error.into()))?;
    let draft = path.with_extension("draft");
    std::fs::write(&draft, text)
        .and_then(|()| std::fs::rename(&draft, path))
        .map_err(failed)
}

/// Removes a state file. Succeeds if there is none.
pub(crate) fn remove(path: &Path) -> Result<(), Failure> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Failure::file(path)(error)),
        _ => Ok(()),
    }
}

/// Removes the state file of a process that has ended or is ending, and of no other: another
/// process may have been started since.
pub(crate) fn remove_of(path: &Path, pid: u32) {
    if let Ok(Some(state)) = read(path)
        && state.pid == pid
    {
        // A file that remains does no harm.
        let _ = remove(path);
    }
}
