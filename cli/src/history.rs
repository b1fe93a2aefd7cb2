//! `pmp-sync history`: who asked for what, what was planned, held, approved and done.

mod changes;
mod detail;
mod export;

use pmp_sync_domain::approval::ApprovalAction;
use pmp_sync_domain::ids::{LaneId, RunId};
use pmp_sync_domain::ports::ReadRuns as _;
use pmp_sync_domain::records::{DeadLetterRecord, LinkRecord, Request, RunRecord, SetRecord};
use pmp_sync_domain::run::LinkStatus;
use schemars::JsonSchema;
use serde::Serialize;

pub(crate) use self::export::Event;
use crate::args::{Common, HistoryOptions};
use crate::context::Context;
use crate::failure::Failure;
use crate::output;

/// Who asked for what, and what came of it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum HistoryAnswer<'a> {
    /// The newest runs.
    Newest {
        /// The newest first.
        runs: Vec<RunAnswer<'a>>,
    },
    /// With a run: everything that the ledger has of it.
    One {
        /// The run.
        run: &'a RunRecord,
        /// What became of each link in it.
        links: &'a [LinkRecord],
        /// What was done, one for each change set.
        changes: Vec<ChangeAnswer<'a>>,
        /// The dead letters that it looked at.
        dead_letters: &'a [DeadLetterRecord],
    },
}

/// A run.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RunAnswer<'a> {
    /// The run.
    run: &'a RunRecord,
    /// What became of the requests about holds that it served.
    approval: &'a [Verdict],
}

/// What was done on a lane by one change set.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ChangeAnswer<'a> {
    /// The lane: account and experience, with a slash between them.
    lane: String,
    /// The change set.
    change_set: &'a SetRecord,
}

/// What became of a request about a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// The link could not be looked at.
    Failed,
    /// Nothing was done.
    Refused,
    /// The held plan is executed.
    Approved,
    /// Nobody is asked about it again.
    Rejected,
    /// The lists are what they were before the run.
    NothingToRestore,
    /// The rollback is planned, and held.
    RestorePlanned,
}

/// Everything that the ledger keeps of a run.
struct Whole {
    run: RunRecord,
    links: Vec<LinkRecord>,
    /// What was done on each lane, one for each change set.
    changes: Vec<(LaneId, SetRecord)>,
    letters: Vec<DeadLetterRecord>,
}

impl Whole {
    async fn read(context: &Context, run: RunRecord) -> Result<Self, Failure> {
        let links = context.ledger.links(run.run).await?;
        let lanes = links.iter().filter_map(|link| link.lane.as_ref());
        let changes = changes::changes_of(context, run.run, lanes).await?;
        let letters = context.ledger.dead_letters(run.run).await?;
        Ok(Self {
            run,
            links,
            changes,
            letters,
        })
    }

    /// The change sets on the lane of a link.
    fn changes_on(&self, link: &LinkRecord) -> impl Iterator<Item = &SetRecord> {
        let on_lane = self.changes.iter();
        let on_lane = on_lane.filter(move |(lane, _)| link.lane.as_ref() == Some(lane));
        on_lane.map(|(_, set)| set)
    }
}

/// `history`
pub(crate) async fn run(common: &Common, options: &HistoryOptions) -> Result<(), Failure> {
    let context = Context::new(common).await;
    let Some(run) = options.run else {
        return if options.export {
            export::all(&context).await
        } else {
            newest(common, &context, options.limit).await
        };
    };
    let whole = Whole::read(&context, one(&context, run).await?).await?;
    if options.export {
        export::write(&whole)
    } else if common.json {
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
        })
    } else {
        detail::show(&whole)
    }
}

/// A run that is to be there.
pub(crate) async fn one(context: &Context, run: RunId) -> Result<RunRecord, Failure> {
    let record = context.ledger.run(run).await?;
    record.ok_or_else(|| Failure::Unknown {
        message: format!("there is no run {run}"),
        remedy: "it may have expired; `pmp-sync status` lists the newest runs".to_owned(),
    })
}

/// What became of the request about a hold that a run served on a link, in one word.
fn verdict(link: &LinkRecord) -> Option<Verdict> {
    let approval = link.approval.as_ref()?;
    Some(match (approval.action, link.status) {
        _ if link.fault.is_some() => Verdict::Failed,
        _ if approval.refused.is_some() => Verdict::Refused,
        (ApprovalAction::Approve, _) => Verdict::Approved,
        (ApprovalAction::Reject, _) => Verdict::Rejected,
        (ApprovalAction::Restore, LinkStatus::InSync) => Verdict::NothingToRestore,
        (ApprovalAction::Restore, _) => Verdict::RestorePlanned,
    })
}

fn is_about_a_hold(request: &Request) -> bool {
    [
        ApprovalAction::Approve,
        ApprovalAction::Reject,
        ApprovalAction::Restore,
    ]
    .iter()
    .any(|action| action.kind() == request.kind)
}

/// The verdicts of a run: none of one that served no request about a hold.
async fn verdicts(context: &Context, run: &RunRecord) -> Result<Vec<Verdict>, Failure> {
    if !run.requests.iter().any(is_about_a_hold) {
        return Ok(Vec::new());
    }
    let links = context.ledger.links(run.run).await?;
    Ok(links.iter().filter_map(verdict).collect())
}

/// Who asked, short enough for a table: without the beginning of an ARN.
fn asked_by(request: &Request) -> Option<&str> {
    let by = request.requester.as_deref()?;
    Some(by.rsplit(':').next().unwrap_or(by))
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
    let mut runs = Vec::new();
    for run in context.ledger.newest_runs(limit).await? {
        let verdicts = verdicts(context, &run).await?;
        runs.push((run, verdicts));
    }
    if common.json {
        let runs: Vec<_> = runs
            .iter()
            .map(|(run, approval)| RunAnswer { run, approval })
            .collect();
        return output::json(&HistoryAnswer::Newest { runs });
    }
    if runs.is_empty() {
        return output::line("no run yet");
    }
    let header = [
        "RUN", "BEGAN", "FOR", "BY", "STATUS", "ALLOW", "DENY", "HELD", "FAILED", "APPROVAL",
    ];
    let rows = runs.iter().map(|(run, verdicts)| {
        let requests = run.requests.iter();
        vec![
            run.run.to_string(),
            output::time(Some(run.started_at)),
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
    output::table(&header, rows.collect())
}
