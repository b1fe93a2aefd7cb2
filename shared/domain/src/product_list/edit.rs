//! An edit of an experience's lists in the fewest change sets: each has up to 50 allows and 50 denies.
//! One that the service rejects is tried by halves, until the products that it rejects are known.

use std::collections::BTreeSet;

use crate::ids::{ChangeSetId, ProductId};
use crate::lane::{BATCH, Failed};
use crate::plan::Plan;
use crate::policy::{Action, ProductChange};

/// After this many products that the service has rejected individually, an edit is given up.
pub const MOST_REFUSED: usize = 50;
/// After this many with nothing applied: most likely it is not the products.
const DOUBTFUL: usize = 3;

/// A change that the service rejected individually.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The change.
    pub change: ProductChange,
    /// The service's words.
    pub reason: String,
    /// The change set.
    pub change_set: ChangeSetId,
}

/// An edit under way.
#[derive(Debug, Clone, Default)]
pub struct Edit {
    todo: Plan,
    /// Parts of rejected change sets, of which at least one product is bad. The last is tried first.
    suspects: Vec<Plan>,
    refused: Vec<Refusal>,
    has_applied: bool,
}

fn only(plan: &Plan, action: Action) -> Plan {
    match action {
        Action::Allow => Plan::new(plan.allow().clone(), BTreeSet::new()),
        Action::Deny => Plan::new(BTreeSet::new(), plan.deny().clone()),
    }
}

/// The first and the second half of a part that has one kind.
fn halves(plan: &Plan) -> [Plan; 2] {
    let split = |products: &BTreeSet<ProductId>| {
        let middle = products.len() / 2;
        let first: BTreeSet<_> = products.iter().take(middle).cloned().collect();
        let second: BTreeSet<_> = products.iter().skip(middle).cloned().collect();
        (first, second)
    };
    let (allow, deny) = (split(plan.allow()), split(plan.deny()));
    [Plan::new(allow.0, deny.0), Plan::new(allow.1, deny.1)]
}

impl Edit {
    /// An edit that is to make these changes.
    pub fn new(plan: Plan) -> Self {
        Self {
            todo: plan,
            ..Self::default()
        }
    }

    /// The changes that are left.
    pub fn todo(&self) -> &Plan {
        &self.todo
    }

    /// The changes that the service rejected individually.
    pub fn refused(&self) -> &[Refusal] {
        &self.refused
    }

    /// True if it makes no sense to go on.
    pub fn is_hopeless(&self) -> bool {
        let most = if self.has_applied {
            MOST_REFUSED
        } else {
            DOUBTFUL
        };
        self.refused.len() >= most
    }

    /// The next change set. None once nothing is left.
    pub fn next_set(&mut self) -> Option<Plan> {
        while let Some(suspects) = self.suspects.pop() {
            let left = Plan::new(
                suspects
                    .allow()
                    .intersection(self.todo.allow())
                    .cloned()
                    .collect(),
                suspects
                    .deny()
                    .intersection(self.todo.deny())
                    .cloned()
                    .collect(),
            );
            if !left.is_empty() {
                return Some(left);
            }
        }
        let first = |products: &BTreeSet<ProductId>| products.iter().take(BATCH).cloned().collect();
        let batch = Plan::new(first(self.todo.allow()), first(self.todo.deny()));
        (!batch.is_empty()).then_some(batch)
    }

    /// A change set was not started, or nothing is known of its content: it is tried again.
    pub fn again(&mut self, batch: Plan) {
        self.suspects.push(batch);
    }

    /// A change set was applied.
    pub fn applied(&mut self, batch: &Plan) {
        let done = batch.allow().iter().chain(batch.deny()).cloned().collect();
        self.todo = std::mem::take(&mut self.todo).without(&done);
        self.has_applied = true;
    }

    /// The lists were read again: this is what is left of the difference.
    pub fn replan(&mut self, plan: Plan) {
        let refused = self.refused.iter();
        let refused = refused.map(|refusal| refusal.change.product.clone());
        self.todo = plan.without(&refused.collect());
    }

    /// The service rejected a change set because of its content.
    pub fn rejected(&mut self, batch: &Plan, failed: &Failed, change_set: &ChangeSetId) {
        // The service says at most which kind is at fault.
        let kinds = [Action::Allow, Action::Deny];
        let named = |action: Action| failed.errors.iter().any(|error| error.action == action);
        let is_part = |action: &Action| !only(batch, *action).is_empty();
        let suspect: Vec<_> = if kinds.iter().any(|kind| named(*kind) && is_part(kind)) {
            kinds
                .into_iter()
                .filter(|kind| named(*kind))
                .filter(is_part)
                .collect()
        } else {
            kinds.into_iter().filter(is_part).collect()
        };
        let is_sure = suspect.len() == 1
            || failed
                .errors
                .iter()
                .any(|error| suspect.contains(&error.action));
        for kind in suspect {
            let part = only(batch, kind);
            if !is_sure {
                // One of the two kinds may be good as a whole.
                self.suspects.push(part);
                continue;
            }
            let mut changes = part.changes();
            match (changes.next(), changes.next()) {
                (Some(change), None) => self.refuse(change, failed, change_set),
                _ => self.suspects.extend(halves(&part)),
            }
        }
    }

    fn refuse(&mut self, change: ProductChange, failed: &Failed, change_set: &ChangeSetId) {
        let product = std::iter::once(change.product.clone()).collect();
        self.todo = std::mem::take(&mut self.todo).without(&product);
        self.refused.push(Refusal {
            change,
            reason: failed.to_string(),
            change_set: change_set.clone(),
        });
    }
}
