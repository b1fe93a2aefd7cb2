//! CSV, as spreadsheets write it: with a header or as a plain list; separated by commas, semicolons or
//! tabs; quoted or not; with any line ends. Lines that begin with # are comments.

use csv_core::{ReadFieldResult, Reader, ReaderBuilder};

use super::rows::{Lines, MOST_IGNORED, MOST_ROWS, Place, Row, Rows, problem};
use super::words::{self, Column, shown};
use crate::config::Problem;
use crate::policy::Action;

/// A header that is understood, for messages.
const HEADER: &str = "product_id,standing,notes";

/// A cell, with where it begins.
struct Cell {
    at: Place,
    text: String,
    /// True if its quotes are wrong, so that nobody knows what it says. That is told.
    is_broken: bool,
}

fn is_broken(cells: &[Cell]) -> bool {
    cells.iter().any(|cell| cell.is_broken)
}

struct Records<'a> {
    text: &'a str,
    lines: Lines<'a>,
    offset: usize,
    delimiter: char,
    core: Reader,
    problems: Vec<Problem>,
}

/// The character that separates the cells of a line. Those within quotes do not count.
fn delimiter(line: &str) -> char {
    let outside = line.split('"').step_by(2).collect::<String>();
    let of = |char| outside.matches(char).count();
    let found = [';', '\t'].into_iter().max_by_key(|char| of(*char));
    found.filter(|char| of(*char) > of(',')).unwrap_or(',')
}

impl<'a> Records<'a> {
    fn new(text: &'a str) -> Self {
        let mut records = Self {
            text,
            lines: Lines::new(text),
            offset: 0,
            delimiter: ',',
            core: Reader::new(),
            problems: Vec::new(),
        };
        records.skip();
        let line = records.line();
        // What spreadsheets understand as a statement about the file.
        let said = line.strip_prefix("sep=").and_then(|rest| {
            let mut chars = rest.trim_end().chars();
            let char = chars.next().or(rest.starts_with('\t').then_some('\t'))?;
            chars.next().is_none().then_some(char)
        });
        if let Some(char) = said.filter(char::is_ascii) {
            records.delimiter = char;
            records.offset += line.len();
        } else {
            records.delimiter = delimiter(line);
        }
        let byte = u8::try_from(records.delimiter).unwrap_or(b',');
        records.core = ReaderBuilder::new().delimiter(byte).build();
        records
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.offset..).unwrap_or_default()
    }

    /// The line from here on, without its end.
    fn line(&self) -> &'a str {
        let rest = self.rest();
        rest.split(['\r', '\n']).next().unwrap_or_default()
    }

    /// Skips empty lines and comments.
    fn skip(&mut self) {
        while !self.rest().is_empty() {
            let line = self.line();
            let line_end = self.rest().get(line.len()..).unwrap_or_default();
            if !line.trim().is_empty() && !line.starts_with('#') {
                return;
            }
            self.offset += line.len() + usize::from(!line_end.is_empty());
        }
    }

    /// Reads a cell, and whether it is the last of its record.
    fn cell(&mut self) -> (Cell, bool) {
        let start = self.offset;
        let mut out = vec![0; 128];
        let mut filled = 0;
        let is_last = loop {
            let input = self.rest().as_bytes();
            let room = out.get_mut(filled..).unwrap_or_default();
            let (result, read, written) = self.core.read_field(input, room);
            self.offset += read;
            filled += written;
            match result {
                ReadFieldResult::InputEmpty => {}
                ReadFieldResult::OutputFull => out.resize(out.len() * 2, 0),
                ReadFieldResult::Field { record_end } => break record_end,
                ReadFieldResult::End => break true,
            }
        };
        out.truncate(filled);
        let at = self.lines.at(start);
        let raw = self.text.get(start..self.offset).unwrap_or_default();
        let raw = if is_last {
            raw.trim_end_matches(['\r', '\n'])
        } else {
            raw.strip_suffix(self.delimiter).unwrap_or(raw)
        };
        let wrong = quoting(raw);
        let is_broken = wrong.is_some();
        self.problems.extend(wrong.map(|words| problem(at, words)));
        let text = words::cell(String::from_utf8_lossy(&out).trim()).to_owned();
        let cell = Cell {
            at,
            text,
            is_broken,
        };
        (cell, is_last)
    }

    /// The next record in which a cell says something.
    fn record(&mut self) -> Option<Vec<Cell>> {
        loop {
            self.skip();
            if self.rest().is_empty() {
                return None;
            }
            self.core.reset();
            let mut cells = Vec::new();
            loop {
                let (cell, is_last) = self.cell();
                cells.push(cell);
                if is_last {
                    break;
                }
            }
            if cells.iter().any(|cell| !cell.text.is_empty()) {
                return Some(cells);
            }
        }
    }
}

/// What is wrong with the quotes of a cell.
fn quoting(raw: &str) -> Option<&'static str> {
    let trimmed = raw.trim();
    if !trimmed.starts_with('"') {
        return None;
    }
    if !raw.starts_with('"') {
        return Some("a blank stands before the quote; remove it");
    }
    if trimmed.matches('"').count() % 2 == 1 {
        return Some("the quote that begins here is not closed");
    }
    (!trimmed.ends_with('"'))
        .then_some("text follows the closing quote; a quote within quotes is written twice")
}

/// What each column says.
struct Header {
    columns: Vec<(Cell, Option<Column>)>,
}

impl Header {
    fn place(&self, wanted: Column) -> Option<usize> {
        let mut columns = self.columns.iter();
        columns.position(|(_, column)| *column == Some(wanted))
    }

    /// What is wrong with it.
    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (place, (cell, column)) in self.columns.iter().enumerate() {
            let Some(column) = column else { continue };
            let first = self.place(*column).filter(|first| *first < place);
            let first = first.and_then(|first| self.columns.get(first));
            if let Some((first, _)) = first {
                problems.push(problem(
                    cell.at,
                    format!(
                        "the columns {} and {} say the same; rename one of them",
                        shown(&first.text),
                        shown(&cell.text)
                    ),
                ));
            }
        }
        let names = [Column::Id, Column::Url, Column::Name];
        if names.iter().all(|column| self.place(*column).is_none()) {
            let at = self
                .columns
                .first()
                .map_or(Place { line: 1, column: 1 }, |(cell, _)| cell.at);
            problems.push(problem(
                at,
                format!("no column names products: \"product_id\", \"url\" or \"name\" is expected, as in {HEADER}"),
            ));
        }
        problems
    }
}

pub(super) fn read(text: &str) -> Rows {
    let mut records = Records::new(text);
    let Some(first) = records.record() else {
        return Rows::default();
    };
    let columns: Vec<_> = first.iter().map(|cell| words::column(&cell.text)).collect();
    let mut rows = Vec::new();
    let mut problems = Vec::new();
    let mut ignored = Vec::new();
    if is_broken(&first) {
        // What the other rows say depends on it.
    } else if columns.iter().any(Option::is_some) {
        let header = Header {
            columns: first.into_iter().zip(columns).collect(),
        };
        problems.extend(header.problems());
        if problems.is_empty() {
            let body = under(&header, &mut records, &mut problems);
            rows = body.rows;
            ignored = body.ignored;
        }
    } else {
        plain(first, &mut records, &mut rows, &mut problems);
    }
    problems.append(&mut records.problems);
    Rows {
        rows,
        ignored,
        problems,
    }
}

fn too_many(at: Place) -> Problem {
    problem(at, format!("at most {MOST_ROWS} products are read"))
}

/// A file without a header: one product on a line.
fn plain(
    first: Vec<Cell>,
    records: &mut Records<'_>,
    rows: &mut Vec<Row>,
    problems: &mut Vec<Problem>,
) {
    let mut next = Some(first);
    while let Some(cells) = next {
        if is_broken(&cells) {
            next = records.record();
            continue;
        }
        let mut cells = cells.into_iter();
        let Some(cell) = cells.next() else { return };
        if let Some(second) = cells.find(|cell| !cell.text.is_empty()) {
            problems.push(problem(
                second.at,
                format!("there are several columns and no header; begin with a line such as {HEADER}, or quote what contains the separator"),
            ));
            return;
        }
        if rows.len() >= MOST_ROWS {
            return problems.push(too_many(cell.at));
        }
        match words::product(&cell.text) {
            Ok(product) => rows.push(Row {
                at: cell.at,
                product,
                action: Action::Allow,
                notes: None,
            }),
            Err(words) => problems.push(problem(cell.at, words)),
        }
        next = records.record();
    }
}

/// The rows under a header.
fn under(header: &Header, records: &mut Records<'_>, problems: &mut Vec<Problem>) -> Rows {
    let names = [Column::Id, Column::Url, Column::Name].map(|column| header.place(column));
    let (standing, notes) = (header.place(Column::Standing), header.place(Column::Notes));
    // Of the columns that are not understood: whether each cell so far says allowed or denied.
    let mut says_standing: Vec<Option<bool>> = vec![None; header.columns.len()];
    let mut rows = Vec::new();
    while let Some(cells) = records.record() {
        let at = cells
            .first()
            .map_or(Place { line: 1, column: 1 }, |cell| cell.at);
        if rows.len() >= MOST_ROWS {
            problems.push(too_many(at));
            break;
        }
        if is_broken(&cells) {
            continue;
        }
        let text = |place: Option<usize>| {
            let cell = place.and_then(|place| cells.get(place));
            cell.filter(|cell| !cell.text.is_empty())
        };
        if let Some(cell) = cells
            .iter()
            .skip(header.columns.len())
            .find(|cell| !cell.text.is_empty())
        {
            problems.push(problem(
                cell.at,
                "the row has more cells than the header; quote what contains the separator",
            ));
            continue;
        }
        let headed = header.columns.iter().zip(&cells);
        for (((head, _), cell), says) in headed.zip(&mut says_standing) {
            if !cell.text.is_empty() {
                let is_standing =
                    words::action(&cell.text).is_some() || words::is_answer(&head.text, &cell.text);
                *says = Some(says.unwrap_or(true) && is_standing);
            }
        }
        let action = match standing {
            None => Some(Action::Allow),
            Some(place) => {
                let cell = text(Some(place));
                let action = cell.and_then(|cell| words::action(&cell.text));
                if action.is_none() {
                    let at = cells.get(place).map_or(at, |cell| cell.at);
                    let found = cell.map_or_else(|| "nothing".to_owned(), |cell| shown(&cell.text));
                    problems.push(problem(
                        at,
                        format!("{found} is here, and {}", words::EXPECTED),
                    ));
                }
                action
            }
        };
        let Some(named) = names.iter().find_map(|place| text(*place)) else {
            problems.push(problem(at, "the row names no product"));
            continue;
        };
        match (words::product(&named.text), action) {
            (Ok(product), Some(action)) => rows.push(Row {
                at: named.at,
                product,
                action,
                notes: text(notes).map(|cell| words::note(&cell.text)),
            }),
            (Err(words), _) => problems.push(problem(named.at, words)),
            (Ok(_), None) => {}
        }
    }
    let unknown = header.columns.iter().zip(says_standing);
    let unknown = unknown.filter(|((cell, column), _)| column.is_none() && !cell.text.is_empty());
    let mut ignored = Vec::new();
    for ((cell, _), says) in unknown {
        if says == Some(true) && standing.is_none() {
            problems.push(problem(
                cell.at,
                format!(
                    "the column {} says allowed or denied; call it \"standing\", with \"allowed\" or \"denied\" in its cells",
                    shown(&cell.text)
                ),
            ));
        }
        if ignored.len() < MOST_IGNORED {
            ignored.push(shown(&cell.text));
        }
    }
    Rows {
        rows,
        ignored,
        problems: Vec::new(),
    }
}
