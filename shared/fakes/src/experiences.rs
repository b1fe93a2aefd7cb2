//! Private Marketplace in memory: experiences with one policy each, and change sets that take time,
//! lock their experience, and apply at their end.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use pmp_sync_domain::error::{Kind, ServiceError};
use pmp_sync_domain::experience::{Experience, Status};
use pmp_sync_domain::ids::{
    AccountId, ChangeSetId, ChangeSetName, ExperienceId, PolicyId, ProductId,
};
use pmp_sync_domain::lane::{ChangeError, Failed, Intent, NamedSet, SetContent};
use pmp_sync_domain::policy::{Action, PolicySnapshot};
use pmp_sync_domain::ports::{ChangeSetStatus, Result};

/// A change set of the fake.
#[derive(Debug, Clone)]
pub struct ChangeSetRecord {
    /// As the fake assigned it.
    pub id: ChangeSetId,
    /// As the caller named it.
    pub name: String,
    /// `ClientRequestToken`.
    pub token: String,
    /// The experience that it changes.
    pub experience: ExperienceId,
    /// The changes, in the order of the request.
    pub changes: Vec<(ProductId, Action)>,
    /// True if it also creates the policy.
    pub creates_policy: bool,
    /// When it was started.
    pub started: Timestamp,
    /// When it ends.
    pub ends: Timestamp,
    /// The result. None while it is under way.
    pub status: Option<ChangeSetStatus>,
}

impl ChangeSetRecord {
    /// The change set as DescribeChangeSet reports it. Its times are whole seconds.
    pub(crate) fn found(&self) -> NamedSet {
        let of = |action| {
            let changes = self.changes.iter().filter(move |(_, of)| *of == action);
            changes.map(|(product, _)| product.clone()).collect()
        };
        NamedSet {
            id: self.id.clone(),
            started: Timestamp::from_second(self.started.as_second()).ok(),
            content: Some(SetContent {
                allow: of(Action::Allow),
                deny: of(Action::Deny),
                creates_policy: self.creates_policy,
                is_more: false,
            }),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Entity {
    pub(crate) owner: AccountId,
    /// Other accounts that see and may change it.
    pub(crate) shared_with: BTreeSet<AccountId>,
    pub(crate) experience: Experience,
    pub(crate) policy: PolicySnapshot,
}

impl Entity {
    pub(crate) fn is_seen_by(&self, account: &AccountId) -> bool {
        self.owner == *account || self.shared_with.contains(account)
    }
}

/// The id of an experience's policy.
fn policy_of(id: &ExperienceId) -> Option<PolicyId> {
    PolicyId::new(id.as_str().replacen("exp-", "procpolicy-", 1)).ok()
}

/// What the producer last read of an experience.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The experience that it changes.
    pub experience: Experience,
    /// Its lists. Empty until they were read.
    pub policy: PolicySnapshot,
}

/// The experiences of every organization.
#[derive(Debug, Clone)]
pub struct Experiences {
    duration: SignedDuration,
    pub(crate) entities: BTreeMap<ExperienceId, Entity>,
    pub(crate) change_sets: Vec<ChangeSetRecord>,
    bad: BTreeSet<ProductId>,
    faults: u32,
    unattributed: bool,
    pub(crate) hidden: BTreeSet<ChangeSetId>,
    /// The number of allowed products in the producer's next read of an experience's lists.
    short: BTreeMap<ExperienceId, usize>,
    observed: BTreeMap<ExperienceId, Observed>,
}

impl Experiences {
    /// Creates an empty catalog. Change sets take `duration`.
    pub fn new(duration: SignedDuration) -> Self {
        Self {
            duration,
            entities: BTreeMap::new(),
            change_sets: Vec::new(),
            bad: BTreeSet::new(),
            faults: 0,
            unattributed: false,
            hidden: BTreeSet::new(),
            short: BTreeMap::new(),
            observed: BTreeMap::new(),
        }
    }

    /// Shows an experience to another account, which may change it.
    pub fn share(&mut self, id: &ExperienceId, with: &AccountId) {
        if let Some(entity) = self.entities.get_mut(id) {
            entity.shared_with.insert(with.clone());
        }
    }

    /// Adds an enabled experience with a policy.
    pub fn add(&mut self, owner: &AccountId, id: &ExperienceId, policy: PolicySnapshot) {
        let experience = Experience {
            id: id.clone(),
            name: id.to_string(),
            status: Status::Enabled,
            archived: false,
            policy: policy_of(id),
        };
        self.entities.insert(
            id.clone(),
            Entity {
                owner: owner.clone(),
                shared_with: BTreeSet::new(),
                experience,
                policy,
            },
        );
    }

    /// Changes an experience without a change set.
    pub fn edit(
        &mut self,
        id: &ExperienceId,
        edit: impl FnOnce(&mut Experience, &mut PolicySnapshot),
    ) {
        if let Some(entity) = self.entities.get_mut(id) {
            edit(&mut entity.experience, &mut entity.policy);
        }
    }

    /// The current lists of an experience.
    pub fn policy(&self, id: &ExperienceId) -> PolicySnapshot {
        self.entities
            .get(id)
            .map(|entity| entity.policy.clone())
            .unwrap_or_default()
    }

    /// Makes the producer's next read of an experience's lists contain `most` allowed products
    /// only.
    pub fn read_short(&mut self, id: &ExperienceId, most: usize) {
        self.short.insert(id.clone(), most);
    }

    /// Makes every read complete again.
    pub fn read_whole(&mut self) {
        self.short.clear();
    }

    /// What the producer last read of an experience.
    pub fn observed(&self, id: &ExperienceId) -> Option<&Observed> {
        self.observed.get(id)
    }

    /// The current state of an experience.
    pub fn experience(&self, id: &ExperienceId) -> Option<&Experience> {
        self.entities.get(id).map(|entity| &entity.experience)
    }

    pub(crate) fn observe_experience(&mut self, experience: &Experience) {
        let observed = self.observed.entry(experience.id.clone());
        let observed = observed.or_insert_with(|| Observed {
            experience: experience.clone(),
            policy: PolicySnapshot::default(),
        });
        observed.experience = experience.clone();
        if experience.policy.is_none() {
            observed.policy = PolicySnapshot::default();
        }
    }

    /// The lists as the producer reads them.
    pub(crate) fn observe_policy(
        &mut self,
        id: &ExperienceId,
        policy: PolicySnapshot,
    ) -> PolicySnapshot {
        let policy = match self.short.remove(id) {
            Some(most) => PolicySnapshot::new(
                policy.allowed().iter().take(most).cloned(),
                policy.denied().iter().cloned(),
            ),
            None => policy,
        };
        if let Some(observed) = self.observed.get_mut(id) {
            observed.policy = policy.clone();
        }
        policy
    }

    /// Makes every change set with this product fail.
    pub fn make_bad(&mut self, product: ProductId) {
        self.bad.insert(product);
    }

    /// Makes a bad product good again.
    pub fn make_good(&mut self, product: &ProductId) {
        self.bad.remove(product);
    }

    /// Makes the service no longer say which change of a failed change set was at fault.
    pub fn withhold_reasons(&mut self) {
        self.unattributed = true;
    }

    /// Makes the next `count` change sets that end fail because of the service.
    pub fn fail_next_sets(&mut self, count: u32) {
        self.faults = count;
    }

    /// Lets an administrator's change set hold the lock on an experience until `ends`.
    pub fn lock_until(&mut self, id: &ExperienceId, now: Timestamp, ends: Timestamp) {
        let number = self.change_sets.len() + 1;
        if let Ok(set) = ChangeSetId::new(format!("foreign{number:08}")) {
            self.change_sets.push(ChangeSetRecord {
                id: set,
                name: "by hand".to_owned(),
                token: format!("foreign-{number}"),
                experience: id.clone(),
                changes: Vec::new(),
                creates_policy: false,
                started: now,
                ends,
                status: None,
            });
        }
    }

    /// Cancels what is under way on an experience, as an administrator. Returns false if nothing
    /// is.
    pub fn cancel(&mut self, id: &ExperienceId) -> bool {
        let under_way = self
            .change_sets
            .iter_mut()
            .find(|set| set.experience == *id && set.status.is_none());
        under_way.is_some_and(|set| {
            set.status = Some(ChangeSetStatus::Cancelled);
            true
        })
    }

    /// Makes the service forget a change set.
    pub fn forget(&mut self, id: &ChangeSetId) {
        self.hidden.insert(id.clone());
    }

    /// True if a product makes its change set fail.
    pub fn is_bad(&self, product: &ProductId) -> bool {
        self.bad.contains(product)
    }

    /// Adds a change set that another installation, or an earlier one, started on an experience. It
    /// holds the lock until `ends`, unless it has a result already.
    pub fn add_set(&mut self, set: ChangeSetRecord) {
        self.change_sets.push(set);
    }

    /// The change sets of an experience that the service still knows.
    pub(crate) fn visible(&self, id: &ExperienceId) -> impl Iterator<Item = &ChangeSetRecord> {
        let sets = self.change_sets.iter();
        sets.filter(move |set| set.experience == *id && !self.hidden.contains(&set.id))
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

    /// Ends the change set under way now, before its time. Returns its name and id.
    pub fn end_under_way(&mut self, now: Timestamp) -> Option<(String, ChangeSetId)> {
        let mut sets = self.change_sets.iter_mut();
        let set = sets.find(|set| set.status.is_none())?;
        set.ends = now;
        let ended = (set.name.clone(), set.id.clone());
        self.settle(now);
        Some(ended)
    }

    /// Applies every change set that has ended by `now`.
    pub(crate) fn settle(&mut self, now: Timestamp) {
        let due = |set: &&mut ChangeSetRecord| set.status.is_none() && set.ends <= now;
        for set in self.change_sets.iter_mut().filter(due) {
            if self.faults > 0 && !set.changes.is_empty() {
                self.faults -= 1;
                set.status = Some(ChangeSetStatus::ServerFault(
                    "the service failed".to_owned(),
                ));
                continue;
            }
            let archived = self.entities.get(&set.experience).is_none_or(|entity| {
                // Without a policy nothing can be changed, and with one nothing can be created.
                entity.experience.archived
                    || entity.experience.policy.is_some() == set.creates_policy
            });
            let errors: Vec<_> = set
                .changes
                .iter()
                .filter(|(product, _)| self.bad.contains(product))
                .map(|(product, action)| ChangeError {
                    action: *action,
                    code: "INVALID_PRODUCT".to_owned(),
                    message: format!("{product} cannot be changed"),
                })
                .collect();
            if archived || !errors.is_empty() {
                let attributed = !self.unattributed && !archived;
                set.status = Some(ChangeSetStatus::Failed(Failed {
                    errors: if attributed { errors } else { Vec::new() },
                    description: (!attributed).then(|| "the change set is not valid".to_owned()),
                }));
                continue;
            }
            if let Some(entity) = self.entities.get_mut(&set.experience) {
                let changes = set
                    .changes
                    .iter()
                    .map(|(product, action)| (product, *action));
                entity.policy = entity.policy.overlaid(changes);
                if set.creates_policy {
                    entity.experience.policy = policy_of(&set.experience);
                }
            }
            let seconds = set.ends.duration_since(set.started).as_secs();
            set.status = Some(ChangeSetStatus::Succeeded(u32::try_from(seconds).ok()));
        }
    }

    pub(crate) fn entity(
        &self,
        caller: &AccountId,
        operation: &'static str,
        id: &ExperienceId,
    ) -> Result<&Entity> {
        let error = |kind, message| ServiceError::new(operation, id.to_string(), kind, message);
        match self.entities.get(id) {
            None => Err(error(Kind::NotFound, "no such entity")),
            Some(entity) if !entity.is_seen_by(caller) => {
                Err(error(Kind::Denied, "the entity is of another organization"))
            }
            Some(entity) => Ok(entity),
        }
    }

    pub(crate) fn start(
        &mut self,
        caller: &AccountId,
        name: &ChangeSetName,
        intent: &Intent,
        now: Timestamp,
    ) -> Result<ChangeSetId> {
        let token = &intent.token;
        let error = |kind, message: &str| {
            ServiceError::new("StartChangeSet", name.to_string(), kind, message)
        };
        let wanted: Vec<_> = intent
            .changes
            .iter()
            .map(|change| (change.product.clone(), change.action))
            .collect();
        if let Some(same) = self.change_sets.iter().find(|set| set.token == *token) {
            let identical = same.changes == wanted
                && same.name == name.to_string()
                && same.creates_policy == intent.creates_policy;
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
            token: token.clone(),
            experience: name.experience.clone(),
            changes: wanted,
            creates_policy: intent.creates_policy,
            started: now,
            ends: now.checked_add(self.duration).unwrap_or(now),
            status: None,
        });
        Ok(id)
    }
}
