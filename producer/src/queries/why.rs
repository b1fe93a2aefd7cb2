//! Explains the state of products. One observation of each lane answers for all products.

use std::collections::BTreeSet;

use futures::{StreamExt as _, stream};
use pmp_sync_domain::SCHEMA;
use pmp_sync_domain::answers::left_out::LeftOutLink;
use pmp_sync_domain::answers::why::{
    Facts, MOST_PRODUCTS, Seen, WhyLink, WhyReport, WhyRequest, why as answer,
};
use pmp_sync_domain::error::{LinkError, RunError};
use pmp_sync_domain::ids::{ExperienceId, ProductId};
use pmp_sync_domain::link::Link;
use pmp_sync_domain::plan::InvalidProducts;
use pmp_sync_domain::ports::{Clock, Lanes, Members, Products, ReadCatalog, ReadRuns};
use pmp_sync_domain::text::count;

use super::survey::{
    LANES_AT_ONCE, LINKS_AT_ONCE, LaneQuery, Survey, fitting, left_out_links, look_at, state_of,
};
use crate::context::Context;
use crate::reach::reach;

/// Explains the state of the products on each member experience of the scope.
pub async fn why<L, A, M, O, S>(
    context: &Context<L, A, M, O, S>,
    request: &WhyRequest,
) -> Result<WhyReport, RunError>
where
    L: Lanes + Products + ReadRuns,
    A: ReadCatalog,
    M: Members,
    S: Clock,
{
    let WhyRequest { scope, products } = request;
    if products.len() > MOST_PRODUCTS {
        let words = format!(
            "{} products, and {MOST_PRODUCTS} are answered",
            products.len()
        );
        return Err(RunError::TooLarge(words));
    }
    let survey = &Survey::new(&context.ledger, &context.marketplace, scope).await?;
    let told: Vec<_> = stream::iter(survey.links())
        .map(|link| async move {
            let told = why_link(context, survey, link, products).await;
            told.unwrap_or_else(|error| {
                let experience = link.lane().map(|lane| lane.experience);
                let failing = failed(link, experience, products, &error);
                (vec![failing], Vec::new())
            })
        })
        .buffered(LINKS_AT_ONCE)
        .collect()
        .await;
    let (links, left_out): (Vec<_>, Vec<_>) = told.into_iter().unzip();
    let report = WhyReport {
        schema: SCHEMA,
        config_version: survey.setup.version,
        links: links.into_iter().flatten().collect(),
        left_out: left_out.into_iter().flatten().collect(),
    };
    let lanes = report.links.len();
    fitting(report, |bytes, most| {
        format!(
            "the answers for {} on {} have {bytes} bytes, and {most} can be answered",
            count(products.len(), "product"),
            count(lanes, "member experience")
        )
    })
}

async fn why_link<L, A, M, O, S>(
    context: &Context<L, A, M, O, S>,
    survey: &Survey,
    link: &Link,
    products: &[ProductId],
) -> Result<(Vec<WhyLink>, Vec<LeftOutLink>), LinkError>
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
        let answers = |seen: &Seen<'_>, state| {
            let of_one = |product| answer(product, Facts::Seen(seen));
            WhyLink {
                invalid: InvalidProducts::differing(seen.desired, seen.actual),
                other_installation: seen.state.contested_by(seen.at).cloned(),
                state: Some(state),
                answers: products.iter().map(of_one).collect(),
                ..blank(link, Some(experience.clone()))
            }
        };
        let told = look_at(&context.ledger, connection, of, context.now(), answers).await;
        told.unwrap_or_else(|error| failed(link, Some(experience.clone()), products, &error))
    });
    Ok((links.buffered(LANES_AT_ONCE).collect().await, left_out))
}

fn failed(
    link: &Link,
    experience: Option<ExperienceId>,
    products: &[ProductId],
    error: &LinkError,
) -> WhyLink {
    let fault = error.record();
    if error.is_warning() {
        return WhyLink {
            fault: Some(fault),
            ..blank(link, experience)
        };
    }
    let facts = if error.is_guarded() {
        Facts::Untrusted(&fault)
    } else {
        Facts::Failing(&fault)
    };
    let answers = products.iter().map(|product| answer(product, facts));
    WhyLink {
        state: Some(state_of(error)),
        answers: answers.collect(),
        ..blank(link, experience)
    }
}

fn blank(link: &Link, experience: Option<ExperienceId>) -> WhyLink {
    WhyLink {
        member: link.member.name.clone(),
        account: link.member.account.clone(),
        experience,
        sources: link.sources.clone(),
        mode: link.policy.mode,
        state: None,
        answers: Vec::new(),
        fault: None,
        other_installation: None,
        invalid: InvalidProducts::default(),
    }
}
