//! `mutants`: changes the domain in one place after the other, and expects its own tests to fail each time.

use std::path::Path;
use std::process::Command;

/// The release of cargo-mutants that the task is known to work with.
const VERSION: &str = "27.1.0";

/// Runs cargo-mutants on the domain, with further arguments such as `-f shared/domain/src/plan.rs`. A
/// mutation that no test notices is an error; the tool has printed it by then.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<String, String> {
    let cargo = || {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(root).arg("mutants");
        cargo
    };
    let installed = cargo().arg("--version").output();
    if !installed.is_ok_and(|output| output.status.success()) {
        return Err(format!(
            "cargo-mutants is missing: cargo install --locked cargo-mutants --version {VERSION}"
        ));
    }
    let status = cargo()
        .args(["--package", "pmp-sync-domain", "--timeout", "120"])
        .args(arguments)
        .status()
        .map_err(|error| format!("cargo mutants cannot be run: {error}"))?;
    if status.success() {
        Ok(String::new())
    } else {
        Err(format!("cargo mutants: {status}"))
    }
}
