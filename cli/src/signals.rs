//! The signals at which the command ends.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;
use crate::output;

/// The signals at which an operator's command ends.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// From now on they do not end the process by themselves.
    pub(crate) fn new() -> Result<Self, Failure> {
        let signal = |kind| signal(kind).map_err(|error| Failure::local(&error));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The number of the next one.
    pub(crate) async fn next(&mut self) -> u8 {
        let kind = tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.hangup.recv() => SignalKind::hangup(),
        };
        u8::try_from(kind.as_raw_value()).unwrap_or_default()
    }
}

/// Has a signal end the command from now on, and tells so: with `--json` there is one value then too.
/// What was asked for may go on without us.
#[expect(
    clippy::exit,
    reason = "what is at work may be waiting for input, and cannot be determined"
)]
pub(crate) fn end_the_command(as_json: bool) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
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
