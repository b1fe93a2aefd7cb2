//! The operator's report: what the management experiences want, and where each member experience stands
//! otherwise, and why. Writes nothing and sends nothing.

use std::collections::BTreeMap;

use futures::{StreamExt as _, stream};
use pmp_sync_domain::SCHEMA;
use pmp_sync_domain::answers::report::{
    LinkStandings, ManagementLists, ReportPart, ReportRequest, Standings, standings,
};
use pmp_sync_domain::answers::why::Seen;
use pmp_sync_domain::error::{LinkError, RunError};
use pmp_sync_domain::ids::ExperienceId;
use pmp_sync_domain::link::Link;
use pmp_sync_domain::wire::Scope;

use crate::queries::why::{LANES_AT_ONCE, LINKS_AT_ONCE, MOST_BYTES};
use crate::reconcile::observe::{Desired, read_management};
use crate::run::begin::{Setup, in_scope};
use crate::{Ports, Producer};

impl<P: Ports> Producer<P> {
    /// Where the member experiences of the scope stand.
    pub async fn report(&self, request: &ReportRequest) -> Result<ReportPart, RunError> {
        let setup = self.setup().await?;
        let scopes = std::slice::from_ref(&request.scope);
        let links = setup.config.links.iter();
        let chosen: Vec<_> = links.filter(|link| in_scope(link, scopes)).collect();
        let management = chosen.iter().map(|link| link.management_experience.clone());
        let desired = read_management(self.ports.catalog(), management.collect()).await;
        let (setup, desired) = (&setup, &desired);
        let links: Vec<Vec<_>> = stream::iter(chosen)
            .map(|link| async move {
                let wanted = desired.get(&link.management_experience);
                let told = self.report_link(setup, link, scopes, wanted).await;
                told.unwrap_or_else(|error| {
                    let experience = link.lane().map(|lane| lane.experience);
                    vec![failed(link, experience, &error)]
                })
            })
            .buffered(LINKS_AT_ONCE)
            .collect()
            .await;
        let part = ReportPart {
            schema: SCHEMA,
            config_version: setup.version,
            management: lists(desired),
            links: links.into_iter().flatten().collect(),
        };
        fits(&part).map(|()| part)
    }

    async fn report_link(
        &self,
        setup: &Setup,
        link: &Link,
        scopes: &[Scope],
        desired: Option<&Desired>,
    ) -> Result<Vec<LinkStandings>, LinkError> {
        let (desired, connection, experiences) = self.reach(setup, link, scopes, desired).await?;
        let connection = &connection;
        let links = stream::iter(experiences).map(|experience| async move {
            let lane = link.lane_of(&experience);
            let tell = |seen: &Seen<'_>| {
                let Standings {
                    differing,
                    whys,
                    denied_besides,
                } = standings(seen);
                LinkStandings {
                    differing,
                    whys,
                    denied_besides,
                    held_for: seen.held_for.to_vec(),
                    ..blank(link, Some(lane.experience.clone()))
                }
            };
            let told = self
                .look_at(setup, link, &lane, desired, connection, tell)
                .await;
            told.unwrap_or_else(|error| failed(link, Some(experience), &error))
        });
        Ok(links.buffered(LANES_AT_ONCE).collect().await)
    }
}

fn lists(desired: &BTreeMap<ExperienceId, Desired>) -> Vec<ManagementLists> {
    let of_one = |(experience, desired): (&ExperienceId, &Desired)| {
        let (policy, oddities, fault) = match desired {
            Ok(source) => (Some(&source.policy), source.oddities.clone(), None),
            Err(error) => (None, Vec::new(), Some(error.record())),
        };
        ManagementLists {
            experience: experience.clone(),
            allowed: policy
                .map_or_else(Vec::new, |lists| lists.allowed().iter().cloned().collect()),
            denied: policy.map_or_else(Vec::new, |lists| lists.denied().iter().cloned().collect()),
            oddities,
            fault,
        }
    };
    desired.iter().map(of_one).collect()
}

fn blank(link: &Link, experience: Option<ExperienceId>) -> LinkStandings {
    LinkStandings {
        member: link.member.name.clone(),
        account: link.member.account.clone(),
        experience,
        management_experience: link.management_experience.clone(),
        mode: link.policy.mode,
        differing: Vec::new(),
        whys: Vec::new(),
        denied_besides: Vec::new(),
        held_for: Vec::new(),
        fault: None,
    }
}

fn failed(link: &Link, experience: Option<ExperienceId>, error: &LinkError) -> LinkStandings {
    LinkStandings {
        fault: Some(error.record()),
        ..blank(link, experience)
    }
}

/// An answer that Lambda would not let through would be an error without a remedy.
fn fits(part: &ReportPart) -> Result<(), RunError> {
    let bytes = serde_json::to_vec(part).map_or(usize::MAX, |text| text.len());
    if bytes <= MOST_BYTES {
        return Ok(());
    }
    Err(RunError::TooLarge(format!(
        "where {} member experiences stand takes {bytes} bytes, and {MOST_BYTES} can be answered",
        part.links.len()
    )))
}
