//! The plan of a link: what would be changed on the member experience, and why each other product
//! that differs is left alone. Pure: the same inputs give the same plan and the same hash.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::batch::BATCH;
use crate::ids::ProductId;
use crate::lane::MemberRules;
use crate::link::{LinkPolicy, Mode};
use crate::policy::{Action, PolicySnapshot, Standing};

/// Allow or deny of one product.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProductChange {
    /// The product.
    pub product: ProductId,
    /// What is done to it.
    pub action: Action,
}

/// What is to be changed on one member experience. At most one change for each product.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    allow: BTreeSet<ProductId>,
    deny: BTreeSet<ProductId>,
}

/// The hash of a plan, by which it is approved and compared: SHA-256 in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct PlanHash(String);

/// Text that is no plan's hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the hash of a plan: 64 hexadecimal digits")]
pub struct InvalidHash(String);

impl std::str::FromStr for PlanHash {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if text.len() == 64 && digits(text) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(InvalidHash(text.to_owned()))
        }
    }
}

impl fmt::Display for PlanHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Plan {
    /// A plan of these changes. A product that is in both is denied.
    pub fn new(mut allow: BTreeSet<ProductId>, deny: BTreeSet<ProductId>) -> Self {
        allow.retain(|product| !deny.contains(product));
        Self { allow, deny }
    }

    /// The products to be allowed.
    pub fn allow(&self) -> &BTreeSet<ProductId> {
        &self.allow
    }

    /// The products to be denied.
    pub fn deny(&self) -> &BTreeSet<ProductId> {
        &self.deny
    }

    /// How many changes there are.
    pub fn len(&self) -> usize {
        self.allow.len() + self.deny.len()
    }

    /// True when nothing is to be changed.
    pub fn is_empty(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty()
    }

    /// True when the plan has this very change.
    pub fn contains(&self, change: &ProductChange) -> bool {
        match change.action {
            Action::Allow => self.allow.contains(&change.product),
            Action::Deny => self.deny.contains(&change.product),
        }
    }

    /// True when the other plan has every change of this one.
    pub fn is_part_of(&self, other: &Self) -> bool {
        self.allow.is_subset(&other.allow) && self.deny.is_subset(&other.deny)
    }

    /// How many changes do the opposite of what the other plan does.
    pub fn opposites(&self, other: &Self) -> usize {
        self.allow.intersection(&other.deny).count() + self.deny.intersection(&other.allow).count()
    }

    /// The plan without these products.
    #[must_use]
    pub fn without(mut self, products: &BTreeSet<ProductId>) -> Self {
        self.allow.retain(|product| !products.contains(product));
        self.deny.retain(|product| !products.contains(product));
        self
    }

    /// The fewest change sets that can carry this plan: a change set takes one Allow and one Deny
    /// change of 50 products each (Private Marketplace reference).
    pub fn fewest_change_sets(&self) -> usize {
        self.allow
            .len()
            .div_ceil(BATCH)
            .max(self.deny.len().div_ceil(BATCH))
    }

    /// SHA-256 over the sorted changes, one on a line.
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
        PlanHash(
            hasher
                .finalize()
                .iter()
                .fold(String::with_capacity(64), |mut text, byte| {
                    use fmt::Write as _;
                    let _ = write!(text, "{byte:02x}");
                    text
                }),
        )
    }

    /// The changes in the order in which they are sent: in turn as many allows and denies as one
    /// change set takes, so that the first messages that arrive make a full one.
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

/// Why a product that differs is left as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reason {
    /// The link only observes.
    Observe,
    /// The link only allows.
    Additive,
    /// The link never denies this product.
    Protected,
    /// The link never touches this product.
    Excluded,
    /// Its change failed by itself and waits in the dead-letter queue.
    Quarantined,
    /// The link is frozen.
    Frozen,
    /// AWS Marketplace does not have it (any more).
    NotLive,
    /// Whether AWS Marketplace has it is not known yet, and the link requires that it is.
    LiveUnknown,
    /// The member's own rules forbid it.
    MemberRules,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Observe => "observe",
            Self::Additive => "additive",
            Self::Protected => "protected",
            Self::Excluded => "excluded",
            Self::Quarantined => "quarantined",
            Self::Frozen => "frozen",
            Self::NotLive => "not-live",
            Self::LiveUnknown => "live-unknown",
            Self::MemberRules => "member-rules",
        })
    }
}

/// A product that differs and is not changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LeftAlone {
    /// The product.
    pub product: ProductId,
    /// Where it stands in the member experience.
    pub standing: Standing,
    /// What would be done to it.
    pub wanted: Action,
    /// Why it is not.
    pub reason: Reason,
}

/// What a plan does not say: why products are left alone, and what is odd about the lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "an unread report helps nobody"]
pub struct Report {
    /// Products that differ and are not changed, in the order of their ids.
    pub left_alone: Vec<LeftAlone>,
    /// Planned denies of products that are allowed now: people lose them.
    pub removals: usize,
    /// Products that the management policy both allows and denies; they count as denied.
    pub contradictory: BTreeSet<ProductId>,
    /// Planned allows of products of which nobody could say whether they are live.
    pub unchecked: usize,
}

/// What a plan needs to know of the lane: the changes that are being applied, and those that wait
/// for somebody to look at them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LaneView {
    /// The changes of the change set that is starting or in flight.
    pub in_flight: Vec<ProductChange>,
    /// The quarantined changes.
    pub quarantined: Vec<ProductChange>,
    /// The member's own rules, as its worker last found them.
    pub member: Option<MemberRules>,
}

impl LinkPolicy {
    /// What the link wants done to a product, given where it stands; nothing when it is in place.
    ///
    /// A product that is listed nowhere in the management experience must not be procurable: where
    /// the member allows it, it is denied; where the member denies it or does not list it, it is in
    /// place (there is no un-list, so Deny lists are compared as supersets only).
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

    /// Why the link may not do this, if it may not.
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

    /// True when a change that was planned earlier is still what the link would do today.
    pub fn agrees(&self, desired: &PolicySnapshot, change: &ProductChange) -> bool {
        let still_wanted = match desired.standing(&change.product) {
            Standing::Allowed => change.action == Action::Allow,
            Standing::Denied | Standing::Unlisted => change.action == Action::Deny,
        };
        still_wanted && self.forbids(&change.product, change.action).is_none()
    }
}

/// What has to change so that the member experience (`actual`) equals the management experience
/// (`desired`) as far as the link goes.
///
/// What differs from the real policy, **or from the real policy as it will be once the batch in
/// flight is applied**, is in the plan: a change in flight may be the opposite of what is wanted now.
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
