//! Rejections: changes that a person did not want, remembered until they are no longer wanted.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Ask;
use crate::ids::{PlanHash, ProductId};
use crate::plan::Plan;
use crate::policy::Action;

/// The most changes of a rejection that are remembered by their products.
pub const MOST_REJECTED: usize = 1_000;

/// How much of what is held was rejected before, and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RejectedPart {
    /// Number of changes of it that were rejected.
    pub changes: usize,
    /// Who rejected them.
    pub ask: Ask,
}

/// What was rejected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectedChanges {
    /// These changes.
    Products {
        /// Allows.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        allow: BTreeSet<ProductId>,
        /// Denies.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        deny: BTreeSet<ProductId>,
    },
    /// All changes of the plan with this hash. They are too many to be remembered one by one.
    Plan(PlanHash),
}

/// A rejection. It counts for each change until that is no longer wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// What was rejected.
    pub changes: RejectedChanges,
    /// Who rejected it.
    pub ask: Ask,
}

impl Rejection {
    /// The rejection of what is held.
    pub fn new(held: &Plan, ask: Ask) -> Self {
        let changes = if held.len() > MOST_REJECTED {
            RejectedChanges::Plan(held.hash())
        } else {
            RejectedChanges::Products {
                allow: held.allow().clone(),
                deny: held.deny().clone(),
            }
        };
        Self { changes, ask }
    }

    /// The changes of the plan that were rejected.
    pub fn among(&self, plan: &Plan) -> Plan {
        match &self.changes {
            RejectedChanges::Products { allow, deny } => Plan::new(
                plan.allow().intersection(allow).cloned().collect(),
                plan.deny().intersection(deny).cloned().collect(),
            ),
            RejectedChanges::Plan(hash) if plan.hash() == *hash => plan.clone(),
            RejectedChanges::Plan(_) => Plan::default(),
        }
    }

    /// How much of what is held was rejected. None if nothing was. A hold without changes is rejected only as a
    /// whole, with the hold itself.
    pub fn part_of(&self, held: &Plan) -> Option<RejectedPart> {
        let changes = self.among(held).len();
        (changes > 0).then(|| RejectedPart {
            changes,
            ask: self.ask.clone(),
        })
    }

    /// What is left of the rejection: the changes of it that are still wanted. A plan that is remembered by its hash
    /// is forgotten once something else is held, or nothing. None if nothing is left.
    #[must_use]
    pub fn while_wanted(
        self,
        is_wanted: impl Fn(&ProductId, Action) -> bool,
        held: &Plan,
    ) -> Option<Self> {
        let changes = match self.changes {
            RejectedChanges::Products {
                mut allow,
                mut deny,
            } => {
                allow.retain(|product| is_wanted(product, Action::Allow));
                deny.retain(|product| is_wanted(product, Action::Deny));
                if allow.is_empty() && deny.is_empty() {
                    return None;
                }
                RejectedChanges::Products { allow, deny }
            }
            RejectedChanges::Plan(hash) if held.hash() == hash => RejectedChanges::Plan(hash),
            RejectedChanges::Plan(_) => return None,
        };
        let ask = self.ask;
        Some(Self { changes, ask })
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::policy::ProductChange;

    fn ask() -> Ask {
        Ask {
            by: Some("ann".to_owned()),
            account: None,
            at: Timestamp::UNIX_EPOCH,
            reason: None,
        }
    }

    fn products(range: std::ops::Range<usize>) -> BTreeSet<ProductId> {
        range
            .map(|n| format!("prod-{n}").parse().unwrap())
            .collect()
    }

    fn denies(range: std::ops::Range<usize>) -> Plan {
        Plan::new(BTreeSet::new(), products(range))
    }

    /// What is left of a rejection while all of this is wanted, and held.
    fn while_wanted(rejection: &Rejection, wanted: &Plan) -> Option<Rejection> {
        let is_wanted = |product: &ProductId, action| {
            let product = product.clone();
            wanted.contains(&ProductChange { product, action })
        };
        rejection.clone().while_wanted(is_wanted, wanted)
    }

    #[test]
    fn a_rejection_counts_for_each_change_while_it_is_wanted() {
        let rejection = Rejection::new(&denies(0..60), ask());
        let part = rejection.part_of(&denies(50..70)).unwrap();
        assert_eq!(part.changes, 10);
        assert_eq!(rejection.part_of(&denies(60..70)), None);
        let allows = Plan::new(products(0..60), BTreeSet::new());
        assert_eq!(rejection.part_of(&allows), None, "another action");
        let left = while_wanted(&rejection, &denies(10..70)).unwrap();
        assert_eq!(left, Rejection::new(&denies(10..60), ask()));
        let again = left.part_of(&denies(0..60)).unwrap();
        assert_eq!(
            again.changes, 50,
            "what was not wanted in between is forgotten"
        );
        assert_eq!(while_wanted(&left, &denies(0..10)), None);
    }

    #[test]
    fn of_very_many_changes_only_exactly_that_plan_is_rejected() {
        let all = denies(0..MOST_REJECTED + 1);
        let rejection = Rejection::new(&all, ask());
        assert_eq!(rejection.changes, RejectedChanges::Plan(all.hash()));
        assert_eq!(rejection.part_of(&all).unwrap().changes, all.len());
        assert_eq!(while_wanted(&rejection, &all), Some(rejection.clone()));
        let fewer = denies(0..MOST_REJECTED);
        assert_eq!(rejection.part_of(&fewer), None);
        assert_eq!(while_wanted(&rejection, &fewer), None);
        let named = Rejection::new(&fewer, ask());
        assert!(matches!(named.changes, RejectedChanges::Products { .. }));
    }
}
