//! The members, links and runs that commands have last seen, for the completion of command lines. A file in the
//! user's cache, which may be missing, old or unwritable: nothing else depends on it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use pmp_sync_domain::config::Config;
use pmp_sync_domain::link::Target;
use pmp_sync_domain::records::{LaneEntry, RunRecord};
use serde::{Deserialize, Serialize};

use crate::options::Common;

const SCHEMA: u32 = 1;
/// The most runs that are kept, the newest.
const MOST_RUNS: usize = 100;
/// The most members and links that are kept.
const MOST_NAMES: usize = 2_000;
/// What is read of a file.
const MOST_BYTES: u64 = 1 << 20;

/// What was seen of an installation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    schema: u32,
    /// The members of the configuration.
    pub(crate) members: BTreeSet<String>,
    /// The member experiences, each with its member.
    pub(crate) links: BTreeMap<String, String>,
    /// The management experiences that members follow.
    #[serde(default)]
    pub(crate) sources: BTreeSet<String>,
    /// The runs, each with its status.
    pub(crate) runs: BTreeMap<String, String>,
}

/// Where it is kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory(Option<PathBuf>);

impl Memory {
    /// Of the installation that the options name.
    pub(crate) fn of(common: &Common) -> Self {
        Self::of_named(&common.name, common.management_profile.as_deref())
    }

    /// Of the installation with that name, in the account of that profile.
    pub(crate) fn of_named(name: &str, profile: Option<&str>) -> Self {
        let folder = |variable: &str| {
            let path = std::env::var_os(variable).map(PathBuf::from);
            path.filter(|path| path.is_absolute())
        };
        let cache = folder("XDG_CACHE_HOME");
        let cache = cache.or_else(|| folder("HOME").map(|home| home.join(".cache")));
        Self(cache.and_then(|cache| Some(cache.join("pmp-sync").join(file(name, profile)?))))
    }

    pub(crate) fn read(&self) -> Option<Seen> {
        let mut text = String::new();
        let file = std::fs::File::open(self.0.as_ref()?).ok()?;
        file.take(MOST_BYTES).read_to_string(&mut text).ok()?;
        let seen: Seen = serde_json::from_str(&text).ok()?;
        (seen.schema == SCHEMA).then_some(seen)
    }

    /// Members and links of the configuration in force.
    pub(crate) fn saw_config(&self, config: &Config) {
        self.change(|seen| {
            let members = config.members.keys().map(ToString::to_string);
            seen.members = members.take(MOST_NAMES).collect();
            let sources = config.links.iter().flat_map(|link| link.sources.iter());
            seen.sources = sources.map(ToString::to_string).take(MOST_NAMES).collect();
            let Seen { members, links, .. } = seen;
            links.retain(|_, member| members.contains(member));
            for link in &config.links {
                if let Target::One(experience) = &link.target {
                    links.insert(experience.to_string(), link.member.name.to_string());
                }
            }
        });
    }

    /// Links that were planned for.
    pub(crate) fn saw_lanes(&self, lanes: &[LaneEntry]) {
        self.change(|seen| {
            for lane in lanes {
                let (experience, member) =
                    (lane.lane.experience.to_string(), lane.member.to_string());
                seen.members.insert(member.clone());
                seen.links.insert(experience, member);
            }
        });
    }

    /// Runs.
    pub(crate) fn saw_runs(&self, runs: &[RunRecord]) {
        self.change(|seen| {
            for run in runs {
                let status = run.status.as_str().to_owned();
                seen.runs.insert(run.run.to_string(), status);
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Seen)) {
        let Some(path) = &self.0 else {
            return;
        };
        let before = self.read();
        let mut seen = before.clone().unwrap_or_default();
        seen.schema = SCHEMA;
        change(&mut seen);
        while seen.links.len() > MOST_NAMES {
            seen.links.pop_last();
        }
        // Ids of runs grow with time.
        while seen.runs.len() > MOST_RUNS {
            seen.runs.pop_first();
        }
        if before.as_ref() != Some(&seen) {
            // Completion then offers less.
            let _ = write(path, &seen);
        }
    }
}

/// The name of the file. None if a name has something that the name of a file should not have.
fn file(name: &str, profile: Option<&str>) -> Option<String> {
    let is_plain = |text: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        !text.is_empty() && text.bytes().all(plain)
    };
    let profile = profile.unwrap_or_default();
    (is_plain(name) && (profile.is_empty() || is_plain(profile)))
        .then(|| format!("seen.{name}.{profile}.json"))
}

/// Writes the file completely and then moves it, so that nobody sees a part of it.
fn write(path: &Path, seen: &Seen) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let draft = path.with_extension(format!("{}.draft", std::process::id()));
    let written = std::fs::write(&draft, serde_json::to_string(seen)?);
    let moved = written.and_then(|()| std::fs::rename(&draft, path));
    if moved.is_err() {
        let _ = std::fs::remove_file(&draft);
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_kept_for_each_installation_and_bounded() {
        let folder = tempfile::TempDir::new().unwrap();
        let memory = Memory(Some(folder.path().join("cache").join("seen.json")));
        assert_eq!(memory.read(), None);
        memory.change(|seen| {
            for number in 0..=MOST_RUNS {
                seen.runs
                    .insert(format!("{number:04}"), "completed".to_owned());
            }
        });
        let seen = memory.read().unwrap();
        assert_eq!(seen.runs.len(), MOST_RUNS);
        assert!(!seen.runs.contains_key("0000"), "the oldest goes");
        let files = std::fs::read_dir(folder.path().join("cache")).unwrap();
        assert_eq!(files.count(), 1, "no draft is left");
        assert_ne!(file("a", None), file("a", Some("b")));
        for wrong in ["", "../x", "a/b", "a b"] {
            assert_eq!(file(wrong, None), None);
            assert_eq!(file("a", Some(wrong)).is_none(), !wrong.is_empty());
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_or_written_is_no_failure() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("seen.json");
        for text in ["", "{", r#"{"schema":9,"members":[],"links":{},"runs":{}}"#] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(Memory(Some(path.clone())).read(), None, "{text}");
        }
        // Below a file there is no folder.
        Memory(Some(path.join("x.json"))).saw_runs(&[]);
        Memory(None).saw_runs(&[]);
    }
}
