//! Looking at a link without changing anything: what the management experience says, what the member
//! experience has, what the lane is at, and what follows. Holds read ports only.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, stream};
use pmp_sync_domain::Timestamp;
use pmp_sync_domain::commit::{Decision, Question};
use pmp_sync_domain::config::Config;
use pmp_sync_domain::error::{Kind, LinkError};
use pmp_sync_domain::experience::Status;
use pmp_sync_domain::ids::{ExperienceId, LaneId, ProductId};
use pmp_sync_domain::lane::Quarantined;
use pmp_sync_domain::link::{Link, LinkPolicy, Target};
use pmp_sync_domain::message::Scope;
use pmp_sync_domain::plan::{Plan, Reason, Report, plan};
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::ports::{Lane, Lanes, ReadCatalog, ReadRuns};

/// Experiences of one organization that are read at the same time: DescribeEntity takes 20 a second
/// for each account (catalog quotas).
const READS_AT_ONCE: usize = 4;

/// What a management experience wants, or why nothing can be planned from it.
pub(crate) type Desired = Result<PolicySnapshot, LinkError>;

/// What was found on a link.
#[derive(Debug)]
pub(crate) struct Inspection {
    pub(crate) lane: LaneId,
    pub(crate) before: Lane,
    pub(crate) plan: Plan,
    pub(crate) report: Report,
    pub(crate) decision: Decision,
    /// Quarantined changes that are not wanted any more.
    pub(crate) released: Vec<Quarantined>,
    /// Quarantined changes that are tried again under this plan.
    pub(crate) lifted: Vec<Quarantined>,
    /// How many stay in quarantine.
    pub(crate) quarantined: usize,
}

impl Inspection {
    /// True if the member's own rules keep something back.
    pub(crate) fn is_kept_back(&self) -> bool {
        let mut left = self.report.left_alone.iter();
        left.any(|left| left.reason == Reason::MemberBrake)
    }
}

/// Reads every management experience once.
pub(crate) async fn read_management<C: ReadCatalog>(
    catalog: &C,
    experiences: BTreeSet<ExperienceId>,
) -> BTreeMap<ExperienceId, Desired> {
    stream::iter(experiences)
        .map(|id| async move {
            let desired = read_desired(catalog, &id).await;
            if let Err(error) = &desired {
                tracing::error!(management_experience = %id, code = error.code(), %error, "nothing is planned from the management experience");
            }
            (id, desired)
        })
        .buffer_unordered(READS_AT_ONCE)
        .collect()
        .await
}

/// An experience that is empty, disabled, archived or without a policy is an error, never a plan:
/// everything would be denied, or allowed, because of what is most likely a mistake.
async fn read_desired<C: ReadCatalog>(catalog: &C, id: &ExperienceId) -> Desired {
    let unreadable = |error: pmp_sync_domain::error::ServiceError| match error.kind {
        Kind::NotFound => LinkError::ManagementNotFound(id.clone()),
        _ => LinkError::ManagementUnreadable(id.clone(), error),
    };
    let experience = catalog.experience(id).await.map_err(unreadable)?;
    if experience.archived {
        return Err(LinkError::ManagementArchived(id.clone()));
    }
    match &experience.status {
        Status::Enabled => {}
        Status::Disabled => {
            return Err(LinkError::ManagementDisabled(
                id.clone(),
                "Disabled".to_owned(),
            ));
        }
        Status::Other(status) => {
            return Err(LinkError::ManagementDisabled(id.clone(), status.clone()));
        }
    }
    let Some(policy) = &experience.policy else {
        return Err(LinkError::ManagementNoPolicy(id.clone()));
    };
    let snapshot = catalog
        .policy(policy)
        .await
        .map_err(|error| LinkError::ManagementUnreadable(id.clone(), error))?;
    if snapshot.allowed().is_empty() {
        return Err(LinkError::ManagementEmpty(id.clone()));
    }
    Ok(snapshot)
}

/// The member experiences that a link is for, of those that the scopes cover. `*` takes the live ones
/// that no link names.
pub(crate) async fn targets<C: ReadCatalog>(
    catalog: &C,
    config: &Config,
    link: &Link,
    scopes: &[Scope],
) -> Result<Vec<ExperienceId>, LinkError> {
    let covered = |id: &ExperienceId| {
        scopes
            .iter()
            .any(|scope| scope.covers(&link.member.name, id))
    };
    if let Target::One(experience) = &link.target {
        return Ok(if covered(experience) {
            vec![experience.clone()]
        } else {
            Vec::new()
        });
    }
    let unreadable = |error| LinkError::MemberUnreadable(link.member.account.clone(), error);
    let named = config.named_lanes(&link.member.name);
    let ids = catalog.experiences().await.map_err(unreadable)?;
    let candidates = ids
        .into_iter()
        .filter(|id| covered(id) && !named.contains(&link.lane_of(id)));
    let live: Vec<_> = stream::iter(candidates)
        .map(|id| async move {
            catalog
                .experience(&id)
                .await
                .map(|experience| experience.is_live().then_some(id))
        })
        .buffered(READS_AT_ONCE)
        .collect()
        .await;
    live.into_iter()
        .filter_map(Result::transpose)
        .collect::<Result<_, _>>()
        .map_err(unreadable)
}

/// Looks at one member experience; of the quarantined products those that are `lifted` are tried
/// again. The lane is read before the member's policy: what ends in between
/// is then still in the overlay, and at worst planned once too often.
pub(crate) async fn inspect<L: Lanes + ReadRuns, C: ReadCatalog>(
    ledger: &L,
    catalog: &C,
    link: &Link,
    experience: &ExperienceId,
    desired: &PolicySnapshot,
    lifted: &BTreeSet<ProductId>,
    now: Timestamp,
) -> Result<Inspection, LinkError> {
    let lane = link.lane_of(experience);
    let state = ledger.state(&lane).await.map_err(LinkError::Ledger)?;
    let open = ledger.open(&lane).await.map_err(LinkError::Ledger)?;
    let quarantined = ledger.quarantined(&lane).await.map_err(LinkError::Ledger)?;
    let actual = read_member(catalog, link, experience).await?;
    let (again, quarantined): (Vec<_>, Vec<_>) = quarantined
        .into_iter()
        .partition(|aside| lifted.contains(&aside.product));
    let aside = quarantined.iter().map(Quarantined::change).collect();
    let (plan, report) = plan(desired, &actual, &state.view(aside), &link.policy);
    let is_wanted = |aside: &Quarantined| {
        let standing = |policy: &PolicySnapshot| policy.standing(&aside.product);
        LinkPolicy::wanted(standing(desired), standing(&actual)) == Some(aside.action)
    };
    let released = quarantined.iter().filter(|aside| !is_wanted(aside));
    let staying = quarantined.len() - released.clone().count();
    // One that is lifted and not in the plan loses its dead letter now. Were it left aside, and its
    // change wanted again, no replay would ever find it.
    let is_planned = |aside: &&Quarantined| plan.contains(&aside.change());
    let lost = again.iter().filter(|aside| !is_planned(aside));
    let released: Vec<_> = released.chain(lost).cloned().collect();
    let lifted: Vec<_> = again.iter().filter(is_planned).cloned().collect();
    let mut question = Question {
        plan: &plan,
        state: &state,
        open: &open,
        committed: None,
        desired,
        link: &link.policy,
        renewed: !lifted.is_empty(),
    };
    let committed = match state.planned_run() {
        Some(run) if question.needs_committed(now) => ledger
            .link(run, &lane)
            .await
            .map_err(LinkError::Ledger)?
            .map(|record| record.plan()),
        _ => None,
    };
    question.committed = committed.as_ref();
    let decision = question.decide(now);
    Ok(Inspection {
        lane,
        before: Lane { state, open },
        plan,
        report,
        decision,
        quarantined: staying,
        released,
        lifted,
    })
}

async fn read_member<C: ReadCatalog>(
    catalog: &C,
    link: &Link,
    id: &ExperienceId,
) -> Result<PolicySnapshot, LinkError> {
    let account = &link.member.account;
    let unreadable = |error: pmp_sync_domain::error::ServiceError| match error.kind {
        Kind::NotFound => LinkError::MemberNotFound(account.clone(), id.clone()),
        _ => LinkError::MemberUnreadable(account.clone(), error),
    };
    let experience = catalog.experience(id).await.map_err(unreadable)?;
    if experience.archived {
        return Err(LinkError::MemberArchived(account.clone(), id.clone()));
    }
    let Some(policy) = &experience.policy else {
        return Err(LinkError::MemberNoPolicy(account.clone(), id.clone()));
    };
    catalog.policy(policy).await.map_err(unreadable)
}
