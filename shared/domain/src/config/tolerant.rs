//! Reads the text of a configuration as far as it can be read, with every problem of its form. What is
//! wrong is taken out, and the rest is read again, until nothing is wrong any more.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeArray, DeInteger, DeTable, DeValue, Deserializer};

use super::raw::RawConfig;
use super::words;

/// How often the text is read: once for each problem of its form.
const MOST_READS: usize = 200;

/// The key of the list of members.
const MEMBER: &str = "member";

/// The place of values that stand for missing ones. It is beyond every text, so that nothing is reported
/// of them.
pub(super) const NOWHERE: Range<usize> = usize::MAX..usize::MAX;

/// What could be read.
pub(super) struct Tolerant {
    /// The configuration without what is wrong with its form. None if nothing can be made of it.
    pub(super) raw: Option<RawConfig>,
    /// What is wrong, and where.
    pub(super) problems: Vec<(Range<usize>, String)>,
    /// True if members may be missing in it that the text has.
    pub(super) hides_members: bool,
}

/// Reads a text.
pub(super) fn read(text: &str) -> Tolerant {
    let (mut root, errors) = DeTable::parse_recoverable(text);
    let mut problems: Vec<_> = errors
        .iter()
        .map(|error| (error.span().unwrap_or(0..0), words::plain(error.message())))
        .collect();
    let is_broken = !problems.is_empty();
    // Keys whose values were taken out: that they are missing is no problem of its own.
    let mut taken = BTreeSet::new();
    for _ in 0..MOST_READS {
        let error = match RawConfig::deserialize(Deserializer::from(root.clone())) {
            Ok(raw) => {
                return Tolerant {
                    raw: Some(raw),
                    problems,
                    hides_members: is_broken || hides_members(&taken, &root.span()),
                };
            }
            Err(error) => error,
        };
        let span = error.span().unwrap_or(0..0);
        let missing = missing_key(error.message());
        let is_taken = missing.is_some_and(|key| taken.contains(&(span.start, key.to_owned())));
        let is_consequence = is_taken || (is_broken && missing.is_some());
        if !is_consequence {
            problems.push((span.clone(), words::plain(error.message())));
        }
        let mut repair = Repair {
            span: &span,
            missing,
            taken: &mut taken,
        };
        if !repair.root(&mut root) {
            break;
        }
    }
    Tolerant {
        raw: None,
        problems,
        hides_members: true,
    }
}

/// True if the list of members, or the name of one, was taken out.
fn hides_members(taken: &BTreeSet<(usize, String)>, root: &Range<usize>) -> bool {
    taken
        .iter()
        .any(|(place, key)| key == "name" || (key == MEMBER && *place == root.start))
}

/// The key that a message says is missing.
fn missing_key(message: &str) -> Option<&str> {
    let rest = message.trim_end().strip_prefix("missing field `")?;
    rest.strip_suffix('`')
}

/// The repair of one problem.
struct Repair<'a> {
    span: &'a Range<usize>,
    missing: Option<&'a str>,
    taken: &'a mut BTreeSet<(usize, String)>,
}

impl Repair<'_> {
    /// Repairs the whole text. False if the place is not found.
    fn root(&mut self, root: &mut Spanned<DeTable<'_>>) -> bool {
        let place = root.span();
        if self.table(root.get_mut(), &place) {
            return true;
        }
        // What is missing in the text as a whole has no place of its own.
        self.missing == Some("schema") && self.insert(root.get_mut())
    }

    fn table(&mut self, table: &mut DeTable<'_>, place: &Range<usize>) -> bool {
        if self.missing.is_some() && place == self.span {
            return self.insert(table);
        }
        let wrong = table.iter().find(|(key, value)| {
            self.missing.is_none() && (key.span() == *self.span || value.span() == *self.span)
        });
        if let Some((key, _)) = wrong {
            let name = key.get_ref().to_string();
            table.remove(name.as_str());
            self.taken.insert((place.start, name));
            return true;
        }
        table.iter_mut().any(|(_, value)| self.value(value))
    }

    fn value(&mut self, value: &mut Spanned<DeValue<'_>>) -> bool {
        let place = value.span();
        match value.get_mut() {
            DeValue::Table(table) => self.table(table, &place),
            DeValue::Array(array) => {
                let wrong = array
                    .iter()
                    .position(|one| self.missing.is_none() && one.span() == *self.span);
                if let Some(wrong) = wrong {
                    let items = std::mem::replace(array, DeArray::new()).into_iter();
                    let kept = items.enumerate().filter(|(place, _)| *place != wrong);
                    kept.for_each(|(_, one)| array.push(one));
                    return true;
                }
                array.iter_mut().any(|one| self.value(one))
            }
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => false,
        }
    }

    /// Inserts a value that stands for the missing one. It is not valid, which is reported nowhere.
    fn insert(&mut self, table: &mut DeTable<'_>) -> bool {
        let Some(key) = self.missing else {
            return false;
        };
        let value = match key {
            "schema" => DeValue::Integer(DeInteger::default()),
            _ => DeValue::String(Cow::Borrowed("")),
        };
        let key = Cow::Owned(key.to_owned());
        let before = table.insert(Spanned::new(NOWHERE, key), Spanned::new(NOWHERE, value));
        before.is_none()
    }
}
