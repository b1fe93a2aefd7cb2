//! The catalog of the fakes, as one account sees it.

use std::collections::BTreeSet;

use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::experience::Experience;
use pmp_sync_domain::ids::{
    AccountId, ChangeSetId, ChangeSetName, ExperienceId, PolicyId, ProductId,
};
use pmp_sync_domain::lane::{Intent, NamedSet, StartedSet};
use pmp_sync_domain::policy::PolicySnapshot;
use pmp_sync_domain::ports::{ChangeSetStatus, ChangeSets, Discovery, ReadCatalog, Result};
use pmp_sync_domain::product::ProductDetails;

use crate::experiences::ChangeSetRecord;
use crate::world::World;

impl World {
    /// The catalog as the organization of `account` sees it.
    pub fn catalog(&self, account: &AccountId) -> OrgCatalog {
        OrgCatalog {
            world: self.clone(),
            account: account.clone(),
            producer: false,
        }
    }

    /// Like [`Self::catalog`], for the producer: what it reads is remembered.
    pub fn observed_catalog(&self, account: &AccountId) -> OrgCatalog {
        OrgCatalog {
            producer: true,
            ..self.catalog(account)
        }
    }
}

/// The catalog in the view of one account.
#[derive(Debug, Clone)]
pub struct OrgCatalog {
    pub(crate) world: World,
    pub(crate) account: AccountId,
    /// True for the producer: what it reads is remembered.
    pub(crate) producer: bool,
}

impl ReadCatalog for OrgCatalog {
    async fn experience(&self, id: &ExperienceId) -> Result<Experience> {
        let effect = self.world.call("DescribeEntity", id.as_str()).await?;
        let mut inner = self.world.lock();
        let entity = inner
            .experiences
            .entity(&self.account, "DescribeEntity", id)?;
        let experience = entity.experience.clone();
        if self.producer {
            inner.experiences.observe_experience(&experience);
        }
        effect.answer(experience)
    }

    async fn policy(&self, id: &PolicyId) -> Result<PolicySnapshot> {
        let effect = self.world.call("DescribeEntity", id.as_str()).await?;
        let mut inner = self.world.lock();
        let mut entities = inner.experiences.entities.values();
        let found = entities.find(|entity| {
            entity.experience.policy.as_ref() == Some(id) && entity.is_seen_by(&self.account)
        });
        let found = found.map(|entity| (entity.experience.id.clone(), entity.policy.clone()));
        let (experience, policy) = found.ok_or_else(|| {
            ServiceError::new(
                "DescribeEntity",
                id.to_string(),
                Kind::NotFound,
                "no such entity",
            )
        })?;
        let policy = if self.producer {
            inner.experiences.observe_policy(&experience, policy)
        } else {
            policy
        };
        effect.answer(policy)
    }

    async fn experiences(&self) -> Result<Vec<ExperienceId>> {
        let effect = self.world.call("ListEntities", "Experience").await?;
        let inner = self.world.lock();
        let mine = inner
            .experiences
            .entities
            .iter()
            .filter(|(_, entity)| entity.is_seen_by(&self.account));
        effect.answer(mine.map(|(id, _)| id.clone()).collect())
    }
}

impl Discovery for OrgCatalog {
    async fn product(&self, product: &ProductId) -> Result<Option<ProductDetails>> {
        self.world.product(product).await
    }
}

impl ChangeSets for OrgCatalog {
    async fn start(&self, name: &ChangeSetName, intent: &Intent) -> Result<ChangeSetId> {
        let effect = self.world.call("StartChangeSet", &name.to_string()).await?;
        let mut inner = self.world.lock();
        let now = inner.now;
        inner.experiences.settle(now);
        let id = inner.experiences.start(&self.account, name, intent, now)?;
        effect.answer(id)
    }

    async fn status(&self, id: &ChangeSetId) -> Result<ChangeSetStatus> {
        let effect = self.world.call("DescribeChangeSet", id.as_str()).await?;
        let mut inner = self.world.lock();
        let now = inner.now;
        inner.experiences.settle(now);
        let experiences = &inner.experiences;
        let found = experiences
            .change_sets
            .iter()
            .find(|set| set.id == *id && !experiences.hidden.contains(id));
        let set = found.ok_or_else(|| {
            let words = "no such change set";
            ServiceError::new("DescribeChangeSet", id.to_string(), Kind::NotFound, words)
        })?;
        effect.answer(set.status.clone().unwrap_or(ChangeSetStatus::Underway))
    }

    async fn named(&self, name: &ChangeSetName) -> Result<Vec<NamedSet>> {
        let effect = self.world.call("ListChangeSets", &name.to_string()).await?;
        let inner = self.world.lock();
        let text = name.to_string();
        let visible = inner.experiences.visible(&name.experience);
        effect.answer(
            visible
                .filter(|set| set.name == text)
                .map(ChangeSetRecord::found)
                .collect(),
        )
    }

    async fn newest(&self, experience: &ExperienceId) -> Result<Vec<StartedSet>> {
        let effect = self
            .world
            .call("ListChangeSets", experience.as_str())
            .await?;
        let inner = self.world.lock();
        let mut sets: Vec<_> = inner.experiences.visible(experience).collect();
        sets.sort_by_key(|set| std::cmp::Reverse(set.started));
        let sets = sets.into_iter().take(20).map(|set| StartedSet {
            id: set.id.clone(),
            name: set.name.clone(),
            started: Some(set.started),
        });
        effect.answer(sets.collect())
    }

    async fn changed_by(&self, id: &ChangeSetId) -> Result<BTreeSet<ExperienceId>> {
        let effect = self.world.call("DescribeChangeSet", id.as_str()).await?;
        let inner = self.world.lock();
        let mut sets = inner.experiences.change_sets.iter();
        let set = sets.find(|set| set.id == *id).ok_or_else(|| {
            let words = "no such change set";
            ServiceError::new("DescribeChangeSet", id.to_string(), Kind::NotFound, words)
        })?;
        effect.answer(BTreeSet::from([set.experience.clone()]))
    }
}
