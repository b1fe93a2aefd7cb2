//! `cargo xtask TASK`: what a contributor runs beside `cargo test`.

mod generate;
mod layers;
mod mutants;

use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <TASK>

  generate           write the JSON Schemas and references in docs/ anew
  generate --check   fail if one of them is not what would be written
  layers             fail if an import goes against xtask/layers.toml, or in a circle
  mutants [OPTIONS]  change the domain in one place after the other, and expect its tests to fail
";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["generate"] => generate::run(root(), false),
        ["generate", "--check"] => generate::run(root(), true),
        ["layers"] => layers::run(root()),
        ["mutants", options @ ..] => mutants::run(root(), options),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(text) => {
            print(&text);
            ExitCode::SUCCESS
        }
        Err(text) => {
            print(&text);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "this is what a task says")]
fn print(text: &str) {
    if !text.is_empty() {
        eprintln!("{}", text.trim_end());
    }
}

/// The root of the workspace.
fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}
