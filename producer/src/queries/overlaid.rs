//! A catalog in which an operator's changes of one management experience count as made, so that a plan
//! shows what they would mean. Nothing is written.

use std::sync::OnceLock;

use pmp_sync_domain::answers::plan::Overlay;
use pmp_sync_domain::experience::Experience;
use pmp_sync_domain::ids::{ExperienceId, PolicyId};
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::ports::{ReadCatalog, Result};

/// The catalog as it would be with the overlay.
pub(super) struct Overlaid<'a, C> {
    catalog: &'a C,
    overlay: Option<&'a Overlay>,
    /// The policy of the experience, once that was read: a policy belongs to one experience.
    policy: OnceLock<PolicyId>,
}

impl<'a, C> Overlaid<'a, C> {
    pub(super) fn new(catalog: &'a C, overlay: Option<&'a Overlay>) -> Self {
        Self {
            catalog,
            overlay,
            policy: OnceLock::new(),
        }
    }
}

impl<C: ReadCatalog> ReadCatalog for Overlaid<'_, C> {
    async fn experience(&self, id: &ExperienceId) -> Result<Experience> {
        let experience = self.catalog.experience(id).await?;
        let is_meant = |overlay: &&Overlay| overlay.management_experience == *id;
        if let (Some(_), Some(policy)) = (self.overlay.filter(is_meant), &experience.policy) {
            self.policy.get_or_init(|| policy.clone());
        }
        Ok(experience)
    }

    async fn policy(&self, id: &PolicyId) -> Result<PolicySnapshot> {
        let policy = self.catalog.policy(id).await?;
        Ok(match self.overlay {
            Some(overlay) if self.policy.get() == Some(id) => policy.overlaid(overlay.changes()),
            _ => policy,
        })
    }

    async fn experiences(&self) -> Result<Vec<ExperienceId>> {
        self.catalog.experiences().await
    }
}
