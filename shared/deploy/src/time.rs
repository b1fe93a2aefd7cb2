//! Times for people: in the local time zone with their age, or in UTC.

use std::borrow::Cow;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use pmp_sync_aws::system::SystemClock;
use pmp_sync_domain::ports::Clock as _;
use pmp_sync_domain::time::whole_seconds;

/// Ages in tables end here; what is older has its date.
const OLDEST_AGE: i64 = 30 * DAY;
const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// How times are shown.
#[derive(Debug, Clone)]
enum Form {
    /// In RFC 3339, without ages.
    Utc,
    /// In a time zone, with ages.
    Local(TimeZone),
}

static FORM: OnceLock<Form> = OnceLock::new();
static WITHOUT_AGES: AtomicBool = AtomicBool::new(false);

/// Times are shown in UTC if that is wanted, and otherwise in the time zone of the system or of TZ. Without
/// this call, as in unit tests, they are shown in UTC.
pub fn show_times(in_utc: bool) {
    let form = if in_utc {
        Form::Utc
    } else {
        Form::Local(TimeZone::system())
    };
    // Only the first call counts.
    let _ = FORM.set(form);
}

/// Shows no ages from now on: for a reader who compares what was shown with what is shown later.
pub fn leave_out_ages() {
    WITHOUT_AGES.store(true, Ordering::Relaxed);
}

fn form() -> &'static Form {
    FORM.get().unwrap_or(&Form::Utc)
}

/// The present, if ages are shown.
fn now() -> Option<Timestamp> {
    let shows_ages = !WITHOUT_AGES.load(Ordering::Relaxed);
    shows_ages.then(|| SystemClock.now())
}

/// A time in a sentence, with its age: `2026-11-30 10:12:33 CET (3 h ago)`. A dash without one.
pub fn time(at: Option<Timestamp>) -> String {
    at.map_or_else(dash, |at| form().whole(at, now()))
}

/// A time in a column of a table: its age for a month, then its date. A dash without one.
pub fn age(at: Option<Timestamp>) -> String {
    at.map_or_else(dash, |at| form().short(at, now()))
}

/// What a person means with a date and a time of day: it is in the time zone in which times are shown.
pub fn time_of(written: DateTime) -> Timestamp {
    form().meant(written)
}

/// A text of others, such as a reason of the producer, with its times of RFC 3339 in the same form as all others.
pub fn with_times(text: &str) -> Cow<'_, str> {
    form().in_text(text)
}

fn dash() -> String {
    "-".to_owned()
}

impl Form {
    fn meant(&self, written: DateTime) -> Timestamp {
        let zone = match self {
            Self::Utc => &TimeZone::UTC,
            Self::Local(zone) => zone,
        };
        // Of a time that a clock which is set back shows twice, the first one. What is out of range is the end of time.
        zone.to_timestamp(written).unwrap_or(Timestamp::MAX)
    }

    fn in_text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Self::Local(zone) = self else {
            return Cow::Borrowed(text);
        };
        let mut told = String::new();
        let mut rest = text;
        let mut is_in_word = false;
        while let Some(char) = rest.chars().next() {
            let found = leading(rest).filter(|_| !is_in_word);
            let taken = if let Some((at, bytes)) = found {
                told.push_str(&local(at, zone, "%Y-%m-%d %H:%M:%S %Z"));
                bytes
            } else {
                told.push(char);
                char.len_utf8()
            };
            is_in_word = char.is_alphanumeric();
            rest = rest.get(taken..).unwrap_or_default();
        }
        Cow::Owned(told)
    }

    /// `now` is none if ages are not shown.
    fn whole(&self, at: Timestamp, now: Option<Timestamp>) -> String {
        match self {
            Self::Utc => utc(at),
            Self::Local(zone) => {
                let local = local(at, zone, "%Y-%m-%d %H:%M:%S %Z");
                match now {
                    Some(now) => format!("{local} ({})", distance(at, now)),
                    None => local,
                }
            }
        }
    }

    fn short(&self, at: Timestamp, now: Option<Timestamp>) -> String {
        match (self, now) {
            (Self::Utc, _) => utc(at),
            (Self::Local(zone), None) => local(at, zone, "%Y-%m-%d %H:%M"),
            (Self::Local(zone), Some(now)) => {
                let away = whole_seconds(at, now).max(whole_seconds(now, at));
                if away < OLDEST_AGE {
                    distance(at, now)
                } else {
                    local(at, zone, "%Y-%m-%d")
                }
            }
        }
    }
}

/// The time at the beginning of a text, and how many bytes it has. Only one in UTC.
fn leading(text: &str) -> Option<(Timestamp, usize)> {
    let is_part = |byte: u8| byte.is_ascii_digit() || b"-:.T".contains(&byte);
    let end = text.bytes().take_while(|byte| is_part(*byte)).count();
    // The shortest is 2026-11-30T10:12Z.
    let is_time = (16..=30).contains(&end) && text.as_bytes().get(end) == Some(&b'Z');
    let time = text.get(..=end).filter(|_| is_time)?;
    Some((time.parse().ok()?, end + 1))
}

/// A time in UTC, rounded down to seconds.
fn utc(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).map_or_else(|_| dash(), |at| at.to_string())
}

fn local(at: Timestamp, zone: &TimeZone, form: &str) -> String {
    // A system without a time zone has UTC.
    let zone = if zone.is_unknown() {
        TimeZone::UTC
    } else {
        zone.clone()
    };
    at.to_zoned_datetime(zone).strftime(form).to_string()
}

/// How long ago, or in how long: `3 h ago`, `in 2 d`.
fn distance(at: Timestamp, now: Timestamp) -> String {
    let (past, future) = (whole_seconds(at, now), whole_seconds(now, at));
    let words = |seconds: i64| {
        let (minutes, hours, days) = (seconds / MINUTE, seconds / HOUR, seconds / DAY);
        match (minutes, hours, days) {
            (0, ..) => None,
            (_, 0, _) => Some(format!("{minutes} min")),
            (.., 0) => Some(format!("{hours} h")),
            _ => Some(format!("{days} d")),
        }
    };
    match (words(past), words(future)) {
        (Some(past), _) => format!("{past} ago"),
        (None, Some(future)) => format!("in {future}"),
        (None, None) => "just now".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZONE: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn form() -> Form {
        Form::Local(TimeZone::posix(ZONE).unwrap())
    }

    #[test]
    fn a_time_is_local_with_its_age_and_in_utc_as_programs_write_it() {
        let now = at("2026-07-01T12:00:00Z");
        for (then, local, short) in [
            (
                "2026-07-01T08:30:05.7Z",
                "2026-07-01 10:30:05 CEST (3 h ago)",
                "3 h ago",
            ),
            (
                "2026-01-31T23:30:00Z",
                "2026-02-01 00:30:00 CET (150 d ago)",
                "2026-02-01",
            ),
            (
                "2026-07-01T12:00:30Z",
                "2026-07-01 14:00:30 CEST (just now)",
                "just now",
            ),
            (
                "2026-07-03T12:00:00Z",
                "2026-07-03 14:00:00 CEST (in 2 d)",
                "in 2 d",
            ),
            (
                "2026-07-01T11:01:00Z",
                "2026-07-01 13:01:00 CEST (59 min ago)",
                "59 min ago",
            ),
        ] {
            assert_eq!(form().whole(at(then), Some(now)), local);
            assert_eq!(form().short(at(then), Some(now)), short);
        }
        let then = at("2026-07-01T08:30:05.7Z");
        for now in [Some(now), None] {
            assert_eq!(Form::Utc.whole(then, now), "2026-07-01T08:30:05Z");
            assert_eq!(Form::Utc.short(then, now), "2026-07-01T08:30:05Z");
        }
        assert_eq!(form().whole(then, None), "2026-07-01 10:30:05 CEST");
        assert_eq!(form().short(then, None), "2026-07-01 10:30");
    }

    #[test]
    fn a_time_of_day_is_meant_in_the_time_zone_of_the_times_that_are_shown() {
        let civil = |text: &str| text.parse().unwrap();
        for (written, local) in [
            ("2026-07-01T10:30:00", "2026-07-01T08:30:00Z"),
            ("2026-01-31T00:00:00", "2026-01-30T23:00:00Z"),
            // A time that the clock shows twice, and one that it does not show.
            ("2026-10-25T02:30:00", "2026-10-25T00:30:00Z"),
            ("2026-03-29T02:30:00", "2026-03-29T01:30:00Z"),
        ] {
            assert_eq!(form().meant(civil(written)), at(local), "{written}");
            assert_eq!(Form::Utc.meant(civil(written)), at(&format!("{written}Z")));
        }
        assert_eq!(form().meant(civil("9999-12-31T23:59:59")), Timestamp::MAX);
    }

    #[test]
    fn times_in_the_texts_of_others_are_local_too() {
        for (text, local) in [
            (
                "edited outside since 2026-07-01T08:30:05.25Z; 3 more",
                "edited outside since 2026-07-01 10:30:05 CEST; 3 more",
            ),
            (
                "(2 without approval since 2026-01-31T23:30Z)",
                "(2 without approval since 2026-02-01 00:30:00 CET)",
            ),
            (
                "no time: 2026-07-01, x2026-07-01T08:30:00Z, é",
                "no time: 2026-07-01, x2026-07-01T08:30:00Z, é",
            ),
            ("2026-99-01T08:30:00Z", "2026-99-01T08:30:00Z"),
        ] {
            assert_eq!(form().in_text(text), local);
            assert_eq!(Form::Utc.in_text(text), text);
        }
    }

    #[test]
    fn without_a_time_zone_it_is_utc() {
        let then = at("2026-07-01T08:30:00Z");
        let told = Form::Local(TimeZone::unknown()).whole(then, Some(then));
        assert_eq!(told, "2026-07-01 08:30:00 UTC (just now)");
        assert_eq!(time(None), "-");
        assert_eq!(age(None), "-");
    }
}
