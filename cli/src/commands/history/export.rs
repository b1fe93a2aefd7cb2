//! The history for programs and spreadsheets: every event, the oldest first.

use std::collections::BTreeMap;

use clap::ValueEnum;
use pmp_sync_domain::product::Names;
use pmp_sync_domain::records::ListEdit;

use super::apart::Apart;
use super::authors::Authors;
use super::csv;
use super::event::Event;
use super::filter::Filter;
use super::since::{before, earlier};
use super::teller::Teller;
use super::told::Told;
use super::whole::Whole;
use crate::client::context::Context;
use crate::failure::Failure;
use crate::output;

/// The number of runs that are read at once, which limits memory.
const PAGE: u16 = 25;

/// The form of the exported history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One JSON object on each line, for programs.
    Jsonl,
    /// For spreadsheets: one row for each event and product.
    Csv,
}

/// Writes the events of one run.
pub(super) async fn one(
    context: &Context,
    format: Format,
    whole: &Whole,
    edits: &BTreeMap<&str, &ListEdit>,
) -> Result<(), Failure> {
    let all = Filter::default();
    let mut teller = Teller::new(context, &all, edits, Authors::of_few());
    begin(format)?;
    let events = teller.run(whole).await;
    events
        .iter()
        .try_for_each(|(event, told)| write(format, event, told, &whole.names))
}

/// Writes the events of every run that is kept, and what operators did apart from runs, from the oldest to the newest.
pub(super) async fn all(context: &Context, format: Format, filter: &Filter) -> Result<(), Failure> {
    let mut apart = Apart::read(context, filter.since.map(earlier)).await?;
    apart.read_names(context).await;
    for note in apart.left_out(filter) {
        output::note(note);
    }
    let edits = apart.edits_by_change_set();
    let mut teller = Teller::new(context, filter, &edits, Authors::of_all());
    begin(format)?;
    let mut apart_events = apart.events().into_iter().peekable();
    let write_apart = |event: &Event<'_>, teller: &Teller<'_>| match teller.apart(event) {
        Some(told) => write(format, event, &told, &apart.names),
        None => Ok(()),
    };
    let mut after = filter.since.map(before);
    loop {
        let found = context.ledger.runs_after(after, PAGE).await?;
        // The key of a run that cannot be read ends with its id.
        let unreadable = found.unreadable.iter();
        let unreadable = unreadable.filter_map(|item| item.error.thing.split(' ').next_back());
        let unreadable = unreadable.filter_map(|id| id.parse().ok());
        let read = found.items.iter().map(|run| run.run);
        let Some(last) = read.chain(unreadable).max() else {
            break;
        };
        after = Some(last);
        for run in context.readable(found) {
            while let Some(event) = apart_events.next_if(|event| event.at <= run.started_at) {
                write_apart(&event, &teller)?;
            }
            let whole = Whole::read(context, run).await?;
            for (event, told) in teller.run(&whole).await {
                write(format, &event, &told, &whole.names)?;
            }
        }
    }
    apart_events.try_for_each(|event| write_apart(&event, &teller))
}

/// Writes the first line.
fn begin(format: Format) -> Result<(), Failure> {
    match format {
        Format::Jsonl => Ok(()),
        Format::Csv => output::line(csv::HEADER),
    }
}

fn write(format: Format, event: &Event<'_>, told: &Told, names: &Names) -> Result<(), Failure> {
    match format {
        Format::Jsonl => output::json(event),
        Format::Csv => csv::lines(told, names)
            .iter()
            .try_for_each(|line| output::line(line)),
    }
}
