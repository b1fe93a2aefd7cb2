//! `pmp-sync history`: who requested what, and what was planned, held, approved and done.

mod answer;
mod apart;
mod authors;
mod csv;
mod detail;
mod edits;
mod event;
mod events;
mod export;
mod filter;
mod newest;
mod origin;
mod plans;
mod since;
mod teller;
mod timeline;
mod told;
mod whole;

use clap::Args;
use pmp_sync_aws::system::SystemClock;
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::ids::{ExperienceId, MemberName};
use pmp_sync_domain::policy::Action;
use pmp_sync_domain::ports::{Clock as _, ReadRuns as _};
use pmp_sync_domain::records::{Request, RunRecord};
use pmp_sync_domain::text::one_line;
use pmp_sync_domain::wire::Scope;

pub(crate) use self::answer::HistoryAnswer;
use self::answer::{ChangeAnswer, RunAnswer};
use self::apart::Apart;
#[cfg(test)]
pub(crate) use self::event::Event;
use self::export::Format;
use self::filter::Filter;
use self::since::Since;
use self::told::Told;
use self::whole::{Verdict, Whole, is_about_a_hold, verdict};
use crate::client::context::Context;
use crate::client::products::resolve;
use crate::client::run::{newest as newest_runs, one};
use crate::client::scope;
use crate::failure::Failure;
use crate::options::{Common, Narrowing, RunName};
use crate::output::{self, Column, column};

#[derive(Debug, Args)]
pub(crate) struct HistoryOptions {
    /// Show one run, with everything that is known of it: its id, the beginning of it, or `last`. Or one edit, by its
    /// id.
    #[arg(conflicts_with_all = ["members", "experiences"])]
    pub(crate) run: Option<RunName>,
    /// Only what concerns this product: its id, its name, a part of its name, or the URL of its page in AWS Marketplace.
    #[arg(long, value_name = "PRODUCT", conflicts_with_all = ["run", "edits"])]
    pub(crate) product: Option<String>,
    #[command(flatten)]
    pub(crate) narrowing: Narrowing,
    /// Only what happened since then: a date or a time, or an age such as 12h, 7d or 2w.
    #[arg(long, value_name = "TIME", conflicts_with_all = ["run", "edits"])]
    pub(crate) since: Option<Since>,
    /// Only what somebody has requested whose name has this part, such as a user or a role.
    #[arg(long, value_name = "WHO", conflicts_with_all = ["run", "edits"])]
    pub(crate) by: Option<String>,
    /// The number of runs, of events, or of edits, to show.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(crate) limit: u16,
    /// Write each event of the run, or all that are stored and asked for, oldest first: jsonl (one JSON object on a line) or csv.
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "jsonl",
        conflicts_with = "limit"
    )]
    pub(crate) export: Option<Format>,
    /// Show who changed the management lists with `pmp-sync`, and why. With an id, or `last`, that edit with its products.
    #[arg(long, conflicts_with_all = ["export", "members", "experiences"])]
    pub(crate) edits: bool,
}

pub(crate) async fn run(common: &Common, options: &HistoryOptions) -> Result<(), Failure> {
    let context = Context::new(common).await?;
    if options.edits {
        return match &options.run {
            Some(edit) => edits::named(common, &context, edit).await,
            None => edits::newest(common, &context, options.limit).await,
        };
    }
    if let Some(run) = &options.run {
        return of_run(common, &context, run, options.export).await;
    }
    let now = SystemClock.now();
    let filter = filter(&context, options, now).await?;
    match options.export {
        Some(format) => export::all(&context, format, &filter).await,
        None if filter.is_everything() => newest(common, &context, options.limit).await,
        None => timeline::show(common, &context, &filter, options.limit, now).await,
    }
}

/// What is asked for.
async fn filter(
    context: &Context,
    options: &HistoryOptions,
    now: Timestamp,
) -> Result<Filter, Failure> {
    let product = match &options.product {
        Some(text) => resolve(context, std::slice::from_ref(text)).await?.pop(),
        None => None,
    };
    let (scope, lanes) = scope(context, options).await?;
    let since = options.since.map(|since| since.at(now));
    if since.is_some_and(|since| since > now) {
        return Err(Failure::CommandLine {
            message: "--since is in the future".to_owned(),
            remedy: "name an earlier date, or an age such as 7d".to_owned(),
        });
    }
    Ok(Filter {
        product: product.map(|product| product.id),
        scope,
        lanes,
        since,
        by: options.by.as_ref().map(|by| by.to_lowercase()),
    })
}

/// The scope of the options, and its lanes. What was removed from the configuration has a history still.
async fn scope(
    context: &Context,
    options: &HistoryOptions,
) -> Result<(Scope, Vec<(MemberName, ExperienceId)>), Failure> {
    let scope = options.narrowing.scope();
    if scope.is_everything() {
        return Ok((scope, Vec::new()));
    }
    let lanes = context.readable(context.ledger.lanes().await?);
    let has_member = |name: &MemberName| lanes.iter().any(|entry| entry.member == *name);
    let has_experience = |id: &ExperienceId| lanes.iter().any(|entry| entry.lane.experience == *id);
    let is_known =
        scope.members.iter().all(has_member) && scope.experiences.iter().all(has_experience);
    let scope = if is_known {
        scope.check()?;
        scope
    } else {
        scope::of(&options.narrowing, context).await?
    };
    let lanes = lanes.into_iter();
    let lanes = lanes.map(|entry| (entry.member, entry.lane.experience));
    let lanes = lanes.filter(|(member, experience)| scope.covers(member, experience));
    let lanes = lanes.collect();
    Ok((scope, lanes))
}

async fn of_run(
    common: &Common,
    context: &Context,
    name: &RunName,
    export: Option<Format>,
) -> Result<(), Failure> {
    let record = match one(context, name).await {
        Err(unknown @ Failure::Unknown { .. }) if export.is_none() => {
            return match edits::instead(context, name).await? {
                Some(edit) => edits::one(common, context, &edit).await,
                None => Err(unknown),
            };
        }
        found => found?,
    };
    let whole = Whole::read(context, record).await?;
    let edits = edits::of_run(context, &whole.run).await?;
    let by_set = edits.iter().flat_map(|edit| {
        let sets = edit.change_sets.iter();
        sets.map(move |set| (set.as_str(), edit))
    });
    let by_set = by_set.collect();
    if let Some(format) = export {
        return export::one(context, format, &whole, &by_set).await;
    }
    let authors = authors::of_run(context, &whole.run, &by_set).await;
    if common.json {
        let changes = whole.changes.iter();
        let changes = changes.map(|(lane, set)| ChangeAnswer {
            lane: lane.to_string(),
            change_set: set,
        });
        output::json(&HistoryAnswer::One {
            run: &whole.run,
            links: &whole.links,
            changes: changes.collect(),
            dead_letters: &whole.letters,
            edits: &edits,
            authors: &authors,
            names: &whole.names,
        })
    } else {
        detail::show(context, &whole, &authors)?;
        edits::show(&edits)
    }
}

/// The results of the requests about holds that a run served.
async fn verdicts(context: &Context, run: &RunRecord) -> Result<Vec<Verdict>, Failure> {
    if !run.requests.iter().any(is_about_a_hold) {
        return Ok(Vec::new());
    }
    let links = context.readable(context.ledger.links(run.run).await?);
    Ok(links.iter().filter_map(verdict).collect())
}

/// The requester, shortened for a table: without the beginning of an ARN.
fn asked_by(request: &Request) -> Option<&str> {
    request.requester.as_deref().map(output::principal)
}

fn list<T: AsRef<str> + PartialEq>(mut words: Vec<T>) -> String {
    words.dedup();
    if words.is_empty() {
        "-".to_owned()
    } else {
        let words: Vec<_> = words.iter().map(AsRef::as_ref).collect();
        words.join(", ")
    }
}

async fn newest(common: &Common, context: &Context, limit: u16) -> Result<(), Failure> {
    let (newest, older) = newest_runs(context, limit).await?;
    let mut runs = Vec::new();
    for run in context.readable(newest) {
        let verdicts = verdicts(context, &run).await?;
        runs.push((run, verdicts));
    }
    // What operators did in between. Of an installation without runs, everything.
    let since = runs.last().map(|(run, _)| run.started_at);
    let apart = Apart::newest(context, since.filter(|_| older), limit).await?;
    if apart.cut_off {
        output::note(&format!(
            "of edits and suspensions, versions of the configuration, and answers to requests, only the newest {limit} each are shown: \
             --limit shows up to 200, and --since TIME all of them since then"
        ));
    }
    if common.json {
        let runs: Vec<_> = runs
            .iter()
            .map(|(run, approval)| RunAnswer { run, approval })
            .collect();
        return output::json(&HistoryAnswer::Newest {
            runs,
            older,
            acts: &apart.acts,
            edits: &apart.edits,
            versions: &apart.versions,
            answers: &apart.answers,
        });
    }
    let apart_rows = apart.events();
    if runs.is_empty() && apart_rows.is_empty() {
        return output::line("no run yet");
    }
    let mut rows: Vec<_> = runs
        .iter()
        .map(|(run, verdicts)| (run.started_at, row_of_run(run, verdicts)))
        .collect();
    let nothing = origin::Origin::default();
    rows.extend(
        apart_rows
            .iter()
            .map(|event| (event.at, row_apart(&Told::of_run(event, &nothing)))),
    );
    rows.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    output::table(COLUMNS, rows.into_iter().map(|(_, row)| row))?;
    if older {
        output::note(&format!(
            "the newest {} are shown: --limit shows up to 200, and --export writes all",
            output::count(usize::from(limit), "run")
        ));
    }
    Ok(())
}

/// The columns of the table of runs.
const COLUMNS: [Column; 11] = [
    column("RUN"),
    column("BEGAN"),
    column("FOR").folds(),
    column("BY").folds(),
    column("STATUS").state(),
    column("ALLOW").number().leaves(1),
    column("DENY").number().leaves(1),
    column("HELD").number().leaves(2),
    column("FAILED").number().leaves(2),
    column("WHY").folds().leaves(4),
    column("APPROVAL").state().leaves(3),
];

fn row_of_run(run: &RunRecord, verdicts: &[Verdict]) -> Vec<String> {
    let requests = run.requests.iter();
    let kinds = requests.clone().map(|request| request.kind.as_str());
    let why = requests
        .clone()
        .find_map(|request| request.override_reason.as_deref());
    vec![
        run.run.to_string(),
        output::age(Some(run.started_at)),
        list(kinds.collect()),
        list(requests.filter_map(asked_by).collect()),
        run.status.as_str().to_owned(),
        run.totals.allow.to_string(),
        run.totals.deny.to_string(),
        run.totals.held.to_string(),
        run.totals.failed.to_string(),
        output::or_dash(why.map(one_line)),
        list(verdicts.iter().map(output::word).collect()),
    ]
}

/// What an operator did between two runs, as a row among them.
fn row_apart(told: &Told) -> Vec<String> {
    let count = |action| match told.count(action) {
        0 => output::dash(),
        count => count.to_string(),
    };
    let event = told.words();
    let detail = told.detail.as_deref();
    vec![
        output::dash(),
        output::age(Some(told.at)),
        detail.map_or_else(|| event.clone(), |words| format!("{event}: {words}")),
        output::or_dash(told.short_by()),
        output::dash(),
        count(Action::Allow),
        count(Action::Deny),
        output::dash(),
        output::dash(),
        output::or_dash(told.why.as_ref()),
        output::dash(),
    ]
}
