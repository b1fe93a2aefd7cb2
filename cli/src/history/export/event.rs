//! An event of the history, as it is exported.

use pmp_sync_domain::Timestamp;
use pmp_sync_domain::approval::{Approval, ApprovalAction};
use pmp_sync_domain::error::FaultRecord;
use pmp_sync_domain::ids::{ChangeSetId, ExperienceId, MemberName, PlanHash, ProductId, RunId};
use pmp_sync_domain::link::Mode;
use pmp_sync_domain::plan::LeftAlone;
use pmp_sync_domain::records::{DeadLetterRecord, LinkRecord, SetOutcome};
use pmp_sync_domain::run::{LinkStatus, RunStatus, Totals};
use pmp_sync_domain::schema::Time;
use pmp_sync_domain::wire::Scope;
use schemars::JsonSchema;
use serde::Serialize;

use crate::holds::ReasonAnswer;

/// One event of a run.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Event<'a> {
    /// The schema of the release that wrote it.
    pub(super) schema: u32,
    /// When.
    #[schemars(with = "Time")]
    pub(super) at: Timestamp,
    /// The run.
    pub(super) run: RunId,
    /// The lane: account and experience, with a slash between them; null where it is not about one.
    pub(super) lane: Option<String>,
    /// The member; null where it is not about one.
    pub(super) member: Option<&'a MemberName>,
    #[serde(flatten)]
    pub(super) what: What<'a>,
}

/// What happened.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(super) enum What<'a> {
    /// Somebody or something asked for the run.
    Requested {
        /// What kind of request.
        kind: &'a str,
        /// Its own id.
        request_id: Option<&'a str>,
        /// Who asked, as the request says.
        requester: Option<&'a str>,
        /// The account whose credentials sent it, as the bus says.
        account: Option<&'a str>,
        /// Why frozen links are planned for as if they were not.
        override_reason: Option<&'a str>,
        /// What the override is about.
        override_scope: Option<&'a Scope>,
        /// The version of the configuration that the run went by.
        config_version: u64,
    },
    /// A held plan was approved.
    Approved(ApprovalEvent<'a>),
    /// A held plan was rejected.
    Rejected(ApprovalEvent<'a>),
    /// A rollback was planned, and held.
    RestorePlanned(ApprovalEvent<'a>),
    /// A rollback was asked for, and the lists are what they were.
    NothingToRestore(ApprovalEvent<'a>),
    /// A request about a hold was refused.
    Refused(ApprovalEvent<'a>),
    /// What a plan would change.
    Planned {
        /// The experience that the link follows.
        management_experience: &'a ExperienceId,
        /// How far the link may go.
        mode: Mode,
        /// What became of the link.
        status: LinkStatus,
        /// The plan's hash.
        plan_hash: &'a PlanHash,
        /// The products to be allowed.
        allow: &'a [ProductId],
        /// The products to be denied.
        deny: &'a [ProductId],
        /// Of these, those that are allowed at the time.
        removals: usize,
        /// Products that differ and are left alone.
        left_alone: &'a [LeftAlone],
        /// Products that the management policy both allows and denies.
        contradictory: &'a [ProductId],
    },
    /// A guard held the plan, or all that could be known of the link.
    Held {
        /// The run that made the plan.
        held_by: Option<RunId>,
        /// Since when it is held.
        #[schemars(with = "Option<Time>")]
        since: Option<Timestamp>,
        /// The plan's hash.
        plan_hash: Option<&'a PlanHash>,
        /// Planned allows.
        allow: Option<usize>,
        /// Planned denies.
        deny: Option<usize>,
        /// Of these, those of products that the member allows.
        removals: Option<usize>,
        /// The run before which the lists are wanted back, if it is a rollback.
        restores: Option<RunId>,
        /// Why it is held.
        reasons: Option<Vec<ReasonAnswer>>,
        /// Why nothing is known of the plan.
        fault: Option<&'a FaultRecord>,
    },
    /// A change set has ended.
    ChangeSet {
        /// The intent's number on its lane.
        seq: u64,
        /// The change set.
        change_set: &'a ChangeSetId,
        /// How it ended.
        outcome: SetOutcome,
        /// What the service said of it.
        detail: Option<&'a str>,
        /// The products that it was to allow.
        allow: &'a [ProductId],
        /// The products that it was to deny.
        deny: &'a [ProductId],
        /// When it was started, or last tried to be.
        #[schemars(with = "Time")]
        started_at: Timestamp,
    },
    /// A plan became the lane's.
    Committed(Counted<'a>),
    /// A plan was the lane's already.
    Underway(Counted<'a>),
    /// The link is suspended.
    Suspended(Counted<'a>),
    /// The link has left the configuration, and what was open was closed.
    Removed,
    /// The link failed.
    Failed {
        /// Why.
        fault: Option<&'a FaultRecord>,
    },
    /// A dead letter was looked at.
    DeadLetter {
        /// What became of it.
        letter: &'a DeadLetterRecord,
    },
    /// Nothing more comes of the run.
    Ended {
        /// How it ended.
        status: RunStatus,
        /// What it amounts to.
        totals: Totals,
        /// Why no link could be looked at.
        fault: Option<&'a FaultRecord>,
    },
}

/// What became of a request about a hold.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ApprovalEvent<'a> {
    /// What was wanted.
    wanted: ApprovalAction,
    /// The run whose plan was shown, or before which the lists are wanted back.
    of: RunId,
    /// The hash of the plan that was shown.
    plan_hash: Option<&'a PlanHash>,
    /// Who asked, as the request says.
    requester: Option<&'a str>,
    /// The account whose credentials sent it, as the bus says.
    account: Option<&'a str>,
    /// Why it was refused.
    why: Option<&'a str>,
}

impl<'a> ApprovalEvent<'a> {
    pub(super) fn new(approval: &'a Approval) -> Self {
        Self {
            wanted: approval.action,
            of: approval.of,
            plan_hash: approval.plan_hash.as_ref(),
            requester: approval.ask.by.as_deref(),
            account: approval.ask.account.as_deref(),
            why: approval.refused.as_deref(),
        }
    }
}

/// A plan by its hash and its numbers.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Counted<'a> {
    /// The plan's hash.
    plan_hash: Option<&'a PlanHash>,
    /// Planned allows.
    allow: usize,
    /// Planned denies.
    deny: usize,
}

impl<'a> Counted<'a> {
    pub(super) fn new(link: &'a LinkRecord) -> Self {
        Self {
            plan_hash: link.plan_hash.as_ref(),
            allow: link.allow.len(),
            deny: link.deny.len(),
        }
    }
}
