//! The operator's question why products stand as they do. One inspection of each lane answers for all
//! products; writes nothing and sends nothing.

use std::collections::BTreeSet;

use futures::{StreamExt as _, stream};
use pmp_sync_domain::SCHEMA;
use pmp_sync_domain::answers::why::{
    Facts, MOST_PRODUCTS, Seen, WhyAnswer, WhyLink, WhyReport, WhyRequest, why,
};
use pmp_sync_domain::commit::Decision;
use pmp_sync_domain::drift::Edited;
use pmp_sync_domain::error::{LinkError, RunError};
use pmp_sync_domain::ids::{ExperienceId, LaneId, ProductId};
use pmp_sync_domain::lane::LaneState;
use pmp_sync_domain::link::Link;
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::ports::{Products as _, ReadRuns as _};
use pmp_sync_domain::wire::Scope;

use crate::reconcile::Connection;
use crate::reconcile::observe::{Desired, Source, View, inspect, read_management};
use crate::run::begin::{Setup, in_scope};
use crate::{Ports, Producer};

/// Links that are looked at at the same time.
pub(crate) const LINKS_AT_ONCE: usize = 8;
/// Lanes of one `*` link that are looked at at the same time.
pub(crate) const LANES_AT_ONCE: usize = 4;
/// How large an answer may be, in bytes: Lambda lets 6 MB through (6,291,556 bytes).
pub(crate) const MOST_BYTES: usize = 6_000_000;

impl<P: Ports> Producer<P> {
    /// Why the products stand as they do, on each member experience of the scope.
    pub async fn why(&self, request: &WhyRequest) -> Result<WhyReport, RunError> {
        let WhyRequest { scope, products } = request;
        if products.len() > MOST_PRODUCTS {
            let words = format!(
                "{} products, and {MOST_PRODUCTS} are answered",
                products.len()
            );
            return Err(RunError::TooLarge(words));
        }
        let setup = self.setup().await?;
        let scopes = std::slice::from_ref(scope);
        let links = setup.config.links.iter();
        let chosen: Vec<_> = links.filter(|link| in_scope(link, scopes)).collect();
        let management = chosen.iter().map(|link| link.management_experience.clone());
        let desired = read_management(self.ports.catalog(), management.collect()).await;
        let (setup, desired) = (&setup, &desired);
        let links: Vec<Vec<_>> = stream::iter(chosen)
            .map(|link| async move {
                let desired = desired.get(&link.management_experience);
                let told = self.why_link(setup, link, scopes, desired, products).await;
                told.unwrap_or_else(|error| {
                    let experience = link.lane().map(|lane| lane.experience);
                    vec![link_of(link, experience, failing(products, &error))]
                })
            })
            .buffered(LINKS_AT_ONCE)
            .collect()
            .await;
        let report = WhyReport {
            schema: SCHEMA,
            config_version: setup.version,
            links: links.into_iter().flatten().collect(),
        };
        fits(&report, products.len()).map(|()| report)
    }

    async fn why_link(
        &self,
        setup: &Setup,
        link: &Link,
        scopes: &[Scope],
        desired: Option<&Desired>,
        products: &[ProductId],
    ) -> Result<Vec<WhyLink>, LinkError> {
        let (desired, connection, experiences) = self.reach(setup, link, scopes, desired).await?;
        let connection = &connection;
        let links = stream::iter(experiences).map(|experience| async move {
            let lane = link.lane_of(&experience);
            let told = self
                .why_lane(setup, link, &lane, desired, connection, products)
                .await;
            let answers = told.unwrap_or_else(|error| failing(products, &error));
            link_of(link, Some(experience), answers)
        });
        Ok(links.buffered(LANES_AT_ONCE).collect().await)
    }

    async fn why_lane(
        &self,
        setup: &Setup,
        link: &Link,
        lane: &LaneId,
        desired: &Source,
        connection: &Connection<P>,
        products: &[ProductId],
    ) -> Result<Vec<WhyAnswer>, LinkError> {
        let answers = |seen: &Seen<'_>| {
            let of_one = |product| why(product, Facts::Seen(seen));
            products.iter().map(of_one).collect()
        };
        self.look_at(setup, link, lane, desired, connection, answers)
            .await
    }

    /// What `tell` makes of a look at a lane. The lane's products are read before the lane and the lists:
    /// what ends in between is then at worst told as still open.
    pub(crate) async fn look_at<T>(
        &self,
        setup: &Setup,
        link: &Link,
        lane: &LaneId,
        desired: &Source,
        connection: &Connection<P>,
        tell: impl FnOnce(&Seen<'_>) -> T,
    ) -> Result<T, LinkError> {
        let ledger = self.ports.ledger();
        let changes = ledger.products(lane).await.map_err(LinkError::Ledger)?;
        let view = View {
            link,
            policy: &setup.policy(link, &lane.experience),
            experience: &lane.experience,
            desired,
            lifted: &BTreeSet::new(),
            rollback: false,
        };
        let seen = inspect(
            ledger,
            connection,
            &crate::reconcile::listings::Kept(ledger),
            view,
            self.now(),
        )
        .await?;
        let edits = crate::reconcile::edits::look(&seen, &changes).edits();
        let last = changes
            .into_iter()
            .map(|change| (change.product.clone(), change));
        let left_alone = seen.report.left_alone.iter();
        let left_alone = left_alone.map(|left| (left.product.clone(), left.clone()));
        let committed = self.committed(lane, &seen.before.state).await?;
        let facts = Seen {
            experience: &lane.experience,
            desired: &desired.policy,
            actual: &seen.actual,
            state: &seen.before.state,
            last: &last.collect(),
            plan: &seen.plan,
            left_alone: &left_alone.collect(),
            committed: committed.as_ref(),
            held_for: &seen.reasons,
            goes_on: matches!(seen.halted, Decision::Underway(_)),
            link_state: &seen.link_state,
            suspension: setup.suspensions.holds(&link.member.name, lane),
            edited: &Edited::new(edits, &seen.link_state.edited, self.now()),
            at: seen.at,
        };
        Ok(tell(&facts))
    }

    /// The plan that the lane works on, while not all of it has been taken.
    async fn committed(&self, lane: &LaneId, state: &LaneState) -> Result<Option<Plan>, LinkError> {
        let planned = state.planned.as_ref();
        let announced = planned.filter(|plan| plan.totals.less(plan.taken).total() > 0);
        let Some(planned) = announced else {
            return Ok(None);
        };
        let record = self.ports.ledger().link(planned.run, lane).await;
        let record = record.map_err(LinkError::Ledger)?;
        Ok(record.map(|record| record.plan()))
    }
}

fn failing(products: &[ProductId], error: &LinkError) -> Vec<WhyAnswer> {
    let fault = error.record();
    let answers = products.iter();
    answers
        .map(|product| why(product, Facts::Failing(&fault)))
        .collect()
}

fn link_of(link: &Link, experience: Option<ExperienceId>, answers: Vec<WhyAnswer>) -> WhyLink {
    WhyLink {
        member: link.member.name.clone(),
        account: link.member.account.clone(),
        experience,
        management_experience: link.management_experience.clone(),
        mode: link.policy.mode,
        answers,
    }
}

/// An answer that Lambda would not let through would be an error without a remedy.
fn fits(report: &WhyReport, products: usize) -> Result<(), RunError> {
    let bytes = serde_json::to_vec(report).map_or(usize::MAX, |text| text.len());
    if bytes <= MOST_BYTES {
        return Ok(());
    }
    Err(RunError::TooLarge(format!(
        "the answers for {products} products on {} member experiences have {bytes} bytes, and {MOST_BYTES} can be answered",
        report.links.len()
    )))
}
