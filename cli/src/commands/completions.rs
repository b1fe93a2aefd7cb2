//! `pmp-sync completions`: prints a completion script for a shell. The script asks the command.

use clap_complete::Shell;
use clap_complete::env::Shells;

use crate::client::complete::VARIABLE;
use crate::failure::Failure;
use crate::output;

/// Prints the script for a shell.
pub(crate) fn run(shell: Shell) -> Result<(), Failure> {
    let (name, mut script) = ("pmp-sync", Vec::new());
    if let Some(of_shell) = Shells::builtins().completer(&shell.to_string()) {
        let written = of_shell.write_registration(VARIABLE, name, name, name, &mut script);
        written.map_err(|error| Failure::local(&error))?;
    }
    output::verbatim(&String::from_utf8_lossy(&script))
}
