//! Signals that end the command, and what goes on without it.

use std::sync::{Mutex, PoisonError};

use pmp_sync_deploy::signals::Signals;

use crate::failure::Failure;
use crate::hint::Flags;
use crate::output;

/// What goes on if the command ends now.
static GOES_ON: Mutex<Option<String>> = Mutex::new(None);

/// While it exists, a signal reports that something goes on without the command.
#[must_use]
pub(crate) struct GoesOn(());

/// From now on a signal reports this: what goes on, and how to watch or end it. The newest text counts.
pub(crate) fn goes_on(what: impl Into<String>) -> GoesOn {
    set(Some(what.into()));
    GoesOn(())
}

/// The same until the command ends, for what begins with an answer to its question.
pub(crate) fn goes_on_to_the_end(what: impl Into<String>) {
    set(Some(what.into()));
}

impl GoesOn {
    /// Reports this instead, while one exists.
    pub(crate) fn is(what: String) {
        let mut told = GOES_ON.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_some() {
            *told = Some(what);
        }
    }
}

impl Drop for GoesOn {
    fn drop(&mut self) {
        set(None);
    }
}

fn set(what: Option<String>) {
    *GOES_ON.lock().unwrap_or_else(PoisonError::into_inner) = what;
}

fn message() -> String {
    let what = GOES_ON.lock().unwrap_or_else(PoisonError::into_inner);
    what.as_ref().map_or_else(
        || "interrupted".to_owned(),
        |what| format!("interrupted; {what}"),
    )
}

/// From now on a signal ends the command with a message, and with one JSON value if `--json` is
/// given. What was requested of AWS continues.
#[expect(
    clippy::exit,
    reason = "what is at work may be waiting for input, and cannot be determined"
)]
pub(crate) fn end_the_command(flags: Flags, as_json: bool) -> Result<(), Failure> {
    let mut signals = Signals::new().map_err(|error| Failure::local(&error))?;
    tokio::spawn(async move {
        let signal = signals.next().await;
        let failure = Failure::Interrupted {
            signal,
            message: message(),
        };
        output::failure(&failure, &flags, as_json);
        std::process::exit(failure.exit_code().into());
    });
    Ok(())
}
