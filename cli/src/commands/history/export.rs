//! The history for programs and spreadsheets: every event, the oldest first.

pub(super) mod event;

use std::collections::BTreeMap;

use clap::ValueEnum;
use pmp_sync_domain::ids::RunId;
use pmp_sync_domain::product::Names;
use pmp_sync_domain::records::{LinkRecord, ListEdit};
use pmp_sync_domain::run::LinkStatus;
use pmp_sync_domain::time::later;
use pmp_sync_domain::{SCHEMA, Timestamp};

pub(crate) use self::event::Event;
use self::event::{ApprovalEvent, Counted, What};
use super::apart::{Apart, CUT_OFF};
use super::authors::Authors;
use super::csv;
use super::filter::Filter;
use super::teller::Teller;
use super::told::Told;
use super::whole::{Verdict, Whole, verdict};
use crate::client::context::Context;
use crate::client::holds::{ReasonAnswer, restores, reverts};
use crate::failure::Failure;
use crate::output;

/// The number of runs that are read at once, which limits memory.
const PAGE: u16 = 25;

/// How long before its events a run, or the edit that has triggered it, may have begun, in seconds.
const BEFORE_SINCE: i64 = 86_400;

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
    let apart = Apart::read(context, filter.since.map(earlier)).await?;
    if apart.cut_off {
        output::note(CUT_OFF);
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

/// When what has events since then has begun at the earliest: a run can go on for hours, and an edit comes before its run.
pub(super) fn earlier(since: Timestamp) -> Timestamp {
    later(since, -BEFORE_SINCE)
}

/// An id that sorts before every run that may have had events since then.
pub(super) fn before(since: Timestamp) -> RunId {
    RunId::next(None, earlier(since).as_millisecond(), 0)
}

struct Events<'a> {
    whole: &'a Whole,
    found: Vec<Event<'a>>,
}

impl<'a> Events<'a> {
    fn add(&mut self, at: Timestamp, link: Option<&'a LinkRecord>, what: What<'a>) {
        let lane = link.and_then(|link| link.lane.as_ref());
        self.found.push(Event {
            schema: SCHEMA,
            at,
            run: Some(self.whole.run.run),
            lane: lane.map(ToString::to_string),
            member: link.map(|link| &link.member),
            names: self.whole.names.only(what.products()),
            planned: link.map_or((&[], &[]), |link| (&link.allow, &link.deny)),
            what,
        });
    }

    fn requests(&mut self) {
        let run = &self.whole.run;
        for request in &run.requests {
            let what = What::Requested {
                kind: &request.kind,
                request_id: request.id.as_deref(),
                requester: request.requester.as_deref(),
                account: request.account.as_deref(),
                author: None,
                override_reason: request.override_reason.as_deref(),
                override_scope: request.scope.as_ref(),
                config_version: run.config_version,
            };
            self.add(run.started_at, None, what);
        }
    }

    fn link(&mut self, link: &'a LinkRecord) {
        if let Some(approval) = &link.approval {
            let told = ApprovalEvent::new(link, approval);
            let what = match verdict(link) {
                // A failure has an event below.
                None | Some(Verdict::Failed) => None,
                Some(Verdict::Refused) => Some(What::Refused(told)),
                Some(Verdict::Approved) => Some(What::Approved(told)),
                Some(Verdict::Rejected) => Some(What::Rejected(told)),
                Some(Verdict::NothingToRestore) => Some(What::NothingToRestore(told)),
                Some(Verdict::RestorePlanned) => Some(What::RestorePlanned(told)),
                Some(Verdict::NothingToRevert) => Some(What::NothingToRevert(told)),
                Some(Verdict::RevertPlanned) => Some(What::RevertPlanned(told)),
            };
            if let Some(what) = what {
                self.add(approval.ask.at, Some(link), what);
            }
        }
        if let Some(plan_hash) = &link.plan_hash {
            let what = What::Planned {
                sources: &link.sources,
                mode: link.mode,
                status: link.status,
                plan_hash,
                allow: &link.allow,
                deny: &link.deny,
                removals: link.removals,
                left_alone: &link.left_alone,
                contradictory: &link.contradictory,
            };
            self.add(link.at, Some(link), what);
        }
        let what = match link.status {
            LinkStatus::Held => Some(held(link)),
            LinkStatus::Committed => Some(What::Committed(Counted::new(link))),
            LinkStatus::Underway => Some(What::Underway(Counted::new(link))),
            LinkStatus::Suspended => Some(What::Suspended(Counted::new(link))),
            LinkStatus::Removed => Some(What::Removed),
            LinkStatus::Failed | LinkStatus::NoTargets => Some(What::Failed {
                fault: link.fault.as_ref(),
            }),
            // A request about a hold has an event above.
            LinkStatus::InSync
            | LinkStatus::Rejected
            | LinkStatus::Refused
            | LinkStatus::LeftOut => None,
        };
        if let Some(what) = what {
            self.add(link.at, Some(link), what);
        }
        if !link.edited.is_empty() {
            let what = What::EditedOutside {
                products: &link.edited,
                since: link.edited_since,
            };
            self.add(link.at, Some(link), what);
        }
        let whole = self.whole;
        for set in whole.changes_on(link) {
            let what = What::ChangeSet {
                seq: set.seq,
                change_set: &set.change_set,
                outcome: set.outcome,
                detail: set.detail.as_deref(),
                allow: &set.allow,
                deny: &set.deny,
                started_at: set.started_at,
            };
            self.add(set.ended_at, Some(link), what);
        }
    }

    fn letters(&mut self) {
        for letter in &self.whole.letters {
            let what = What::DeadLetter { letter };
            self.found.push(Event {
                schema: SCHEMA,
                at: letter.at,
                run: Some(self.whole.run.run),
                planned: (&[], &[]),
                lane: letter.lane.as_ref().map(ToString::to_string),
                member: Some(&letter.member),
                names: self.whole.names.only(what.products()),
                what,
            });
        }
    }

    fn end(&mut self) {
        let run = &self.whole.run;
        if let Some(at) = run.completed_at {
            let what = What::Ended {
                status: run.status,
                totals: run.totals,
                fault: run.fault.as_ref(),
            };
            self.add(at, None, what);
        }
    }
}

fn held(link: &LinkRecord) -> What<'_> {
    let hold = link.hold.as_ref();
    What::Held {
        held_by: hold.map(|hold| hold.run),
        since: hold.map(|hold| hold.since),
        plan_hash: hold.map(|hold| &hold.plan_hash),
        allow: hold.map(|hold| hold.allow),
        deny: hold.map(|hold| hold.deny),
        removals: hold.map(|hold| hold.removals),
        restores: hold.and_then(restores),
        reverts: hold.and_then(reverts),
        reasons: hold.map(|hold| ReasonAnswer::all(&hold.reasons)),
        fault: link.fault.as_ref(),
    }
}

/// The events of a run, in the order of their times.
pub(super) fn events(whole: &Whole) -> Vec<Event<'_>> {
    let mut events = Events {
        whole,
        found: Vec::new(),
    };
    events.requests();
    for link in &whole.links {
        events.link(link);
    }
    events.letters();
    events.end();
    // The sort is stable: events with the same time stay in their causal order.
    events.found.sort_by_key(|event| event.at);
    events.found
}
