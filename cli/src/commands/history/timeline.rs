//! What happened to a product, on a member, since a time, or by somebody: the events of runs and of operators in one list.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::ids::{LaneId, ProductId, RunId};
use pmp_sync_domain::ports::ReadRuns as _;
use pmp_sync_domain::product::Names;
use pmp_sync_domain::records::{LinkRecord, RunRecord, SetRecord};
use pmp_sync_domain::time::later;

use super::answer::HistoryAnswer;
use super::apart::Apart;
use super::export::{before, events};
use super::filter::Filter;
use super::told::{MANAGEMENT, Origin, Told};
use super::whole::{Whole, is_about_a_hold};
use crate::client::context::Context;
use crate::client::products::names;
use crate::client::trail::{Trail, look_up};
use crate::failure::Failure;
use crate::options::Common;
use crate::output::{self, column};
use crate::progress::Progress;

/// How far back is looked if no beginning is named, in seconds: 90 days, as long as runs are kept.
const BACK: i64 = 90 * 86_400;
/// The most runs that are looked at.
const MOST_RUNS: u16 = 2_000;
/// The most change sets of one member experience that are looked at.
const MOST_SETS: usize = 1_000;
/// Runs and lanes that are read concurrently.
const AT_ONCE: usize = 16;
/// Pages of CloudTrail that are read, of 50 change sets each.
const TRAIL_PAGES: u32 = 4;
/// CloudTrail has an event within a quarter of an hour, and knows the start of a change set, which is before its end. In seconds.
const BEFORE_ITS_END: i64 = 6 * 3_600;

/// What was found.
struct Timeline {
    /// The newest first.
    told: Vec<Told>,
    /// What was not looked at.
    cut_off: Vec<String>,
    names: Names,
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
    let mut timeline = gather(context, filter, since).await?;
    let found = timeline.told.len();
    timeline.told.truncate(usize::from(limit));
    if found > usize::from(limit) {
        timeline.cut_off.push(format!(
            "the newest {limit} of {} are shown: --limit shows up to 200, and --export writes all",
            output::count(found, "event")
        ));
    }
    let Timeline {
        told,
        cut_off,
        names,
    } = timeline;
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
            column("EVENT").state(),
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
                event.event.clone(),
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

async fn gather(context: &Context, filter: &Filter, since: Timestamp) -> Result<Timeline, Failure> {
    let progress = Progress::new();
    progress.step("reading the history");
    let mut cut_off = Vec::new();
    let apart = Apart::read(context, Some(since)).await?;
    if apart.cut_off {
        cut_off.push("older edits and suspensions were not looked at".to_owned());
    }
    let mut runs = context.readable(context.ledger.newest_runs(MOST_RUNS).await?);
    let is_all = runs.len() < usize::from(MOST_RUNS)
        || runs.last().is_some_and(|run| run.started_at < since);
    if !is_all {
        let oldest = runs.last().map(|run| run.started_at);
        cut_off.push(format!(
            "only the newest {MOST_RUNS} runs were looked at, back to {}: narrow it with --since",
            output::time(oldest)
        ));
    }
    runs.retain(|run| run.started_at >= since);
    let sets = sets(context, filter, since, &mut cut_off).await?;
    let wholes = wholes(context, filter, runs, sets).await?;
    progress.finish();
    let edits = apart.edits_by_change_set();
    let mut told: Vec<_> = apart
        .events()
        .iter()
        .map(|event| Told::of_run(event, &Origin::default()))
        .collect();
    for whole in &wholes {
        let origin = Origin::of(&whole.run, &edits);
        let events = events(whole);
        told.extend(events.iter().map(|event| Told::of_run(event, &origin)));
    }
    show_what_was_rejected(&mut told);
    tell_edits_once(&mut told);
    let of_management: BTreeSet<_> = wholes
        .iter()
        .filter(|whole| is_of_management(&whole.run))
        .map(|whole| whole.run.run)
        .collect();
    name_authors(context, filter, &mut told, &of_management).await;
    told.retain(|event| filter.takes(event));
    told.sort_by_key(|event| std::cmp::Reverse(event.at));
    let products: BTreeSet<ProductId> = filter
        .product
        .iter()
        .cloned()
        .chain(told.iter().flat_map(|event| {
            let products = event.products.iter();
            products.map(|of| of.product.clone())
        }))
        .collect();
    Ok(Timeline {
        told,
        cut_off,
        names: names(context, &products).await,
    })
}

fn is_of_management(run: &RunRecord) -> bool {
    run.requests
        .iter()
        .any(|request| request.kind == MANAGEMENT)
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
    by_run.values_mut().for_each(|sets| sets.reverse());
    Ok(by_run)
}

/// Everything that is known of each run in which something happened.
async fn wholes(
    context: &Context,
    filter: &Filter,
    runs: Vec<RunRecord>,
    mut sets: BTreeMap<RunId, Vec<(LaneId, SetRecord)>>,
) -> Result<Vec<Whole>, Failure> {
    let runs = runs.into_iter().map(|run| {
        let sets = sets.remove(&run.run).unwrap_or_default();
        (run, sets)
    });
    let runs: Vec<_> = runs.collect();
    let read = stream::iter(runs).map(|(run, sets)| async move {
        let links = if is_silent(&run) && sets.is_empty() {
            Vec::new()
        } else {
            context.readable(context.ledger.links(run.run).await?)
        };
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
    read.buffered(AT_ONCE).try_collect().await
}

fn is_in(link: &LinkRecord, filter: &Filter) -> bool {
    match &link.lane {
        Some(lane) => filter.scope.covers(&link.member, &lane.experience),
        None => filter.scope.is_about(&link.member),
    }
}

/// True if nothing was done, held or answered on any link.
fn is_silent(run: &RunRecord) -> bool {
    let totals = &run.totals;
    run.completed_at.is_some()
        && totals.links == totals.in_sync
        && totals.removed == 0
        && !run.requests.iter().any(is_about_a_hold)
}

/// The record of a rejection does not show the plan. That of the run that made it does.
fn show_what_was_rejected(told: &mut [Told]) {
    let held: BTreeMap<_, _> = told
        .iter()
        .filter(|event| event.event == "held")
        .map(|event| {
            (
                (event.run, event.experience.clone()),
                event.products.clone(),
            )
        })
        .collect();
    for event in told.iter_mut() {
        let is_bare = ["rejected", "approved", "refused"].contains(&event.event.as_str());
        if is_bare && event.products.is_empty() {
            let shown = held.get(&(event.of, event.experience.clone()));
            event.products = shown.cloned().unwrap_or_default();
        }
    }
}

/// Every run reports an outside edit that still differs. The first one is told.
fn tell_edits_once(told: &mut Vec<Told>) {
    told.sort_by_key(|event| event.at);
    let mut known = BTreeSet::new();
    for event in told
        .iter_mut()
        .filter(|event| event.event == "edited-outside")
    {
        let experience = event.experience.clone();
        event
            .products
            .retain(|of| known.insert((experience.clone(), of.product.clone())));
    }
    told.retain(|event| event.event != "edited-outside" || !event.products.is_empty());
}

/// Names who started the change sets of the management organization that no edit of ours explains. A permission that is missing is a
/// note.
async fn name_authors(
    context: &Context,
    filter: &Filter,
    told: &mut [Told],
    of_management: &BTreeSet<RunId>,
) {
    let is_open = |event: &Told| {
        let is_one = event.run.is_some_and(|run| of_management.contains(&run));
        let anybody = Filter {
            by: None,
            ..filter.clone()
        };
        is_one && event.by.is_none() && event.change_set.is_some() && anybody.takes(event)
    };
    let open: Vec<_> = told.iter().filter(|event| is_open(event)).collect();
    let times = || open.iter().map(|event| event.at);
    let (Some(first), Some(last)) = (times().min(), times().max()) else {
        return;
    };
    let Some(trail) = authors(context, first, last).await else {
        return;
    };
    for event in told.iter_mut().filter(|event| is_open(event)) {
        let change_set = event.origin.as_deref().or(event.change_set.as_deref());
        event.by = change_set.and_then(|set| trail.by(set)).map(str::to_owned);
    }
}

/// What CloudTrail knows of the change sets of the management organization that ended between these times. None, with a note, if it
/// cannot be asked.
pub(super) async fn authors(context: &Context, first: Timestamp, last: Timestamp) -> Option<Trail> {
    let progress = Progress::new();
    let between = (later(first, -BEFORE_ITS_END), Some(later(last, 60)));
    let found = look_up(&context.config, between, TRAIL_PAGES, &progress).await;
    progress.finish();
    match found {
        Ok(trail) => {
            if trail.cut_off {
                output::note(
                    "CloudTrail has more change sets than were read: who is missing may be among the older ones",
                );
            }
            Some(trail)
        }
        Err(failure) => {
            output::note(&format!(
                "who started change sets of the management organization is in its CloudTrail, which could not be asked (cloudtrail:LookupEvents): {failure}"
            ));
            None
        }
    }
}
