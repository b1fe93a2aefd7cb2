//! Points in time, and the time between them.

mod json;

pub use jiff::Timestamp;

pub use self::json::in_whole_seconds;

/// `seconds` after `now`, or the latest timestamp if that overflows.
pub fn later(now: Timestamp, seconds: i64) -> Timestamp {
    now.checked_add(jiff::SignedDuration::from_secs(seconds))
        .unwrap_or(Timestamp::MAX)
}

/// Seconds from `then` to `now`, or 0 if `then` is later.
pub fn elapsed(then: Timestamp, now: Timestamp) -> f64 {
    now.duration_since(then).as_secs_f64().max(0.0)
}

/// Whole seconds from `then` to `now`, or 0 if `then` is later.
pub fn whole_seconds(then: Timestamp, now: Timestamp) -> i64 {
    now.duration_since(then).as_secs().max(0)
}

/// A duration in its two largest units, without one that is zero: `2 h 3 min`, `2 h`.
pub fn in_words(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    let two = |large: String, small: i64, unit: &str| match small {
        0 => large,
        small => format!("{large} {small} {unit}"),
    };
    if days > 0 {
        two(format!("{days} d"), hours % 24, "h")
    } else if hours > 0 {
        two(format!("{hours} h"), minutes % 60, "min")
    } else if minutes > 0 {
        format!("{minutes} min")
    } else {
        format!("{seconds} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_told_by_its_two_largest_units() {
        for (seconds, told) in [
            (-5, "0 s"),
            (59, "59 s"),
            (61, "1 min"),
            (3_660, "1 h 1 min"),
            (7_200, "2 h"),
            (172_860, "2 d"),
            (7_384, "2 h 3 min"),
            (90_000, "1 d 1 h"),
        ] {
            assert_eq!(in_words(seconds), told);
        }
    }

    #[test]
    fn what_is_yet_to_come_is_no_time_ago() {
        let then = "2026-01-03T02:03:05.5Z".parse().unwrap();
        assert_eq!(whole_seconds(then, later(then, -1)), 0);
        assert_eq!(whole_seconds(then, later(then, 61)), 61);
    }

    #[test]
    fn time_neither_overflows_nor_runs_backwards() {
        let (one, two) = (Timestamp::UNIX_EPOCH, Timestamp::from_second(90).unwrap());
        assert_eq!(later(one, 90), two);
        assert_eq!(later(two, -90), one);
        assert_eq!(later(two, i64::MAX), Timestamp::MAX);
        let half = Timestamp::from_millisecond(1_500).unwrap();
        for (then, now, seconds) in [
            (one, two, 90.0),
            (two, one, 0.0),
            (one, one, 0.0),
            (one, half, 1.5),
        ] {
            assert!((elapsed(then, now) - seconds).abs() < 1e-9, "{then} {now}");
        }
    }
}
