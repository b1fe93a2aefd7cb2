//! `pmp-sync local`: runs `pmp-sync-local`, which lies beside this program.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use pmp_sync_deploy::local::{LocalCommand, PROGRAM};

use crate::failure::Failure;
use crate::options::Common;

/// Only returns if it cannot be run.
pub(crate) fn run(common: &Common, command: &LocalCommand) -> Result<(), Failure> {
    let own = std::env::current_exe().map_err(Failure::file(Path::new("pmp-sync")))?;
    let program = own.with_file_name(PROGRAM);
    let mut local = Command::new(&program);
    if common.json {
        local.arg("--json");
    }
    let error = local
        .args(["--name", &common.name])
        .args(command.arguments())
        .exec();
    Err(Failure::Local {
        message: format!("{} cannot be run: {error}", program.display()),
        remedy: format!(
            "put {PROGRAM}, pmp-sync-producer and pmp-sync-worker beside pmp-sync; in a checkout, `cargo build` makes them"
        ),
    })
}
