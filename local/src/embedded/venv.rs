//! The Python environment of ministack: created on first use, with pinned versions and hashes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use sha2::{Digest as _, Sha256};
use tokio::process::Command;

use super::error::EmbeddedError;
use pmp_sync_deploy::progress::Progress;

const REQUIREMENTS: &str = include_str!("../../python/requirements.txt");

/// The user's cache folder.
pub(crate) fn cache() -> Result<PathBuf, EmbeddedError> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("pmp-sync"))
        .ok_or_else(|| {
            EmbeddedError::machine(
                "finding the cache folder",
                "neither XDG_CACHE_HOME nor HOME is set",
            )
        })
}

/// The interpreter of the environment, which is created if it does not exist. Several processes may
/// call this concurrently; one of them creates it.
pub async fn python(progress: &Progress) -> Result<PathBuf, EmbeddedError> {
    let hash = Sha256::digest(REQUIREMENTS);
    let name = hash
        .iter()
        .take(6)
        .fold(String::new(), |name, byte| format!("{name}{byte:02x}"));
    let home = cache()?.join(format!("python-{name}"));
    let python = home.join("bin").join("python");
    let complete = home.join("complete");
    if complete.exists() {
        return Ok(python);
    }
    let failed =
        |error: std::io::Error| EmbeddedError::machine(format!("making {}", home.display()), error);
    fs::create_dir_all(&home).map_err(failed)?;
    // Beside the folder, because the folder is emptied when the environment is created.
    let lock = File::create(home.with_extension("lock")).map_err(failed)?;
    progress.step("installing ministack (once, about 20 seconds)");
    let lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock))
        .await
        .map_err(|error| EmbeddedError::machine("waiting for another installation", error))?
        .map_err(failed)?;
    if !complete.exists() {
        let requirements = home.join("requirements.txt");
        let at = home.as_os_str();
        let make = ["-m".as_ref(), "venv".as_ref(), "--clear".as_ref(), at];
        run(Path::new("python3"), &make).await.map_err(|error| {
            let what = format!("making a Python environment in {}", home.display());
            EmbeddedError::machine(
                what,
                format!("{error}; Python 3.10 or newer with the venv module is needed"),
            )
        })?;
        fs::write(&requirements, REQUIREMENTS).map_err(failed)?;
        let install = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--require-hashes",
            "-r",
        ];
        let mut arguments: Vec<&std::ffi::OsStr> = install.iter().map(AsRef::as_ref).collect();
        arguments.push(requirements.as_os_str());
        run(&python, &arguments).await?;
        fs::write(&complete, "").map_err(failed)?;
    }
    drop(lock);
    Ok(python)
}

async fn run(program: &Path, arguments: &[&std::ffi::OsStr]) -> Result<(), EmbeddedError> {
    let what = || format!("running {}", program.display());
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| EmbeddedError::machine(what(), error))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let tail: Vec<_> = text.lines().rev().take(8).collect();
    Err(EmbeddedError::machine(
        what(),
        tail.into_iter().rev().collect::<Vec<_>>().join("\n"),
    ))
}
