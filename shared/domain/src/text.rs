//! Bounded text, text of others that is safe to show, and numbers with their nouns.

/// A number with its noun, which is given as the singular: `1 link`, `2 links`, `3 denies`, `0 entries`.
pub fn count(number: usize, noun: &str) -> String {
    format!("{number} {}", noun_of(number, noun))
}

/// The form of a noun for a number of things: the singular for one, else the plural by the rules of English
/// spelling. Only the last word of several changes.
pub fn noun_of(number: usize, noun: &str) -> String {
    if number == 1 {
        return noun.to_owned();
    }
    let is_consonant = |char: char| char.is_ascii_alphabetic() && !"aeiou".contains(char);
    if let Some(stem) = noun
        .strip_suffix('y')
        .filter(|stem| stem.ends_with(is_consonant))
    {
        return format!("{stem}ies");
    }
    if ["s", "x", "z", "ch", "sh"]
        .iter()
        .any(|end| noun.ends_with(end))
    {
        return format!("{noun}es");
    }
    format!("{noun}s")
}

/// The word for one thing, or for any other number of things: `is` or `are`, `it` or `them`.
pub fn one_or<'a>(number: usize, one: &'a str, several: &'a str) -> &'a str {
    if number == 1 { one } else { several }
}

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
    use super::{beginning, count, lines, noun_of, one_line, one_or};

    #[test]
    fn a_noun_has_the_form_of_its_number() {
        for (number, noun, told) in [
            (1, "product", "1 product"),
            (0, "product", "0 products"),
            (2, "dead letter", "2 dead letters"),
            (1, "deny", "1 deny"),
            (2, "deny", "2 denies"),
            (2, "key", "2 keys"),
            (2, "box", "2 boxes"),
            (2, "switch", "2 switches"),
        ] {
            assert_eq!(count(number, noun), told);
        }
        assert_eq!(noun_of(2, "entry"), "entries");
        assert_eq!(
            [one_or(1, "is", "are"), one_or(0, "is", "are")],
            ["is", "are"]
        );
    }

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
