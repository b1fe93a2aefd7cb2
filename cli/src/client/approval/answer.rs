//! `approve` and `reject`: shows what is meant, asks, and tells what came of it on each link.

use pmp_sync_domain::approval::{ApprovalAction, PeopleSoFar};
use pmp_sync_domain::ids::{AccountId, ExperienceId, LaneId, MemberName, PlanHash, RunId};
use pmp_sync_domain::lane::Phase;
use pmp_sync_domain::ports::Lanes as _;
use pmp_sync_domain::product::Names;
use pmp_sync_domain::records::{LinkRecord, RunRecord};
use pmp_sync_domain::run::{LinkStatus, RunStatus};
use pmp_sync_domain::text::one_line;
use schemars::JsonSchema;
use serde::Serialize;

use super::each::{Asked, Question, ask_each};
use super::meant::{ApprovalOptions, meant};
use super::summary::{question, show};
use crate::client::confirm::confirm;
use crate::client::context::Context;
use crate::client::holds::{HoldAnswer, counts};
use crate::client::products::names;
use crate::client::run::ended_well;
use crate::failure::{ErrorDetail, Failure};
use crate::options::Common;
use crate::output;

/// The result of `approve` or `reject`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ApprovalsAnswer<'a> {
    /// The result for each link.
    links: Vec<LinkApproval<'a>>,
    /// The names of the products in this answer, by id. A product whose name is not known is left out.
    names: Names,
}

/// The result for one link.
#[derive(Debug, Serialize, JsonSchema)]
struct LinkApproval<'a> {
    /// The member. Null if its lane was never planned for.
    member: Option<&'a MemberName>,
    /// The member account.
    account: &'a AccountId,
    /// The member experience.
    experience: &'a ExperienceId,
    /// The run whose plan was shown.
    of: RunId,
    /// The hash of that plan.
    plan_hash: &'a PlanHash,
    /// What came of it.
    result: ApprovalResult,
    /// What went wrong, if something did.
    error: Option<ErrorDetail>,
    /// The run that served it. Null if it is not known.
    run: Option<&'a RunRecord>,
    /// The record of the link in that run; `approval.refused` has the text of a refusal. Null if the run failed earlier.
    link: Option<&'a LinkRecord>,
    /// The current hold of the link.
    hold: Option<HoldAnswer>,
}

/// What came of the request about one link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ApprovalResult {
    /// The plan was executed.
    Executed,
    /// It is approved, and executed as soon as the link is resumed.
    WaitsForResume,
    /// It is approved by one person, and takes a second one. Nothing is executed.
    WaitsForSecond,
    /// It is rejected. Nothing of it is executed.
    Rejected,
    /// The request was refused, or another plan is held by now. Nothing was changed.
    Refused,
    /// It failed, or did not end in time.
    Failed,
}

/// What came of it on one link, as it is told.
struct Told {
    result: ApprovalResult,
    /// The line for stdout. None if there is nothing but the failure.
    line: Option<String>,
    failure: Option<Failure>,
}

/// Answers every hold that the options mean.
pub(crate) async fn answer(
    common: &Common,
    options: &ApprovalOptions,
    action: ApprovalAction,
) -> Result<(), Failure> {
    let context = Context::new(common).await?;
    let all = meant(&context, options).await?;
    // A command that `holds` shows names everything. Whoever runs it has seen the plan.
    let is_exact = options.run.is_some() && options.plan.is_some() && all.meant.len() == 1;
    if !is_exact {
        show(&context, &all).await?;
        confirm(options.yes, &question(action, &all))?;
    }
    let question = Question {
        action,
        reason: options.reason.as_deref(),
        timeout: options.patience.timeout,
        all: &all,
    };
    let mut asked = ask_each(&context, &question).await;
    let mut told = Vec::new();
    for one in &mut asked {
        told.push(tell(&context, action, one).await?);
    }
    if common.json {
        let links = asked.iter().zip(&told);
        let links: Vec<_> = links
            .map(|(asked, told)| LinkApproval::new(&context, asked, told))
            .collect();
        let records = links.iter().filter_map(|link| link.link);
        let products = records.flat_map(LinkRecord::products).cloned();
        let names = names(&context, &products.collect()).await;
        output::json(&ApprovalsAnswer { links, names })?;
    } else {
        let mut lines = told.iter().filter_map(|told| told.line.as_deref());
        lines.try_for_each(output::line)?;
    }
    end(&asked, told)
}

/// The result of the command: that of the only link, or how many links failed.
fn end(asked: &[Asked<'_>], told: Vec<Told>) -> Result<(), Failure> {
    let all = told.len();
    let failed = asked.iter().zip(told);
    let failed: Vec<_> = failed
        .filter_map(|(asked, told)| Some((asked, told.failure?)))
        .collect();
    let count = failed.len();
    let mut exit = None;
    for (asked, failure) in failed {
        if all == 1 {
            return Err(failure);
        }
        output::note(&format!("{}: {}", asked.known.name(), failure.report()));
        exit = exit.max(Some((weight(&failure), failure.exit_code())));
    }
    match exit {
        None => Ok(()),
        Some((_, exit)) => Err(Failure::Told {
            exit,
            message: format!(
                "{count} of {} did not end as requested",
                output::count(all, "link")
            ),
        }),
    }
}

/// Which of several failures the exit code is that of: a failure before a time that is up, and that before a refusal.
fn weight(failure: &Failure) -> u8 {
    match failure.exit_code() {
        3 => 0,
        4 => 2,
        _ => 1,
    }
}

/// What came of it on one link. What went wrong is shown in detail.
async fn tell(
    context: &Context,
    action: ApprovalAction,
    asked: &mut Asked<'_>,
) -> Result<Told, Failure> {
    let failed = |failure: Failure| Told {
        result: if matches!(failure, Failure::Refused(_) | Failure::Stale { .. }) {
            ApprovalResult::Refused
        } else {
            ApprovalResult::Failed
        },
        line: None,
        failure: Some(failure),
    };
    if let Some(failure) = asked.failure.take() {
        return Ok(failed(failure));
    }
    let Some(outcome) = &asked.outcome else {
        return Ok(failed(Failure::NotWell("its run is not known".to_owned())));
    };
    let link = match outcome.check(context).await {
        Ok(link) => link,
        Err(failure) => return Ok(failed(failure)),
    };
    let name = output::link_name(link);
    if action == ApprovalAction::Reject {
        return Ok(Told {
            result: ApprovalResult::Rejected,
            line: Some(format!("{name}: rejected; nothing of it is executed")),
            failure: None,
        });
    }
    if let Some(so_far) = so_far(link) {
        return Ok(Told {
            result: ApprovalResult::WaitsForSecond,
            line: Some(format!("{name}: {so_far}")),
            failure: Some(Failure::Held(
                "nothing is executed until a second person approves".to_owned(),
            )),
        });
    }
    let line = Some(format!("{name}: {}", words(link, &outcome.run)));
    let result = match link.status {
        LinkStatus::Suspended => ApprovalResult::WaitsForResume,
        _ => ApprovalResult::Executed,
    };
    let failure = if rests(context, &outcome.run, &asked.known.lane).await? {
        context.note(
            "it is done; what still differs from the management experience is in another plan, see `pmp-sync plan`",
        );
        None
    } else if holds_another(link, &outcome.run) {
        context.note(&format!(
            "{name}: it is done; something else is held there, see `pmp-sync holds`"
        ));
        None
    } else {
        ended_well(&outcome.run).err()
    };
    Ok(Told {
        result: match failure {
            Some(_) if result == ApprovalResult::Executed => ApprovalResult::Failed,
            _ => result,
        },
        line,
        failure,
    })
}

/// That one person has approved, and who. None if that executes it.
fn so_far(link: &LinkRecord) -> Option<String> {
    let approval = link.approval.as_ref()?;
    let people = approval.people?;
    let asks = link.hold.iter().flat_map(|hold| &hold.approvals);
    let by: Vec<_> = asks
        .filter_map(|ask| ask.by.as_deref())
        .map(|by| one_line(output::principal(by)))
        .collect();
    let by = match by.as_slice() {
        [] => String::new(),
        by => format!(": {}", by.join(", ")),
    };
    let PeopleSoFar { approved, needed } = people;
    Some(format!(
        "{approved} of {needed} people have approved{by}; a second one runs the same command"
    ))
}

/// True if the run has executed what was approved, and holds changes that were not.
fn holds_another(link: &LinkRecord, run: &RunRecord) -> bool {
    let totals = &run.totals;
    let is_done = matches!(
        link.status,
        LinkStatus::Committed | LinkStatus::InSync | LinkStatus::Underway
    );
    is_done
        && run.status == RunStatus::Held
        && totals.failed + totals.suspended + totals.quarantined == 0
}

/// What an approval has done, in words.
fn words(link: &LinkRecord, run: &RunRecord) -> String {
    match link.status {
        LinkStatus::Committed => {
            let counts = counts(link.allow.len(), link.deny.len());
            format!("{counts} committed by run {}", run.run)
        }
        LinkStatus::InSync => "nothing is left to do".to_owned(),
        LinkStatus::Underway => "it was already under way".to_owned(),
        LinkStatus::Suspended => {
            "it is approved, and done as soon as the link is resumed".to_owned()
        }
        status => output::word(&status),
    }
}

/// True if the run is complete except that its lane is not in sync, and nothing is open or
/// quarantined there. A rollback ends like this as long as the management experience wants
/// something else.
async fn rests(context: &Context, run: &RunRecord, lane: &LaneId) -> Result<bool, Failure> {
    let totals = &run.totals;
    let unseen = run.status == RunStatus::Partial
        && totals.failed + totals.suspended + totals.quarantined == 0
        && run.not_seen.contains(&lane.to_string());
    if !unseen {
        return Ok(false);
    }
    let state = context.ledger.state(lane).await?;
    Ok(state.phase == Phase::Idle
        && context.ledger.open(lane).await?.items.is_empty()
        && context.ledger.quarantined(lane).await?.items.is_empty())
}

impl<'a> LinkApproval<'a> {
    fn new(context: &Context, asked: &'a Asked<'_>, told: &Told) -> Self {
        let outcome = asked.outcome.as_ref();
        let link = outcome.and_then(|outcome| outcome.link.as_ref());
        let hold = link.and_then(|link| link.hold.as_ref());
        Self {
            member: asked.known.member(),
            account: &asked.known.lane.account,
            experience: &asked.known.lane.experience,
            of: asked.meant.run,
            plan_hash: &asked.meant.hash,
            result: told.result,
            error: told
                .failure
                .as_ref()
                .map(|failure| failure.detail(&context.flags)),
            run: outcome.map(|outcome| &outcome.run),
            link,
            hold: hold.map(|hold| HoldAnswer::new(asked.known, hold, &context.flags)),
        }
    }
}
