//! What a link that changes nothing would do if it acted.

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::answers::plan::{IfActing, PreviewDecision};
use pmp_sync_domain::error::LinkError;
use pmp_sync_domain::link::{LinkPolicy, Mode};
use pmp_sync_domain::ports::{Lanes, Products, ReadCatalog, ReadRuns};
use pmp_sync_domain::reconcile::{Goal, decide_plan};
use pmp_sync_domain::records::HeldPart;

use super::survey::observe_lane;

/// The policy of the link if it acted: not frozen, and in the mode `mirror` if it only observes. None if it acts.
pub(super) fn acting(policy: &LinkPolicy) -> Option<LinkPolicy> {
    if policy.mode.acts() && !policy.frozen {
        return None;
    }
    let mode = if policy.mode.acts() {
        policy.mode
    } else {
        Mode::Mirror
    };
    Some(LinkPolicy {
        mode,
        frozen: false,
        ..policy.clone()
    })
}

/// Plans for a link as if its policy were this one. A suspension stays out of it: what is asked is what the
/// link would change.
pub(super) async fn if_acting<L: Lanes + Products + ReadRuns, C: ReadCatalog>(
    ledger: &L,
    member: &C,
    goal: Goal<'_>,
    policy: &LinkPolicy,
    now: Timestamp,
) -> Result<IfActing, LinkError> {
    let goal = Goal {
        policy,
        suspension: None,
        ..goal
    };
    let seen = observe_lane(ledger, member, goal, now).await?;
    let decision = PreviewDecision::of(&decide_plan(&goal, &seen, None));
    Ok(IfActing {
        mode: policy.mode,
        decision: match decision {
            // What the lane works on is not the plan of the link that changes nothing.
            PreviewDecision::Underway => PreviewDecision::Commit,
            decision => decision,
        },
        allow: seen.plan.allow().iter().cloned().collect(),
        deny: seen.plan.deny().iter().cloned().collect(),
        removals: seen.report.removals,
        fewest_change_sets: seen.plan.fewest_change_sets(),
        left_alone: seen.report.left_alone,
        held: HeldPart::from(&seen.held),
        held_for: seen.guards.reasons,
    })
}
