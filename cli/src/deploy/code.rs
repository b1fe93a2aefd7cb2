//! The Lambdas' code: found, looked at, and packed the same way every time.

use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};

use pmp_sync_local::embedded::compile;
use pmp_sync_local::progress::Progress;
use sha2::{Digest as _, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::elf::{self, Architecture};
use crate::failure::Failure;

/// A function whose code is deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Producer,
    Worker,
}

impl Function {
    fn word(self) -> &'static str {
        match self {
            Self::Producer => "producer",
            Self::Worker => "worker",
        }
    }

    /// The binary, as cargo names it.
    fn binary(self) -> &'static str {
        match self {
            Self::Producer => "pmp-sync-producer",
            Self::Worker => "pmp-sync-worker",
        }
    }
}

/// Code as Lambda takes it.
#[derive(Debug, Clone)]
pub(crate) struct Package {
    /// What it is called in the bucket: other code has another key, so that a release changes it.
    pub(crate) key: String,
    pub(crate) zip: Vec<u8>,
}

/// Finds the code of a function and packs it, if it can run where it is meant to.
pub(crate) async fn package(
    function: Function,
    code: Option<&Path>,
    architecture: Architecture,
    progress: &Progress,
) -> Result<Package, Failure> {
    let folder = match code {
        Some(folder) => folder.to_owned(),
        None => compile(progress).await?,
    };
    let path = find(function, &folder)?;
    progress.step(format!("packing {}", path.display()));
    let binary = std::fs::read(&path).map_err(Failure::file(&path))?;
    elf::check(&binary, architecture).map_err(|unfit| Failure::CommandLine {
        message: format!("{} cannot run on Lambda: {unfit}", path.display()),
        remedy: format!(
            "build it for Lambda, such as with `cargo lambda build --release --{arch}`, or with cargo for {target}; then name its folder with --code, and the processor with --parameter Architecture={word}",
            arch = if architecture == Architecture::Arm64 { "arm64" } else { "x86-64" },
            target = match architecture {
                Architecture::Arm64 => "aarch64-unknown-linux-musl",
                Architecture::X86_64 => "x86_64-unknown-linux-musl",
            },
            word = architecture.word(),
        ),
    })?;
    let packed = tokio::task::spawn_blocking(move || pack(function, &binary)).await;
    packed
        .map_err(std::io::Error::other)
        .flatten()
        .map_err(Failure::file(&path))
}

/// The binary in a folder, as cargo or as cargo-lambda leaves it there.
fn find(function: Function, folder: &Path) -> Result<PathBuf, Failure> {
    let name = function.binary();
    let places = [folder.join(name), folder.join(name).join("bootstrap")];
    places
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| Failure::Unknown {
            message: format!(
                "there is no {name} and no {name}/bootstrap in {}",
                folder.display()
            ),
            remedy: "name the folder of the Lambdas' binaries with --code".to_owned(),
        })
}

fn pack(function: Function, binary: &[u8]) -> std::io::Result<Package> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .unix_permissions(0o755)
        // The same for the same code, whenever it is packed.
        .last_modified_time(DateTime::default())
        .compression_method(CompressionMethod::Deflated);
    zip.start_file("bootstrap", options)?;
    zip.write_all(binary)?;
    let zip = zip.finish()?.into_inner();
    let hash = Sha256::digest(&zip);
    let prefix = hash
        .iter()
        .take(8)
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    Ok(Package {
        key: format!("{}-{prefix}.zip", function.word()),
        zip,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_code_is_the_same_package_and_other_code_has_another_key() {
        let one = pack(Function::Worker, b"code").unwrap();
        let again = pack(Function::Worker, b"code").unwrap();
        assert_eq!((&one.key, &one.zip), (&again.key, &again.zip));
        let other = pack(Function::Worker, b"other code").unwrap();
        assert_ne!(one.key, other.key);
        let hash = one.key.strip_prefix("worker-");
        let hash = hash.and_then(|rest| rest.strip_suffix(".zip"));
        assert_eq!(hash.map(str::len), Some(16), "{}", one.key);
    }

    #[test]
    fn the_code_is_found_as_cargo_and_as_cargo_lambda_leave_it() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        assert!(matches!(
            find(Function::Producer, at),
            Err(Failure::Unknown { .. })
        ));
        let lambda = at.join("pmp-sync-producer").join("bootstrap");
        std::fs::create_dir(lambda.parent().unwrap()).unwrap();
        std::fs::write(&lambda, "").unwrap();
        assert_eq!(find(Function::Producer, at).unwrap(), lambda);
        let cargo = at.join("pmp-sync-worker");
        std::fs::write(&cargo, "").unwrap();
        assert_eq!(find(Function::Worker, at).unwrap(), cargo);
    }
}
