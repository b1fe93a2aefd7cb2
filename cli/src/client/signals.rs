//! Signals that end the command, and what goes on without it.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pmp_sync_deploy::signals::Signals;

use crate::failure::Failure;
use crate::hint::Flags;
use crate::output;

/// What goes on if the command ends now.
static GOES_ON: Mutex<Option<String>> = Mutex::new(None);

/// What a signal does before it ends the command.
type LastAct = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The last act, if there is one.
static LAST_ACT: Mutex<Option<LastAct>> = Mutex::new(None);
/// The longest time that a last act may take.
const LAST_ACT_TAKES: Duration = Duration::from_secs(5);

/// While it exists, a signal does something before it ends the command.
#[must_use]
pub(crate) struct BeforeTheEnd(());

/// From now on a signal does this before it ends the command.
pub(crate) fn before_the_end(act: impl Future<Output = ()> + Send + 'static) -> BeforeTheEnd {
    *LAST_ACT.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::pin(act));
    BeforeTheEnd(())
}

impl Drop for BeforeTheEnd {
    fn drop(&mut self) {
        *LAST_ACT.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

async fn act_for_the_last_time() {
    let act = LAST_ACT
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    if let Some(act) = act {
        let _ = tokio::time::timeout(LAST_ACT_TAKES, act).await;
    }
}

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
        act_for_the_last_time().await;
        let failure = Failure::Interrupted {
            signal,
            message: message(),
        };
        output::failure(&failure, &flags, as_json);
        std::process::exit(failure.exit_code().into());
    });
    Ok(())
}
