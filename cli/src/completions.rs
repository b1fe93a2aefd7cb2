//! `pmp-sync completions`: what a shell needs to complete commands and options.

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};

use crate::args::Arguments;
use crate::failure::Failure;
use crate::output;

/// Prints the script for a shell.
pub(crate) fn run(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    generate(shell, &mut Arguments::command(), "pmp-sync", &mut script);
    output::verbatim(&String::from_utf8_lossy(&script))
}
