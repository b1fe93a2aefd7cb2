//! Holds as `--json` tells them, wherever it does.

use std::collections::BTreeSet;

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::approval::{Ask, Hold};
use pmp_sync_domain::guard::{GuardName, HoldReason};
use pmp_sync_domain::ids::{AccountId, ExperienceId, MemberName, PlanHash, ProductId, RunId};
use pmp_sync_domain::plan::Plan;
use pmp_sync_domain::schema::Time;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Known, rollback};

/// What is held, and what is frozen.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct HoldsAnswer {
    /// The plans that wait for approval.
    pub(super) holds: Vec<HoldAnswer>,
    /// The links that are frozen.
    pub(super) frozen: Vec<Frozen>,
}

/// A plan that waits for approval.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct HoldAnswer {
    /// The member; null if its lane was never planned for.
    member: Option<MemberName>,
    /// Its account.
    account: AccountId,
    /// Its experience.
    experience: ExperienceId,
    /// The experience that it follows.
    management_experience: Option<ExperienceId>,
    /// The run that made the plan.
    run: RunId,
    /// The plan's hash.
    plan_hash: PlanHash,
    /// Since when it is held.
    #[schemars(with = "Time")]
    since: Timestamp,
    /// Planned allows.
    allow: usize,
    /// Planned denies.
    deny: usize,
    /// Of these, those of products that the member allows.
    removals: usize,
    /// The run before which the lists are wanted back, if it is a rollback.
    restores: Option<RunId>,
    /// Why it is held.
    reasons: Vec<ReasonAnswer>,
    /// Who has rejected it: it stays held, and nobody is asked again.
    rejected: Option<Ask>,
    /// The command that releases it.
    approve: String,
    /// The products, if they are asked for; null once the run's record has expired.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[expect(
        clippy::option_option,
        reason = "not asked for is one thing, asked for and not there another"
    )]
    pub(super) products: Option<Option<Products>>,
}

/// What a plan would change.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Products {
    /// The products to be allowed.
    allow: BTreeSet<ProductId>,
    /// The products to be denied.
    deny: BTreeSet<ProductId>,
}

/// Why a plan is held.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ReasonAnswer {
    /// The stable code; docs/errors has its page.
    code: &'static str,
    /// The guard; null for what somebody has asked for.
    guard: Option<GuardName>,
    /// Why, in words.
    message: String,
    /// What to do, unless the plan is right as it is.
    what_to_do: &'static str,
    /// Why, in numbers.
    details: HoldReason,
}

/// A link that is frozen.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Frozen {
    /// The member; null if its lane was never planned for.
    member: Option<MemberName>,
    /// Its account.
    account: AccountId,
    /// Its experience.
    experience: ExperienceId,
    /// Since when a run has seen it.
    #[schemars(with = "Time")]
    since: Timestamp,
    /// For how long that is, in seconds.
    seconds: i64,
}

impl HoldAnswer {
    /// A hold on a link.
    pub(crate) fn new(known: &Known, hold: &Hold) -> Self {
        let entry = known.entry.as_ref();
        Self {
            member: known.member().cloned(),
            account: known.lane.account.clone(),
            experience: known.lane.experience.clone(),
            management_experience: entry.map(|entry| entry.management_experience.clone()),
            run: hold.run,
            plan_hash: hold.plan_hash.clone(),
            since: hold.since,
            allow: hold.allow,
            deny: hold.deny,
            removals: hold.removals,
            restores: rollback(hold),
            reasons: ReasonAnswer::all(&hold.reasons),
            rejected: hold.rejected.clone(),
            approve: known.approve(hold),
            products: None,
        }
    }
}

impl Products {
    /// What a plan would change.
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            allow: plan.allow().clone(),
            deny: plan.deny().clone(),
        }
    }
}

impl ReasonAnswer {
    /// Reasons with their codes, words and ways forward.
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

impl Frozen {
    /// A link that is frozen since a time.
    pub(super) fn new(known: &Known, since: Timestamp, now: Timestamp) -> Self {
        Self {
            member: known.member().cloned(),
            account: known.lane.account.clone(),
            experience: known.lane.experience.clone(),
            since,
            seconds: now.as_second().saturating_sub(since.as_second()).max(0),
        }
    }
}
