//! Times in JSON, in whole seconds: a clock has nanoseconds, and nobody has a use for them.

/// The length of a time without a fraction and without its zone: `2026-03-01T07:00:00`.
const SECONDS: usize = 19;

/// The same JSON, with the times in it rounded down to seconds. Only a string that is a time, as this program writes it, is
/// changed.
pub fn in_whole_seconds(json: &str) -> String {
    let mut all = String::with_capacity(json.len());
    // A time has neither quotes nor escapes, so it is always between two quotes.
    for (place, part) in json.split('"').enumerate() {
        if place > 0 {
            all.push('"');
        }
        match without_fraction(part) {
            Some(seconds) => {
                all.push_str(seconds);
                all.push('Z');
            }
            None => all.push_str(part),
        }
    }
    all
}

fn without_fraction(text: &str) -> Option<&str> {
    let (seconds, fraction) = text.strip_suffix('Z')?.split_once('.')?;
    let has_form = seconds.len() == SECONDS
        && seconds
            .bytes()
            .zip(b"0000-00-00T00:00:00".iter())
            .all(|(byte, form)| {
                if *form == b'0' {
                    byte.is_ascii_digit()
                } else {
                    byte == *form
                }
            });
    let is_fraction = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    (has_form && is_fraction).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_whole_seconds_and_nothing_else_changes() {
        let given = r#"{"at":"2026-03-01T07:00:00.123456789Z","all":["2026-03-01T07:00:00.5Z","2026-03-01T07:00:00Z"],"said":"at 2026-03-01T07:00:00.5Z","quoted":"\"2026-03-01T07:00:00.5Z\"","key.Z":1.5}"#;
        let told = r#"{"at":"2026-03-01T07:00:00Z","all":["2026-03-01T07:00:00Z","2026-03-01T07:00:00Z"],"said":"at 2026-03-01T07:00:00.5Z","quoted":"\"2026-03-01T07:00:00.5Z\"","key.Z":1.5}"#;
        assert_eq!(in_whole_seconds(given), told);
        assert_eq!(in_whole_seconds(told), told);
    }

    #[test]
    fn what_only_looks_like_a_time_stays_as_it_is() {
        for text in [
            "2026-03-01T07:00:00.Z",
            "2026-03-01T07:00:00.5xZ",
            "2026-03-01T07:00:00.5",
            "2026-03-01.5Z",
            "1.5Z",
            "aaaa-bb-ccTdd:ee:ff.5Z",
            "2026-03-01 07:00:00.5Z",
            "12026-03-01T07:00:00.5Z",
        ] {
            assert_eq!(in_whole_seconds(text), text);
        }
    }
}
