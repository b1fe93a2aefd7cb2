//! Points in time, and the time between them.

pub use jiff::Timestamp;

/// `seconds` after `now`, or the latest timestamp if that overflows.
pub fn later(now: Timestamp, seconds: i64) -> Timestamp {
    now.checked_add(jiff::SignedDuration::from_secs(seconds))
        .unwrap_or(Timestamp::MAX)
}

/// Seconds from `then` to `now`, or 0 if `then` is later.
pub fn elapsed(then: Timestamp, now: Timestamp) -> f64 {
    now.duration_since(then).as_secs_f64().max(0.0)
}
