//! Conversion of text to HTML. Text from outside stays text.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use pmp_sync_domain::text::noun_of;
use pmp_sync_domain::time::{in_words, whole_seconds};
use sha2::{Digest as _, Sha256};

/// Escapes text for an element or a quoted attribute.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // Control characters are unreadable, and parsers replace some of them.
            control if control.is_control() && control != '\n' => safe.push('\u{fffd}'),
            other => safe.push(other),
        }
    }
    safe
}

/// The longest word that is kept on one line, in characters.
const UNBROKEN: usize = 36;

/// The same, with words that are not broken at their hyphens: names, ids and options would be hard to read. What is longer
/// than a line may have, such as an ARN, is broken behind colons and slashes.
pub(crate) fn unbroken(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        if word.chars().count() <= UNBROKEN {
            return piece(word);
        }
        let pieces = word.split_inclusive([':', '/']).map(piece);
        pieces.collect::<Vec<_>>().join("<wbr>")
    });
    words.collect::<Vec<_>>().join(" ")
}

fn piece(word: &str) -> String {
    let safe = escaped(word);
    if word.contains('-') && word.chars().count() <= UNBROKEN {
        format!("<span class=\"nb\">{safe}</span>")
    } else {
        safe
    }
}

/// Escapes JSON for a script element: nothing in it can end the element, and it stays the same
/// JSON.
pub(crate) fn in_script(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(safe, "\\u{:04x}", u32::from(character));
            }
            other => safe.push(other),
        }
    }
    safe
}

/// The hash by which a Content-Security-Policy allows an inline script or style.
pub(crate) fn source_hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

/// A time as text, in UTC, rounded down to seconds.
pub(crate) fn utc(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A `time` element.
pub(crate) fn time(at: Timestamp) -> String {
    format!("<time datetime=\"{}\">{}</time>", stamp(at), utc(at))
}

/// A time for programs, rounded down to seconds.
pub(crate) fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The age of a time, in its two largest units.
pub(crate) fn age(at: Timestamp, now: Timestamp) -> String {
    in_words(whole_seconds(at, now))
}

/// A number with thousands separators.
pub(crate) fn number(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun: `1 product`, `2,000 products`.
pub(crate) fn count(of: usize, noun: &str) -> String {
    format!("{} {}", number(of), noun_of(of, noun))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_becomes_markup() {
        let told = escaped("</script><img src=x onerror=\"alert('1')\">&\u{1}");
        assert_eq!(
            told,
            "&lt;/script&gt;&lt;img src=x onerror=&quot;alert(&#39;1&#39;)&quot;&gt;&amp;\u{fffd}"
        );
    }

    #[test]
    fn words_are_not_broken_at_their_hyphens() {
        let hash = "0".repeat(64);
        for (text, told) in [
            ("in sync", "in sync".to_owned()),
            ("a --b <c-d>", "a <span class=\"nb\">--b</span> <span class=\"nb\">&lt;c-d&gt;</span>".to_owned()),
            (&hash, hash.clone()),
            (
                "arn:aws:sts::222222222222:assumed-role/Developer/user",
                "arn:<wbr>aws:<wbr>sts:<wbr>:<wbr>222222222222:<wbr><span class=\"nb\">assumed-role/</span><wbr>Developer/<wbr>user".to_owned(),
            ),
        ] {
            assert_eq!(unbroken(text), told);
        }
    }

    #[test]
    fn json_in_a_script_stays_the_same_and_cannot_end_it() {
        let hostile = "</script><!--<script>&\u{2028}\u{2029}\"\\";
        let json = serde_json::to_string(hostile).unwrap();
        let safe = in_script(&json);
        for forbidden in ['<', '>', '&', '\u{2028}', '\u{2029}'] {
            assert!(!safe.contains(forbidden), "{safe}");
        }
        assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), hostile);
    }

    #[test]
    fn a_source_is_known_by_its_hash() {
        // printf '%s' 'alert(1)' | openssl dgst -sha256 -binary | base64
        let expected = "'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='";
        assert_eq!(source_hash("alert(1)"), expected);
    }

    #[test]
    fn numbers_are_told_as_people_read_them() {
        for (given, told) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(number(given), told);
        }
    }
}
