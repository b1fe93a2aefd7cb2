//! `generate`: the JSON Schemas and references in docs/. The types that they come from are private to the
//! command, so a test of it writes or compares them; `cargo test` compares them as well.

use std::path::Path;
use std::process::Command;

/// The test of the command.
const TEST: &str = "reference::tests::what_is_generated_is_what_is_checked_in";

/// Writes the files, or only compares them.
pub(crate) fn run(root: &Path, check: bool) -> Result<String, String> {
    let mut cargo = Command::new(env!("CARGO"));
    // Selected without -p, so that it shares the build of `cargo test --workspace`.
    cargo.args([
        "test", "--quiet", "--bin", "pmp-sync", "--", "--exact", TEST,
    ]);
    cargo.current_dir(root);
    if !check {
        cargo.env("PMP_SYNC_GENERATE", "1");
    }
    let output = cargo
        .output()
        .map_err(|error| format!("cargo cannot be run: {error}"))?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{stdout}{stderr}"));
    }
    if !stdout.contains("1 passed") {
        return Err(format!("the command has no test {TEST}:\n{stdout}"));
    }
    Ok(String::new())
}
