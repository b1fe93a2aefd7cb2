//! JSON: a list of products, or an object that has one, as `export` writes it.

use serde_json::{Deserializer, Map, Value};

use super::rows::{InvalidList, Lines, MOST_IGNORED, MOST_ROWS, Place, Row, Rows, problem};
use super::words::{self, Column, shown};
use crate::config::Problem;
use crate::policy::Action;

/// A walk over a text that is known to be JSON: where each value begins.
struct Walk<'a> {
    text: &'a str,
    offset: usize,
}

impl Walk<'_> {
    fn next_char(&mut self) -> Option<char> {
        let rest = self.text.get(self.offset..)?;
        let trimmed = rest.trim_start();
        self.offset += rest.len() - trimmed.len();
        trimmed.chars().next()
    }

    /// Skips this character, if it is the next one.
    fn skip(&mut self, char: char) -> bool {
        let is_next = self.next_char() == Some(char);
        if is_next {
            self.offset += char.len_utf8();
        }
        is_next
    }

    /// Reads the next value.
    fn value(&mut self) -> Option<(usize, Value)> {
        self.next_char()?;
        let begins = self.offset;
        let mut values = Deserializer::from_str(self.text.get(begins..)?).into_iter();
        let value = values.next()?.ok()?;
        self.offset = begins + values.byte_offset();
        Some((begins, value))
    }

    /// Reads the next value of a list; none at its end.
    fn element(&mut self) -> Option<(usize, Value)> {
        if self.skip(']') {
            return None;
        }
        let found = self.value();
        self.skip(',');
        found
    }
}

/// Goes to the first element of the list of products. False if there is no list.
fn find_list(walk: &mut Walk<'_>) -> bool {
    if walk.skip('[') {
        return true;
    }
    if !walk.skip('{') {
        return false;
    }
    while !walk.skip('}') {
        let Some((_, key)) = walk.value() else {
            return false;
        };
        walk.skip(':');
        if key == "products" {
            return walk.skip('[');
        }
        if walk.value().is_none() {
            return false;
        }
        walk.skip(',');
    }
    false
}

pub(super) fn read(text: &str) -> Result<Rows, InvalidList> {
    let whole: Result<serde::de::IgnoredAny, _> = serde_json::from_str(text);
    if let Err(error) = whole {
        let at = Place {
            line: error.line().max(1),
            column: error.column().max(1),
        };
        let words = error.to_string();
        let words = words.split(" at line ").next().unwrap_or_default();
        return Err(InvalidList::new(vec![problem(
            at,
            format!("this is not JSON: {words}"),
        )]));
    }
    let lines = Lines::new(text);
    let mut walk = Walk { text, offset: 0 };
    if !find_list(&mut walk) {
        let at = Place { line: 1, column: 1 };
        let words = "a list of products is expected, or an object with a list named \"products\"";
        return Err(InvalidList::new(vec![problem(at, words)]));
    }
    let mut rows = Rows::default();
    let mut problems = Vec::new();
    while let Some((offset, value)) = walk.element() {
        let at = lines.at(offset);
        if rows.rows.len() >= MOST_ROWS {
            problems.push(problem(
                at,
                format!("at most {MOST_ROWS} products are read"),
            ));
            break;
        }
        match row(at, value, &mut rows.ignored) {
            Ok(row) => rows.rows.push(row),
            Err(mut found) => problems.append(&mut found),
        }
    }
    rows.problems = problems;
    Ok(rows)
}

/// The row of an element.
fn row(at: Place, value: Value, ignored: &mut Vec<String>) -> Result<Row, Vec<Problem>> {
    let wrong = |words: String| vec![problem(at, words)];
    match value {
        Value::String(text) => Ok(Row {
            at,
            product: words::product(&text).map_err(wrong)?,
            action: Action::Allow,
            notes: None,
        }),
        Value::Object(fields) => of_object(at, fields, ignored),
        other => Err(wrong(format!(
            "{} is no product: a text or an object is expected",
            shown(&other.to_string())
        ))),
    }
}

fn of_object(
    at: Place,
    fields: Map<String, Value>,
    ignored: &mut Vec<String>,
) -> Result<Row, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut names: Vec<(Column, String)> = Vec::new();
    let (mut action, mut notes) = (Some(Action::Allow), None);
    let has_standing = fields
        .keys()
        .any(|key| words::column(key) == Some(Column::Standing));
    for (key, value) in fields {
        let Some(column) = words::column(&key) else {
            let text = match &value {
                Value::String(text) => text.clone(),
                Value::Bool(_) | Value::Number(_) => value.to_string(),
                Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
            };
            let says = words::action(&text).is_some() || words::is_answer(&key, &text);
            if says && !has_standing {
                let words = format!(
                    "{key:?} says allowed or denied; call it \"standing\", with \"allowed\" or \"denied\""
                );
                problems.push(problem(at, words));
            }
            if !ignored.contains(&key) && ignored.len() < MOST_IGNORED {
                ignored.push(key);
            }
            continue;
        };
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text,
            other => {
                let found = shown(&other.to_string());
                problems.push(problem(
                    at,
                    format!("{key:?} is {found}, and a text is expected"),
                ));
                continue;
            }
        };
        match column {
            Column::Standing => {
                action = words::action(&text);
                if action.is_none() {
                    let words = format!("{key:?} is {}, and {}", shown(&text), words::EXPECTED);
                    problems.push(problem(at, words));
                }
            }
            Column::Notes => notes = Some(words::note(&text)).filter(|note| !note.is_empty()),
            name => names.push((name, text)),
        }
    }
    names.retain(|(_, text)| !text.trim().is_empty());
    let named = names.into_iter().min_by_key(|(column, _)| *column);
    let named = named.map_or_else(
        || Err("it names no product".to_owned()),
        |(_, text)| words::product(&text),
    );
    match (named, action) {
        (Ok(product), Some(action)) if problems.is_empty() => Ok(Row {
            at,
            product,
            action,
            notes,
        }),
        (named, _) => {
            problems.extend(named.err().map(|words| problem(at, words)));
            Err(problems)
        }
    }
}
