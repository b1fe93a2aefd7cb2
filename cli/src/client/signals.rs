//! Signals that end the command.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;
use crate::hint::Flags;
use crate::output;

/// HUP, INT and TERM.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// From now on these signals do not end the process on their own.
    pub(crate) fn new() -> Result<Self, Failure> {
        let signal = |kind| signal(kind).map_err(|error| Failure::local(&error));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for a signal, and returns its number.
    pub(crate) async fn next(&mut self) -> u8 {
        let kind = tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.hangup.recv() => SignalKind::hangup(),
        };
        u8::try_from(kind.as_raw_value()).unwrap_or_default()
    }
}

/// From now on a signal ends the command with a message, and with one JSON value if `--json` is
/// given. What was requested of AWS continues.
#[expect(
    clippy::exit,
    reason = "what is at work may be waiting for input, and cannot be determined"
)]
pub(crate) fn end_the_command(flags: Flags, as_json: bool) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
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
