//! Waiting for something that is read again and again.

use std::time::Duration;

use tokio::time::Instant;

use crate::failure::Failure;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What was seen.
pub(crate) enum Seen<T> {
    /// It is there.
    Ready(T),
    /// It is not there yet. The text says what to report if that stays so.
    NotYet(String),
}

/// Looks until it is there, or until the time is up. The pauses grow.
pub(crate) async fn wait_until<T>(
    most: Duration,
    mut look: impl AsyncFnMut() -> Result<Seen<T>, Failure>,
) -> Result<T, Failure> {
    let ends = Instant::now() + most;
    let mut pause = FIRST_PAUSE;
    loop {
        match look().await? {
            Seen::Ready(seen) => return Ok(seen),
            Seen::NotYet(words) if Instant::now() >= ends => return Err(Failure::Late(words)),
            Seen::NotYet(_) => {}
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
