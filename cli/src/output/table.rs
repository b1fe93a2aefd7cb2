//! The one kind of table: it fits the screen, and breaks no word.
//!
//! A table that is too wide first folds names of columns and the columns that may fold, at blanks; then it
//! leaves out columns that may be left out, and says so. If it is still too wide, each row becomes a block
//! with a line for each column. In a pipe or a file, lines have any length.

use super::fold::{fold, longest_word, width};
use super::palette::Meaning;
use super::screen::Screen;
use pmp_sync_deploy::time::with_times;
use pmp_sync_domain::text::one_line;

/// Blanks between two columns.
const GAP: usize = 2;
/// A column is not folded to less than this while another can be left out instead.
const COMFORTABLE: usize = 18;

/// A line for people: nothing in it can reach the terminal as a command, apart from its colours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Line(String);

impl Line {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Line {
    fn from(text: String) -> Self {
        Self(pmp_sync_domain::text::lines(&with_times(&text)))
    }
}

impl From<&str> for Line {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

/// A column, and what may be done with it to make the table fit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    name: &'static str,
    folds: bool,
    /// Columns with lower numbers are left out first. None for one that always stays.
    leaves: Option<u8>,
    is_number: bool,
    has_meaning: bool,
}

/// A column that always stays, and is never folded: an id, a short word, an age.
pub(crate) const fn column(name: &'static str) -> Column {
    Column {
        name,
        folds: false,
        leaves: None,
        is_number: false,
        has_meaning: false,
    }
}

impl Column {
    /// It may be folded at blanks, because it has text.
    pub(crate) const fn folds(self) -> Self {
        Self {
            folds: true,
            ..self
        }
    }

    /// It may be left out. Of several, the one with the lowest number goes first.
    pub(crate) const fn leaves(self, place: u8) -> Self {
        Self {
            leaves: Some(place),
            ..self
        }
    }

    /// It has numbers, which are aligned on the right.
    pub(crate) const fn number(self) -> Self {
        Self {
            is_number: true,
            ..self
        }
    }

    /// Its words have a meaning, and so a colour.
    pub(crate) const fn state(self) -> Self {
        Self {
            has_meaning: true,
            ..self
        }
    }
}

/// A table: its columns, and a cell for each in every row.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

/// How a table is laid out.
#[derive(Debug, PartialEq, Eq)]
enum Layout {
    /// The width of each column. Those without one are left out.
    Columns(Vec<Option<usize>>),
    /// A block for each row.
    Blocks,
}

impl Table {
    pub(crate) fn new(
        columns: impl IntoIterator<Item = Column>,
        rows: impl IntoIterator<Item = Vec<String>>,
    ) -> Self {
        let columns: Vec<_> = columns.into_iter().collect();
        let rows = rows.into_iter().map(|row| {
            let mut cells: Vec<_> = row.iter().map(|cell| one_line(&with_times(cell))).collect();
            cells.resize(columns.len(), String::new());
            cells
        });
        Self {
            rows: rows.collect(),
            columns,
        }
    }

    /// The lines on a screen.
    pub(crate) fn lines(&self, screen: Screen) -> Vec<Line> {
        let most = screen.width.unwrap_or(usize::MAX);
        let lines = match self.layout(screen.width) {
            Layout::Columns(widths) => self.as_columns(&widths, most, screen.colours),
            Layout::Blocks => self.as_blocks(most, screen.colours),
        };
        lines.into_iter().map(Line).collect()
    }

    /// The texts of a column: its name, and its cells.
    fn cells(&self, place: usize) -> impl Iterator<Item = &str> {
        let rows = self.rows.iter();
        rows.filter_map(move |row| row.get(place))
            .map(String::as_str)
    }

    fn layout(&self, most: Option<usize>) -> Layout {
        let mut shown = vec![true; self.columns.len()];
        let Some(most) = most else {
            return Layout::Columns(
                self.widths(&shown, usize::MAX, COMFORTABLE)
                    .unwrap_or_default(),
            );
        };
        loop {
            let widths = self.widths(&shown, most, COMFORTABLE);
            if let Some(widths) = widths.filter(|widths| widths.iter().any(Option::is_some)) {
                return Layout::Columns(widths);
            }
            let left = self.columns.iter().zip(&shown).enumerate();
            let left = left.filter(|(_, (_, is_shown))| **is_shown);
            let next = left
                .filter_map(|(place, (column, _))| Some((column.leaves?, place)))
                .min();
            match next.and_then(|(_, place)| shown.get_mut(place)) {
                Some(shown) => *shown = false,
                None => break,
            }
        }
        let widths = self.widths(&shown, most, 0);
        let widths = widths.filter(|widths| widths.iter().any(Option::is_some));
        widths.map_or(Layout::Blocks, Layout::Columns)
    }

    /// The widths of the columns that are shown so that the table is as wide as it may be. None if it cannot be
    /// so narrow. Columns that fold keep `comfortable` columns of text.
    fn widths(
        &self,
        shown: &[bool],
        most: usize,
        comfortable: usize,
    ) -> Option<Vec<Option<usize>>> {
        // The least that each needs, and what it would take.
        let columns = self.columns.iter().zip(shown).enumerate();
        let needs: Vec<_> = columns
            .map(|(place, (column, is_shown))| {
                is_shown.then(|| {
                    let whole = self.cells(place).map(width).max().unwrap_or(0);
                    let natural = whole.max(width(column.name));
                    let least = if column.folds {
                        let words = self.cells(place).map(longest_word).max().unwrap_or(0);
                        words.max(natural.min(comfortable))
                    } else {
                        whole
                    };
                    (least.max(longest_word(column.name)), natural)
                })
            })
            .collect();
        let needed: Vec<_> = needs.iter().flatten().collect();
        let gaps = needed.len().saturating_sub(1) * GAP;
        let room = most.saturating_sub(gaps);
        let taken = |cap: usize| {
            let widths = needed
                .iter()
                .map(|(least, natural)| (*natural).min(cap).max(*least));
            widths.sum::<usize>()
        };
        if taken(0) > room {
            return None;
        }
        // The widest columns are cut first.
        let widest = needed
            .iter()
            .map(|(_, natural)| *natural)
            .max()
            .unwrap_or(0);
        let cap = (0..=widest)
            .rev()
            .find(|cap| taken(*cap) <= room)
            .unwrap_or(0);
        let mut left = room.saturating_sub(taken(cap));
        let widths = needs.iter().map(|need| {
            need.map(|(least, natural)| {
                let width = natural.min(cap).max(least);
                let more = usize::from(width < natural && left > 0);
                left -= more;
                width + more
            })
        });
        Some(widths.collect())
    }

    fn as_columns(&self, widths: &[Option<usize>], most: usize, colours: bool) -> Vec<String> {
        let names: Vec<_> = self.columns.iter().map(|column| column.name).collect();
        let mut lines = self.row(&names, widths, colours, true);
        for row in &self.rows {
            let cells: Vec<_> = row.iter().map(String::as_str).collect();
            lines.extend(self.row(&cells, widths, colours, false));
        }
        let out = self.columns.iter().zip(widths);
        let out = out.filter(|(_, width)| width.is_none());
        let out: Vec<_> = out.map(|(column, _)| column.name).collect();
        if !out.is_empty() {
            let note = format!(
                "left out for lack of width: {}; --json has everything",
                out.join(", ")
            );
            lines.extend(fold(&note, most));
        }
        lines
    }

    /// The lines of a row. The names of the columns stand at the bottom of theirs.
    fn row(
        &self,
        cells: &[&str],
        widths: &[Option<usize>],
        colours: bool,
        is_head: bool,
    ) -> Vec<String> {
        let shown = cells.iter().zip(&self.columns).zip(widths);
        let shown: Vec<_> = shown
            .filter_map(|((cell, column), width)| {
                let width = (*width)?;
                let meaning = match (is_head, column.has_meaning) {
                    (true, _) => Meaning::Heading,
                    (false, true) => Meaning::of(cell),
                    (false, false) => Meaning::Plain,
                };
                Some((fold(cell, width), column, width, meaning))
            })
            .collect();
        let height = shown.iter().map(|(parts, ..)| parts.len()).max();
        let height = height.unwrap_or(0).max(1);
        let lines = (0..height).map(|number| {
            let mut line = String::new();
            // Blanks are written only before something.
            let mut owed = 0;
            for (parts, column, width, meaning) in &shown {
                let above = if is_head { height - parts.len() } else { 0 };
                let part = number
                    .checked_sub(above)
                    .and_then(|number| parts.get(number));
                let part = part.map_or("", String::as_str);
                let free = width.saturating_sub(super::fold::width(part));
                if column.is_number {
                    owed += free;
                }
                if !part.is_empty() {
                    line.push_str(&" ".repeat(owed));
                    line.push_str(&meaning.paint(part, colours));
                    owed = 0;
                }
                if !column.is_number {
                    owed += free;
                }
                owed += GAP;
            }
            line
        });
        lines.collect()
    }

    fn as_blocks(&self, most: usize, colours: bool) -> Vec<String> {
        let names = self.columns.iter().map(|column| width(column.name));
        let indent = names.max().unwrap_or(0) + GAP;
        let mut lines = Vec::new();
        for row in &self.rows {
            if !lines.is_empty() {
                lines.push(String::new());
            }
            for (column, cell) in self.columns.iter().zip(row) {
                let meaning = if column.has_meaning {
                    Meaning::of(cell)
                } else {
                    Meaning::Plain
                };
                let name = Meaning::Heading.paint(column.name, colours);
                // What is too long for the rest of the line has one of its own.
                let (start, indent) = if indent + longest_word(cell) <= most {
                    let blanks = indent - width(column.name);
                    (format!("{name}{}", " ".repeat(blanks)), indent)
                } else {
                    lines.push(name);
                    (" ".repeat(GAP), GAP)
                };
                let mut start = start;
                for part in fold(cell, most.saturating_sub(indent)) {
                    lines.push(format!("{start}{}", meaning.paint(&part, colours)));
                    start = " ".repeat(indent);
                }
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen(width: usize) -> Screen {
        Screen {
            width: Some(width),
            colours: false,
        }
    }

    fn shown(table: &Table, screen: Screen) -> Vec<String> {
        let lines = table.lines(screen).into_iter();
        lines.map(|line| line.as_str().to_owned()).collect()
    }

    fn row(cells: &[&str]) -> Vec<String> {
        cells.iter().map(|cell| (*cell).to_owned()).collect()
    }

    fn products() -> Table {
        let columns = [
            column("MEMBER"),
            column("PRODUCT"),
            column("NAME").folds(),
            column("STATE").state(),
            column("CHANGE SETS").number().leaves(1),
            column("LEFT ALONE").number().leaves(2),
        ];
        let rows = [
            row(&[
                "emea",
                "prod-6dw3qvchef7zy",
                "Anthropic Claude 3 Sonnet for Amazon Bedrock Edition",
                "held",
                "12",
                "3",
            ]),
            row(&["apac", "prod-xdkflymybwmvi", "Short", "in sync", "1", "0"]),
        ];
        Table::new(columns, rows)
    }

    #[test]
    fn a_pipe_has_one_line_for_each_row() {
        assert_eq!(
            shown(&products(), Screen::PLAIN),
            [
                "MEMBER  PRODUCT             NAME                                                  STATE    CHANGE SETS  LEFT ALONE",
                "emea    prod-6dw3qvchef7zy  Anthropic Claude 3 Sonnet for Amazon Bedrock Edition  held              12           3",
                "apac    prod-xdkflymybwmvi  Short                                                 in sync            1           0",
            ]
        );
    }

    #[test]
    fn names_and_texts_are_folded_at_blanks() {
        assert_eq!(
            shown(&products(), screen(80)),
            [
                "MEMBER  PRODUCT             NAME                STATE    CHANGE SETS  LEFT ALONE",
                "emea    prod-6dw3qvchef7zy  Anthropic Claude 3  held              12           3",
                "                            Sonnet for Amazon",
                "                            Bedrock Edition",
                "apac    prod-xdkflymybwmvi  Short               in sync            1           0",
            ]
        );
        let narrower = shown(&products(), screen(72));
        assert_eq!(
            narrower[..3],
            [
                "                                                          CHANGE    LEFT",
                "MEMBER  PRODUCT             NAME                 STATE      SETS   ALONE",
                "emea    prod-6dw3qvchef7zy  Anthropic Claude 3   held         12       3",
            ]
        );
    }

    #[test]
    fn columns_are_left_out_in_their_order_and_that_is_told() {
        for (width, out) in [
            (80, None),
            (62, Some("CHANGE SETS; --json")),
            (61, Some("CHANGE SETS, LEFT ALONE; --json")),
        ] {
            let lines = shown(&products(), screen(width)).join("\n");
            assert_eq!(lines.contains("left out"), out.is_some(), "{lines}");
            let told = lines.replace('\n', " ");
            assert!(told.contains(out.unwrap_or_default()), "{lines}");
        }
    }

    #[test]
    fn what_has_no_place_beside_each_other_is_a_block() {
        let lines = shown(&products(), screen(40));
        assert_eq!(
            lines[..4],
            [
                "MEMBER       emea",
                "PRODUCT      prod-6dw3qvchef7zy",
                "NAME         Anthropic Claude 3 Sonnet",
                "             for Amazon Bedrock Edition",
            ]
        );
        let long = "x".repeat(35);
        let table = Table::new(
            [column("RESOURCE"), column("KIND")],
            [row(&[&long, "bucket"])],
        );
        assert_eq!(
            shown(&table, screen(40)),
            [
                "RESOURCE".to_owned(),
                format!("  {long}"),
                "KIND      bucket".to_owned()
            ]
        );
    }

    #[test]
    fn nothing_in_a_cell_reaches_the_terminal_as_a_command() {
        let table = Table::new([column("NAME")], [row(&["a\u{1b}[2J\nb"])]);
        assert_eq!(shown(&table, Screen::PLAIN), ["NAME", "a [2J b"]);
        assert_eq!(Line::from("a\u{1b}b").as_str(), "a b");
    }

    #[test]
    fn colours_do_not_count_as_width() {
        let colours = Screen {
            width: Some(80),
            colours: true,
        };
        let painted = shown(&products(), colours);
        let plain = shown(&products(), screen(80));
        assert!(
            painted[1].contains("\u{1b}[33mheld\u{1b}[0m"),
            "{painted:?}"
        );
        let stripped: Vec<_> = painted
            .iter()
            .map(|line| console::strip_ansi_codes(line).into_owned())
            .collect();
        assert_eq!(stripped, plain);
    }

    #[test]
    fn no_table_is_wider_than_its_screen_unless_a_word_alone_is() {
        // Every combination of what may be done with three columns, over a range of widths.
        let cells = [
            row(&["prod-6dw3qvchef7zy", "a name of several words", "7"]),
            row(&["d4f4c1a0-5c4b-4b57-9e0a-1c2d3e4f5a6b", "word", "1234567"]),
        ];
        let kinds = [
            column("PRODUCT"),
            column("PRODUCT").folds(),
            column("PRODUCT").leaves(1),
            column("PRODUCT").folds().leaves(2),
        ];
        for one in kinds {
            for two in kinds {
                for three in kinds {
                    let table = Table::new([one, two, three.number()], cells.clone());
                    for most in 40..120 {
                        let lines = shown(&table, screen(most));
                        let told = lines.iter().map(|line| width(line)).max();
                        assert!(told <= Some(most), "{most}: {lines:#?}");
                        let text = lines.join("\n");
                        let whole = !text.contains("left out");
                        assert!(!whole || text.contains("prod-6dw3qvchef7zy"), "{text}");
                        assert!(!whole || text.contains("1234567"), "{text}");
                    }
                }
            }
        }
    }
}
