//! The goal of a lane.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::guard::{GuardName, HoldReason};
use crate::ids::{ExperienceId, ProductId, RunId};
use crate::lane::Suspension;
use crate::link::{Link, LinkPolicy};
use crate::policy::PolicySnapshot;
use crate::sources::{Conflict, SourceLists};

/// A management experience as it was read.
#[derive(Debug, Clone)]
pub struct SourceState {
    /// Its lists.
    pub policy: Arc<PolicySnapshot>,
    /// Its conditions, except that it is empty.
    pub conditions: Vec<HoldReason>,
}

impl SourceState {
    /// Its conditions as one of several. It is empty if it lists nothing: one that only denies adds to
    /// what the others want.
    pub fn conditions_among_others(&self) -> Vec<HoldReason> {
        let mut conditions = self.conditions.clone();
        if self.policy.is_empty() && !conditions.iter().any(is_no_policy) {
            conditions.push(HoldReason::ManagementEmpty { experience: None });
        }
        conditions
    }
}

/// Without a policy an experience lists nothing either, and that it is empty says no more.
fn is_no_policy(condition: &HoldReason) -> bool {
    condition.guard() == Some(GuardName::ManagementNoPolicy)
}

/// The lists that a member experience should have.
#[derive(Debug, Clone)]
pub struct DesiredState {
    /// The wanted lists: those of the management experience, or the union of several.
    pub policy: PolicySnapshot,
    /// Conditions of the experiences from which they come. With a condition nothing is changed
    /// without approval.
    pub conditions: Vec<HoldReason>,
    /// The lists of each management experience, if there are several.
    pub sources: Vec<SourceLists>,
    /// The run whose changes are taken back: the wanted lists are the member's own, without these.
    pub without: Option<RunId>,
}

impl DesiredState {
    /// Lists without conditions.
    pub fn alone(policy: PolicySnapshot) -> Self {
        Self {
            policy,
            conditions: Vec::new(),
            sources: Vec::new(),
            without: None,
        }
    }

    /// The member's own lists, without what this run has changed.
    pub fn without(run: RunId) -> Self {
        Self {
            without: Some(run),
            ..Self::alone(PolicySnapshot::default())
        }
    }

    /// What the management experiences of a link want together. Of several, one that lists nothing
    /// is most likely a mistake, as is a union that allows nothing; one that only denies is not.
    pub fn of_sources<'a>(
        sources: impl IntoIterator<Item = (&'a ExperienceId, &'a SourceState)>,
        conflict: Conflict,
    ) -> Self {
        let sources: Vec<_> = sources.into_iter().collect();
        let lists = sources.iter().map(|(_, source)| source.policy.as_ref());
        let policy = PolicySnapshot::union(lists, conflict);
        let are_several = sources.len() > 1;
        let mut conditions = Vec::new();
        for (experience, source) in &sources {
            if are_several {
                let own = source.conditions_among_others().into_iter();
                conditions.extend(own.map(|of| of.about(experience)));
            } else {
                conditions.extend(source.conditions.iter().cloned());
            }
        }
        let is_explained = !are_several && conditions.iter().any(is_no_policy);
        if policy.allowed_count() == 0 && !is_explained {
            conditions.push(HoldReason::ManagementEmpty { experience: None });
        }
        let listed = |(experience, source): (&ExperienceId, &SourceState)| SourceLists {
            experience: experience.clone(),
            policy: Arc::clone(&source.policy),
        };
        Self {
            policy,
            conditions,
            sources: if are_several {
                sources.into_iter().map(listed).collect()
            } else {
                Vec::new()
            },
            without: None,
        }
    }
}

/// What one lane is reconciled to, and within which limits.
#[derive(Debug, Clone, Copy)]
pub struct Goal<'a> {
    /// The link of the configuration.
    pub link: &'a Link,
    /// What the link may do in this run.
    pub policy: &'a LinkPolicy,
    /// The member experience.
    pub experience: &'a ExperienceId,
    /// The lists that it should have.
    pub desired: &'a DesiredState,
    /// Quarantined products that should be tried again.
    pub lifted: &'a BTreeSet<ProductId>,
    /// True for a rollback, which no guard judges, because it is always held and approved on its
    /// own. AWS Marketplace is not asked for its products either, because they were allowed before.
    pub rollback: bool,
    /// The operator's suspension of the lane.
    pub suspension: Option<&'a Suspension>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_goal_without_a_run_names_one() {
        let run = RunId::next(None, 1, 1);
        let without = DesiredState::without(run);
        assert_eq!(without.without, Some(run));
        assert!(without.policy.is_empty() && without.conditions.is_empty());
        let lists = PolicySnapshot::new(["prod-a".parse().unwrap()], []);
        let alone = DesiredState::alone(lists.clone());
        assert_eq!((alone.without, alone.policy), (None, lists));
    }
}
