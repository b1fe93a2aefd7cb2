//! What every query begins with, and how it observes lanes.

use std::collections::{BTreeMap, BTreeSet};

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::answers::left_out::LeftOutLink;
use pmp_sync_domain::answers::why::Seen;
use pmp_sync_domain::error::{LinkError, RunError};
use pmp_sync_domain::ids::{ExperienceId, LaneId, ProductId};
use pmp_sync_domain::lane::LaneState;
use pmp_sync_domain::link::{Link, LinkPolicy};
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::ports::{Lanes, Products, ReadCatalog, ReadRuns};
use pmp_sync_domain::reconcile::{DesiredState, Goal, Observation, decide_plan, is_announced};
use pmp_sync_domain::sync_state::{LinkFacts, SyncState};
use pmp_sync_domain::wire::Scope;

use crate::claims::Claims;
use crate::reach::{DesiredStates, read_management};
use crate::reconcile::expired::or_expired;
use crate::reconcile::listings::CachedListings;
use crate::reconcile::observe::{edits_among, observe, observe_after, seen_before};
use crate::setup::Setup;

/// Links that are observed concurrently.
pub(super) const LINKS_AT_ONCE: usize = 8;
/// Lanes of one `*` link that are observed concurrently.
pub(super) const LANES_AT_ONCE: usize = 4;
/// The largest answer, in bytes. Lambda's limit is 6 MB (6,291,556 bytes).
pub(super) const MOST_BYTES: usize = 6_000_000;

/// The configuration, and the desired states of the selected links.
pub(super) struct Survey {
    pub(super) setup: Setup,
    pub(super) scopes: [Scope; 1],
    pub(super) desired: DesiredStates,
    pub(super) claims: Claims,
}

impl Survey {
    pub(super) async fn new<L: ReadRuns, C: ReadCatalog>(
        ledger: &L,
        catalog: &C,
        scope: &Scope,
    ) -> Result<Self, RunError> {
        Self::at(ledger, catalog, scope, None).await
    }

    /// The same with a version of the configuration, or the newest.
    pub(super) async fn at<L: ReadRuns, C: ReadCatalog>(
        ledger: &L,
        catalog: &C,
        scope: &Scope,
        version: Option<u64>,
    ) -> Result<Self, RunError> {
        let stored = match version {
            Some(version) => ledger.config_version(version).await?,
            None => ledger.config().await?,
        };
        let setup = Setup::of(ledger, &stored.ok_or(RunError::NoConfig)?).await?;
        Ok(Self::of(setup, catalog, scope).await)
    }

    /// The same with a setup.
    pub(super) async fn of<C: ReadCatalog>(setup: Setup, catalog: &C, scope: &Scope) -> Self {
        let scopes = [scope.clone()];
        let desired = read_management(catalog, setup.links_in(&scopes)).await;
        Self {
            setup,
            scopes,
            desired,
            claims: Claims::default(),
        }
    }

    /// The links that the scope covers.
    pub(super) fn links(&self) -> Vec<&Link> {
        self.setup.links_in(&self.scopes)
    }
}

/// A lane that a query observes.
#[derive(Clone, Copy)]
pub(super) struct LaneQuery<'a> {
    pub(super) setup: &'a Setup,
    pub(super) link: &'a Link,
    pub(super) experience: &'a ExperienceId,
    pub(super) desired: &'a DesiredState,
    pub(super) lifted: &'a BTreeSet<ProductId>,
}

impl<'a> LaneQuery<'a> {
    pub(super) fn policy(&self) -> LinkPolicy {
        self.setup.policy(self.link, self.experience)
    }

    pub(super) fn goal(&self, policy: &'a LinkPolicy) -> Goal<'a> {
        Goal {
            link: self.link,
            policy,
            experience: self.experience,
            desired: self.desired,
            lifted: self.lifted,
            rollback: false,
            suspension: self.setup.suspension(self.link, self.experience),
        }
    }
}

/// Observes a lane as a run would, with stored listings only.
pub(super) async fn observe_lane<L: Lanes + Products + ReadRuns, C: ReadCatalog>(
    ledger: &L,
    member: &C,
    goal: Goal<'_>,
    now: Timestamp,
) -> Result<Observation, LinkError> {
    observe(ledger, member, &CachedListings(ledger), goal, now).await
}

/// Observes a lane and converts it with `tell`. The lane's products are read before the lane and
/// the lists, so that a change that ends in between is at worst reported as still open.
pub(super) async fn look_at<L: Lanes + Products + ReadRuns, C: ReadCatalog, T>(
    ledger: &L,
    member: &C,
    of: LaneQuery<'_>,
    now: Timestamp,
    tell: impl FnOnce(&Seen<'_>, SyncState) -> T,
) -> Result<T, LinkError> {
    let lane = of.link.lane_of(of.experience);
    let changes = ledger.products(&lane).await.map_err(LinkError::Ledger)?;
    let policy = of.policy();
    let goal = of.goal(&policy);
    let listings = CachedListings(ledger);
    let earlier = Some(changes);
    let mut seen = observe_after(ledger, member, &listings, goal, now, earlier).await?;
    let changes = seen.changes.take().unwrap_or_default();
    let list = seen_before(ledger, &seen).await;
    let edited = edits_among(&seen, &changes, list.as_ref(), None);
    let last: BTreeMap<_, _> = changes
        .into_iter()
        .map(|change| (change.product.clone(), change))
        .collect();
    let left_alone = seen.report.left_alone.iter();
    let left_alone = left_alone.map(|left| (left.product.clone(), left.clone()));
    let committed = committed(ledger, &lane, seen.state()).await?;
    let state = LinkFacts::observed(&seen, &decide_plan(&goal, &seen, None)).state();
    let told = Seen {
        experience: of.experience,
        desired: &of.desired.policy,
        sources: &of.desired.sources,
        actual: &seen.actual,
        state: seen.state(),
        last: &last,
        plan: &seen.plan,
        held: &seen.held,
        left_alone: &left_alone.collect(),
        committed: committed.as_ref(),
        held_for: &seen.guards.reasons,
        goes_on: seen.goes_on_while_held(),
        link_state: &seen.link_state,
        suspension: goal.suspension,
        edited: &edited,
        at: seen.at,
    };
    Ok(tell(&told, state))
}

/// The state of a link that cannot be observed, or is held without a plan.
pub(super) fn state_of(error: &LinkError) -> SyncState {
    let facts = if error.is_guarded() {
        LinkFacts {
            is_held: true,
            ..LinkFacts::default()
        }
    } else {
        LinkFacts {
            is_unreachable: !error.is_warning(),
            ..LinkFacts::default()
        }
    };
    facts.state()
}

/// The committed plan, while not all of it has been taken.
async fn committed<L: ReadRuns>(
    ledger: &L,
    lane: &LaneId,
    state: &LaneState,
) -> Result<Option<Plan>, LinkError> {
    let Some(run) = state.planned_run().filter(|_| is_announced(state)) else {
        return Ok(None);
    };
    let record = or_expired(ledger.link(run, lane).await, &mut Vec::new())?;
    Ok(record.map(|record| record.plan()))
}

/// The experiences that a `*` link leaves out.
pub(super) fn left_out_links(
    link: &Link,
    left_out: Vec<(ExperienceId, LinkError)>,
) -> Vec<LeftOutLink> {
    let left_out = left_out.into_iter().map(|(experience, error)| LeftOutLink {
        member: link.member.name.clone(),
        account: link.member.account.clone(),
        experience,
        sources: link.sources.clone(),
        fault: error.record(),
    });
    left_out.collect()
}

/// Refuses an answer above Lambda's limit with an error that has a remedy.
pub(super) fn fitting<T: serde::Serialize>(
    answer: T,
    told: impl FnOnce(usize, usize) -> String,
) -> Result<T, RunError> {
    let bytes = serde_json::to_vec(&answer).map_or(usize::MAX, |text| text.len());
    if bytes <= MOST_BYTES {
        Ok(answer)
    } else {
        Err(RunError::TooLarge(told(bytes, MOST_BYTES)))
    }
}
