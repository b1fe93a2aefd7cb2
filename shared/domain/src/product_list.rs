//! A product list as a file: read from a spreadsheet (CSV) or JSON, compared with the lists of an
//! experience, and written so that it can be read again.
//!
//! Reading names every problem with its line and column. Nothing is applied from a file that has one.

mod csv;
mod difference;
mod edit;
mod json;
mod words;
mod write;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::difference::{Difference, difference};
pub use self::edit::{Edit, MOST_REFUSED, Refusal};
pub use self::write::{Export, ExportedProduct, to_csv, to_json};
use crate::config::Problem;
use crate::ids::ProductId;
use crate::policy::Action;

/// The largest file, in bytes.
pub const MOST_BYTES: usize = 8 << 20;
/// The most rows: as many products as the answer to a plan lists of one experience.
pub const MOST_ROWS: usize = 25_000;
/// The most bytes of what names a product.
pub const MOST_PRODUCT: usize = 2_048;
/// The most characters of a note that AWS Marketplace takes (Catalog API shapes: `Notes`).
pub const MOST_NOTE: usize = 50;
/// The most columns that are told because they are not understood.
const MOST_IGNORED: usize = 50;
/// The most problems that are told.
const MOST_PROBLEMS: usize = 100;

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A row of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Where it names its product.
    pub at: Place,
    /// What it calls the product: an id, a Marketplace URL or a name.
    pub product: String,
    /// The list on which the product is wanted.
    pub action: Action,
    /// The note of the row.
    pub notes: Option<String>,
}

/// The rows of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// In the order of the file.
    pub rows: Vec<Row>,
    /// Columns that say nothing that is understood, by their names.
    pub ignored: Vec<String>,
}

/// A file is no product list. Contains every problem that was found, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the file is no product list: {} found", count(self.problems.len()))]
pub struct InvalidList {
    /// At most 100, and one that counts the others.
    pub problems: Vec<Problem>,
}

fn count(problems: usize) -> String {
    match problems {
        1 => "1 problem".to_owned(),
        many => format!("{many} problems"),
    }
}

impl InvalidList {
    /// One list of problems, in the order of the file.
    pub fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| (problem.line, problem.column));
        if let Some(beyond) = problems.len().checked_sub(MOST_PROBLEMS + 1) {
            let last = problems
                .get(MOST_PROBLEMS)
                .map(|one| (one.line, one.column));
            let (line, column) = last.unwrap_or((1, 1));
            problems.truncate(MOST_PROBLEMS);
            problems.push(problem(
                Place { line, column },
                format!("and {} here and below", count(beyond + 1)),
            ));
        }
        Self { problems }
    }
}

fn problem(at: Place, message: impl Into<String>) -> Problem {
    Problem {
        line: at.line,
        column: at.column,
        message: message.into(),
    }
}

/// The places of a text by offset.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let bytes = text.as_bytes();
        let ends = |(place, byte): &(usize, &u8)| {
            **byte == b'\n' || (**byte == b'\r' && bytes.get(place + 1) != Some(&b'\n'))
        };
        let breaks = bytes.iter().enumerate().filter(ends);
        let starts = std::iter::once(0).chain(breaks.map(|(place, _)| place + 1));
        Self {
            text,
            starts: starts.collect(),
        }
    }

    fn at(&self, offset: usize) -> Place {
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or_default();
        let before = self.text.get(start..offset).unwrap_or_default();
        Place {
            line,
            column: before.chars().count() + 1,
        }
    }
}

/// Reads a file: JSON if it begins like JSON, and otherwise CSV.
pub fn read(bytes: &[u8]) -> Result<Rows, InvalidList> {
    let whole = |message: String| {
        let at = Place { line: 1, column: 1 };
        InvalidList::new(vec![problem(at, message)])
    };
    if bytes.len() > MOST_BYTES {
        return Err(whole(format!(
            "the file has {} bytes, and at most {MOST_BYTES} are read",
            bytes.len()
        )));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(whole(
            "the file is in UTF-16; save it as \"CSV UTF-8\"".to_owned(),
        ));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let good = std::str::from_utf8(good).unwrap_or_default();
        let at = Lines::new(good).at(good.len());
        let words = "the character here is not in UTF-8; save the file as \"CSV UTF-8\"";
        InvalidList::new(vec![problem(at, words)])
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let rows = if text.trim_start().starts_with(['[', '{']) {
        json::read(text)?
    } else {
        csv::read(text)?
    };
    if rows.rows.is_empty() {
        return Err(whole("no row names a product".to_owned()));
    }
    Ok(rows)
}

/// What a file wants of a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedProduct {
    /// The list on which it is wanted.
    pub action: Action,
    /// The note for it.
    pub notes: Option<String>,
    /// Where it is named first.
    pub at: Place,
}

/// A product that a file names several times, each time for the same list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Repeated {
    /// The product.
    pub product: ProductId,
    /// The line that counts.
    pub line: usize,
    /// The line that repeats it.
    pub again: usize,
}

/// What a file wants, each product once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// By product.
    pub products: BTreeMap<ProductId, WantedProduct>,
    /// Products that are named several times.
    pub repeated: Vec<Repeated>,
}

impl Wanted {
    /// The same list for several products, without a file.
    pub fn all(products: impl IntoIterator<Item = ProductId>, action: Action) -> Self {
        let wanted = WantedProduct {
            action,
            notes: None,
            at: Place { line: 1, column: 1 },
        };
        let products = products.into_iter();
        Self {
            products: products.map(|product| (product, wanted.clone())).collect(),
            repeated: Vec::new(),
        }
    }

    /// What rows want whose products are known. A product that is wanted on both lists is a problem.
    pub fn new(rows: impl IntoIterator<Item = (Row, ProductId)>) -> Result<Self, InvalidList> {
        let mut wanted = Self::default();
        let mut problems = Vec::new();
        for (row, product) in rows {
            let Some(known) = wanted.products.get_mut(&product) else {
                let new = WantedProduct {
                    action: row.action,
                    notes: row.notes,
                    at: row.at,
                };
                wanted.products.insert(product, new);
                continue;
            };
            if known.action == row.action {
                known.notes = known.notes.take().or(row.notes);
                wanted.repeated.push(Repeated {
                    line: known.at.line,
                    again: row.at.line,
                    product,
                });
            } else {
                problems.push(problem(
                    row.at,
                    format!(
                        "{product} is to be {} here and {} in line {}",
                        row.action.outcome(),
                        known.action.outcome(),
                        known.at.line
                    ),
                ));
            }
        }
        if problems.is_empty() {
            Ok(wanted)
        } else {
            Err(InvalidList::new(problems))
        }
    }
}

#[cfg(test)]
mod tests;
