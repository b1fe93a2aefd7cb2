//! The code of the Lambda functions: found, checked, and packed reproducibly.

use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::DeployError;
use crate::elf::{self, Architecture};
use crate::progress::Progress;

/// A function whose code is deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// In the management account.
    Producer,
    /// In each member account.
    Worker,
}

impl Function {
    fn word(self) -> &'static str {
        match self {
            Self::Producer => "producer",
            Self::Worker => "worker",
        }
    }

    /// Finds its binary in a folder, as cargo or cargo-lambda writes it.
    pub(crate) fn find(self, folder: &Path) -> Result<PathBuf, DeployError> {
        let name = format!("pmp-sync-{}", self.word());
        let places = [folder.join(&name), folder.join(&name).join("bootstrap")];
        places
            .into_iter()
            .find(|path| path.is_file())
            .ok_or_else(|| DeployError::Missing {
                message: format!(
                    "there is no {name} and no {name}/bootstrap in {}",
                    folder.display()
                ),
                remedy: format!("put {name} there; `deploy` takes the Lambdas' folder with --code"),
            })
    }
}

/// A package of code for Lambda.
#[derive(Debug, Clone)]
pub struct Package {
    /// Its key in the bucket. Other code has another key, so that a release changes it.
    pub(crate) key: String,
    pub(crate) zip: Vec<u8>,
}

/// Finds the code of a function in a folder, checks that Lambda can run it, and packs it.
pub async fn package(
    function: Function,
    folder: &Path,
    architecture: Architecture,
    progress: &Progress,
) -> Result<Package, DeployError> {
    let path = function.find(folder)?;
    progress.step(format!("packing {}", path.display()));
    let binary = std::fs::read(&path).map_err(DeployError::file(&path))?;
    elf::check(&binary, architecture).map_err(|unfit| DeployError::Invalid {
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
    Package::of(function, binary, &path).await
}

impl Package {
    /// The SHA-256 of the package, in base64 as S3 gives it.
    pub(crate) fn checksum(&self) -> String {
        BASE64_STANDARD.encode(Sha256::digest(&self.zip))
    }

    /// Packs a binary without a check.
    pub(crate) async fn read(path: &Path, function: Function) -> Result<Self, DeployError> {
        let binary = std::fs::read(path).map_err(DeployError::file(path))?;
        Self::of(function, binary, path).await
    }

    async fn of(function: Function, binary: Vec<u8>, path: &Path) -> Result<Self, DeployError> {
        let packed = tokio::task::spawn_blocking(move || pack(function, &binary)).await;
        packed
            .map_err(std::io::Error::other)
            .flatten()
            .map_err(DeployError::file(path))
    }
}

fn pack(function: Function, binary: &[u8]) -> std::io::Result<Package> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .unix_permissions(0o755)
        // A fixed time, so that the same code always gives the same package.
        .last_modified_time(DateTime::default())
        .compression_method(CompressionMethod::Deflated)
        // Packing better takes longer than sending more.
        .compression_level(Some(1));
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
            Function::Producer.find(at),
            Err(DeployError::Missing { .. })
        ));
        let lambda = at.join("pmp-sync-producer").join("bootstrap");
        std::fs::create_dir(lambda.parent().unwrap()).unwrap();
        std::fs::write(&lambda, "").unwrap();
        assert_eq!(Function::Producer.find(at).unwrap(), lambda);
        let cargo = at.join("pmp-sync-worker");
        std::fs::write(&cargo, "").unwrap();
        assert_eq!(Function::Worker.find(at).unwrap(), cargo);
    }
}
