//! Requests about holds. Each becomes a run of its own on one lane, and the command waits for it.

pub(crate) mod answer;
mod each;
pub(crate) mod meant;
mod summary;

use pmp_sync_domain::approval::{ApprovalAction, ApprovalRequest};
use pmp_sync_domain::ids::{LaneId, PlanHash, RunId};
use pmp_sync_domain::ports::{Bus as _, ReadRuns as _};
use pmp_sync_domain::product::Names;
use pmp_sync_domain::records::{LinkRecord, LinkState, RunRecord};
use pmp_sync_domain::wire::approval_requested;
use schemars::JsonSchema;
use serde::Serialize;

use super::context::{Context, request_id};
use super::holds::{HoldAnswer, Known};
use super::products::names;
use super::run::{tell_failures, wait};
use crate::failure::Failure;
use crate::output;

/// The result of a request about a hold.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ApprovalAnswer<'a> {
    /// The run that served it.
    run: &'a RunRecord,
    /// The record of the link in that run; `approval.refused` has the text of a refusal. Null if the
    /// run failed earlier.
    link: Option<&'a LinkRecord>,
    /// The current hold of the link.
    hold: Option<HoldAnswer>,
    /// The names of the products in this answer, by id. A product whose name is not known is left out.
    names: Names,
}

/// The result of a request.
pub(crate) struct Served {
    pub(crate) run: RunRecord,
    pub(crate) link: LinkRecord,
}

impl Served {
    /// The link as text: member and experience.
    pub(crate) fn name(&self) -> String {
        output::link_name(&self.link)
    }
}

pub(crate) fn request(
    action: ApprovalAction,
    lane: &LaneId,
    run: RunId,
    plan_hash: Option<PlanHash>,
    reason: Option<&str>,
) -> ApprovalRequest {
    ApprovalRequest {
        action,
        lane: lane.clone(),
        run,
        plan_hash,
        request_id: None,
        requester: None,
        // The bus adds it.
        account: None,
        reason: reason.map(str::to_owned),
    }
}

/// Sends the request. Returns its id.
pub(crate) async fn ask(context: &Context, request: ApprovalRequest) -> Result<String, Failure> {
    let id = request_id();
    let request = ApprovalRequest {
        request_id: Some(id.clone()),
        requester: context.requester().await,
        ..request
    };
    request.check()?;
    context.bus.put(approval_requested(request)).await?;
    Ok(id)
}

/// What came of a request.
pub(crate) struct Outcome {
    lane: LaneId,
    run: RunRecord,
    link: Option<LinkRecord>,
}

/// Waits for the run that serves a request.
pub(crate) async fn outcome(
    context: &Context,
    id: &str,
    lane: &LaneId,
    timeout: u64,
) -> Result<Outcome, Failure> {
    let run = wait(context, id, timeout).await?;
    let link = context.ledger.link(run.run, lane).await?;
    Ok(Outcome {
        lane: lane.clone(),
        run,
        link,
    })
}

impl<'a> ApprovalAnswer<'a> {
    /// What came of a request, as it is printed.
    pub(crate) async fn of(context: &Context, outcome: &'a Outcome) -> Self {
        let Outcome { lane, run, link } = outcome;
        let known = Known {
            lane: lane.clone(),
            link_state: LinkState::default(),
            entry: None,
            is_ambiguous: false,
        };
        let hold = link.as_ref().and_then(|link| link.hold.as_ref());
        let products = link.iter().flat_map(LinkRecord::products);
        Self {
            run,
            link: link.as_ref(),
            hold: hold.map(|hold| HoldAnswer::new(&known, hold, &context.flags)),
            names: names(context, &products.cloned().collect()).await,
        }
    }
}

impl Outcome {
    /// What the run recorded. A refusal or a failure is an error.
    pub(crate) async fn served(self, context: &Context) -> Result<Served, Failure> {
        self.check(context).await?;
        let Self { run, link, .. } = self;
        let Some(link) = link else {
            return Err(has_failed(&run));
        };
        Ok(Served { run, link })
    }

    /// The record of the link. A refusal or a failure is an error, and is shown.
    async fn check(&self, context: &Context) -> Result<&LinkRecord, Failure> {
        let Self { run, link, .. } = self;
        let Some(link) = link.as_ref().filter(|_| run.fault.is_none()) else {
            tell_failures(context, run).await?;
            return Err(has_failed(run));
        };
        if link.fault.is_some() {
            tell_failures(context, run).await?;
            let name = output::link_name(link);
            return Err(Failure::Partial(format!("{name} has failed")));
        }
        if let Some(why) = link
            .approval
            .as_ref()
            .and_then(pmp_sync_domain::approval::Approval::refusal)
        {
            // Shows what is held instead.
            tell_failures(context, run).await?;
            return Err(Failure::Refused(why.to_string()));
        }
        Ok(link)
    }
}

fn has_failed(run: &RunRecord) -> Failure {
    Failure::Partial(format!("run {} has failed", run.run))
}
