//! The binaries of the Lambda functions: those beside the running program. If that folder is the
//! target folder of this workspace, cargo builds them first.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::DeployError;
use crate::package::{Function, Package};
use crate::progress::Progress;

/// The packages of both functions.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// The package of `pmp-sync-producer`.
    pub producer: Package,
    /// The package of `pmp-sync-worker`.
    pub worker: Package,
}

/// Finds and packs both functions, whatever their processor architecture.
pub async fn build(progress: &Progress) -> Result<Binaries, DeployError> {
    let folder = folder(progress).await?;
    Ok(Binaries {
        producer: Package::read(&Function::Producer.find(&folder)?, Function::Producer).await?,
        worker: Package::read(&Function::Worker.find(&folder)?, Function::Worker).await?,
    })
}

/// Finds the folder with both binaries, and builds them in the workspace.
pub async fn folder(progress: &Progress) -> Result<PathBuf, DeployError> {
    let program =
        std::env::current_exe().map_err(DeployError::file(Path::new("/proc/self/exe")))?;
    let mut folder = program.parent().unwrap_or(&program);
    // Tests run one level below the folder of their profile.
    if folder.ends_with("deps") {
        folder = folder.parent().unwrap_or(folder);
    }
    let workspace = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    if let Some(target) = folder.parent()
        && target.join("CACHEDIR.TAG").is_file()
        && workspace.join("producer/Cargo.toml").is_file()
    {
        progress.step("building the Lambdas");
        cargo_build(workspace, target, folder.ends_with("release")).await?;
    }
    Ok(folder.to_owned())
}

async fn cargo_build(workspace: &Path, target: &Path, release: bool) -> Result<(), DeployError> {
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // The whole workspace, so that features are the same as in every other build.
    build
        .args(["build", "--workspace", "--bins", "--quiet"])
        .args(release.then_some("--release"))
        .current_dir(workspace)
        .env("CARGO_TARGET_DIR", target)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    // Variables of an outer cargo about its own package would make build scripts run again.
    let outer = ["PKG_", "MANIFEST_", "BIN_", "CRATE_", "PRIMARY_"];
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if let Some(rest) = text.strip_prefix("CARGO_")
            && outer.iter().any(|own| rest.starts_with(own))
        {
            build.env_remove(&name);
        }
    }
    let failed = |detail: &dyn std::fmt::Display| DeployError::Failed {
        message: format!("building the Lambdas failed: {detail}"),
        remedy: "fix what cargo reports, then run the command again".to_owned(),
    };
    let output = build.output().await.map_err(|error| failed(&error))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(&String::from_utf8_lossy(&output.stderr)))
}
