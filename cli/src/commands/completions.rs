//! `pmp-sync completions`: prints a completion script for a shell.

use clap_complete::{Shell, generate};

use crate::failure::Failure;
use crate::output;

/// Prints the script for a shell.
pub(crate) fn run(shell: Shell, mut command: clap::Command) -> Result<(), Failure> {
    let mut script = Vec::new();
    generate(shell, &mut command, "pmp-sync", &mut script);
    output::verbatim(&String::from_utf8_lossy(&script))
}
