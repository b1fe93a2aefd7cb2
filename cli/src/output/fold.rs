//! Text in lines of limited width: no word is broken.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// The columns of text that a text takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// The parts of a text that are never broken: words, and single characters of scripts without blanks. Each comes
/// with whether a blank is before it.
fn parts(text: &str) -> impl Iterator<Item = (bool, &str)> {
    text.split(' ')
        .filter(|word| !word.is_empty())
        .flat_map(|word| {
            let mut rest = word;
            let mut is_first = true;
            std::iter::from_fn(move || {
                if rest.is_empty() {
                    return None;
                }
                let is_wide = |char: char| char.width() == Some(2) && char.is_alphanumeric();
                let mut chars = rest.char_indices();
                let first_is_wide = chars.next().is_some_and(|(_, char)| is_wide(char));
                let end = if first_is_wide {
                    // Marks of it, and punctuation behind it, stay with it.
                    chars.find(|(_, char)| char.is_alphanumeric())
                } else {
                    chars.find(|(_, char)| is_wide(*char))
                };
                let end = end.map_or(rest.len(), |(place, _)| place);
                let (part, behind) = rest.split_at(end);
                rest = behind;
                Some((std::mem::take(&mut is_first), part))
            })
        })
}

pub(super) fn longest_word(text: &str) -> usize {
    parts(text).map(|(_, part)| width(part)).max().unwrap_or(0)
}

/// The lines of a text of at most that width. A word that is longer has a line of its own.
pub(crate) fn fold(text: &str, most: usize) -> Vec<String> {
    if width(text) <= most {
        return vec![text.trim_end().to_owned()];
    }
    let mut lines = vec![String::new()];
    for (after_blank, part) in parts(text) {
        let Some(line) = lines.last_mut() else {
            break;
        };
        let blank = if after_blank && !line.is_empty() {
            " "
        } else {
            ""
        };
        if line.is_empty() || width(line) + blank.len() + width(part) <= most {
            line.push_str(blank);
            line.push_str(part);
        } else {
            lines.push(part.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_without_blanks_are_folded_between_characters_and_counted_by_their_width() {
        assert_eq!(fold("日本語の製品。", 6), ["日本語", "の製", "品。"]);
        assert_eq!(fold("one 日本 two", 8), ["one 日本", "two"]);
        assert_eq!(longest_word("日本 ab"), 2);
    }
}
