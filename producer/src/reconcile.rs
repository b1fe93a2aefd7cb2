//! Reconciles links: observe a lane, decide, apply. A fault stays with its link.

mod apply;
pub(crate) mod expired;
pub(crate) mod fail;
mod hold;
pub(crate) mod listings;
pub(crate) mod marks;
pub(crate) mod observe;
pub(crate) mod outcome;
pub(crate) mod prune;
pub(crate) mod remember;
mod send;
pub(crate) mod undo;

use std::collections::BTreeSet;

use futures::{StreamExt as _, stream};
use pmp_sync_domain::approval::Undo;
use pmp_sync_domain::error::LinkError;
use pmp_sync_domain::ids::{LaneId, RunId};
use pmp_sync_domain::link::Link;
use pmp_sync_domain::ports::{
    Bus, Clock, Lanes, Members, Products, ReadCatalog, SendChanges, WriteRuns,
};
use pmp_sync_domain::reconcile::{Decision, Goal, Observation, decide};
use pmp_sync_domain::records::LinkRecord;
use pmp_sync_domain::run::LinkStatus;
use pmp_sync_domain::wire::Scope;

use self::apply::apply;
use self::fail::{fail_link, left_out, notice_failures};

use self::listings::Listings;
use self::observe::observe;
use self::outcome::{LinkOutcome, ReconcileRequest};
use self::remember::remember;
use self::undo::desired_of;
use crate::claims::Claims;
use crate::context::Context;
use crate::reach::{DesiredStates, reach};
use crate::setup::Setup;

/// The most observations of one lane, if other writers are faster.
const MOST_ATTEMPTS: usize = 3;
/// Lanes of one `*` link that are reconciled concurrently.
const LANES_AT_ONCE: usize = 4;

/// What all links of a run share.
pub(crate) struct RunScope<'a> {
    pub(crate) run: RunId,
    pub(crate) setup: &'a Setup,
    pub(crate) scopes: &'a [Scope],
    pub(crate) desired: &'a DesiredStates,
    pub(crate) claims: &'a Claims,
    /// True if an invocation of the run may have been interrupted at these links.
    pub(crate) is_continued: bool,
}

/// Reconciles every member experience of a link.
pub(crate) async fn reconcile_link<L, A, M, O, S>(
    context: &Context<L, A, M, O, S>,
    of: &RunScope<'_>,
    link: &Link,
    listings: &impl Listings,
) -> Vec<LinkOutcome>
where
    L: Lanes + Products + WriteRuns,
    M: Members,
    O: Bus,
    S: Clock,
{
    let (run, setup) = (of.run, of.setup);
    let reached = reach(context, of.claims, setup, link, of.scopes, of.desired).await;
    let (desired, connection, targets) = match reached {
        Ok(found) => found,
        Err(error) => {
            let lane = link.lane();
            let failed = fail_link(context, run, link, lane.clone(), &error).await;
            // Lanes that a link no longer covers are pruned, which announces that.
            if lane.is_none() && !error.is_warning() {
                notice_failures(context, setup, link, &error, &failed.record).await;
            }
            return vec![failed];
        }
    };
    if of.is_continued && link.lane().is_none() {
        let voided = context.ledger.void_failure(run, &link.member.account).await;
        if let Err(error) = voided {
            tracing::warn!(%run, member = %link.member.name, %error, "that the link was reached after all could not be recorded");
        }
    }
    let (connection, lifted) = (&connection, &BTreeSet::new());
    let left_out = left_out(context, run, link, &targets.left_out).await;
    let served = stream::iter(targets.experiences)
        .map(|experience| async move {
            let goal = Goal {
                link,
                policy: &setup.policy(link, &experience),
                experience: &experience,
                desired,
                lifted,
                rollback: false,
                suspension: setup.suspension(link, &experience),
            };
            let request = ReconcileRequest { run, goal };
            let outcome = reconcile_or_fail(context, &request, listings, connection).await;
            if of.is_continued && outcome.record.status == LinkStatus::InSync {
                replace_failure(&context.ledger, &outcome.record).await;
            }
            outcome
        })
        .buffer_unordered(LANES_AT_ONCE);
    stream::iter(left_out).chain(served).collect().await
}

/// Replaces the failure of a lane that an interrupted invocation of the run has recorded, and that did not stand: a lane in sync is
/// not recorded otherwise.
async fn replace_failure<L: WriteRuns>(ledger: &L, record: &LinkRecord) {
    let Some(lane) = &record.lane else {
        return;
    };
    let replaced = async {
        let known = ledger.link(record.run, lane).await?;
        match known {
            Some(known) if known.status == LinkStatus::Failed => ledger.put_link(record).await,
            Some(_) | None => Ok(()),
        }
    };
    if let Err(error) = replaced.await {
        tracing::warn!(run = %record.run, %lane, %error, "that the link is in sync after all could not be recorded");
    }
}

/// Reconciles a lane. A fault becomes its outcome.
pub(crate) async fn reconcile_or_fail<L, A, M, O, S, C>(
    context: &Context<L, A, M, O, S>,
    request: &ReconcileRequest<'_>,
    listings: &impl Listings,
    connection: &C,
) -> LinkOutcome
where
    L: Lanes + Products + WriteRuns,
    O: Bus,
    S: Clock,
    C: ReadCatalog + SendChanges,
{
    // Boxed, because the future of a lane is large.
    match Box::pin(reconcile(context, request, listings, connection)).await {
        Ok(outcome) => outcome,
        Err(error) => {
            let Goal {
                link, experience, ..
            } = request.goal;
            let lane = link.lane_of(experience);
            fail_link(context, request.run, link, Some(lane), &error).await
        }
    }
}

/// Observes a lane, decides, and applies the decision. If another writer is faster, it repeats that
/// within bounds.
pub async fn reconcile<L, A, M, O, S, C>(
    context: &Context<L, A, M, O, S>,
    request: &ReconcileRequest<'_>,
    listings: &impl Listings,
    connection: &C,
) -> Result<LinkOutcome, LinkError>
where
    L: Lanes + Products + WriteRuns,
    O: Bus,
    S: Clock,
    C: ReadCatalog + SendChanges,
{
    let ReconcileRequest { run, goal } = *request;
    for _ in 0..MOST_ATTEMPTS {
        let ledger = &context.ledger;
        let seen = observe(ledger, connection, listings, goal, context.now()).await?;
        let outcome = match decide(&goal, &seen, run) {
            Decision::ResumeRollback(undo) => {
                resume_rollback(context, request, &seen, undo, listings, connection).await?
            }
            decision => apply(context, request, &seen, decision, connection).await?,
        };
        if let Some(outcome) = outcome {
            return Ok(outcome);
        }
    }
    let lane: LaneId = goal.link.lane_of(goal.experience);
    Err(LinkError::Contended(lane.to_string()))
}

/// Resumes a rollback. Returns none if there is nothing to resume and the lane must be observed
/// again.
async fn resume_rollback<L, A, M, O, S, C>(
    context: &Context<L, A, M, O, S>,
    request: &ReconcileRequest<'_>,
    seen: &Observation,
    undo: Undo,
    listings: &impl Listings,
    connection: &C,
) -> Result<Option<LinkOutcome>, LinkError>
where
    L: Lanes + Products + WriteRuns,
    O: Bus,
    S: Clock,
    C: ReadCatalog + SendChanges,
{
    let ledger = &context.ledger;
    let Ok(desired) = desired_of(ledger, undo, &seen.lane).await? else {
        let mut next = seen.link_state.clone();
        next.grant = None;
        remember(
            ledger,
            &context.unannounced,
            &seen.lane,
            &seen.link_state,
            &next,
        )
        .await?;
        return Ok(None);
    };
    // What a replay releases was not shown, and would end the rollback.
    let none = BTreeSet::new();
    let goal = Goal {
        desired: &desired,
        rollback: true,
        lifted: &none,
        ..request.goal
    };
    let back = ReconcileRequest { goal, ..*request };
    let outcome = Box::pin(reconcile(context, &back, listings, connection)).await?;
    let over = matches!(
        outcome.record.status,
        LinkStatus::InSync | LinkStatus::Refused
    );
    Ok((!over).then_some(outcome))
}
