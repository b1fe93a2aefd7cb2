//! The operator's report: the lists of the management experiences, and for each member experience
//! what differs and why.

use std::collections::BTreeSet;

use futures::{StreamExt as _, stream};
use pmp_sync_domain::answers::left_out::LeftOutLink;
use pmp_sync_domain::answers::report::{
    LinkStandings, ManagementLists, ReportPart, ReportRequest, Standings, standings,
};
use pmp_sync_domain::answers::why::Seen;
use pmp_sync_domain::error::{LinkError, RunError};
use pmp_sync_domain::ids::{ExperienceId, ProductId};
use pmp_sync_domain::link::Link;
use pmp_sync_domain::plan::InvalidProducts;
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::ports::{Clock, Lanes, Members, Products, ReadCatalog, ReadRuns};
use pmp_sync_domain::text::{count, one_or};
use pmp_sync_domain::{SCHEMA, Timestamp};

use super::survey::{
    LANES_AT_ONCE, LINKS_AT_ONCE, LaneQuery, Survey, fitting, left_out_links, look_at, state_of,
};
use crate::context::Context;
use crate::reach::{DesiredStates, ReadSource, reach};

/// Compares the member experiences of the scope with what is wanted.
pub async fn report<L, A, M, O, S>(
    context: &Context<L, A, M, O, S>,
    request: &ReportRequest,
) -> Result<ReportPart, RunError>
where
    L: Lanes + Products + ReadRuns,
    A: ReadCatalog,
    M: Members,
    S: Clock,
{
    let part = report_until(context, request, Timestamp::MAX).await?;
    let part = part.unwrap_or_default();
    let lanes = part.links.len();
    fitting(part, |bytes, most| {
        format!(
            "where {} {} takes {bytes} bytes, and {most} can be answered",
            count(lanes, "member experience"),
            one_or(lanes, "stands", "stand")
        )
    })
}

/// The same, of any size. None if a link is left to look at after `until`.
pub(crate) async fn report_until<L, A, M, O, S>(
    context: &Context<L, A, M, O, S>,
    request: &ReportRequest,
    until: Timestamp,
) -> Result<Option<ReportPart>, RunError>
where
    L: Lanes + Products + ReadRuns,
    A: ReadCatalog,
    M: Members,
    S: Clock,
{
    let survey = &Survey::new(&context.ledger, &context.marketplace, &request.scope).await?;
    let told: Vec<_> = stream::iter(survey.links())
        .map(|link| async move {
            if context.now() > until {
                return None;
            }
            let told = report_link(context, survey, link).await;
            Some(told.unwrap_or_else(|error| {
                let experience = link.lane().map(|lane| lane.experience);
                (vec![failed(link, experience, &error)], Vec::new())
            }))
        })
        .buffered(LINKS_AT_ONCE)
        .collect()
        .await;
    let Some(told) = told.into_iter().collect::<Option<Vec<_>>>() else {
        return Ok(None);
    };
    let (links, left_out): (Vec<_>, Vec<_>) = told.into_iter().unzip();
    Ok(Some(ReportPart {
        schema: SCHEMA,
        config_version: survey.setup.version,
        management: lists(&survey.desired),
        links: links.into_iter().flatten().collect(),
        left_out: left_out.into_iter().flatten().collect(),
    }))
}

async fn report_link<L, A, M, O, S>(
    context: &Context<L, A, M, O, S>,
    survey: &Survey,
    link: &Link,
) -> Result<(Vec<LinkStandings>, Vec<LeftOutLink>), LinkError>
where
    L: Lanes + Products + ReadRuns,
    M: Members,
    S: Clock,
{
    let Survey {
        setup,
        scopes,
        desired,
        claims,
    } = survey;
    let reached = reach(context, claims, setup, link, scopes, desired).await;
    let (desired, connection, targets) = reached?;
    let connection = &connection;
    let left_out = left_out_links(link, targets.left_out);
    let links = stream::iter(targets.experiences).map(|experience| async move {
        let of = LaneQuery {
            setup,
            link,
            experience: &experience,
            desired,
            lifted: &BTreeSet::new(),
        };
        let tell = |seen: &Seen<'_>, state| {
            let Standings {
                differing,
                whys,
                denied_besides,
            } = standings(seen);
            LinkStandings {
                state: Some(state),
                differing,
                whys,
                denied_besides,
                held_for: seen.held_for.to_vec(),
                invalid: InvalidProducts::differing(seen.desired, seen.actual),
                ..blank(link, Some(experience.clone()))
            }
        };
        let told = look_at(&context.ledger, connection, of, context.now(), tell).await;
        told.unwrap_or_else(|error| failed(link, Some(experience.clone()), &error))
    });
    Ok((links.buffered(LANES_AT_ONCE).collect().await, left_out))
}

fn lists(desired: &DesiredStates) -> Vec<ManagementLists> {
    let of_one = |(experience, source): (&ExperienceId, &ReadSource)| {
        let (policy, conditions, fault) = match source {
            Ok(read) => (
                Some(&read.policy),
                desired.conditions(experience, read),
                None,
            ),
            Err(error) => (None, Vec::new(), Some(error.record())),
        };
        let listed = |of: fn(&PolicySnapshot) -> &BTreeSet<ProductId>| {
            policy.map_or_else(Vec::new, |policy| of(policy).iter().cloned().collect())
        };
        ManagementLists {
            experience: experience.clone(),
            allowed: listed(PolicySnapshot::allowed),
            denied: listed(PolicySnapshot::denied),
            oddities: conditions,
            fault,
        }
    };
    desired.sources.iter().map(of_one).collect()
}

fn blank(link: &Link, experience: Option<ExperienceId>) -> LinkStandings {
    LinkStandings {
        member: link.member.name.clone(),
        account: link.member.account.clone(),
        experience,
        sources: link.sources.clone(),
        conflict: link.conflict,
        mode: link.policy.mode,
        state: None,
        differing: Vec::new(),
        whys: Vec::new(),
        denied_besides: Vec::new(),
        held_for: Vec::new(),
        invalid: InvalidProducts::default(),
        fault: None,
    }
}

fn failed(link: &Link, experience: Option<ExperienceId>, error: &LinkError) -> LinkStandings {
    LinkStandings {
        state: Some(state_of(error)),
        fault: Some(error.record()),
        ..blank(link, experience)
    }
}
