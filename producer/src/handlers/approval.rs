//! Requests about holds: each is a run of its own, on one lane.
//!
//! An approval permits exactly what was shown. The link state keeps it as a grant until it is done,
//! so that an interrupted approval continues. What was approved passes the guards; what has become
//! unnecessary is left out, and anything new is judged on its own.

mod approve;
mod case;
mod reject;
mod undo;

use std::collections::BTreeSet;
use std::slice;

use pmp_sync_domain::approval::{
    Approval, ApprovalAction, ApprovalRequest, Ask, KeptProducts, Undo,
};
use pmp_sync_domain::error::{LinkError, MayPass, RunError};
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::ports::{Clock, Members};
use pmp_sync_domain::records::{LinkRecord, Request, RunRecord};
use pmp_sync_domain::retry::Missed;
use pmp_sync_domain::run::LinkStatus;
use pmp_sync_domain::wire::Scope;

use self::approve::approve;
use self::case::{Case, Rejected, bare};
use self::reject::reject;
use self::undo::plan_undo;
use crate::claims::Claims;
use crate::context::{Context, Ledger, Marketplace, Outbox, System};
use crate::receipts::Asked;
use crate::reconcile::fail::fail_link;
use crate::reconcile::marks::keep;
use crate::reconcile::outcome::LinkOutcome;
use crate::run::begin::{close_interrupted, open_run};
use crate::run::finish::{add_outcomes, fail_run, finish_run, warn_of_items};

/// Serves a request about a hold with a run of its own.
pub(crate) async fn handle<L: Ledger, A: Marketplace, M: Members, O: Outbox, S: System>(
    context: &Context<L, A, M, O, S>,
    from: &Asked,
    request: &ApprovalRequest,
) -> Result<(), RunError> {
    if let Some(record) = &from.interrupted
        && finish_answered(context, record, request).await?
    {
        return Ok(());
    }
    let kind = request.action.kind();
    let scope = Scope {
        experiences: vec![request.lane.experience.clone()],
        ..Scope::default()
    };
    let asked = Request {
        kind: kind.to_owned(),
        id: request.request_id.clone(),
        requester: request.requester.clone(),
        account: request.account.clone(),
        ..Request::default()
    };
    let Some((mut record, setup)) =
        open_run(context, slice::from_ref(from), vec![scope], vec![asked]).await?
    else {
        return Ok(());
    };
    let run = record.run;
    let Some(link) = setup.link_of(&request.lane) else {
        let unknown = RunError::NoLink(request.lane.to_string());
        return fail_run(context, record, &unknown).await;
    };
    tracing::info!(%run, kind, lane = %request.lane, of = %request.run, "the run begins");
    context.ledger.put_run(&record).await?;
    // An interrupted request is delivered again and becomes another run. There may be many before
    // the next hour.
    let older = close_interrupted(context, run).await?;
    warn_of_items(&mut record, &older.unreadable);
    let case = Case {
        run,
        request,
        setup: &setup,
        link,
        policy: setup.policy(link, &request.lane.experience),
        lifted: BTreeSet::new(),
        ask: Ask {
            by: request.requester.clone(),
            account: request.account.clone(),
            at: record.started_at,
            reason: request.reason.clone(),
        },
    };
    let outcome = answer(context, &case).await?;
    add_outcomes(context, &mut record, vec![outcome]).await?;
    finish_run(context, record).await
}

/// Ends the run of an earlier delivery that had answered the request and was interrupted then.
/// Returns false if it had not answered it.
async fn finish_answered<L: Ledger, A, M, O: Outbox, S: Clock>(
    context: &Context<L, A, M, O, S>,
    record: &RunRecord,
    request: &ApprovalRequest,
) -> Result<bool, RunError> {
    let link = context.ledger.link(record.run, &request.lane).await?;
    let Some(link) = link.filter(|link| link.approval.is_some()) else {
        return Ok(false);
    };
    let mut record = record.clone();
    let sent = link.status == LinkStatus::Committed;
    // The record does not say whether its fault may pass. To try once more does no harm.
    let failed = link.status == LinkStatus::Failed;
    let missed = failed.then(|| Missed {
        member: link.member.clone(),
        experience: Some(request.lane.experience.clone()),
        why: MayPass::Passing,
    });
    let outcome = LinkOutcome {
        missed,
        messages: if sent { link.plan().len() } else { 0 },
        ..LinkOutcome::new(link)
    };
    add_outcomes(context, &mut record, vec![outcome]).await?;
    finish_run(context, record).await?;
    Ok(true)
}

/// Serves the request, and records the result.
async fn answer<L: Ledger, A: Marketplace, M: Members, O: Outbox, S: System>(
    context: &Context<L, A, M, O, S>,
    case: &Case<'_>,
) -> Result<LinkOutcome, RunError> {
    let experience = &case.request.lane.experience;
    let claims = Claims::default();
    let of_member = claims.check(&context.ledger, case.setup, case.link, experience);
    let of_member = of_member.await;
    let is_anothers = matches!(&of_member, Err(LinkError::Shared(..)));
    let (mut later, mut people) = (Plan::default(), None);
    let served = match (case.request.action, of_member) {
        (ApprovalAction::Reject, _) => reject(context, case).await,
        (
            ApprovalAction::Approve | ApprovalAction::Restore | ApprovalAction::Revert,
            Err(error),
        ) => Err(error.into()),
        (ApprovalAction::Approve, Ok(())) => approve(context, case).await.map(|approved| {
            people = approved.people;
            approved.outcome
        }),
        (ApprovalAction::Restore, Ok(())) => {
            let undo = Undo::Restore(case.request.run);
            let planned = plan_undo(context, case, undo).await;
            planned.map(|(outcome, _)| outcome)
        }
        (ApprovalAction::Revert, Ok(())) => {
            let undo = Undo::Revert(case.request.run);
            let planned = plan_undo(context, case, undo).await;
            planned.map(|(outcome, changed_since)| {
                later = changed_since;
                outcome
            })
        }
    };
    let lane = &case.request.lane;
    let mut refused = None;
    let mut outcome = match served {
        Ok(outcome) => outcome,
        // The message is delivered again.
        Err(Rejected::Failed(LinkError::Ledger(error))) if !error.is_unreadable() => {
            return Err(RunError::Ledger(error));
        }
        Err(Rejected::Failed(error)) => {
            fail_link(context, case.run, case.link, Some(lane.clone()), &error).await
        }
        Err(Rejected::Refused(why)) => {
            tracing::warn!(run = %case.run, %lane, why = why.why, "the request about a hold is refused");
            refused = Some(why);
            bare(context, case, LinkStatus::Refused)
        }
    };
    if outcome.record.status == LinkStatus::Held
        && case.request.action == ApprovalAction::Approve
        && outcome.record.fault.is_none()
        && people.is_none()
    {
        // What was shown has gone while it was approved.
        let why =
            "nothing of what was shown is wanted any more; what is wanted now waits for approval";
        refused = Some(why.into());
    }
    let (refused, hints) = refused.map(|refused| (refused.why, refused.hints)).unzip();
    let answered = Some(Approval {
        action: case.request.action,
        of: case.request.run,
        plan_hash: case.request.plan_hash.clone(),
        ask: case.ask.clone(),
        refused,
        hints: hints.unwrap_or_default(),
        kept: KeptProducts::new(later.changes().map(|change| change.product)),
        people,
    });
    // An existing record stays: if the run was interrupted or failed halfway, it shows what is held
    // or committed.
    let known = context.ledger.link(case.run, lane).await;
    let known = match known {
        Err(error) if error.is_unreadable() => None,
        known => known?,
    };
    let record = LinkRecord {
        approval: answered.clone(),
        ..known.unwrap_or_else(|| outcome.record.clone())
    };
    outcome.record.approval = answered;
    // The lane of a member that does not have the experience is not made the one that was planned for
    // last.
    let kept = if is_anothers {
        context.ledger.put_link(&record).await
    } else {
        keep(&context.ledger, lane, &record).await
    };
    match kept {
        Err(error) if error.is_unreadable() => outcome.unreadable.push(error.into()),
        kept => kept?,
    }
    Ok(outcome)
}
