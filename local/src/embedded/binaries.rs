//! The Lambda binaries: built by cargo, packed as Lambda takes them.

use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::EmbeddedError;
use crate::progress::Progress;

/// The code of both functions, as zips.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// Of pmp-sync-producer.
    pub producer: Vec<u8>,
    /// Of pmp-sync-worker.
    pub worker: Vec<u8>,
}

const PRODUCER: &str = "pmp-sync-producer";
const WORKER: &str = "pmp-sync-worker";

/// Builds both Lambdas and packs them.
pub async fn build(progress: &Progress) -> Result<Binaries, EmbeddedError> {
    let folder = compile(progress).await?;
    Ok(Binaries {
        producer: pack(&folder.join(PRODUCER))?,
        worker: pack(&folder.join(WORKER))?,
    })
}

/// Builds both Lambdas, and tells the folder where they are: beside the running program, where they
/// are taken as they are if it was not built by cargo.
pub async fn compile(progress: &Progress) -> Result<PathBuf, EmbeddedError> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = folder()?;
    if workspace.join("producer").join("Cargo.toml").is_file() {
        progress.step("building the Lambdas");
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // The whole workspace, so that the features are those of every other build.
        build
            .args(["build", "--workspace", "--bins", "--quiet"])
            .current_dir(&workspace);
        // What an outer cargo tells of its own package would make build scripts run again.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if [
                "CARGO_PKG_",
                "CARGO_MANIFEST_",
                "CARGO_BIN_",
                "CARGO_CRATE_",
                "CARGO_PRIMARY_",
            ]
            .iter()
            .any(|own| text.starts_with(own))
            {
                build.env_remove(&name);
            }
        }
        if folder.file_name().is_some_and(|name| name == "release") {
            build.arg("--release");
        }
        if let Some(target) = folder.parent() {
            build.env("CARGO_TARGET_DIR", target);
        }
        let output = build
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|error| EmbeddedError::machine("running cargo", error))?;
        if !output.status.success() {
            return Err(EmbeddedError::machine(
                "building the Lambdas",
                String::from_utf8_lossy(&output.stderr),
            ));
        }
    }
    Ok(folder)
}

/// The folder of the profile that the running program was built in: tests run one below it.
fn folder() -> Result<PathBuf, EmbeddedError> {
    let failed =
        |detail: String| EmbeddedError::machine("finding the folder of the binaries", detail);
    let program = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
    let folder = program
        .parent()
        .ok_or_else(|| failed(program.display().to_string()))?;
    if folder.file_name().is_some_and(|name| name == "deps") {
        return Ok(folder.parent().unwrap_or(folder).to_owned());
    }
    Ok(folder.to_owned())
}

/// A zip with the binary as `bootstrap`, the name that Lambda's own runtimes look for.
fn pack(binary: &Path) -> Result<Vec<u8>, EmbeddedError> {
    let what = || format!("packing {}", binary.display());
    let code = std::fs::read(binary).map_err(|error| EmbeddedError::machine(what(), error))?;
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    // Stored: packing 50 MB takes longer than sending them over loopback.
    let options = SimpleFileOptions::default()
        .unix_permissions(0o755)
        .compression_method(CompressionMethod::Stored);
    zip.start_file("bootstrap", options)
        .map_err(|error| EmbeddedError::machine(what(), error))?;
    zip.write_all(&code)
        .map_err(|error| EmbeddedError::machine(what(), error))?;
    Ok(zip
        .finish()
        .map_err(|error| EmbeddedError::machine(what(), error))?
        .into_inner())
}
