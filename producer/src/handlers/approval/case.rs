//! A request about a hold with its link, and why it may have no effect.

use std::collections::BTreeSet;

use pmp_sync_domain::approval::{ApprovalRequest, Ask, Hold, Refused};
use pmp_sync_domain::error::LinkError;
use pmp_sync_domain::hint::Hint;
use pmp_sync_domain::ids::{ProductId, RunId};
use pmp_sync_domain::link::{Link, LinkPolicy};
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::ports::{Bus, Clock, ReadRuns, WriteRuns};
use pmp_sync_domain::reconcile::{DesiredState, Goal};
use pmp_sync_domain::records::{LinkRecord, LinkState};
use pmp_sync_domain::run::LinkStatus;

use crate::context::Context;
use crate::reconcile::outcome::{LinkOutcome, blank};
use crate::reconcile::remember::remember;
use crate::setup::Setup;

/// Why a request about a hold has no effect.
pub(super) enum Rejected {
    /// The request does not fit the current state.
    Refused(Refused),
    /// A call failed.
    Failed(LinkError),
}

impl From<LinkError> for Rejected {
    fn from(error: LinkError) -> Self {
        Self::Failed(error)
    }
}

pub(super) fn refused(why: &str) -> Rejected {
    Rejected::Refused(why.into())
}

pub(super) fn refused_with(why: &str, hint: Hint) -> Rejected {
    let (why, hints) = (why.to_owned(), vec![hint]);
    Rejected::Refused(Refused { why, hints })
}

/// A request with its link.
pub(super) struct Case<'a> {
    pub(super) run: RunId,
    pub(super) request: &'a ApprovalRequest,
    pub(super) setup: &'a Setup,
    pub(super) link: &'a Link,
    pub(super) policy: LinkPolicy,
    pub(super) lifted: BTreeSet<ProductId>,
    pub(super) ask: Ask,
}

impl Case<'_> {
    pub(super) fn goal<'a>(&'a self, desired: &'a DesiredState, rollback: bool) -> Goal<'a> {
        let experience = &self.request.lane.experience;
        Goal {
            link: self.link,
            policy: &self.policy,
            experience,
            desired,
            lifted: &self.lifted,
            rollback,
            suspension: self.setup.suspension(self.link, experience),
        }
    }
}

pub(super) fn bare<L, A, M, O, S: Clock>(
    context: &Context<L, A, M, O, S>,
    case: &Case<'_>,
    status: LinkStatus,
) -> LinkOutcome {
    LinkOutcome::new(LinkRecord {
        lane: Some(case.request.lane.clone()),
        status,
        ..blank(case.run, case.link, context.now())
    })
}

/// The hold that the request names, and whether it is a rollback.
pub(super) fn asked_for<'a>(
    known: &'a LinkState,
    request: &ApprovalRequest,
) -> Option<(&'a Hold, bool)> {
    let of_plan = known.hold.as_ref().map(|hold| (hold, false));
    let of_rollback = known.restore.as_ref().map(|hold| (hold, true));
    let is_asked_for = |(hold, _): &(&Hold, bool)| {
        hold.run == request.run && Some(&hold.plan_hash) == request.plan_hash.as_ref()
    };
    of_plan.into_iter().chain(of_rollback).find(is_asked_for)
}

/// What the record of a hold shows. None if it is not on record any more.
pub(super) async fn shown<L: ReadRuns>(
    ledger: &L,
    case: &Case<'_>,
    hold: &Hold,
) -> Result<Option<Plan>, LinkError> {
    let record = ledger.link(hold.run, &case.request.lane).await;
    let shown = record
        .map_err(LinkError::Ledger)?
        .map(|record| record.shown());
    Ok(shown.filter(|shown| shown.hash() == hold.plan_hash))
}

pub(super) fn stale(known: &LinkState, request: &ApprovalRequest) -> Refused {
    Refused::stale(&request.lane, known.holds())
}

/// Writes the link state. The request has no effect if another writer was faster.
pub(super) async fn write<L: WriteRuns, A, M, O: Bus, S>(
    context: &Context<L, A, M, O, S>,
    case: &Case<'_>,
    old: &LinkState,
    next: &LinkState,
) -> Result<(), Rejected> {
    let lane = &case.request.lane;
    if remember(&context.ledger, &context.unannounced, lane, old, next).await? {
        Ok(())
    } else {
        Err(LinkError::Contended(lane.to_string()).into())
    }
}
