//! `pmp-sync approve`: executes a held plan, and waits until it is done.

use pmp_sync_domain::approval::ApprovalAction;
use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::lane::Phase;
use pmp_sync_domain::ports::Lanes as _;
use pmp_sync_domain::records::RunRecord;
use pmp_sync_domain::run::{LinkStatus, RunStatus};

use crate::client::approval::{ApprovalOptions, Named, named, request, serve};
use crate::client::context::Context;
use crate::client::holds::counts;
use crate::client::run::ended_well;
use crate::failure::Failure;
use crate::options::Common;
use crate::output;

/// What is approved.
pub(crate) type ApproveOptions = ApprovalOptions;

pub(crate) async fn run(common: &Common, options: &ApprovalOptions) -> Result<(), Failure> {
    let Named {
        context,
        known,
        run,
        hash,
    } = named(common, options).await?;
    let served = serve(
        common,
        &context,
        request(ApprovalAction::Approve, &known.lane, run, Some(hash)),
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
            LinkStatus::InSync => format!("{name}: nothing is left to do"),
            LinkStatus::Underway => format!("{name}: it was already under way"),
            LinkStatus::Suspended => {
                format!("{name}: it is approved, and done as soon as the link is resumed")
            }
            status => format!("{name}: {}", output::word(&status)),
        })?;
    }
    if rests(&context, &served.run, &known.lane).await? {
        context.note(
            "it is done; what still differs from the management experience is in another plan, see `pmp-sync plan`",
        );
        return Ok(());
    }
    ended_well(&served.run)
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
