//! The two sides of links: the desired states of management experiences, and access to member
//! experiences.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{StreamExt as _, stream};
use pmp_sync_domain::config::Config;
use pmp_sync_domain::error::{Kind, LinkError, ServiceError};
use pmp_sync_domain::experience::Status;
use pmp_sync_domain::guard::HoldReason;
use pmp_sync_domain::ids::ExperienceId;
use pmp_sync_domain::link::{Link, Member, Target};
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::ports::{Members, ReadCatalog, ReadRuns};
use pmp_sync_domain::reconcile::{DesiredState, SourceState};
use pmp_sync_domain::sources::{Conflict, Sources};
use pmp_sync_domain::wire::Scope;

use crate::claims::Claims;
use crate::context::Context;
use crate::setup::Setup;
use crate::targets::Targets;

/// Experiences of one organization that are read concurrently: the quota of DescribeEntity is 20 a
/// second for each account (Catalog API quotas).
pub(crate) const READS_AT_ONCE: usize = 4;

/// A management experience as it was read, or why nothing can be planned from it.
pub(crate) type ReadSource = Result<SourceState, LinkError>;

/// What the links of a run want.
#[derive(Default)]
pub(crate) struct DesiredStates {
    /// The management experiences, each read once.
    pub(crate) sources: BTreeMap<ExperienceId, ReadSource>,
    /// The desired states, one for all links that follow the same management experiences.
    unions: BTreeMap<(Sources, Conflict), DesiredState>,
}

impl DesiredStates {
    /// The conditions of a management experience for the links that follow it.
    pub(crate) fn conditions(&self, id: &ExperienceId, source: &SourceState) -> Vec<HoldReason> {
        let mut unions = self.unions.iter();
        let alone = unions.find(|((of, _), _)| !of.are_several() && of.first() == id);
        alone.map_or_else(
            || source.conditions_among_others(),
            |(_, desired)| desired.conditions.clone(),
        )
    }
}

/// Reads the management experiences of the links, each once.
pub(crate) async fn read_management<C: ReadCatalog>(
    catalog: &C,
    links: impl IntoIterator<Item = &Link>,
) -> DesiredStates {
    let links = links.into_iter();
    let wanted: BTreeSet<_> = links
        .map(|link| (link.sources.clone(), link.conflict))
        .collect();
    let experiences: BTreeSet<_> = wanted
        .iter()
        .flat_map(|(sources, _)| sources.iter().cloned())
        .collect();
    let sources: BTreeMap<_, _> = stream::iter(experiences)
        .map(|id| async move {
            let source = read_source(catalog, &id).await;
            if let Err(error) = &source {
                tracing::error!(management_experience = %id, code = error.code(), %error, "nothing is planned from the management experience");
            }
            (id, source)
        })
        .buffer_unordered(READS_AT_ONCE)
        .collect()
        .await;
    let unions = wanted.into_iter().filter_map(|(of, conflict)| {
        let source = |id| Some((id, sources.get(id)?.as_ref().ok()?));
        // Nothing is planned from a part: what an unreadable one allows would be denied.
        let read = of.iter().map(source).collect::<Option<Vec<_>>>()?;
        let desired = DesiredState::of_sources(read, conflict);
        Some(((of, conflict), desired))
    });
    DesiredStates {
        unions: unions.collect(),
        sources,
    }
}

/// The desired state of a link. If several of its management experiences cannot be read, the error is
/// one that somebody has to act on, rather than one that may pass.
#[expect(
    clippy::result_large_err,
    reason = "every caller goes on with an error of this type"
)]
pub(crate) fn desired_for<'d>(
    link: &Link,
    desired: &'d DesiredStates,
) -> Result<&'d DesiredState, LinkError> {
    let of = (link.sources.clone(), link.conflict);
    if let Some(desired) = desired.unions.get(&of) {
        return Ok(desired);
    }
    let errors = || {
        let sources = link.sources.iter();
        let read = sources.filter_map(|id| desired.sources.get(id));
        read.filter_map(|source| source.as_ref().err())
    };
    let error = errors().find(|error| error.is_guarded());
    let error = error.or_else(|| errors().next()).cloned();
    let unknown = || LinkError::ManagementNotFound(link.sources.first().clone());
    Err(error.unwrap_or_else(unknown))
}

/// Reads a management experience with its conditions. One that is empty, disabled, archived or without
/// a policy is most likely a mistake, and would deny everything. Its lists are planned, and held.
async fn read_source<C: ReadCatalog>(catalog: &C, id: &ExperienceId) -> ReadSource {
    let unreadable = |error: ServiceError| match error.kind {
        Kind::NotFound => LinkError::ManagementNotFound(id.clone()),
        _ => LinkError::ManagementUnreadable(id.clone(), error),
    };
    let experience = catalog.experience(id).await.map_err(unreadable)?;
    let mut conditions = Vec::new();
    if experience.archived {
        conditions.push(HoldReason::ManagementArchived { experience: None });
    } else {
        let status = match &experience.status {
            Status::Enabled => None,
            Status::Disabled => Some("Disabled".to_owned()),
            Status::Other(status) => Some(status.clone()),
        };
        conditions.extend(status.map(|status| HoldReason::ManagementDisabled {
            status,
            experience: None,
        }));
    }
    let policy = match &experience.policy {
        Some(policy) => catalog
            .policy(policy)
            .await
            .map_err(|error| LinkError::ManagementUnreadable(id.clone(), error))?,
        None => PolicySnapshot::default(),
    };
    if experience.policy.is_none() {
        conditions.push(HoldReason::ManagementNoPolicy { experience: None });
    }
    Ok(SourceState {
        policy: Arc::new(policy),
        conditions,
    })
}

/// Connects to a member's account.
pub(crate) async fn connect<M: Members>(
    members: &M,
    member: &Member,
) -> Result<M::Connection, LinkError> {
    let connection = members.connect(member).await;
    connection.map_err(|error| LinkError::MemberUnreachable(member.account.clone(), error))
}

/// Both sides of a link: its desired state, the connection to the member account, and the member
/// experiences that it covers, which are never none for a scope that covers the whole member.
pub(crate) async fn reach<'d, L: ReadRuns, A, M: Members, O, S>(
    context: &Context<L, A, M, O, S>,
    claims: &Claims,
    setup: &Setup,
    link: &Link,
    scopes: &[Scope],
    desired: &'d DesiredStates,
) -> Result<(&'d DesiredState, M::Connection, Targets), LinkError> {
    let desired = desired_for(link, desired)?;
    let connection = connect(&context.members, &link.member).await?;
    let targets = targets(&connection, &setup.config, link, scopes).await?;
    let targets = claims.take(&context.ledger, setup, link, targets).await?;
    // A narrow scope may leave out all of them.
    let name = &link.member.name;
    if targets.is_nothing() && scopes.iter().any(|scope| scope.is_all_of(name)) {
        return Err(LinkError::NoTargets(link.member.account.clone()));
    }
    Ok((desired, connection, targets))
}

/// The member experiences that a link and the scopes cover. `*` covers the live ones that no link
/// names, and that none follows: in a chain or a circle one list would overwrite another.
pub(crate) async fn targets<C: ReadCatalog>(
    catalog: &C,
    config: &Config,
    link: &Link,
    scopes: &[Scope],
) -> Result<Targets, LinkError> {
    let covered = |id: &ExperienceId| {
        scopes
            .iter()
            .any(|scope| scope.covers(&link.member.name, id))
    };
    if let Target::One(experience) = &link.target {
        let experiences = Some(experience.clone()).filter(covered);
        return Ok(Targets {
            experiences: experiences.into_iter().collect(),
            left_out: Vec::new(),
        });
    }
    let unreadable = |error| LinkError::MemberUnreadable(link.member.account.clone(), error);
    let ids = catalog.experiences().await.map_err(unreadable)?;
    let ids: Vec<_> = ids.into_iter().filter(covered).collect();
    let left_out = ids.iter().filter_map(|id| {
        let path = config.left_out_of(link, id)?;
        Some((id.clone(), LinkError::LeftOut(id.clone(), path)))
    });
    let left_out = left_out.collect();
    let candidates = ids.into_iter().filter(|id| config.is_free(id));
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
    let live = live.into_iter().filter_map(Result::transpose);
    Ok(Targets {
        experiences: live.collect::<Result<_, _>>().map_err(unreadable)?,
        left_out,
    })
}
