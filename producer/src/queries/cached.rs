//! A catalog that reads each experience and each policy once, so that two plans of one look compare the
//! same lists.

use std::collections::BTreeMap;

use futures::lock::Mutex;
use pmp_sync_domain::experience::Experience;
use pmp_sync_domain::ids::{ExperienceId, PolicyId};
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::ports::{ReadCatalog, Result};

/// A catalog with what has been read of it.
pub(super) struct Cached<'a, C> {
    catalog: &'a C,
    experiences: Mutex<BTreeMap<ExperienceId, Experience>>,
    policies: Mutex<BTreeMap<PolicyId, PolicySnapshot>>,
}

impl<'a, C> Cached<'a, C> {
    pub(super) fn new(catalog: &'a C) -> Self {
        Self {
            catalog,
            experiences: Mutex::default(),
            policies: Mutex::default(),
        }
    }
}

impl<C: ReadCatalog> ReadCatalog for Cached<'_, C> {
    async fn experience(&self, id: &ExperienceId) -> Result<Experience> {
        let mut known = self.experiences.lock().await;
        if let Some(experience) = known.get(id) {
            return Ok(experience.clone());
        }
        let experience = self.catalog.experience(id).await?;
        known.insert(id.clone(), experience.clone());
        Ok(experience)
    }

    async fn policy(&self, id: &PolicyId) -> Result<PolicySnapshot> {
        let mut known = self.policies.lock().await;
        if let Some(policy) = known.get(id) {
            return Ok(policy.clone());
        }
        let policy = self.catalog.policy(id).await?;
        known.insert(id.clone(), policy.clone());
        Ok(policy)
    }

    async fn experiences(&self) -> Result<Vec<ExperienceId>> {
        self.catalog.experiences().await
    }
}
