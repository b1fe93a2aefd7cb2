//! `pmp-sync approve`, `reject` and `restore`: requests about holds. Each becomes a run of its own on one
//! lane, which is waited for.

use pmp_sync_domain::approval::{ApprovalAction, ApprovalRequest, Hold};
use pmp_sync_domain::ids::{LaneId, PlanHash, RunId};
use pmp_sync_domain::lane::Phase;
use pmp_sync_domain::ports::{Bus as _, Lanes as _, ReadRuns as _};
use pmp_sync_domain::records::{LinkRecord, LinkState, RunRecord};
use pmp_sync_domain::run::{LinkStatus, RunStatus};
use pmp_sync_domain::wire::approval_requested;
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::{ApprovalOptions, Common, HashDigits, RestoreOptions};
use crate::context::{Context, request_id};
use crate::failure::Failure;
use crate::holds::{HoldAnswer, Known, choose, counts, known, words};
use crate::sync::{ended_well, tell_failures, wait};
use crate::{hints, output};

/// What came of a request about a hold.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ApprovalAnswer<'a> {
    /// The run that served it.
    run: &'a RunRecord,
    /// What became of the link in that run; `approval.refused` has the words of a refusal. Null if the
    /// run failed before it came to it.
    link: Option<&'a LinkRecord>,
    /// What is held on the link now, if something is.
    hold: Option<HoldAnswer>,
}

/// What came of a request.
struct Served {
    run: RunRecord,
    link: LinkRecord,
}

impl Served {
    /// The link in a report.
    fn name(&self) -> String {
        crate::sync::name(&self.link)
    }
}

/// `approve`
pub(crate) async fn approve(common: &Common, options: &ApprovalOptions) -> Result<(), Failure> {
    let (context, known, hash) = named(common, options).await?;
    let served = serve(
        common,
        &context,
        request(
            ApprovalAction::Approve,
            &known.lane,
            options.run,
            Some(hash),
        ),
        options.patience.timeout,
    )
    .await?;
    if !common.json {
        let link = &served.link;
        let name = served.name();
        output::line(&match link.status {
            LinkStatus::Committed => {
                let counts = counts(link.allow.len(), link.deny.len());
                format!("{name}: {counts} committed by run {}", served.run.run)
            }
            LinkStatus::InSync => format!("{name}: nothing was left to do"),
            LinkStatus::Underway => format!("{name}: it was at work already"),
            status => format!("{name}: {}", output::word(&status)),
        })?;
    }
    if rests(&context, &served.run, &known.lane).await? {
        output::note(
            "it is done; what differs from the management experience now is another plan, see `pmp-sync plan`",
        );
        return Ok(());
    }
    ended_well(&served.run)
}

/// True if all that is missing from a run is that its lane was not seen to be equal, and nothing is left
/// open or in quarantine there. So ends each rollback that is done, as long as the management experience
/// wants something else.
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
        && context.ledger.open(lane).await?.is_empty()
        && context.ledger.quarantined(lane).await?.is_empty())
}

/// `reject`
pub(crate) async fn reject(common: &Common, options: &ApprovalOptions) -> Result<(), Failure> {
    let (context, known, hash) = named(common, options).await?;
    let served = serve(
        common,
        &context,
        request(ApprovalAction::Reject, &known.lane, options.run, Some(hash)),
        options.patience.timeout,
    )
    .await?;
    if common.json {
        return Ok(());
    }
    let name = served.name();
    output::line(&format!("{name}: rejected; nothing of it is done"))
}

/// `restore`
pub(crate) async fn restore(common: &Common, options: &RestoreOptions) -> Result<(), Failure> {
    let context = Context::new(common).await;
    let entries = context.ledger.lanes().await?.into_iter();
    let found = entries
        .filter(|entry| entry.lane.experience == options.link.experience)
        .map(|entry| (Some(entry.member), entry.lane))
        .collect();
    let member = options.link.member.as_ref();
    let hint = "`pmp-sync status` lists the lanes that were ever planned for";
    let lane = choose(found, &options.link.experience, member, hint)?;
    crate::history::one(&context, options.run).await?;
    let served = serve(
        common,
        &context,
        request(ApprovalAction::Restore, &lane, options.run, None),
        options.patience.timeout,
    )
    .await?;
    let (name, link) = (served.name(), &served.link);
    let Some(hold) = link
        .hold
        .as_ref()
        .filter(|_| link.status == LinkStatus::Held)
    else {
        if link.status != LinkStatus::InSync {
            return ended_well(&served.run);
        }
        if common.json {
            return Ok(());
        }
        let run = options.run;
        return output::line(&format!(
            "{name}: nothing to restore, its lists are what they were before run {run}"
        ));
    };
    if !common.json {
        output::line(&format!(
            "{name}: the rollback before run {} is planned and held",
            options.run
        ))?;
        for change in link.shown().changes() {
            output::line(&format!("  {} {}", change.action, change.product))?;
        }
        let approve = hints::approve(hold, &lane.experience, options.link.member.as_ref());
        output::line(&words(hold, &approve))?;
    }
    Err(Failure::Held("the rollback waits for approval".to_owned()))
}

/// The lane and the hash of the plan that the options name, if that is what is held.
async fn named(
    common: &Common,
    options: &ApprovalOptions,
) -> Result<(Context, Known, PlanHash), Failure> {
    let context = Context::new(common).await;
    let link = &options.link;
    let found = known(&context).await?.into_iter();
    let found = found
        .filter(|known| known.lane.experience == link.experience)
        .map(|known| {
            (
                known.entry.as_ref().map(|entry| entry.member.clone()),
                known,
            )
        })
        .collect();
    let hint = "`pmp-sync holds` lists what is held";
    let known = choose(found, &link.experience, link.member.as_ref(), hint)?;
    match held(&known.link_state, options.run, &options.plan) {
        Some(hold) => {
            let hash = hold.plan_hash.clone();
            Ok((context, known, hash))
        }
        None => match approved(&context, &known, options).await? {
            Some(hash) => Ok((context, known, hash)),
            None => Err(stale(&known)),
        },
    }
}

/// The hold of that run and plan.
fn held<'a>(link_state: &'a LinkState, run: RunId, digits: &HashDigits) -> Option<&'a Hold> {
    let mut holds = link_state.hold.iter().chain(&link_state.restore);
    holds.find(|hold| hold.run == run && digits.names(&hold.plan_hash))
}

/// The hash of a plan that was approved and is not done yet: asking again is in order.
async fn approved(
    context: &Context,
    known: &Known,
    options: &ApprovalOptions,
) -> Result<Option<PlanHash>, Failure> {
    let grant = known.link_state.grant.as_ref();
    if grant.is_none_or(|grant| grant.run != options.run) {
        return Ok(None);
    }
    let record = context.ledger.link(options.run, &known.lane).await?;
    let hash = match record {
        Some(record) => record.plan_hash,
        None => options.plan.whole(),
    };
    Ok(hash.filter(|hash| options.plan.names(hash)))
}

/// That something else is held, or nothing, and the remedy.
fn stale(known: &Known) -> Failure {
    let name = known.name();
    let commands: Vec<_> = known
        .holds()
        .map(|hold| format!("`{}`", known.approve(hold)))
        .collect();
    if commands.is_empty() {
        return Failure::Stale {
            message: format!("nothing is held on {name}"),
            remedy: "`pmp-sync holds` lists what is held, `pmp-sync history` what became of it"
                .to_owned(),
        };
    }
    Failure::Stale {
        message: format!("what is held on {name} is not the plan that was named"),
        remedy: format!(
            "look at `pmp-sync holds --products`; to release what is held: {}",
            commands.join(" or ")
        ),
    }
}

fn request(
    action: ApprovalAction,
    lane: &LaneId,
    run: RunId,
    plan_hash: Option<PlanHash>,
) -> ApprovalRequest {
    ApprovalRequest {
        action,
        lane: lane.clone(),
        run,
        plan_hash,
        request_id: None,
        requester: None,
        // The bus tells it.
        account: None,
    }
}

/// Sends the request, waits for its run, and tells what the run has on record. What was refused or has
/// failed is an error.
async fn serve(
    common: &Common,
    context: &Context,
    request: ApprovalRequest,
    timeout: u64,
) -> Result<Served, Failure> {
    let id = request_id();
    let lane = request.lane.clone();
    let request = ApprovalRequest {
        request_id: Some(id.clone()),
        requester: context.requester().await,
        ..request
    };
    context.bus.put(approval_requested(request)).await?;
    let run = wait(context, &id, timeout).await?;
    let link = context.ledger.link(run.run, &lane).await?;
    if common.json {
        let known = Known {
            lane: lane.clone(),
            link_state: LinkState::default(),
            entry: None,
            is_ambiguous: false,
        };
        let hold = link.as_ref().and_then(|link| link.hold.as_ref());
        output::json(&ApprovalAnswer {
            run: &run,
            link: link.as_ref(),
            hold: hold.map(|hold| HoldAnswer::new(&known, hold)),
        })?;
    }
    let Some(link) = link.filter(|_| run.fault.is_none()) else {
        tell_failures(context, &run).await?;
        return Err(Failure::Partial(format!("run {} has failed", run.run)));
    };
    if link.fault.is_some() {
        tell_failures(context, &run).await?;
        let name = crate::sync::name(&link);
        return Err(Failure::Partial(format!("{name} has failed")));
    }
    if let Some(why) = link
        .approval
        .as_ref()
        .and_then(|approval| approval.refused.clone())
    {
        // What is held instead, if something is.
        tell_failures(context, &run).await?;
        return Err(Failure::Refused(why));
    }
    Ok(Served { run, link })
}

#[cfg(test)]
mod tests {
    use super::*;
    use pmp_sync_domain::guard::HoldReason;
    use pmp_sync_domain::plan::Plan;

    fn hold(run: RunId, products: &[&str]) -> Hold {
        let deny = products.iter().map(|id| id.parse().unwrap()).collect();
        Hold {
            run,
            plan_hash: Plan::new(std::collections::BTreeSet::new(), deny).hash(),
            reasons: vec![HoldReason::ManagementEmpty],
            allow: 0,
            deny: products.len(),
            removals: products.len(),
            since: "2026-01-01T00:00:00Z".parse().unwrap(),
            announced: true,
            rejected: None,
        }
    }

    #[test]
    fn what_is_held_is_found_by_its_run_and_its_hash_together() {
        let (first, second) = (RunId::next(None, 1, 0), RunId::next(None, 2, 0));
        let link_state = LinkState {
            hold: Some(hold(first, &["prod-a"])),
            restore: Some(hold(second, &["prod-b"])),
            ..LinkState::default()
        };
        let digits = |hold: &Option<Hold>| -> HashDigits {
            let hash = hold.as_ref().unwrap().plan_hash.to_string();
            hash.get(..8).unwrap().parse().unwrap()
        };
        let (of_hold, of_restore) = (digits(&link_state.hold), digits(&link_state.restore));
        assert_eq!(held(&link_state, first, &of_hold), link_state.hold.as_ref());
        assert_eq!(
            held(&link_state, second, &of_restore),
            link_state.restore.as_ref()
        );
        assert_eq!(held(&link_state, second, &of_hold), None);
        assert_eq!(held(&link_state, first, &of_restore), None);
    }
}
