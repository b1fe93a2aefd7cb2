//! The SDK is built once: with the same features for `cargo test --workspace` and for
//! `cargo build --workspace --bins`, which the tests and `cargo demo` call for the Lambdas.

#![allow(
    clippy::unwrap_used,
    reason = "a test that finds something wrong is to panic"
)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Packages with their versions and features, as a build selects them.
fn packages(edges: &str) -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let output = Command::new(env!("CARGO"))
        .current_dir(root)
        .args(["tree", "--workspace", "--locked", "--offline"])
        .args(["--prefix", "none", "--format", "{p} {f}", "--edges", edges])
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text
        .lines()
        .map(|line| line.trim_end_matches(" (*)").trim());
    lines
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn development_dependencies_select_no_features_of_their_own() {
    let programs = packages("normal,build");
    let tests = packages("normal,build,dev");
    let twice: Vec<_> = programs.difference(&tests).collect();
    assert!(programs.len() > 100, "{programs:?}");
    assert!(
        twice.is_empty(),
        "built twice, once without the features that development dependencies select; \
         name such a dependency in [dependencies] of tests/Cargo.toml: {twice:#?}"
    );
}
