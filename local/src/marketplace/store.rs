//! The state of the emulator.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use serde_json::Value;

use super::calls::Calls;
use super::changes::{Change, ChangeSet, MadeIds, Status, Target};
use super::entities::{Described, Experience, Lists, NewExperience, Policy};
use super::error::ApiError;
use super::faults::FaultState;
use super::quotas::{Quotas, Rates};

/// An organization: who owns its entities and who may use them.
#[derive(Debug, Clone)]
pub(crate) struct Org {
    pub(crate) management_account: String,
    pub(crate) delegated_admins: BTreeSet<String>,
    /// True while the organization trusts Private Marketplace.
    pub(crate) trusted_access: bool,
}

impl Org {
    pub(crate) fn accounts(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.management_account).chain(&self.delegated_admins)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) orgs: Vec<Org>,
    pub(crate) experiences: BTreeMap<String, Experience>,
    pub(crate) change_sets: BTreeMap<String, ChangeSet>,
    /// Ids of the change sets, in the order in which they were started.
    pub(crate) started: Vec<String>,
    /// Idempotency tokens by account, with the request and the change set of each.
    pub(crate) tokens: HashMap<(String, String), (Value, String)>,
    /// Products that the Discovery API does not have. It has every other product.
    pub(crate) gone: BTreeSet<String>,
    /// Names that products were given, by id.
    pub(crate) names: BTreeMap<String, String>,
    pub(crate) calls: Calls,
    pub(crate) rates: Rates,
    pub(crate) quotas: Quotas,
    pub(crate) faults: FaultState,
    pub(crate) made: u64,
}

impl Store {
    /// Creates an id in the form of the service: 13 lower-case letters and digits.
    pub(crate) fn make_id(&mut self, prefix: &str) -> String {
        self.made += 1;
        let mut x = self.made.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut text = format!("{prefix}-");
        for _ in 0..13 {
            x ^= x >> 29;
            x = x
                .wrapping_mul(0xbf58_476d_1ce4_e5b9)
                .wrapping_add(self.made);
            let digit = u32::try_from((x >> 33) % 36).unwrap_or_default();
            text.push(char::from_digit(digit, 36).unwrap_or('0'));
        }
        text
    }

    pub(crate) fn add_org(
        &mut self,
        management_account: &str,
        delegated_admins: impl IntoIterator<Item = String>,
    ) {
        match self
            .orgs
            .iter_mut()
            .find(|org| org.management_account == management_account)
        {
            Some(org) => org.delegated_admins.extend(delegated_admins),
            None => self.orgs.push(Org {
                management_account: management_account.to_owned(),
                delegated_admins: delegated_admins.into_iter().collect(),
                trusted_access: true,
            }),
        }
    }

    /// The organization that an account may administer.
    pub(crate) fn org(&self, account: &str) -> Result<&Org, ApiError> {
        self.orgs
            .iter()
            .find(|org| org.accounts().any(|member| member == account))
            .ok_or_else(|| {
                ApiError::denied(format!(
                    "{account} is neither a management account nor a delegated administrator"
                ))
            })
    }

    pub(crate) fn add_experience(&mut self, new: NewExperience, now: Timestamp) -> String {
        let id = new.id.unwrap_or_else(|| self.make_id("exp"));
        let policy_id = self.make_id("procpolicy");
        let policy = new.lists.map(|lists| Policy {
            id: policy_id,
            revision: 1,
            name: None,
            description: None,
            requests: None,
            lists,
            notes: BTreeMap::new(),
            modified: now,
        });
        let experience = Experience {
            id: id.clone(),
            owner: new.owner,
            revision: 1,
            name: new.name.unwrap_or_else(|| id.clone()),
            description: None,
            enabled: new.enabled,
            archived: new.archived,
            policy,
            audience: None,
            modified: now,
        };
        self.experiences.insert(id.clone(), experience);
        id
    }

    /// Sets whether the Discovery API has a product.
    pub(crate) fn set_live(&mut self, id: &str, live: bool) {
        if live {
            self.gone.remove(id);
        } else {
            self.gone.insert(id.to_owned());
        }
    }

    pub(crate) fn lists(&self, id: &str) -> Option<Lists> {
        self.experiences
            .get(id)?
            .policy
            .as_ref()
            .map(|policy| policy.lists.clone())
    }

    /// Changes the lists without a change set, as the console would. Has no effect without a
    /// policy.
    pub(crate) fn set_lists(&mut self, id: &str, lists: Lists, now: Timestamp) {
        if let Some(experience) = self.experiences.get_mut(id)
            && let Some(policy) = &mut experience.policy
        {
            policy.lists = lists;
            policy.revision += 1;
            policy.modified = now;
            experience.revision += 1;
        }
    }

    /// Describes an entity that the caller's organization owns.
    pub(crate) fn describe(&self, caller: &str, id: &str) -> Result<Described, ApiError> {
        let org = self.org(caller)?;
        let by_id = self.experiences.get(id).map(Experience::describe);
        let by_policy = || {
            self.experiences
                .values()
                .filter_map(Experience::describe_policy)
                .find(|policy| policy.id == id)
        };
        let by_audience = || {
            self.experiences
                .values()
                .filter_map(Experience::describe_audience)
                .find(|audience| audience.id == id)
        };
        let found = by_id
            .or_else(by_policy)
            .or_else(by_audience)
            .ok_or_else(|| ApiError::not_found(format!("Entity {id} does not exist")))?;
        if found.owner == org.management_account {
            Ok(found)
        } else {
            Err(ApiError::denied(format!(
                "{caller} is not authorized to access {id}"
            )))
        }
    }

    /// The error of a change of an audience, as a code and a message.
    fn audience_error(
        &self,
        set: &str,
        owner: &str,
        change: &Change,
        target: &str,
        after: &BTreeMap<String, Experience>,
    ) -> Option<(String, String)> {
        let principals = change.principals();
        let error = |code: &str, message: String| Some((code.to_owned(), message));
        let others = self.change_sets.values().filter(|other| {
            other.owner == owner && other.id != set && other.status == Status::Applying
        });
        let mut busy = others.flat_map(|other| &other.changes);
        if let Some(change) = busy.find(|change| {
            let named = change.principals();
            named.iter().any(|principal| principals.contains(principal))
        }) {
            let message = format!("Another {} is under way for the audience", change.kind);
            return error("ENTITY_IN_USE", message);
        }
        if !change.is_association() {
            return None;
        }
        let org = self.orgs.iter().find(|org| org.management_account == owner);
        let is_own = |principal: &&String| org.is_some_and(|org| org.has_principal(principal));
        if let Some(foreign) = principals.iter().find(|principal| !is_own(principal)) {
            let message = format!("{foreign} does not belong to the organization");
            return error("CALLER_NOT_AUTHORIZED", message);
        }
        for principal in &principals {
            let mut others = after.values().filter(|other| other.id != target);
            if let Some(other) = others.find(|other| other.governs(principal)) {
                let message = format!("{principal} is in the audience of {}", other.id);
                return error("ENTITY_ALREADY_EXISTS", message);
            }
        }
        None
    }

    /// The change set that holds the lock on an experience.
    pub(crate) fn lock_on(&self, id: &str) -> Option<&ChangeSet> {
        let open = self
            .change_sets
            .values()
            .filter(|set| !set.status.is_final());
        open.into_iter()
            .find(|set| set.experiences().iter().any(|locked| locked == id))
    }

    /// Moves a change set from PREPARING to APPLYING. False if it was cancelled meanwhile.
    pub(crate) fn begin_applying(&mut self, id: &str) -> bool {
        match self.change_sets.get_mut(id) {
            Some(set) if set.status == Status::Preparing => {
                set.status = Status::Applying;
                true
            }
            _ => false,
        }
    }

    /// Ends a change set: all of its changes take effect, or none.
    pub(crate) fn finish(&mut self, id: &str, now: Timestamp) -> Option<ChangeSet> {
        let mut set = self
            .change_sets
            .get(id)
            .filter(|set| set.status == Status::Applying)?
            .clone();
        let verdict = self.faults.judge(&set);
        if verdict.write(&mut set, self.faults.get().unattributed_failures) {
            set.status = Status::Failed;
            set.ended = Some(now);
            self.change_sets.insert(id.to_owned(), set.clone());
            return Some(set);
        }
        let mut after = self.experiences.clone();
        let mut made: HashMap<String, String> = HashMap::new();
        let mut failed = false;
        for change in &mut set.changes {
            let target = match &change.experience {
                Target::New => {
                    let new = NewExperience {
                        owner: set.owner.clone(),
                        id: None,
                        name: change
                            .details
                            .get("Name")
                            .and_then(Value::as_str)
                            .map(str::to_owned),
                        enabled: false,
                        archived: false,
                        lists: None,
                    };
                    let id = self.add_experience(new, now);
                    if let Some(fresh) = self.experiences.remove(&id) {
                        after.insert(id.clone(), fresh);
                    }
                    made.extend(change.name.clone().map(|name| (name, id.clone())));
                    id
                }
                Target::Existing { id, .. } => id.clone(),
                Target::Made(name) => made.get(name).cloned().unwrap_or_default(),
            };
            let made_ids = MadeIds {
                policy: self.make_id("procpolicy"),
                audience: self.make_id("aud"),
            };
            let stands_in_the_way =
                self.audience_error(&set.id, &set.owner, change, &target, &after);
            if let Some(error) = stands_in_the_way {
                change.errors.push(error);
                failed = true;
            } else if let Some(experience) = after.get_mut(&target)
                && let Err(error) = change.apply(experience, made_ids, now)
            {
                change.errors.push(error);
                failed = true;
            }
            if !failed {
                change.experience = Target::Existing {
                    id: target,
                    revision: None,
                };
            }
        }
        set.ended = Some(now);
        if failed {
            set.status = Status::Failed;
            set.failure = Some(("CLIENT_ERROR", None));
        } else {
            set.status = Status::Succeeded;
            self.experiences = after;
        }
        self.change_sets.insert(id.to_owned(), set.clone());
        Some(set)
    }
}
