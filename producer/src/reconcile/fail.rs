//! Links that could not be reconciled: records them, and announces what is known of their lanes.

use pmp_sync_domain::error::{LinkError, ServiceError};
use pmp_sync_domain::ids::{ExperienceId, LaneId, RunId};
use pmp_sync_domain::link::Link;
use pmp_sync_domain::ports::{Bus, Clock, Lanes, WriteRuns};
use pmp_sync_domain::reconcile::notices_of_fault;
use pmp_sync_domain::records::{LinkRecord, LinkState};
use pmp_sync_domain::retry::Missed;
use pmp_sync_domain::run::LinkStatus;

use super::marks::register_news;
use super::outcome::{LinkOutcome, blank};
use super::remember::remember;
use crate::claims::is_anothers;
use crate::context::Context;
use crate::setup::Setup;

/// Records that a link has failed, and announces the state of its lane without observing it.
pub(crate) async fn fail_link<L: Lanes + WriteRuns, A, M, O: Bus, S: Clock>(
    context: &Context<L, A, M, O, S>,
    run: RunId,
    link: &Link,
    lane: Option<LaneId>,
    error: &LinkError,
) -> LinkOutcome {
    tracing::error!(%run, member = %link.member.name, lane = lane.as_ref().map(tracing::field::display), code = error.code(), %error, remedy = error.remedy(), "the link has failed");
    let record = LinkRecord {
        lane: lane.clone(),
        status: if error.is_warning() {
            LinkStatus::NoTargets
        } else if error.is_guarded() {
            LinkStatus::Held
        } else {
            LinkStatus::Failed
        },
        fault: Some(error.record()),
        ..blank(run, link, context.now())
    };
    if let Err(error) = record_failure(&context.ledger, &record).await {
        tracing::error!(%run, member = %link.member.name, %error, "the failure of a link could not be recorded");
    }
    if let Some(lane) = &lane {
        notice_failure(context, link, lane, error, &record).await;
    }
    let experience = lane.as_ref().map(|lane| &lane.experience);
    LinkOutcome {
        missed: Missed::of(link, experience, error),
        ..LinkOutcome::new(record)
    }
}

/// Records the experiences that `*` leaves out because of other links. Nothing has failed, and nothing
/// is done there.
pub(crate) async fn left_out<L: WriteRuns, A, M, O, S: Clock>(
    context: &Context<L, A, M, O, S>,
    run: RunId,
    link: &Link,
    left_out: &[(ExperienceId, LinkError)],
) -> Vec<LinkOutcome> {
    let mut outcomes = Vec::new();
    for (experience, error) in left_out {
        let lane = link.lane_of(experience);
        tracing::warn!(%run, %lane, code = error.code(), %error, "an experience is left out");
        let record = LinkRecord {
            lane: Some(lane),
            status: LinkStatus::LeftOut,
            fault: Some(error.record()),
            ..blank(run, link, context.now())
        };
        if let Err(error) = context.ledger.put_link(&record).await {
            tracing::error!(%run, %experience, %error, "that an experience is left out could not be recorded");
        }
        outcomes.push(LinkOutcome::new(record));
    }
    outcomes
}

/// Records a failure. A plan that this run may have committed before, in an interrupted invocation,
/// stays in the record.
async fn record_failure<L: WriteRuns>(ledger: &L, failed: &LinkRecord) -> Result<(), ServiceError> {
    let known = match &failed.lane {
        Some(lane) => ledger.link(failed.run, lane).await?,
        None => None,
    };
    let record = match known {
        Some(known) => LinkRecord {
            // Nothing of a held plan is committed, and it may already wait for approval.
            status: match known.status {
                LinkStatus::Held => LinkStatus::Held,
                _ => LinkStatus::Failed,
            },
            fault: failed.fault.clone(),
            at: failed.at,
            ..known
        },
        None => failed.clone(),
    };
    ledger.put_link(&record).await
}

/// Announces what is known of a lane that could not be observed. It takes two reads.
async fn notice_failure<L: Lanes + WriteRuns, A, M, O: Bus, S: Clock>(
    context: &Context<L, A, M, O, S>,
    link: &Link,
    lane: &LaneId,
    error: &LinkError,
    record: &LinkRecord,
) {
    // These errors say nothing about the link.
    if matches!(error, LinkError::Ledger(_) | LinkError::Contended(_)) {
        return;
    }
    if let Err(error) = notice_unseen(context, link, lane, error, record).await {
        tracing::warn!(%lane, %error, "whether the link is stale cannot be determined");
    }
}

/// Like [`notice_failure`], for a `*` link: for each lane that it was ever planned for. It takes
/// one more query.
pub(crate) async fn notice_failures<L: Lanes + WriteRuns, A, M, O: Bus, S: Clock>(
    context: &Context<L, A, M, O, S>,
    setup: &Setup,
    link: &Link,
    error: &LinkError,
    record: &LinkRecord,
) {
    let entries = match context.ledger.lanes().await {
        Ok(entries) => entries.items,
        Err(error) => {
            tracing::warn!(member = %link.member.name, %error, "whether the links of the member are stale cannot be determined");
            return;
        }
    };
    let is_mine = |lane: &LaneId| {
        lane.account == link.member.account
            && setup.config.is_free(&lane.experience)
            && !is_anothers(setup, &entries, lane)
    };
    for entry in entries.iter().filter(|entry| is_mine(&entry.lane)) {
        notice_failure(context, link, &entry.lane, error, record).await;
    }
}

async fn notice_unseen<L: Lanes + WriteRuns, A, M, O: Bus, S: Clock>(
    context: &Context<L, A, M, O, S>,
    link: &Link,
    lane: &LaneId,
    error: &LinkError,
    record: &LinkRecord,
) -> Result<(), LinkError> {
    let ledger = &context.ledger;
    let state = ledger.state(lane).await.map_err(LinkError::Ledger)?;
    let known = ledger.link_state(lane).await.map_err(LinkError::Ledger)?;
    let notices = notices_of_fault(link, lane, &state, &known, error, context.now());
    let next = LinkState {
        notices,
        ..known.clone()
    };
    // The lane may never have been planned for.
    register_news(ledger, lane, &next, record).await?;
    // Another writer was faster: the next observation compares again.
    let written = remember(ledger, &context.unannounced, lane, &known, &next).await;
    written.map(drop)
}
