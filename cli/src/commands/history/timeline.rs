//! What happened to a product, on a member, since a time, or by somebody: the events of runs and of operators in one list.

use std::collections::BTreeMap;
use std::pin::pin;

use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::ids::{LaneId, RunId};
use pmp_sync_domain::ports::ReadRuns as _;
use pmp_sync_domain::product::Names;
use pmp_sync_domain::records::{LinkRecord, RunRecord, SetRecord};
use pmp_sync_domain::time::later;

use super::answer::HistoryAnswer;
use super::apart::Apart;
use super::authors::Authors;
use super::filter::Filter;
use super::newest::Newest;
use super::since::{before, earlier};
use super::teller::Teller;
use super::told::Told;
use super::whole::Whole;
use crate::client::context::Context;
use crate::client::products::names;
use crate::failure::Failure;
use crate::options::Common;
use crate::output::{self, column};
use crate::progress::Progress;

/// How far back is looked if no beginning is named, in seconds: 90 days, as long as runs are kept.
const BACK: i64 = 90 * 86_400;
/// The most runs that are looked at.
const MOST_RUNS: u16 = 4_000;
/// The most change sets of one member experience that are looked at.
const MOST_SETS: usize = 1_000;
/// Runs and lanes that are read concurrently.
const AT_ONCE: usize = 16;

/// What was found.
struct Timeline {
    /// The newest first.
    told: Vec<Told>,
    /// The number of all events, also of those that were not kept.
    found: usize,
    /// What was not looked at.
    cut_off: Vec<String>,
}

/// Shows what is asked for.
pub(super) async fn show(
    common: &Common,
    context: &Context,
    filter: &Filter,
    limit: u16,
    now: Timestamp,
) -> Result<(), Failure> {
    let since = filter.since.unwrap_or_else(|| later(now, -BACK));
    let Timeline {
        told,
        found,
        mut cut_off,
    } = gather(context, filter, since, limit).await?;
    if found > told.len() {
        cut_off.push(format!(
            "the newest {} of {} are shown: --limit shows up to 200, and --export writes all",
            told.len(),
            output::count(found, "event")
        ));
    }
    let of_events = told.iter().flat_map(|event| &event.products);
    let products = of_events.map(|of| &of.product).chain(&filter.product);
    let names = names(context, &products.cloned().collect()).await;
    if common.json {
        return output::json(&HistoryAnswer::Events {
            since,
            events: &told,
            cut_off: &cut_off,
            names: &names,
        });
    }
    if let Some(product) = &filter.product {
        output::line(&names.label(product))?;
    }
    if told.is_empty() {
        output::line("nothing is on record")?;
    } else {
        let columns = [
            column("WHEN"),
            column("EVENT").state().folds(),
            column("MEMBER"),
            column("EXPERIENCE").leaves(2),
            column("CHANGES").state().folds(),
            column("BY").folds(),
            column("WHY").folds(),
            column("RESULT").folds().leaves(4),
            column("CHANGE SET").leaves(3),
            column("RUN").leaves(1),
        ];
        let rows = told.iter().map(|event| {
            vec![
                output::age(Some(event.at)),
                event.words(),
                output::or_dash(event.member.as_ref()),
                output::or_dash(event.experience.as_ref()),
                event.changes(filter.product.as_ref()),
                output::or_dash(event.short_by()),
                output::or_dash(event.why.as_ref()),
                output::or_dash(event.detail.as_ref()),
                output::or_dash(event.change_set.as_ref()),
                output::or_dash(event.run.as_ref()),
            ]
        });
        output::table(columns, rows)?;
    }
    for note in cut_off {
        output::note(&note);
    }
    Ok(())
}

async fn gather(
    context: &Context,
    filter: &Filter,
    since: Timestamp,
    limit: u16,
) -> Result<Timeline, Failure> {
    let progress = Progress::new();
    progress.step("reading the history");
    let mut cut_off = Vec::new();
    let apart = Apart::read(context, Some(earlier(since))).await?;
    cut_off.extend(apart.left_out(filter).into_iter().map(ToOwned::to_owned));
    let mut runs = runs(context, since, &mut cut_off).await?;
    // The oldest first.
    runs.reverse();
    let sets = sets(context, filter, since, &mut cut_off).await?;
    let edits = apart.edits_by_change_set();
    let mut teller = Teller::new(context, filter, &edits, Authors::of_few());
    let mut newest = Newest::of(limit);
    let mut wholes = pin!(wholes(context, filter, runs, sets));
    while let Some(whole) = wholes.next().await {
        let whole = whole?;
        let told = teller.run(&whole).await.into_iter();
        let told = told.map(|(_, told)| told).collect();
        newest.add_run(&whole, told, since);
    }
    let apart_events = apart.events();
    let told = apart_events.iter().filter_map(|event| teller.apart(event));
    told.for_each(|told| newest.add(told, since));
    progress.finish();
    let (told, found) = newest.told();
    Ok(Timeline {
        told,
        found,
        cut_off,
    })
}

/// The runs that may have had events since then, the newest first.
async fn runs(
    context: &Context,
    since: Timestamp,
    cut_off: &mut Vec<String>,
) -> Result<Vec<RunRecord>, Failure> {
    let found = context.ledger.newest_runs_after(before(since), MOST_RUNS);
    let found = found.await?;
    let is_full = found.items.len() + found.unreadable.len() >= usize::from(MOST_RUNS);
    let runs = context.readable(found);
    if let Some(oldest) = runs.last().filter(|_| is_full) {
        cut_off.push(format!(
            "only the newest {MOST_RUNS} runs were looked at, back to {}: narrow it with --since, or write all with --export",
            output::time(Some(oldest.started_at))
        ));
    }
    Ok(runs)
}

/// The change sets of the lanes in the scope, by run.
async fn sets(
    context: &Context,
    filter: &Filter,
    since: Timestamp,
    cut_off: &mut Vec<String>,
) -> Result<BTreeMap<RunId, Vec<(LaneId, SetRecord)>>, Failure> {
    let mut lanes = context.readable(context.ledger.lanes().await?);
    lanes.retain(|entry| filter.scope.covers(&entry.member, &entry.lane.experience));
    let first = before(since);
    let read = stream::iter(lanes).map(|entry| async move {
        let sets = context.ledger.sets_since(&entry.lane, first, MOST_SETS);
        sets.await.map(|sets| (entry.lane, sets))
    });
    let read: Vec<_> = read.buffered(AT_ONCE).try_collect().await?;
    let mut by_run: BTreeMap<RunId, Vec<(LaneId, SetRecord)>> = BTreeMap::new();
    for (lane, sets) in read {
        let sets = context.readable(sets);
        if sets.len() >= MOST_SETS {
            cut_off.push(format!(
                "only the newest {MOST_SETS} change sets of {lane} were looked at"
            ));
        }
        for set in sets {
            let of_run = by_run.entry(set.run).or_default();
            of_run.push((lane.clone(), set));
        }
    }
    // The oldest first, as a run has made them.
    for sets in by_run.values_mut() {
        sets.reverse();
    }
    Ok(by_run)
}

/// Everything that is known of each run.
fn wholes<'a>(
    context: &'a Context,
    filter: &'a Filter,
    runs: Vec<RunRecord>,
    mut sets: BTreeMap<RunId, Vec<(LaneId, SetRecord)>>,
) -> impl Stream<Item = Result<Whole, Failure>> + 'a {
    let runs: Vec<_> = runs
        .into_iter()
        .map(|run| {
            let sets = sets.remove(&run.run).unwrap_or_default();
            (run, sets)
        })
        .collect();
    let read = stream::iter(runs).map(move |(run, sets)| async move {
        let links = context.readable(context.ledger.links(run.run).await?);
        let links: Vec<LinkRecord> = links
            .into_iter()
            .filter(|link| is_in(link, filter))
            .collect();
        let is_about_letters = run.requests.iter().any(|request| {
            ["replay-requested", "discard-requested"].contains(&request.kind.as_str())
        });
        let letters = if is_about_letters {
            context.readable(context.ledger.dead_letters(run.run).await?)
        } else {
            Vec::new()
        };
        Ok::<_, Failure>(Whole {
            run,
            links,
            changes: sets,
            letters,
            names: Names::default(),
        })
    });
    read.buffered(AT_ONCE)
}

fn is_in(link: &LinkRecord, filter: &Filter) -> bool {
    match &link.lane {
        Some(lane) => filter.scope.covers(&link.member, &lane.experience),
        None => filter.is_about(&link.member),
    }
}
