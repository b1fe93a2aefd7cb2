//! The plan of a link: what would change on the member experience, and why each other product that
//! differs is left alone. Pure: the same inputs give the same plan and the same hash.

mod invalid;
mod reason;

pub use self::invalid::{InvalidProduct, InvalidProducts, MOST_INVALID};
pub use self::reason::Reason;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ids::{PlanHash, ProductId};
use crate::lane::{BATCH, LaneView};
use crate::link::{LinkPolicy, Mode};
use crate::policy::{Action, PolicySnapshot, ProductChange, Standing};

/// The changes for one member experience, at most one for each product.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    allow: BTreeSet<ProductId>,
    deny: BTreeSet<ProductId>,
}

impl Plan {
    /// Creates a plan. A product that is in both sets is denied.
    pub fn new(mut allow: BTreeSet<ProductId>, deny: BTreeSet<ProductId>) -> Self {
        allow.retain(|product| !deny.contains(product));
        Self { allow, deny }
    }

    /// Products to allow.
    pub fn allow(&self) -> &BTreeSet<ProductId> {
        &self.allow
    }

    /// Products to deny.
    pub fn deny(&self) -> &BTreeSet<ProductId> {
        &self.deny
    }

    /// The number of changes.
    pub fn len(&self) -> usize {
        self.allow.len() + self.deny.len()
    }

    /// True if there is no change.
    pub fn is_empty(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty()
    }

    /// True if the plan contains exactly this change.
    pub fn contains(&self, change: &ProductChange) -> bool {
        match change.action {
            Action::Allow => self.allow.contains(&change.product),
            Action::Deny => self.deny.contains(&change.product),
        }
    }

    /// True if the other plan contains every change of this one.
    pub fn is_part_of(&self, other: &Self) -> bool {
        self.allow.is_subset(&other.allow) && self.deny.is_subset(&other.deny)
    }

    /// The changes that do the opposite of a change of the other plan.
    #[must_use]
    pub fn opposed_to(&self, other: &Self) -> Self {
        Self {
            allow: self.allow.intersection(&other.deny).cloned().collect(),
            deny: self.deny.intersection(&other.allow).cloned().collect(),
        }
    }

    /// The changes that the other plan contains, too.
    #[must_use]
    pub fn common(&self, other: &Self) -> Self {
        Self {
            allow: self.allow.intersection(&other.allow).cloned().collect(),
            deny: self.deny.intersection(&other.deny).cloned().collect(),
        }
    }

    /// The changes that the other plan does not contain.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        Self {
            allow: self.allow.difference(&other.allow).cloned().collect(),
            deny: self.deny.difference(&other.deny).cloned().collect(),
        }
    }

    /// Adds a change. It replaces the opposite one.
    pub fn add(&mut self, product: &ProductId, action: Action) {
        let (to, from) = match action {
            Action::Allow => (&mut self.allow, &mut self.deny),
            Action::Deny => (&mut self.deny, &mut self.allow),
        };
        from.remove(product);
        to.insert(product.clone());
    }

    /// Both plans. Of two changes of a product the later one counts.
    #[must_use]
    pub fn then(mut self, later: &Self) -> Self {
        for change in later.changes() {
            self.add(&change.product, change.action);
        }
        self
    }

    /// The plan without these products.
    #[must_use]
    pub fn without(mut self, products: &BTreeSet<ProductId>) -> Self {
        self.allow.retain(|product| !products.contains(product));
        self.deny.retain(|product| !products.contains(product));
        self
    }

    /// The fewest change sets for this plan: a change set has one Allow and one Deny change of 50
    /// products each (Private Marketplace reference).
    pub fn fewest_change_sets(&self) -> usize {
        self.allow
            .len()
            .div_ceil(BATCH)
            .max(self.deny.len().div_ceil(BATCH))
    }

    /// SHA-256 over the sorted changes, one per line.
    pub fn hash(&self) -> PlanHash {
        let mut hasher = Sha256::new();
        for change in self
            .allow
            .iter()
            .map(|p| ("allow ", p))
            .chain(self.deny.iter().map(|p| ("deny ", p)))
        {
            hasher.update(change.0);
            hasher.update(change.1.as_str());
            hasher.update("\n");
        }
        PlanHash::of_digest(&hasher.finalize())
    }

    /// The changes in sending order: alternately as many allows and denies as one change set takes,
    /// so that the first messages to arrive fill one.
    pub fn in_sending_order(&self) -> Vec<ProductChange> {
        let mut allow = self.allow.iter();
        let mut deny = self.deny.iter();
        let mut order = Vec::with_capacity(self.len());
        while order.len() < self.len() {
            let take = |list: &mut std::collections::btree_set::Iter<'_, ProductId>, action| {
                list.by_ref()
                    .take(BATCH)
                    .map(|product| ProductChange {
                        product: product.clone(),
                        action,
                    })
                    .collect::<Vec<_>>()
            };
            order.extend(take(&mut allow, Action::Allow));
            order.extend(take(&mut deny, Action::Deny));
        }
        order
    }

    /// Every change, in the order of the products.
    pub fn changes(&self) -> impl Iterator<Item = ProductChange> {
        let allow = self.allow.iter().map(|product| ProductChange {
            product: product.clone(),
            action: Action::Allow,
        });
        let deny = self.deny.iter().map(|product| ProductChange {
            product: product.clone(),
            action: Action::Deny,
        });
        let mut all: Vec<_> = allow.chain(deny).collect();
        all.sort();
        all.into_iter()
    }
}

/// A product that differs and is not changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LeftAlone {
    /// Its id in AWS Marketplace.
    pub product: ProductId,
    /// Its standing in the member experience.
    pub standing: Standing,
    /// The change that it would need.
    pub wanted: Action,
    /// Why it is not changed.
    pub reason: Reason,
}

/// What a plan does not say: why products are left alone, and facts about the lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "an unread report is not actionable"]
pub struct Report {
    /// Products that differ and are not changed, ordered by id.
    pub left_alone: Vec<LeftAlone>,
    /// Number of planned denies of products that are allowed now.
    pub removals: usize,
    /// Products that the management policy both allows and denies; they count as denied.
    pub contradictory: BTreeSet<ProductId>,
    /// Number of planned allows of products that AWS Marketplace does not list, or for which it could
    /// not be asked.
    pub unchecked: usize,
    /// Products that differ and whose ids are not valid.
    pub invalid: InvalidProducts,
}

impl LinkPolicy {
    /// The change that a product needs. None if it is in place.
    ///
    /// A product that the management experience does not list must not be procurable. If the member
    /// allows it, it is denied. If the member denies it or does not list it, it is in place: there
    /// is no un-list, so Deny lists are compared as supersets only.
    pub fn wanted(desired: Standing, actual: Standing) -> Option<Action> {
        match (desired, actual) {
            (Standing::Allowed, Standing::Denied | Standing::Unlisted) => Some(Action::Allow),
            (Standing::Denied, Standing::Allowed | Standing::Unlisted)
            | (Standing::Unlisted, Standing::Allowed) => Some(Action::Deny),
            (Standing::Allowed, Standing::Allowed)
            | (Standing::Denied, Standing::Denied)
            | (Standing::Unlisted, Standing::Denied | Standing::Unlisted) => None,
        }
    }

    /// The reason why the link may not make this change, if there is one.
    pub fn forbids(&self, product: &ProductId, action: Action) -> Option<Reason> {
        if self.frozen {
            Some(Reason::Frozen)
        } else if self.exclude.contains(product) {
            Some(Reason::Excluded)
        } else if action == Action::Deny && self.protect.contains(product) {
            Some(Reason::Protected)
        } else {
            match (self.mode, action) {
                (Mode::Observe, _) => Some(Reason::Observe),
                (Mode::Additive, Action::Deny) => Some(Reason::Additive),
                (Mode::Additive, Action::Allow) | (Mode::Mirror, _) => None,
            }
        }
    }

    /// True if a change that was planned earlier is still what the link would do today.
    pub fn agrees(&self, desired: &PolicySnapshot, change: &ProductChange) -> bool {
        let still_wanted = match desired.standing(&change.product) {
            Standing::Allowed => change.action == Action::Allow,
            Standing::Denied | Standing::Unlisted => change.action == Action::Deny,
        };
        still_wanted && self.forbids(&change.product, change.action).is_none()
    }
}

/// Computes what has to change so that the member experience (`actual`) is in sync with the
/// management experience (`desired`), as far as the link allows.
///
/// The plan contains what differs from the real policy, **or from the real policy as it will be
/// once the batch in flight is applied**: a change in flight may be the opposite of what is wanted
/// now.
pub fn plan(
    desired: &PolicySnapshot,
    actual: &PolicySnapshot,
    lane: &LaneView,
    link: &LinkPolicy,
) -> (Plan, Report) {
    let overlaid = actual.overlaid(
        lane.in_flight
            .iter()
            .map(|change| (&change.product, change.action)),
    );
    let mut report = Report {
        contradictory: desired.contradictory().clone(),
        invalid: InvalidProducts::differing(desired, actual),
        ..Report::default()
    };
    let (mut allow, mut deny) = (BTreeSet::new(), BTreeSet::new());
    let products: BTreeSet<&ProductId> = desired
        .iter()
        .chain(actual.iter())
        .chain(overlaid.iter())
        .map(|(product, _)| product)
        .collect();
    for product in products {
        let goal = desired.standing(product);
        let standing = actual.standing(product);
        let wanted = LinkPolicy::wanted(goal, standing)
            .or_else(|| LinkPolicy::wanted(goal, overlaid.standing(product)));
        let Some(action) = wanted else { continue };
        let change = ProductChange {
            product: product.clone(),
            action,
        };
        let is_quarantined = lane.quarantined.contains(&change);
        let rules = lane.member.as_ref();
        let is_kept_back = rules.is_some_and(|rules| rules.forbids(action));
        let reason = link
            .forbids(product, action)
            .or(is_quarantined.then_some(Reason::Quarantined))
            .or(lane
                .unreadable
                .contains(product)
                .then_some(Reason::UnreadableItem))
            .or(is_kept_back.then_some(Reason::MemberRules));
        if let Some(reason) = reason {
            report.left_alone.push(LeftAlone {
                product: change.product,
                standing,
                wanted: action,
                reason,
            });
            continue;
        }
        match action {
            Action::Allow => allow.insert(change.product),
            Action::Deny => {
                report.removals += usize::from(standing == Standing::Allowed);
                deny.insert(change.product)
            }
        };
    }
    (Plan { allow, deny }, report)
}
