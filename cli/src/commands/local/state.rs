//! The state file of the embedded AWS: what runs and how it is used. Its removal ends what runs.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::UpOptions;
use crate::failure::Failure;
use crate::options::{Common, DEFAULT_NAME};

/// The shape that this release reads and writes.
pub(crate) const SCHEMA: u32 = 1;

/// What the state file holds.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct State {
    /// The shape that this release reads and writes.
    pub(crate) schema: u32,
    /// The process that holds it.
    pub(crate) pid: u32,
    /// Where it answers for AWS.
    pub(crate) endpoint: String,
    /// Where it answers for AWS Marketplace.
    pub(crate) catalog_endpoint: String,
    /// When it ends by itself.
    pub(crate) ends_at: String,
    /// The management account.
    pub(crate) management_account: String,
    /// Its experience; null beside another emulator, where nothing is made.
    pub(crate) management_experience: Option<String>,
    /// The member organizations.
    pub(crate) members: Vec<StateMember>,
    /// Organizations in which nothing is deployed. Files of earlier releases are without.
    #[serde(default)]
    pub(crate) empty: Vec<StateOrganization>,
    /// What to set to use it, with the rights of the management account.
    pub(crate) variables: BTreeMap<String, String>,
    /// Files of earlier releases are without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) options: Option<StateOptions>,
}

/// A member organization of it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct StateMember {
    /// The name of the member.
    pub(crate) name: String,
    /// The member account.
    pub(crate) account: String,
    /// What its roles ask for.
    pub(crate) external_id: String,
    /// Its experience; null beside another emulator.
    pub(crate) experience: Option<String>,
}

/// An organization in which nothing is deployed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct StateOrganization {
    /// Its name.
    pub(crate) name: String,
    /// The account in which pmp-sync could be deployed.
    pub(crate) account: String,
}

/// How it was started.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct StateOptions {
    /// What its resources are named after.
    pub(crate) name: String,
    /// How long it lives.
    pub(crate) ttl_seconds: u64,
    /// How long a change set takes.
    pub(crate) change_set_seconds: f64,
}

impl State {
    /// What is asked for and is otherwise with what runs. What is left at its default is not asked for.
    pub(crate) fn differences(&self, common: &Common, options: &UpOptions) -> Vec<String> {
        let mut found = Vec::new();
        if let Some(is) = &self.options {
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
            if common.name != DEFAULT_NAME && common.name != is.name {
                found.push(format!("--name {}, not {}", is.name, common.name));
            }
        }
        if let Some(url) = &options.catalog_endpoint
            && *url != self.catalog_endpoint
        {
            found.push(format!(
                "--catalog-endpoint {}, not {url}",
                self.catalog_endpoint
            ));
        }
        found
    }
}

/// Where the state file is: where it is said to be, or in its usual place.
pub(crate) fn state_file(given: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(path) = given {
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
