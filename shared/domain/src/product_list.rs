//! A product list as a file: read from a spreadsheet (CSV) or JSON, compared with the lists of an
//! experience, and written so that it can be read again.
//!
//! Reading names every problem with its line and column. Nothing is applied from a file that has one.

mod csv;
mod difference;
mod edit;
mod json;
mod rows;
mod words;
mod write;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::difference::{Difference, difference};
pub use self::edit::{Edit, MOST_REFUSED, Refusal};
pub use self::rows::{
    InvalidList, MOST_BYTES, MOST_NOTE, MOST_PRODUCT, MOST_ROWS, Place, Row, Rows,
};
use self::rows::{Lines, problem};
pub use self::write::{Export, ExportedProduct, to_csv, to_json};
use crate::config::Problem;
use crate::ids::ProductId;
use crate::policy::Action;

/// Reads a file: JSON if it begins like JSON, and otherwise CSV.
pub fn read(bytes: &[u8]) -> Result<Rows, InvalidList> {
    let rows = read_with_problems(bytes)?;
    if rows.problems.is_empty() {
        Ok(rows)
    } else {
        Err(InvalidList::new(rows.problems))
    }
}

/// Reads a file with the problems of its rows, so that they can be told together with what is found to be wrong later. An
/// error if nothing is known of any row.
pub fn read_with_problems(bytes: &[u8]) -> Result<Rows, InvalidList> {
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
        csv::read(text)
    };
    if rows.rows.is_empty() && !rows.problems.is_empty() {
        return Err(InvalidList::new(rows.problems));
    }
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

    /// What rows want whose products are known.
    pub fn new(rows: impl IntoIterator<Item = (Row, ProductId)>) -> Result<Self, InvalidList> {
        let (wanted, problems) = Self::with_problems(rows);
        if problems.is_empty() {
            Ok(wanted)
        } else {
            Err(InvalidList::new(problems))
        }
    }

    /// The same, with what is wrong with it: a product that is wanted on both lists is a problem.
    pub fn with_problems(rows: impl IntoIterator<Item = (Row, ProductId)>) -> (Self, Vec<Problem>) {
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
        (wanted, problems)
    }
}

#[cfg(test)]
mod tests;
