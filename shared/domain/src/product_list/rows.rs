//! The rows of a file, where they are, and what is wrong with them.

use std::fmt;

use crate::config::Problem;
use crate::policy::Action;
use crate::text::count as counted;

/// The largest file, in bytes.
pub const MOST_BYTES: usize = 8 << 20;
/// The most rows: as many products as the answer to a plan lists of one experience.
pub const MOST_ROWS: usize = 25_000;
/// The most bytes of what names a product.
pub const MOST_PRODUCT: usize = 2_048;
/// The most characters of a note that AWS Marketplace takes (Catalog API shapes: `Notes`).
pub const MOST_NOTE: usize = 50;
/// The most columns that are told because they are not understood.
pub(super) const MOST_IGNORED: usize = 50;
/// The most problems that are told.
pub(super) const MOST_PROBLEMS: usize = 100;

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
    /// What is wrong with other rows.
    pub problems: Vec<Problem>,
}

/// A file is no product list. Contains every problem that was found, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the file is no product list: {} found", counted(self.problems.len(), "problem"))]
pub struct InvalidList {
    /// At most 100, and one that counts the others.
    pub problems: Vec<Problem>,
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
                format!("and {} here and below", counted(beyond + 1, "problem")),
            ));
        }
        Self { problems }
    }
}

pub(super) fn problem(at: Place, message: impl Into<String>) -> Problem {
    Problem {
        line: at.line,
        column: at.column,
        message: message.into(),
    }
}

/// The places of a text by offset.
pub(super) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a str) -> Self {
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

    pub(super) fn at(&self, offset: usize) -> Place {
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or_default();
        let before = self.text.get(start..offset).unwrap_or_default();
        Place {
            line,
            column: before.chars().count() + 1,
        }
    }
}
