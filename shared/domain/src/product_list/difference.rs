//! What has to change so that an experience has the lists that a file wants.

use std::collections::BTreeSet;

use super::Wanted;
use crate::ids::ProductId;
use crate::plan::Plan;
use crate::policy::{Action, PolicySnapshot, Standing};

/// The difference between a file and an experience.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// What has to change.
    pub plan: Plan,
    /// Products that are on the wanted list already.
    pub in_place: usize,
    /// Allowed products that the file does not name. They stay allowed unless the list is to be equal to
    /// the file; then they are in the plan.
    pub only_there: BTreeSet<ProductId>,
    /// Denied products that the file does not name. They stay denied, because there is no un-list.
    pub stay_denied: BTreeSet<ProductId>,
}

/// Compares. With `exact` the Allow list is to be that of the file: what it does not name is denied.
pub fn difference(actual: &PolicySnapshot, wanted: &Wanted, exact: bool) -> Difference {
    let (mut allow, mut deny) = (BTreeSet::new(), BTreeSet::new());
    let mut in_place = 0;
    for (product, want) in &wanted.products {
        if actual.standing(product) == want.action.outcome() {
            in_place += 1;
            continue;
        }
        match want.action {
            Action::Allow => allow.insert(product.clone()),
            Action::Deny => deny.insert(product.clone()),
        };
    }
    let unnamed = |standing: Standing| {
        let listed = actual.iter().filter(move |(_, found)| *found == standing);
        let unnamed = listed.filter(|(product, _)| !wanted.products.contains_key(*product));
        unnamed
            .map(|(product, _)| product.clone())
            .collect::<BTreeSet<_>>()
    };
    let only_there = unnamed(Standing::Allowed);
    if exact {
        deny.extend(only_there.iter().cloned());
    }
    Difference {
        plan: Plan::new(allow, deny),
        in_place,
        only_there,
        stay_denied: unnamed(Standing::Denied),
    }
}
