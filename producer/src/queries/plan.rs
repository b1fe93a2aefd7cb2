//! The read-only plan for the operator: the very code that a run goes through, without its writes.

use std::collections::BTreeSet;

use futures::{StreamExt as _, stream};
use pmp_sync_domain::SCHEMA;
use pmp_sync_domain::answers::plan::{Preview, PreviewDecision, PreviewLink};
use pmp_sync_domain::commit::Decision;
use pmp_sync_domain::error::{LinkError, RunError};
use pmp_sync_domain::ids::ExperienceId;
use pmp_sync_domain::link::Link;
use pmp_sync_domain::wire::Scope;

use crate::reconcile::edits::edited;
use crate::reconcile::listings::Kept;
use crate::reconcile::observe::{Desired, Inspection, View, inspect, read_management};
use crate::run::begin::{Setup, in_scope};
use crate::{Ports, Producer};

/// Links that are looked at at the same time.
const LINKS_AT_ONCE: usize = 8;

impl<P: Ports> Producer<P> {
    /// What a run about `scope` would do now. Writes nothing and sends nothing.
    pub async fn preview(&self, scope: &Scope) -> Result<Preview, RunError> {
        let setup = self.setup().await?;
        let scopes = std::slice::from_ref(scope);
        let chosen: Vec<_> = setup
            .config
            .links
            .iter()
            .filter(|link| in_scope(link, scopes))
            .collect();
        let management = chosen
            .iter()
            .map(|link| link.management_experience.clone())
            .collect();
        let desired = read_management(self.ports.catalog(), management).await;
        let (setup, desired) = (&setup, &desired);
        let links: Vec<Vec<_>> = stream::iter(chosen)
            .map(|link| async move {
                let desired = desired.get(&link.management_experience);
                match self.preview_link(setup, link, scopes, desired).await {
                    Ok(links) => links,
                    Err(error) => vec![failed(link, None, &error)],
                }
            })
            .buffered(LINKS_AT_ONCE)
            .collect()
            .await;
        Ok(Preview {
            schema: SCHEMA,
            config_version: setup.version,
            links: links.into_iter().flatten().collect(),
        })
    }

    async fn preview_link(
        &self,
        setup: &Setup,
        link: &Link,
        scopes: &[Scope],
        desired: Option<&Desired>,
    ) -> Result<Vec<PreviewLink>, LinkError> {
        let (desired, connection, experiences) = self.reach(setup, link, scopes, desired).await?;
        let mut links = Vec::new();
        for experience in experiences {
            let suspended = setup
                .suspensions
                .holds(&link.member.name, &link.lane_of(&experience))
                .is_some();
            let seen = inspect(
                self.ports.ledger(),
                &connection,
                &Kept(self.ports.ledger()),
                View {
                    link,
                    policy: &setup.policy(link, &experience),
                    experience: &experience,
                    desired,
                    lifted: &BTreeSet::new(),
                    rollback: false,
                },
                self.now(),
            )
            .await;
            links.push(match seen {
                Ok(mut seen) => {
                    seen.edited = edited(self.ports.ledger(), &seen, self.now()).await;
                    preview_of(link, experience, seen, suspended)
                }
                Err(error) => failed(link, Some(experience), &error),
            });
        }
        Ok(links)
    }
}

fn preview_of(
    link: &Link,
    experience: ExperienceId,
    seen: Inspection,
    suspended: bool,
) -> PreviewLink {
    PreviewLink {
        experience: Some(experience),
        decision: match seen.decision {
            Decision::InSync if seen.reasons.is_empty() => PreviewDecision::InSync,
            _ if suspended => PreviewDecision::Suspended,
            _ if !seen.reasons.is_empty() => PreviewDecision::Held,
            Decision::InSync => PreviewDecision::InSync,
            Decision::Underway(_) => PreviewDecision::Underway,
            Decision::Commit => PreviewDecision::Commit,
        },
        allow: seen.plan.allow().iter().cloned().collect(),
        deny: seen.plan.deny().iter().cloned().collect(),
        removals: seen.report.removals,
        fewest_change_sets: seen.plan.fewest_change_sets(),
        plan_hash: Some(seen.plan.hash()),
        held_for: seen.reasons,
        left_alone: seen.report.left_alone,
        unchecked: seen.report.unchecked,
        contradictory: seen.report.contradictory.into_iter().collect(),
        edited: seen.edited.products(),
        edited_since: seen.edited.first(),
        ..blank(link)
    }
}

fn blank(link: &Link) -> PreviewLink {
    PreviewLink {
        member: link.member.name.clone(),
        account: link.member.account.clone(),
        experience: None,
        management_experience: link.management_experience.clone(),
        mode: link.policy.mode,
        decision: PreviewDecision::Failed,
        allow: Vec::new(),
        deny: Vec::new(),
        removals: 0,
        fewest_change_sets: 0,
        plan_hash: None,
        left_alone: Vec::new(),
        contradictory: Vec::new(),
        unchecked: 0,
        edited: Vec::new(),
        edited_since: None,
        held_for: Vec::new(),
        fault: None,
    }
}

fn failed(link: &Link, experience: Option<ExperienceId>, error: &LinkError) -> PreviewLink {
    let experience = experience.or_else(|| link.lane().map(|lane| lane.experience));
    PreviewLink {
        experience,
        fault: Some(error.record()),
        ..blank(link)
    }
}
