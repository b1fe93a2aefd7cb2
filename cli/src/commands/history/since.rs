//! `--since`: a date, a time, or an age.

use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use pmp_sync_domain::ids::RunId;
use pmp_sync_domain::time::later;

use crate::output;

/// How long before its events a run, or the edit that has triggered it, may have begun, in seconds.
const BEFORE_SINCE: i64 = 86_400;

/// The beginning of what is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    /// This time.
    At(Timestamp),
    /// This date and time of day, in the time zone in which times are shown.
    Civil(DateTime),
    /// So many seconds ago.
    Ago(i64),
}

impl Since {
    /// The time that it means now.
    pub(super) fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Civil(at) => output::time_of(at),
            Self::Ago(seconds) => later(now, -seconds),
        }
    }
}

/// When what has events since then has begun at the earliest: a run can go on for hours, and an edit comes before its run.
pub(super) fn earlier(since: Timestamp) -> Timestamp {
    later(since, -BEFORE_SINCE)
}

/// An id that sorts before every run that may have had events since then.
pub(super) fn before(since: Timestamp) -> RunId {
    RunId::next(None, earlier(since).as_millisecond(), 0)
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(seconds) = age(text) {
            return Ok(Self::Ago(seconds));
        }
        let at = text.parse().map(Self::At);
        at.or_else(|_| text.parse().map(Self::Civil)).map_err(|_| {
            "a date (2026-01-31), a time (2026-01-31T09:00, 2026-01-31T09:00:00Z) or an age (90m, 12h, 7d, 2w) is expected"
                .to_owned()
        })
    }
}

/// An age in seconds: a number with its unit, up to ten years.
fn age(text: &str) -> Option<i64> {
    let unit = text.chars().next_back()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return None,
    };
    let number = text.strip_suffix(unit)?;
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: i64 = number.parse().ok()?;
    let all = number.checked_mul(seconds)?;
    (1..=10 * 366 * 86_400).contains(&all).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_is_a_date_a_time_or_an_age() {
        let at = |text: &str| Since::At(text.parse().unwrap());
        let civil = |text: &str| Since::Civil(text.parse().unwrap());
        for (text, since) in [
            ("2026-01-31", civil("2026-01-31T00:00:00")),
            ("2026-01-31T09:30", civil("2026-01-31T09:30:00")),
            ("2026-01-31T09:30:01Z", at("2026-01-31T09:30:01Z")),
            ("2026-01-31T09:30:00+02:00", at("2026-01-31T07:30:00Z")),
            ("90m", Since::Ago(5_400)),
            ("12h", Since::Ago(43_200)),
            ("7d", Since::Ago(604_800)),
            ("2w", Since::Ago(1_209_600)),
        ] {
            assert_eq!(text.parse(), Ok(since), "{text}");
        }
        let now = "2026-01-08T00:00:00Z".parse().unwrap();
        let week = "7d".parse::<Since>().unwrap().at(now);
        assert_eq!(week, "2026-01-01T00:00:00Z".parse().unwrap());
        // Without `output::show_times`, as here, times are in UTC.
        let day = "2026-01-02".parse::<Since>().unwrap().at(now);
        assert_eq!(day, "2026-01-02T00:00:00Z".parse().unwrap());
        for wrong in [
            "",
            "d",
            "7",
            "-7d",
            "7 d",
            "0d",
            "yesterday",
            "2026-13-01",
            "99999999999999999999d",
            "9999w",
        ] {
            assert!(wrong.parse::<Since>().is_err(), "{wrong}");
        }
    }
}
