//! Output: data to stdout, notes to stderr.

mod fold;
mod palette;
mod screen;
mod table;

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
pub(crate) use pmp_sync_deploy::time::{
    age, leave_out_ages, show_times, time, time_of, with_times,
};
use pmp_sync_domain::error::FaultRecord;
use pmp_sync_domain::ids::ExperienceId;
use pmp_sync_domain::lane::{OtherInstallation, Suspension};
use pmp_sync_domain::plan::{InvalidProducts, Reason};
use pmp_sync_domain::records::{LinkRecord, Suspended};
pub(crate) use pmp_sync_domain::text::count;
use pmp_sync_domain::text::lines;
use pmp_sync_domain::time::in_whole_seconds;
use serde::Serialize;

pub(crate) use self::fold::fold;
use self::palette::Meaning;
pub(crate) use self::screen::Screen;
use self::table::Table;
pub(crate) use self::table::{Column, Line, column};
use crate::failure::Failure;
use crate::hint::Flags;

fn broken(error: std::io::Error) -> Failure {
    if error.kind() == std::io::ErrorKind::BrokenPipe {
        return Failure::NoReader;
    }
    Failure::File {
        path: "stdout".to_owned(),
        error,
    }
}

/// A line of data. What it quotes of others cannot reach the terminal as a command.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    writeln!(std::io::stdout(), "{}", lines(text)).map_err(broken)
}

/// Writes data unchanged, without a newline.
pub(crate) fn verbatim(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(broken)
}

/// The word of a status in JSON and the ledger.
pub(crate) fn word(status: &impl Serialize) -> String {
    let value = serde_json::to_value(status).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

/// Number of outside edits, and since when they have been seen.
pub(crate) fn edited(count: usize, since: Option<Timestamp>) -> String {
    if since.is_some() && count > 0 {
        format!("{count} since {}", time(since))
    } else {
        count.to_string()
    }
}

static PRINTED_JSON: AtomicBool = AtomicBool::new(false);

/// True once a JSON value was written to stdout. There is exactly one, whatever the result.
fn has_printed_json() -> bool {
    PRINTED_JSON.load(Ordering::Relaxed)
}

/// Writes the JSON value of the command.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|error| broken(error.into()))?;
    PRINTED_JSON.store(true, Ordering::Relaxed);
    line(&in_whole_seconds(&text))
}

/// Writes the JSON value of the command, formatted already.
pub(crate) fn verbatim_json(text: &str) -> Result<(), Failure> {
    PRINTED_JSON.store(true, Ordering::Relaxed);
    verbatim(text)
}

/// Formats JSON with indentation.
pub(crate) fn pretty(value: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| broken(error.into()))?;
    Ok(in_whole_seconds(&text))
}

/// A fault with what to do about it. `about` is what has it, if that has a name.
pub(crate) fn fault(about: Option<&str>, fault: &FaultRecord) -> String {
    let about = about.map_or_else(String::new, |about| format!("{about}: "));
    let (code, message) = (&fault.code, &fault.message);
    format!("{about}{code}: {message}\nwhat to do: {}", fault.advice())
}

/// That another installation of pmp-sync changes the same experience.
pub(crate) fn contested(about: &str, other: &OtherInstallation) -> String {
    let (code, remedy) = (OtherInstallation::CODE, OtherInstallation::REMEDY);
    format!("{about}: {code}: {other}\nwhat to do: {remedy}")
}

/// A sentence about products whose ids are not valid. None if there is none.
pub(crate) fn invalid(about: &str, invalid: &InvalidProducts) -> Option<String> {
    if invalid.is_empty() {
        return None;
    }
    let products = invalid.products.iter().map(|left| {
        format!(
            "\n  \"{}\" ({} is wanted, it is {})",
            left.id, left.wanted, left.standing
        )
    });
    let more = (invalid.beyond > 0).then(|| format!("\n  and {} more", invalid.beyond));
    let reason = Reason::InvalidId;
    Some(format!(
        "{about}: {} left alone ({reason}: {}){}\nwhat to do: {}",
        count(invalid.count(), "product"),
        reason.explanation(),
        products.chain(more).collect::<String>(),
        reason.remedy()
    ))
}

/// The command that ends a suspension, and no other.
pub(crate) fn resume_of(of: Suspended<'_>) -> String {
    match of {
        Suspended::Everything => "pmp-sync resume".to_owned(),
        Suspended::Member(name) => format!("pmp-sync resume --member {name}"),
        Suspended::Link(experience) => format!("pmp-sync resume --experience {experience}"),
    }
}

/// A suspension, by the name that `resume` takes.
pub(crate) fn suspended(of: Suspended<'_>, on: &Suspension) -> String {
    let by = on.by.as_ref();
    let by = by.map_or_else(String::new, |by| format!(" by {by}"));
    format!("{of} is suspended since {}{by}", time(Some(on.since)))
}

/// A principal as a table shows it: without the beginning of an ARN, and without the role of a permission set of IAM Identity Center,
/// which is wider than most tables.
pub(crate) fn principal(arn: &str) -> &str {
    let name = arn.rsplit(':').next().unwrap_or(arn);
    let of_set = name.strip_prefix("assumed-role/AWSReservedSSO_");
    let session = of_set.and_then(|role| role.split_once('/'));
    session.map_or(name, |(_, session)| session)
}

/// What a table shows where there is nothing.
pub(crate) fn dash() -> String {
    "-".to_owned()
}

/// A value in a table, if there is one.
pub(crate) fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(dash, |value| value.to_string())
}

/// A member experience in a table or a name. Without an id it is every live one.
pub(crate) fn or_star(experience: Option<&ExperienceId>) -> String {
    experience.map_or_else(|| "*".to_owned(), ToString::to_string)
}

/// A link as text: its member, and its experience if it has one.
pub(crate) fn link_name(link: &LinkRecord) -> String {
    let experience = link.lane.as_ref().map(|lane| &lane.experience);
    format!("{} {}", link.member, or_star(experience))
}

/// Writes a note to stderr. Errors are ignored, because nobody may be there to read it.
pub(crate) fn note(text: &str) {
    let text = painted(&with_times(&lines(text)), Screen::stderr().colours);
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A note with the words in colour that say what kind it is of.
fn painted(text: &str, colours: bool) -> String {
    const KINDS: [(&str, Meaning); 3] = [
        ("error:", Meaning::Fault),
        ("warning:", Meaning::Notice),
        ("what to do:", Meaning::Heading),
    ];
    if !colours {
        return text.to_owned();
    }
    let lines = text.split('\n').map(|line| {
        let kind = KINDS.iter().find(|(kind, _)| line.starts_with(kind));
        kind.map_or_else(
            || line.to_owned(),
            |(kind, meaning)| {
                let rest = line.strip_prefix(kind).unwrap_or_default();
                format!("{}{rest}", meaning.paint(kind, true))
            },
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Writes a failure to stderr, and with `--json` to stdout.
pub(crate) fn failure(failure: &Failure, flags: &Flags, as_json: bool) {
    if matches!(failure, Failure::NoReader) {
        return;
    }
    note(&flags.text(&failure.report()));
    // The result may have been printed as data, which is then the one value.
    if as_json && !has_printed_json() {
        // If stdout is closed, stderr and the exit code still report it.
        let _ = json(&failure.answer(flags));
    }
}

/// Writes a table to stdout.
pub(crate) fn table(
    columns: impl IntoIterator<Item = Column>,
    rows: impl IntoIterator<Item = Vec<String>>,
) -> Result<(), Failure> {
    table_lines(columns, rows).iter().try_for_each(shown)
}

/// The lines of a table for stdout.
pub(crate) fn table_lines(
    columns: impl IntoIterator<Item = Column>,
    rows: impl IntoIterator<Item = Vec<String>>,
) -> Vec<Line> {
    table_on(Screen::stdout(), columns, rows)
}

/// Writes a table to stderr, as a note.
pub(crate) fn note_table(
    columns: impl IntoIterator<Item = Column>,
    rows: impl IntoIterator<Item = Vec<String>>,
) {
    let lines = table_on(Screen::stderr(), columns, rows);
    lines.iter().for_each(note_shown);
}

/// The lines of a table for a screen.
pub(crate) fn table_on(
    screen: Screen,
    columns: impl IntoIterator<Item = Column>,
    rows: impl IntoIterator<Item = Vec<String>>,
) -> Vec<Line> {
    Table::new(columns, rows).lines(screen)
}

/// Writes a line that was made before as a note.
pub(crate) fn note_shown(line: &Line) {
    // As for every note.
    let _ = writeln!(std::io::stderr(), "{}", line.as_str());
}

/// The width of stdout. None in a pipe or a file.
pub(crate) fn screen_width() -> Option<usize> {
    Screen::stdout().width
}

/// Writes a line that was made before.
pub(crate) fn shown(line: &Line) -> Result<(), Failure> {
    writeln!(std::io::stdout(), "{}", line.as_str()).map_err(broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_is_as_short_as_it_can_be_told_apart() {
        for (arn, short) in [
            ("arn:aws:iam::111111111111:user/carol", "user/carol"),
            (
                "arn:aws:sts::111111111111:assumed-role/Operator/alice",
                "assumed-role/Operator/alice",
            ),
            (
                "arn:aws:sts::111111111111:assumed-role/AWSReservedSSO_Operators_0123456789abcdef/alice@example.com",
                "alice@example.com",
            ),
            ("carol", "carol"),
        ] {
            assert_eq!(principal(arn), short);
        }
    }

    #[test]
    fn a_note_shows_its_kind_in_colour_only_where_there_are_colours() {
        let told = "error: it failed\nwhat to do: try again\nthe error: none";
        assert_eq!(painted(told, false), told);
        let told = painted(told, true);
        assert!(
            told.starts_with("\u{1b}[1m\u{1b}[31merror:\u{1b}[0m it failed\n"),
            "{told:?}"
        );
        assert!(told.contains("\n\u{1b}[1mwhat to do:\u{1b}[0m try again\n"));
        assert!(told.ends_with("\nthe error: none"));
    }
}
