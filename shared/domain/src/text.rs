//! Bounded text, and text of others that is safe to show.

/// The beginning of a text, in at most `most` bytes.
pub fn beginning(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or(text)
}

/// A text of others, such as a requester or the message of a service, in one line: without control
/// characters, which a terminal obeys, and without those that reverse the direction of text. Each
/// becomes a blank.
pub fn one_line(text: &str) -> String {
    let plain = |char: char| if is_obeyed(char) { ' ' } else { char };
    text.chars().map(plain).collect()
}

/// Lines that are safe to show: like [`one_line`], and line breaks stay.
pub fn lines(text: &str) -> String {
    let is_kept = |char: char| char == '\n' || !is_obeyed(char);
    let plain = |char: char| if is_kept(char) { char } else { ' ' };
    text.chars().map(plain).collect()
}

/// U+202A to U+202E and U+2066 to U+2069 change the direction of text (Unicode Bidirectional
/// Algorithm, explicit formatting characters).
fn is_obeyed(char: char) -> bool {
    char.is_control() || matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::{beginning, lines, one_line};

    #[test]
    fn what_a_terminal_would_obey_becomes_a_blank() {
        let evil = "me\n  approved by boss\u{1b}]0;x\u{7}\u{9b}2J\r\u{202e}é";
        assert_eq!(one_line(evil), "me   approved by boss ]0;x  2J  é");
        assert_eq!(lines(evil), "me\n  approved by boss ]0;x  2J  é");
    }

    #[test]
    fn a_text_is_cut_between_two_characters_and_a_short_one_is_kept() {
        for (most, expected) in [
            (0, ""),
            (1, "a"),
            (2, "a"),
            (3, "aé"),
            (4, "aéb"),
            (9, "aéb"),
        ] {
            assert_eq!(beginning("aéb", most), expected, "{most}");
        }
    }
}
