//! Everything that the ledger has of a run.

use pmp_sync_domain::approval::ApprovalAction;
use pmp_sync_domain::ids::LaneId;
use pmp_sync_domain::ports::ReadSets as _;
use pmp_sync_domain::product::Names;
use pmp_sync_domain::records::{DeadLetterRecord, LinkRecord, Request, RunRecord, SetRecord};
use pmp_sync_domain::run::LinkStatus;
use schemars::JsonSchema;
use serde::Serialize;

use crate::client::context::Context;
use crate::client::products::names;
use crate::failure::Failure;

/// Everything that the ledger has of a run.
pub(super) struct Whole {
    pub(super) run: RunRecord,
    pub(super) links: Vec<LinkRecord>,
    /// The change sets of the run, with their lanes.
    pub(super) changes: Vec<(LaneId, SetRecord)>,
    pub(super) letters: Vec<DeadLetterRecord>,
    /// The names of all products in it.
    pub(super) names: Names,
}

impl Whole {
    pub(super) async fn read(context: &Context, run: RunRecord) -> Result<Self, Failure> {
        let links = context.readable(context.ledger.links(run.run).await?);
        let mut changes = Vec::new();
        for lane in links.iter().filter_map(|link| link.lane.as_ref()) {
            let sets = context.readable(context.ledger.sets(lane, Some(run.run)).await?);
            changes.extend(sets.into_iter().map(|set| (lane.clone(), set)));
        }
        let letters = context.readable(context.ledger.dead_letters(run.run).await?);
        let of_links = links.iter().flat_map(LinkRecord::products);
        let of_letters = letters.iter().filter_map(|letter| letter.product.as_ref());
        let sets = changes.iter();
        let of_sets = sets.flat_map(|(_, set)| set.allow.iter().chain(&set.deny));
        let products = of_links.chain(of_letters).chain(of_sets);
        let names = names(context, &products.cloned().collect()).await;
        Ok(Self {
            run,
            links,
            changes,
            letters,
            names,
        })
    }

    /// The change sets on the lane of a link.
    pub(super) fn changes_on(&self, link: &LinkRecord) -> impl Iterator<Item = &SetRecord> {
        let on_lane = self.changes.iter();
        let on_lane = on_lane.filter(move |(lane, _)| link.lane.as_ref() == Some(lane));
        on_lane.map(|(_, set)| set)
    }
}

/// The result of a request about a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// The link could not be observed.
    Failed,
    /// The request was refused.
    Refused,
    /// The held plan was approved.
    Approved,
    /// The held plan was approved by one person, and takes a second one.
    ApprovedByOne,
    /// The held plan was rejected.
    Rejected,
    /// The lists already are as they were before the run.
    NothingToRestore,
    /// The rollback is planned and held.
    RestorePlanned,
    /// Nothing of what the run changed is left.
    NothingToRevert,
    /// The reversal of the run is planned and held.
    RevertPlanned,
}

/// True if a request is an answer to a hold, or asks for a rollback.
pub(super) fn is_about_a_hold(request: &Request) -> bool {
    [
        ApprovalAction::Approve,
        ApprovalAction::Reject,
        ApprovalAction::Restore,
        ApprovalAction::Revert,
    ]
    .iter()
    .any(|action| action.kind() == request.kind)
}

/// The result of the request about a hold that a run served on a link.
pub(super) fn verdict(link: &LinkRecord) -> Option<Verdict> {
    let approval = link.approval.as_ref()?;
    Some(match approval.action {
        _ if link.fault.is_some() => Verdict::Failed,
        _ if approval.refused.is_some() => Verdict::Refused,
        ApprovalAction::Approve if approval.people.is_some() => Verdict::ApprovedByOne,
        ApprovalAction::Approve => Verdict::Approved,
        ApprovalAction::Reject => Verdict::Rejected,
        ApprovalAction::Restore if link.status == LinkStatus::InSync => Verdict::NothingToRestore,
        ApprovalAction::Restore => Verdict::RestorePlanned,
        ApprovalAction::Revert if link.status == LinkStatus::InSync => Verdict::NothingToRevert,
        ApprovalAction::Revert => Verdict::RevertPlanned,
    })
}
