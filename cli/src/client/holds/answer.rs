//! Holds in the form of `--json`, for every command.

use std::collections::BTreeSet;
use std::fmt;

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::approval::{Ask, Hold, RejectedPart, Undo};
use pmp_sync_domain::guard::{GuardName, HoldReason};
use pmp_sync_domain::ids::{AccountId, ExperienceId, MemberName, PlanHash, ProductId, RunId};
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::schema::Time;
use schemars::JsonSchema;
use serde::Serialize;

use super::Known;
use super::left::AllLeft;
use crate::hint::Flags;

/// The part of a plan that waits for approval.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct HoldAnswer {
    /// The member. Null if its lane was never planned for.
    member: Option<MemberName>,
    /// The member account.
    account: AccountId,
    /// The member experience.
    experience: ExperienceId,
    /// The management experience that it follows. The first, if it follows several.
    management_experience: Option<ExperienceId>,
    /// All management experiences that it follows, if there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    management_experiences: Vec<ExperienceId>,
    /// The run whose record shows the plan.
    run: RunId,
    /// Hash of what is held.
    plan_hash: PlanHash,
    /// When the hold began.
    #[schemars(with = "Time")]
    since: Timestamp,
    /// Number of allows that are held.
    allow: usize,
    /// Number of denies that are held.
    deny: usize,
    /// Number of denies of products that the member allows.
    removals: usize,
    /// The run before which the lists are wanted back, if it is a rollback.
    restores: Option<RunId>,
    /// The run whose changes are taken back, if it is the reversal of one.
    reverts: Option<RunId>,
    /// The reasons of the hold.
    reasons: Vec<ReasonAnswer>,
    /// How many of these changes were rejected before, and by whom. If all were, it stays held, and is not announced again.
    rejected: Option<RejectedPart>,
    /// The approvals so far, if it takes two people. They execute nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    approvals: Vec<Ask>,
    /// True if an approval executes it although the link is frozen, because the run has overridden the freeze.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    overrides: bool,
    /// The command that approves the plan.
    approve: String,
    /// The command that approves this plan on all links that have it, if there are several. Only `holds` has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) approve_all: Option<String>,
    /// The products, with `--products`. Null once the record of the run has expired.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[expect(
        clippy::option_option,
        reason = "not asked for is one thing, asked for and not there another"
    )]
    pub(crate) products: Option<Option<Products>>,
}

/// The products of a plan.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Products {
    /// Products to allow.
    allow: BTreeSet<ProductId>,
    /// Products to deny.
    deny: BTreeSet<ProductId>,
    /// How products to deny left the management list, by id. One of which nothing is on record is left out.
    #[serde(skip_serializing_if = "AllLeft::is_empty")]
    left_list: AllLeft,
}

/// A reason of a hold.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ReasonAnswer {
    /// The stable code. docs/errors has a page for it.
    code: &'static str,
    /// The guard that objects. Null for a rollback, and for what was rejected before.
    guard: Option<GuardName>,
    /// The reason, as a sentence.
    message: String,
    /// What to do if the plan is a mistake.
    what_to_do: &'static str,
    /// The reason with its numbers.
    details: HoldReason,
}

/// The run before which the lists are wanted back, if the plan is a rollback to them.
pub(crate) fn restores(hold: &Hold) -> Option<RunId> {
    match hold.undo() {
        Some(Undo::Restore(run)) => Some(run),
        Some(Undo::Revert(_)) | None => None,
    }
}

/// The run whose changes are taken back, if the plan is the reversal of one.
pub(crate) fn reverts(hold: &Hold) -> Option<RunId> {
    match hold.undo() {
        Some(Undo::Revert(run)) => Some(run),
        Some(Undo::Restore(_)) | None => None,
    }
}

impl HoldAnswer {
    pub(crate) fn new(known: &Known, hold: &Hold, flags: &Flags) -> Self {
        let entry = known.entry.as_ref();
        Self {
            member: known.member().cloned(),
            account: known.lane.account.clone(),
            experience: known.lane.experience.clone(),
            management_experience: entry.map(|entry| entry.sources.first().clone()),
            management_experiences: entry.map(|of| of.sources.several()).unwrap_or_default(),
            run: hold.run,
            plan_hash: hold.plan_hash.clone(),
            since: hold.since,
            allow: hold.allow,
            deny: hold.deny,
            removals: hold.removals,
            restores: restores(hold),
            reverts: reverts(hold),
            reasons: ReasonAnswer::all(&hold.reasons),
            rejected: hold.rejected.clone(),
            approvals: hold.approvals.clone(),
            overrides: hold.overrides,
            approve: known.approve(hold, flags),
            approve_all: None,
            products: None,
        }
    }
}

impl Products {
    /// The products of a plan.
    pub(crate) fn new(plan: &Plan, left_list: AllLeft) -> Self {
        Self {
            allow: plan.allow().clone(),
            deny: plan.deny().clone(),
            left_list,
        }
    }
}

impl fmt::Display for ReasonAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl ReasonAnswer {
    pub(crate) fn all(reasons: &[HoldReason]) -> Vec<Self> {
        let of_one = |reason: &HoldReason| Self {
            code: reason.code(),
            guard: reason.guard(),
            message: reason.to_string(),
            what_to_do: reason.remedy(),
            details: reason.clone(),
        };
        reasons.iter().map(of_one).collect()
    }
}
