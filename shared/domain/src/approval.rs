//! Holds, approvals and grants.

pub mod people;
pub mod rejection;

pub use self::people::{NO_PRINCIPAL, People, Principal, has_approved};
pub use self::rejection::{RejectedChanges, RejectedPart, Rejection};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::guard::reason::HoldReason;
use crate::hint::{Advice, Hint};
use crate::ids::{ExperienceId, LaneId, PlanHash, ProductId, RunId};
pub use crate::undo::Undo;

/// Who requested something, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Ask {
    /// The requester, as the request says. The operator's command sends the ARN of the principal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The account whose credentials sent the request, as the bus says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// When it was requested.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub at: Timestamp,
    /// Why, in the words of the requester.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The part of a plan that waits for approval. The run's record of the link contains its products.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Hold {
    /// The run that made the plan. An approval covers what its record shows.
    pub run: RunId,
    /// Hash of what is held.
    pub plan_hash: PlanHash,
    /// Why it is held.
    pub reasons: Vec<HoldReason>,
    /// Number of allows that are held.
    pub allow: usize,
    /// Number of denies that are held.
    pub deny: usize,
    /// Denies of products that the member allows.
    pub removals: usize,
    /// When the hold began.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Time"))]
    pub since: Timestamp,
    /// True once it has been announced.
    #[serde(default)]
    pub announced: bool,
    /// How much of it was rejected before, and by whom. If that is all of it, it stays held, and is not
    /// announced again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<RejectedPart>,
    /// The approvals so far, if it takes several people. They execute nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Ask>,
    /// True if the run has overridden a freeze: its approval executes what was shown although the link is
    /// frozen.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overrides: bool,
}

impl Hold {
    /// Number of changes that are held.
    pub fn changes(&self) -> usize {
        self.allow + self.deny
    }

    /// True if all of it was rejected.
    pub fn is_rejected(&self) -> bool {
        let rejected = self.rejected.as_ref();
        rejected.is_some_and(|rejected| rejected.changes >= self.changes())
    }

    /// True if the other hold means the same, so that the command that was shown stays valid. The
    /// numbers in the reasons may differ.
    pub fn is_same(&self, other: &Self) -> bool {
        let reasons = self.reasons.iter().map(HoldReason::identity);
        let others = other.reasons.iter().map(HoldReason::identity);
        self.plan_hash == other.plan_hash && reasons.eq(others)
    }

    /// Who rejected it, if all of it was rejected.
    pub fn rejection(&self) -> Option<&Ask> {
        let rejected = self.rejected.as_ref().filter(|_| self.is_rejected());
        rejected.map(|rejected| &rejected.ask)
    }

    /// What the plan takes back, if it is a rollback.
    pub fn undo(&self) -> Option<Undo> {
        self.reasons.iter().find_map(HoldReason::undo)
    }

    /// The command that releases it.
    pub fn approve(&self, experience: &ExperienceId) -> Hint {
        Hint::Approve {
            run: self.run,
            member: None,
            experience: experience.clone(),
            plan_hash: self.plan_hash.clone(),
        }
    }
}

/// A grant: what its run's record shows as held may be executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The run whose record shows what was held.
    pub run: RunId,
    /// Who approved it, the last one if it took several people.
    pub ask: Ask,
    /// Who approved it before, if it took several people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Ask>,
    /// The run that executed it, or first tried to.
    pub executed: RunId,
    /// True if it is executed although the link is frozen.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overrides: bool,
    /// What was approved before, and was not done by then, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<EarlierGrant>,
}

/// The most approvals that are carried out at the same time on a lane, besides the last one.
const MOST_EARLIER: usize = 9;

/// A grant that was not done when something else was approved: it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierGrant {
    /// The run whose record shows what was held.
    pub run: RunId,
    /// The run that executed it, or first tried to.
    pub executed: RunId,
    /// True if it is executed although the link is frozen.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overrides: bool,
}

impl Grant {
    /// This grant, after another one that is not done. Of very many only the newest go on.
    #[must_use]
    pub fn after(mut self, other: &Self) -> Self {
        let last = EarlierGrant {
            run: other.run,
            executed: other.executed,
            overrides: other.overrides,
        };
        let all = other.before.iter().copied().chain([last]);
        self.before = all.filter(|earlier| earlier.run != self.run).collect();
        let beyond = self.before.len().saturating_sub(MOST_EARLIER);
        self.before.drain(..beyond);
        self
    }

    /// True if what this run shows may be executed.
    pub fn covers(&self, run: RunId) -> bool {
        self.run == run || self.before.iter().any(|earlier| earlier.run == run)
    }

    /// True if something of it is executed although the link is frozen.
    pub fn overrides_any(&self) -> bool {
        self.overrides || self.before.iter().any(|earlier| earlier.overrides)
    }
}

/// What an operator decides about a hold, or requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ApprovalAction {
    /// Execute the plan that was shown.
    Approve,
    /// Leave the plan held, and do not announce it again.
    Reject,
    /// Plan a rollback to the lists before the run, and hold it.
    Restore,
    /// Plan to take back what the run changed, and nothing that came later, and hold it.
    Revert,
}

impl ApprovalAction {
    /// The kind of the request in the record of a run.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Approve => "approval-requested",
            Self::Reject => "rejection-requested",
            Self::Restore => "restore-requested",
            Self::Revert => "revert-requested",
        }
    }

    /// What a request of this kind takes back. None for an answer to a hold.
    pub fn undo(self, run: RunId) -> Option<Undo> {
        match self {
            Self::Approve | Self::Reject => None,
            Self::Restore => Some(Undo::Restore(run)),
            Self::Revert => Some(Undo::Revert(run)),
        }
    }
}

/// A request about a hold, or for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalRequest {
    /// Approve, reject, restore or revert.
    pub action: ApprovalAction,
    /// Member account and member experience.
    pub lane: LaneId,
    /// The run whose plan was shown. For a rollback, the run before which the lists are wanted
    /// back, or whose changes are to be taken back.
    pub run: RunId,
    /// The hash of the plan that was shown. None for a rollback, which is not planned yet.
    pub plan_hash: Option<PlanHash>,
    /// Id of the request, by which its run is found.
    pub request_id: Option<String>,
    /// The requester, as the request says: an ARN if the operator's command sent it.
    pub requester: Option<String>,
    /// The account whose credentials sent it, as the bus reports it.
    pub account: Option<String>,
    /// Why, in the words of the requester.
    pub reason: Option<String>,
}

/// The result of a request about a hold, in the record of the link of the run that served it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Approval {
    /// Approve, reject, restore or revert.
    pub action: ApprovalAction,
    /// The run whose plan was shown, before which the lists are wanted back, or whose changes are to be
    /// taken back.
    pub of: RunId,
    /// The hash of the plan that was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_hash: Option<PlanHash>,
    /// Who requested it, and when.
    pub ask: Ask,
    /// Why it was refused. Nothing was changed then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// The commands to continue with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<Hint>,
    /// Of a revert: products that the run changed and that keep their state, because a later run has
    /// changed them since.
    #[serde(default, skip_serializing_if = "KeptProducts::is_empty")]
    pub kept: KeptProducts,
    /// Of an approval that executes nothing yet: how many people have approved, of those that it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub people: Option<PeopleSoFar>,
}

/// How many people have approved, of those that it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PeopleSoFar {
    /// Number of people that have approved.
    pub approved: usize,
    /// Number of people that it takes.
    pub needed: usize,
}

/// The most products that a record names as left as they are.
const MOST_KEPT: usize = 200;

/// Products that are left as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KeptProducts {
    /// Their number.
    pub count: usize,
    /// The first 200 of them.
    pub products: Vec<ProductId>,
}

impl KeptProducts {
    /// These products.
    pub fn new(products: impl IntoIterator<Item = ProductId>) -> Self {
        let mut kept = Self::default();
        for product in products {
            kept.count += 1;
            if kept.products.len() < MOST_KEPT {
                kept.products.push(product);
            }
        }
        kept
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl Approval {
    /// Why it was refused, and the next step.
    pub fn refusal(&self) -> Option<Advice> {
        let advice = Advice::new(self.refused.as_deref()?);
        let hints = self.hints.iter().cloned();
        Some(hints.fold(advice, |advice, hint| advice.or_by("go on with", hint)))
    }
}

/// The refusal of a request, with the commands to continue with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The reason, as a sentence.
    pub why: String,
    /// The commands.
    pub hints: Vec<Hint>,
}

impl<T: Into<String>> From<T> for Refused {
    fn from(why: T) -> Self {
        Self {
            why: why.into(),
            hints: Vec::new(),
        }
    }
}

impl Refused {
    /// The refusal of a request about a hold that its lane does not have.
    pub fn stale<'a>(lane: &LaneId, held: impl IntoIterator<Item = &'a Hold>) -> Self {
        let held = held.into_iter();
        let hints: Vec<_> = held.map(|hold| hold.approve(&lane.experience)).collect();
        let why = if hints.is_empty() {
            format!("nothing is held on {lane}")
        } else {
            format!("another plan than the one that was named is held on {lane}")
        };
        Self { why, hints }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::plan::Plan;

    fn hold(product: &str, reasons: Vec<HoldReason>) -> Hold {
        Hold {
            run: RunId::next(None, 1, 1),
            plan_hash: Plan::new(BTreeSet::from([product.parse().unwrap()]), BTreeSet::new())
                .hash(),
            reasons,
            allow: 1,
            deny: 0,
            removals: 0,
            since: Timestamp::UNIX_EPOCH,
            announced: false,
            rejected: None,
            approvals: Vec::new(),
            overrides: false,
        }
    }

    fn first(removals: usize) -> HoldReason {
        HoldReason::FirstMirror {
            removals,
            allowed: 9,
        }
    }

    #[test]
    fn a_hold_stays_the_same_while_plan_and_guards_do() {
        let one = hold("a", vec![first(1)]);
        assert!(one.is_same(&one));
        assert!(
            one.is_same(&hold("a", vec![first(7)])),
            "only a number differs"
        );
        assert!(!one.is_same(&hold("b", vec![first(1)])));
        let allow = 1;
        assert!(!one.is_same(&hold("a", vec![HoldReason::FirstPolicy { allow }])));
        assert!(!one.is_same(&hold(
            "a",
            vec![first(1), HoldReason::FirstPolicy { allow }]
        )));
        assert!(!one.is_same(&hold("b", vec![HoldReason::FirstPolicy { allow }])));
    }

    #[test]
    fn a_hold_because_of_another_management_experience_is_another_hold() {
        let archived = |name: &str| HoldReason::ManagementArchived {
            experience: Some(name.parse().unwrap()),
        };
        let one = hold("a", vec![archived("exp-a")]);
        assert!(one.is_same(&hold("a", vec![archived("exp-a")])));
        assert!(!one.is_same(&hold("a", vec![archived("exp-b")])));
    }

    #[test]
    fn only_a_rollback_takes_something_back() {
        let run = RunId::next(None, 5, 5);
        for undo in [Undo::Restore(run), Undo::Revert(run)] {
            let rollback = hold("a", vec![first(1), undo.reason()]);
            assert_eq!(rollback.undo(), Some(undo));
            assert_eq!(undo.run(), run);
            assert!(undo.to_string().contains(&run.to_string()), "{undo}");
        }
        assert_eq!(hold("a", vec![first(1)]).undo(), None);
    }

    #[test]
    fn a_request_that_was_refused_says_why_and_how_to_go_on() {
        let hold = hold("a", vec![first(1)]);
        let lane: LaneId = "222222222222/exp-1".parse().unwrap();
        let refused = Refused::stale(&lane, [&hold]);
        let approve = hold.approve(&lane.experience);
        assert_eq!(refused.hints, [approve]);
        assert!(refused.why.starts_with("another plan"), "{}", refused.why);
        let nothing = Refused::stale(&lane, []);
        assert_eq!(nothing.why, "nothing is held on 222222222222/exp-1");
        let approval = |refused: Option<Refused>| {
            let (why, hints) = refused.map(|refused| (refused.why, refused.hints)).unzip();
            Approval {
                action: ApprovalAction::Approve,
                of: hold.run,
                plan_hash: None,
                ask: Ask {
                    by: None,
                    account: None,
                    at: Timestamp::UNIX_EPOCH,
                    reason: None,
                },
                refused: why,
                hints: hints.unwrap_or_default(),
                kept: KeptProducts::default(),
                people: None,
            }
        };
        let advice = approval(Some(refused.clone())).refusal().unwrap();
        assert_eq!(advice.hints(), refused.hints);
        assert!(advice.to_string().starts_with(&refused.why), "{advice}");
        assert_eq!(
            approval(None).refusal().map(|advice| advice.to_string()),
            None
        );
    }

    #[test]
    fn each_action_is_a_kind_of_request_of_its_own() {
        let actions = [
            (ApprovalAction::Approve, "approval-requested"),
            (ApprovalAction::Reject, "rejection-requested"),
            (ApprovalAction::Restore, "restore-requested"),
            (ApprovalAction::Revert, "revert-requested"),
        ];
        for (action, kind) in actions {
            assert_eq!(action.kind(), kind);
        }
    }

    #[test]
    fn only_a_request_for_a_rollback_takes_something_back() {
        let run = RunId::next(None, 5, 5);
        for (action, undo) in [
            (ApprovalAction::Approve, None),
            (ApprovalAction::Reject, None),
            (ApprovalAction::Restore, Some(Undo::Restore(run))),
            (ApprovalAction::Revert, Some(Undo::Revert(run))),
        ] {
            assert_eq!(action.undo(run), undo, "{action:?}");
        }
    }

    #[test]
    fn so_many_kept_products_are_named_and_all_are_counted() {
        let kept = |count: usize| {
            let ids = (0..count).map(|number| format!("prod-{number:03}").parse().unwrap());
            KeptProducts::new(ids)
        };
        for (count, named) in [(0, 0), (1, 1), (200, 200), (201, 200)] {
            let kept = kept(count);
            assert_eq!((kept.count, kept.products.len()), (count, named));
            assert_eq!(kept.is_empty(), count == 0, "{count}");
        }
        assert_eq!(kept(201).products, kept(200).products, "the first ones");
    }
}
