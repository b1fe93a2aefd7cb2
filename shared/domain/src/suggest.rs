//! "Did you mean": the words that are nearest to one that is not known. Pure, and bounded.

/// The most suggestions.
pub const MOST: usize = 3;
/// What is compared of a text, in characters.
const LONGEST: usize = 80;

/// The candidates that are nearest to a text, the nearest first: those that begin with it, and those
/// with a few letters changed, added, left out or exchanged.
pub fn nearest<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let scored = candidates.into_iter();
    let scored = scored.filter_map(|candidate| Some((distance_of(text, candidate)?, candidate)));
    best(scored.collect())
}

/// The question behind a word that is not known, to end a sentence with. Empty if nothing is near.
pub fn did_you_mean<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    match nearest(text, candidates).as_slice() {
        [] => String::new(),
        found => format!("; did you mean {}?", found.join(" or ")),
    }
}

/// The first few by their distances. Equal ones keep the order of their texts.
pub(crate) fn best<T: Ord>(mut scored: Vec<(usize, T)>) -> Vec<T> {
    scored.sort_unstable();
    scored.dedup();
    let best = scored.into_iter().take(MOST);
    best.map(|(_, candidate)| candidate).collect()
}

/// How far a candidate is from a text, without regard to case. None if it is too far to be meant.
pub(crate) fn distance_of(text: &str, candidate: &str) -> Option<usize> {
    let (text, candidate) = (letters(text), letters(candidate));
    if text.is_empty() || candidate.is_empty() {
        return None;
    }
    // A beginning, such as of a member's name, is nearer than a typo.
    if text.len() > 2 && candidate.starts_with(&text) {
        return Some(0);
    }
    let most = (text.len().max(candidate.len()) / 3).clamp(1, 5);
    if text.len().abs_diff(candidate.len()) > most {
        return None;
    }
    let distance = edits(&text, &candidate);
    (distance <= most).then_some(distance + 1)
}

fn letters(text: &str) -> Vec<char> {
    let lower = text.chars().take(LONGEST).flat_map(char::to_lowercase);
    lower.take(LONGEST).collect()
}

/// The number of letters that are to be changed, added, left out or exchanged with their neighbour
/// (optimal string alignment).
fn edits(one: &[char], other: &[char]) -> usize {
    let mut before: Vec<usize> = vec![0; other.len() + 1];
    let mut last: Vec<usize> = (0..=other.len()).collect();
    let mut above: Option<char> = None;
    for (row, &left) in one.iter().enumerate() {
        let mut line = Vec::with_capacity(other.len() + 1);
        line.push(row + 1);
        let mut beside: Option<char> = None;
        for (column, &top) in other.iter().enumerate() {
            let at = |line: &[usize], place: usize| line.get(place).copied().unwrap_or(usize::MAX);
            let changed = at(&last, column).saturating_add(usize::from(left != top));
            let left_out = at(&last, column + 1).saturating_add(1);
            let added = at(&line, column).saturating_add(1);
            let mut least = changed.min(left_out).min(added);
            if column > 0 && above == Some(top) && beside == Some(left) {
                least = least.min(at(&before, column - 1).saturating_add(1));
            }
            line.push(least);
            beside = Some(top);
        }
        before = std::mem::replace(&mut last, line);
        above = Some(left);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_and_beginnings_are_found_and_nothing_far_away() {
        let members = ["emea", "apac", "latam", "namer", "namer-lab"];
        for (typed, meant) in [
            ("emae", &["emea"][..]),
            ("EMEA", &["emea"]),
            ("latm", &["latam"]),
            ("nam", &["namer", "namer-lab"]),
            ("xyzzy", &[]),
            ("", &[]),
        ] {
            assert_eq!(nearest(typed, members), meant, "{typed}");
        }
    }

    #[test]
    fn edits_are_counted() {
        for (one, other, count) in [
            ("", "", 0),
            ("abc", "", 3),
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("abc", "acb", 1),
            // Two neighbours of which only one has moved.
            ("xa", "ay", 2),
            ("ax", "ya", 2),
            ("abc", "axc", 1),
            ("abcd", "acd", 1),
            ("kitten", "sitting", 3),
        ] {
            let of = |text: &str| text.chars().collect::<Vec<_>>();
            assert_eq!(edits(&of(one), &of(other)), count, "{one} {other}");
        }
    }

    #[test]
    fn there_are_few_suggestions_the_nearest_first() {
        let names = ["abcdeg", "abcdef", "abcdeh", "abcdei", "abcdxx"];
        assert_eq!(nearest("abcdef", names), ["abcdef", "abcdeg", "abcdeh"]);
    }

    #[test]
    fn a_question_names_each_word_that_may_be_meant() {
        let members = ["emea", "namer", "namer-lab"];
        for (typed, question) in [
            ("emae", "; did you mean emea?"),
            ("nam", "; did you mean namer or namer-lab?"),
            ("xyzzy", ""),
        ] {
            assert_eq!(did_you_mean(typed, members), question);
        }
    }

    #[test]
    fn a_third_of_the_letters_may_differ_and_five_at_most() {
        let long = "abcdefghijklmnopqrstuvwxy";
        for (text, candidate, distance) in [
            ("", "a", None),
            ("a", "", None),
            ("a", "A", Some(1)),
            ("a", "b", Some(2)),
            ("a", "bc", None),
            // A beginning has three letters.
            ("ab", "abc", Some(2)),
            ("ab", "abcd", None),
            ("abc", "abcdefghij", Some(0)),
            ("abcd", "abxy", None),
            ("abcd", "badc", None),
            ("abcdef", "badcef", Some(3)),
            ("xbcdef", "abcdefg", Some(3)),
            ("xbcdef", "abcdefgh", None),
            ("cdefgh", "abcdefgh", Some(3)),
            ("defgh", "abcdefgh", None),
            (&long[..20], &format!("{}wxyz", &long[..16]), Some(5)),
            (&long[1..], "bcdefghijklmnopqrst_____", Some(6)),
            (&long[1..], "bcdefghijklmnopqrs______", None),
        ] {
            assert_eq!(distance_of(text, candidate), distance, "{text} {candidate}");
        }
    }
}
