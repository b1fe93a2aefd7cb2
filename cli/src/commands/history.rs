//! `pmp-sync history`: who requested what, and what was planned, held, approved and done.

mod answer;
mod detail;
mod edits;
mod export;
mod whole;

pub(crate) use self::answer::HistoryAnswer;
use self::answer::{ChangeAnswer, RunAnswer};
#[cfg(test)]
pub(crate) use self::export::Event;
use self::whole::{Verdict, Whole, verdict};
use crate::client::context::Context;
use crate::client::run::{newest as newest_runs, one};
use crate::failure::Failure;
use crate::options::{Common, RunName};
use crate::output::{self, column};
use clap::Args;
use pmp_sync_domain::approval::ApprovalAction;
use pmp_sync_domain::records::{Request, RunRecord};

#[derive(Debug, Args)]
pub(crate) struct HistoryOptions {
    /// Show one run, with everything that is known of it: its id, the beginning of it, or `last`. Or one edit, by its
    /// id.
    pub(crate) run: Option<RunName>,
    /// The number of runs, or of edits, to show.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(crate) limit: u16,
    /// Write each event of the run, or of all stored runs, as one line of JSON, oldest first.
    #[arg(long, conflicts_with = "limit")]
    pub(crate) export: bool,
    /// Show who changed the management lists with `pmp-sync`, and why. With an id, or `last`, that edit with its products.
    #[arg(long, conflicts_with = "export")]
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
    let Some(run) = &options.run else {
        return if options.export {
            export::all(&context).await
        } else {
            newest(common, &context, options.limit).await
        };
    };
    let record = match one(&context, run).await {
        Err(unknown @ Failure::Unknown { .. }) if !options.export => {
            return match edits::instead(&context, run).await? {
                Some(edit) => edits::one(common, &context, &edit).await,
                None => Err(unknown),
            };
        }
        found => found?,
    };
    let whole = Whole::read(&context, record).await?;
    if options.export {
        return export::write(&whole);
    }
    let edits = edits::of_run(&context, &whole.run).await?;
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
            names: &whole.names,
        })
    } else {
        detail::show(&context, &whole)?;
        edits::show(&edits)
    }
}

fn is_about_a_hold(request: &Request) -> bool {
    [
        ApprovalAction::Approve,
        ApprovalAction::Reject,
        ApprovalAction::Restore,
        ApprovalAction::Revert,
    ]
    .iter()
    .any(|action| action.kind() == request.kind)
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
    if common.json {
        let runs: Vec<_> = runs
            .iter()
            .map(|(run, approval)| RunAnswer { run, approval })
            .collect();
        return output::json(&HistoryAnswer::Newest { runs, older });
    }
    if runs.is_empty() {
        return output::line("no run yet");
    }
    let columns = [
        column("RUN"),
        column("BEGAN"),
        column("FOR").folds(),
        column("BY").folds(),
        column("STATUS").state(),
        column("ALLOW").number().leaves(1),
        column("DENY").number().leaves(1),
        column("HELD").number().leaves(2),
        column("FAILED").number().leaves(2),
        column("APPROVAL").state().leaves(3),
    ];
    let rows = runs.iter().map(|(run, verdicts)| {
        let requests = run.requests.iter();
        vec![
            run.run.to_string(),
            output::age(Some(run.started_at)),
            list(
                requests
                    .clone()
                    .map(|request| request.kind.as_str())
                    .collect(),
            ),
            list(requests.filter_map(asked_by).collect()),
            run.status.as_str().to_owned(),
            run.totals.allow.to_string(),
            run.totals.deny.to_string(),
            run.totals.held.to_string(),
            run.totals.failed.to_string(),
            list(verdicts.iter().map(output::word).collect()),
        ]
    });
    output::table(columns, rows)?;
    if older {
        output::note(&format!(
            "the newest {} are shown: --limit shows up to 200, and --export writes all",
            output::count(usize::from(limit), "run")
        ));
    }
    Ok(())
}
