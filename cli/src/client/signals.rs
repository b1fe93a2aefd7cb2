//! How a signal ends the command.

use pmp_sync_deploy::signals::Signals;

use crate::failure::Failure;
use crate::output;

/// Has a signal end the command from now on, and tells so: with `--json` there is one value then too.
/// What was asked for may go on without us.
#[expect(
    clippy::exit,
    reason = "what is at work may be waiting for input, and cannot be determined"
)]
pub(crate) fn end_the_command(as_json: bool) -> Result<(), Failure> {
    let mut signals = Signals::new().map_err(|error| Failure::local(&error))?;
    tokio::spawn(async move {
        let failure = Failure::Interrupted {
            signal: signals.next().await,
            message: "interrupted",
        };
        output::failure(&failure, as_json);
        std::process::exit(failure.exit_code().into());
    });
    Ok(())
}
