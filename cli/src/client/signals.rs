//! Signals that end the command.

use pmp_sync_deploy::signals::Signals;

use crate::failure::Failure;
use crate::hint::Flags;
use crate::output;

/// From now on a signal ends the command with a message, and with one JSON value if `--json` is
/// given. What was requested of AWS continues.
#[expect(
    clippy::exit,
    reason = "what is at work may be waiting for input, and cannot be determined"
)]
pub(crate) fn end_the_command(flags: Flags, as_json: bool) -> Result<(), Failure> {
    let mut signals = Signals::new().map_err(|error| Failure::local(&error))?;
    tokio::spawn(async move {
        let failure = Failure::Interrupted {
            signal: signals.next().await,
            message: "interrupted",
        };
        output::failure(&failure, &flags, as_json);
        std::process::exit(failure.exit_code().into());
    });
    Ok(())
}
