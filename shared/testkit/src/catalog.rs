//! Private Marketplace in memory: experiences with one policy each, change sets that take time, lock
//! their experience and apply at their end.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::experience::{Experience, Status};
use pmp_sync_domain::ids::{
    AccountId, ChangeSetId, ChangeSetName, ExperienceId, PolicyId, ProductId,
};
use pmp_sync_domain::lane::IntentChange;
use pmp_sync_domain::policy::{Action, PolicySnapshot};
use pmp_sync_domain::ports::{Answer, ChangeSetStatus, ChangeSets, ReadCatalog};

use crate::world::World;

/// A change set of the fake.
#[derive(Debug, Clone)]
pub struct ChangeSetRecord {
    /// Its id.
    pub id: ChangeSetId,
    /// Its name.
    pub name: String,
    /// Its client request token.
    pub token: String,
    /// The experience.
    pub experience: ExperienceId,
    /// What it does.
    pub changes: Vec<(ProductId, Action)>,
    /// When it was started.
    pub started: Timestamp,
    /// When it ends.
    pub ends: Timestamp,
    /// How it ended, once it has.
    pub status: Option<ChangeSetStatus>,
}

#[derive(Debug)]
struct Entity {
    owner: AccountId,
    experience: Experience,
    policy: PolicySnapshot,
}

/// The experiences of every organization.
#[derive(Debug)]
pub struct Experiences {
    duration: SignedDuration,
    entities: BTreeMap<ExperienceId, Entity>,
    change_sets: Vec<ChangeSetRecord>,
    bad: BTreeSet<ProductId>,
}

impl Experiences {
    pub(crate) fn new(duration: SignedDuration) -> Self {
        Self {
            duration,
            entities: BTreeMap::new(),
            change_sets: Vec::new(),
            bad: BTreeSet::new(),
        }
    }

    /// Adds an enabled experience with a policy.
    pub fn add(&mut self, owner: &AccountId, id: &ExperienceId, policy: PolicySnapshot) {
        let text = id.as_str().replacen("exp-", "procpolicy-", 1);
        let experience = Experience {
            id: id.clone(),
            name: id.to_string(),
            status: Status::Enabled,
            archived: false,
            policy: PolicyId::new(text).ok(),
        };
        self.entities.insert(
            id.clone(),
            Entity {
                owner: owner.clone(),
                experience,
                policy,
            },
        );
    }

    /// Changes an experience behind everybody's back.
    pub fn edit(
        &mut self,
        id: &ExperienceId,
        edit: impl FnOnce(&mut Experience, &mut PolicySnapshot),
    ) {
        if let Some(entity) = self.entities.get_mut(id) {
            edit(&mut entity.experience, &mut entity.policy);
        }
    }

    /// The lists of an experience as they stand.
    pub fn policy(&self, id: &ExperienceId) -> PolicySnapshot {
        self.entities
            .get(id)
            .map(|entity| entity.policy.clone())
            .unwrap_or_default()
    }

    /// A product whose change makes its change set fail.
    pub fn make_bad(&mut self, product: ProductId) {
        self.bad.insert(product);
    }

    /// Every change set that was ever started, in that order.
    pub fn change_sets(&self) -> &[ChangeSetRecord] {
        &self.change_sets
    }

    /// When the next change set ends.
    pub fn next_end(&self) -> Option<Timestamp> {
        self.change_sets
            .iter()
            .filter(|set| set.status.is_none())
            .map(|set| set.ends)
            .min()
    }

    /// Lets every change set take effect that has ended by `now`.
    pub(crate) fn settle(&mut self, now: Timestamp) {
        for set in self
            .change_sets
            .iter_mut()
            .filter(|set| set.status.is_none() && set.ends <= now)
        {
            if let Some((bad, _)) = set
                .changes
                .iter()
                .find(|(product, _)| self.bad.contains(product))
            {
                set.status = Some(ChangeSetStatus::Failed(format!("INVALID_PRODUCT: {bad}")));
                continue;
            }
            if let Some(entity) = self.entities.get_mut(&set.experience) {
                entity.policy = entity.policy.overlaid(
                    set.changes
                        .iter()
                        .map(|(product, action)| (product, *action)),
                );
            }
            let seconds = set.ends.duration_since(set.started).as_secs();
            set.status = Some(ChangeSetStatus::Succeeded(u32::try_from(seconds).ok()));
        }
    }

    fn entity(
        &self,
        caller: &AccountId,
        operation: &'static str,
        id: &ExperienceId,
    ) -> Answer<&Entity> {
        let error = |kind, message| ServiceError::new(operation, id.to_string(), kind, message);
        match self.entities.get(id) {
            None => Err(error(Kind::NotFound, "no such entity")),
            Some(entity) if entity.owner != *caller => {
                Err(error(Kind::Denied, "the entity is of another organization"))
            }
            Some(entity) => Ok(entity),
        }
    }

    fn start(
        &mut self,
        caller: &AccountId,
        name: &ChangeSetName,
        token: &str,
        changes: &[IntentChange],
        now: Timestamp,
    ) -> Answer<ChangeSetId> {
        let error = |kind, message: &str| {
            ServiceError::new("StartChangeSet", name.to_string(), kind, message)
        };
        let wanted: Vec<_> = changes
            .iter()
            .map(|change| (change.product.clone(), change.action))
            .collect();
        if let Some(same) = self.change_sets.iter().find(|set| set.token == token) {
            let identical = same.changes == wanted && same.name == name.to_string();
            return if identical {
                Ok(same.id.clone())
            } else {
                Err(error(
                    Kind::Refused,
                    "the token was used for another request",
                ))
            };
        }
        let entity = self.entity(caller, "StartChangeSet", &name.experience)?;
        if entity.experience.archived {
            return Err(error(Kind::Refused, "the experience is archived"));
        }
        let count = |action| wanted.iter().filter(|(_, a)| *a == action).count();
        let unique: BTreeSet<_> = wanted.iter().map(|(product, _)| product).collect();
        if wanted.is_empty()
            || count(Action::Allow) > 50
            || count(Action::Deny) > 50
            || unique.len() < wanted.len()
        {
            return Err(error(Kind::Refused, "the change set is not valid"));
        }
        if self
            .change_sets
            .iter()
            .any(|set| set.experience == name.experience && set.status.is_none())
        {
            return Err(error(Kind::Locked, "the entity is locked by a change set"));
        }
        let id = ChangeSetId::new(format!("cs{:08}", self.change_sets.len() + 1))
            .map_err(|invalid| error(Kind::Refused, &invalid.to_string()))?;
        self.change_sets.push(ChangeSetRecord {
            id: id.clone(),
            name: name.to_string(),
            token: token.to_owned(),
            experience: name.experience.clone(),
            changes: wanted,
            started: now,
            ends: now.checked_add(self.duration).unwrap_or(now),
            status: None,
        });
        Ok(id)
    }
}

/// The catalog as one account sees it.
#[derive(Debug, Clone)]
pub struct OrgCatalog {
    pub(crate) world: World,
    pub(crate) account: AccountId,
}

impl ReadCatalog for OrgCatalog {
    async fn experience(&self, id: &ExperienceId) -> Answer<Experience> {
        self.world.call("DescribeEntity", id.as_str())?;
        let inner = self.world.lock();
        inner
            .experiences
            .entity(&self.account, "DescribeEntity", id)
            .map(|entity| entity.experience.clone())
    }

    async fn policy(&self, id: &PolicyId) -> Answer<PolicySnapshot> {
        self.world.call("DescribeEntity", id.as_str())?;
        let inner = self.world.lock();
        inner
            .experiences
            .entities
            .values()
            .find(|entity| {
                entity.experience.policy.as_ref() == Some(id) && entity.owner == self.account
            })
            .map(|entity| entity.policy.clone())
            .ok_or_else(|| {
                ServiceError::new(
                    "DescribeEntity",
                    id.to_string(),
                    Kind::NotFound,
                    "no such entity",
                )
            })
    }

    async fn experiences(&self) -> Answer<Vec<ExperienceId>> {
        self.world.call("ListEntities", "Experience")?;
        let inner = self.world.lock();
        let mine = inner
            .experiences
            .entities
            .iter()
            .filter(|(_, entity)| entity.owner == self.account);
        Ok(mine.map(|(id, _)| id.clone()).collect())
    }
}

impl ChangeSets for OrgCatalog {
    async fn start(
        &self,
        name: &ChangeSetName,
        token: &str,
        changes: &[IntentChange],
    ) -> Answer<ChangeSetId> {
        self.world.call("StartChangeSet", &name.to_string())?;
        let mut inner = self.world.lock();
        let now = inner.now;
        inner.experiences.settle(now);
        inner
            .experiences
            .start(&self.account, name, token, changes, now)
    }

    async fn status(&self, id: &ChangeSetId) -> Answer<ChangeSetStatus> {
        self.world.call("DescribeChangeSet", id.as_str())?;
        let mut inner = self.world.lock();
        let now = inner.now;
        inner.experiences.settle(now);
        let found = inner
            .experiences
            .change_sets
            .iter()
            .find(|set| set.id == *id);
        found
            .map(|set| set.status.clone().unwrap_or(ChangeSetStatus::Underway))
            .ok_or_else(|| {
                ServiceError::new(
                    "DescribeChangeSet",
                    id.to_string(),
                    Kind::NotFound,
                    "no such change set",
                )
            })
    }

    async fn find(&self, name: &ChangeSetName) -> Answer<Option<ChangeSetId>> {
        self.world.call("ListChangeSets", &name.to_string())?;
        let inner = self.world.lock();
        let name = name.to_string();
        Ok(inner
            .experiences
            .change_sets
            .iter()
            .find(|set| set.name == name)
            .map(|set| set.id.clone()))
    }
}
